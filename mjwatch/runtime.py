"""The composition root: builds, starts and stops every object, for the daemon, the Python API and the CLI."""

from __future__ import annotations

import os
import random
import secrets
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mjwatch.config import config_option, with_option
from mjwatch.diagnostics.wire_log import WireLog
from mjwatch.discord.allowed_hosts import token_may_go_to
from mjwatch.discord.cdn import CDN, AttachmentUploads
from mjwatch.discord.connection import WebsocketConnection
from mjwatch.discord.protocol import snowflake
from mjwatch.discord.rest import DiscordREST
from mjwatch.discord.session import GatewaySession
from mjwatch.engine.loop import Engine
from mjwatch.engine.queue import EventQueue
from mjwatch.errors import ConfigError, JournalError, OutboxError
from mjwatch.events import ClockCompared, InboxScanned, OutboxTried, RequestsPending
from mjwatch.filesystem.probe import free_space
from mjwatch.gallery.gallery import GALLERY_FOLDER, Gallery
from mjwatch.gallery.updater import GalleryUpdater
from mjwatch.host.lock import account_lock, daemon_lock, inbox_lock
from mjwatch.host.metrics import MetricsFile
from mjwatch.host.platform import host_name, machine_id
from mjwatch.host.running import WakeupListener
from mjwatch.host.systemd import Liveness
from mjwatch.inbox.inbox import Inbox
from mjwatch.inbox.ownership import Owner, Ownership, OwnershipFacts
from mjwatch.inbox.reading import NOTE_FILE
from mjwatch.jobs.pacing import Pace
from mjwatch.jobs.transitions import Timeouts
from mjwatch.journal.overview import overview
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader, TakenFile
from mjwatch.journal.statistics import statistics
from mjwatch.journal.writer import Journal
from mjwatch.midjourney.channel import Channel
from mjwatch.model import ID_ALPHABET
from mjwatch.outbox.manifest import OutboxChannel
from mjwatch.outbox.publisher import Outbox
from mjwatch.outbox.status_file import FILE_NAME, StatusFile
from mjwatch.trouble import TroubleKind, trouble_facts
from mjwatch.workers.collector import Collector
from mjwatch.workers.notifier import notifier_of
from mjwatch.workers.pool import WorkerPool
from mjwatch.workers.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.config import Config
    from mjwatch.effects import Effect
    from mjwatch.model import Job
    from mjwatch.settings.secrets import Keys

INBOX_PATIENCE, WORKER_PATIENCE, STATUS_PATIENCE, GALLERY_PATIENCE, HOOK_PATIENCE = 2.0, 8.0, 2.0, 2.0, 3.0
"""Seconds that a scan, a POST or a folder, status.json, the gallery and the hooks get to end."""

STOP_PATIENCE = 17.0
"""Seconds for all of them, where several hang at once; what has not ended then ends with the program."""

LONGEST_TURN = 120.0
"""Seconds within which a loop that is not stalled takes a turn: it waits no longer than a minute."""


class Runtime:
    """A whole mjwatch in this process. Use ``with``: it takes the locks, starts all parts, and stops them."""

    def __init__(
        self,
        config: Config,
        keys: Keys,
        *,
        watch_inbox: bool = True,
        take_over: bool = False,
        accept_existing: bool = False,
    ) -> None:
        """Without ``watch_inbox`` prompt files stay in the inbox; only prompts submitted to the engine run.

        ``[outbox] mode`` is the umask of this whole process as long as it runs.
        ``take_over``: the host that owns the inbox will not come back. ``accept_existing``: the files in an
        inbox that this journal does not know are to be run.
        """
        self.config = config
        self._keys = keys
        self._watch_inbox = watch_inbox
        self._take_over = take_over
        self._accept_existing = accept_existing
        self._stack = ExitStack()
        self._liveness = Liveness(LONGEST_TURN)
        self.resumable = True
        """Whether the gateway's session is to be resumed by a later start."""

    def __enter__(self) -> Runtime:
        with ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop()
        finally:
            self._stack.close()

    def run(self, finished: Callable[[], bool] = lambda: False) -> None:
        """Run the loop in this thread until it is asked to stop or ``finished`` returns True."""
        self.engine.run(finished)

    # ---- how it stands, asked from any thread

    def unhealthy_parts(self) -> list[str]:
        """Return the parts that have ended, or have been busy with one thing for longer than it can take."""
        healthy = {
            "the loop": not self._liveness.stalled,
            "the inbox": self._inbox.healthy or not self._watch_inbox,
            "the gateway": self._connection.healthy,
            "the workers": self._worker.healthy,
            "control": self._wakeups.healthy,
        }
        return [part for part, is_healthy in healthy.items() if not is_healthy]

    @property
    def connected(self) -> bool:
        """Whether the gateway's session is up."""
        return self._connection.connected

    @property
    def started(self) -> bool:
        """Whether inbox and gateway are up, or have shown what they wait for; all wait for a full disk."""
        service = self.engine.service
        if service.journal_fails:
            return True
        scanned = service.inbox_waiting is not None or service.inbox_is_closed
        return scanned and (
            self.connected or service.connection_trouble is not None or service.pause is not None
        )

    # ---- built, started, stopped

    def _build(self, stack: ExitStack) -> None:
        config, keys = self.config, self._keys
        problems = config.folder_problems()
        if problems:
            raise ConfigError("; ".join(problems))
        if config.outbox.mode:
            stack.callback(os.umask, os.umask(0o777 & ~int(config.outbox.mode, 8)))
        journal, ownership = self._locked_journal(stack)
        outbox = Outbox(config.outbox.path, config.state.path)
        outbox.sweep()
        if config.outbox.group:
            outbox.give_to(config.outbox.group)
        gallery = Gallery(config.outbox.path, config.state.path, outbox.check_mounted)
        tried = partial(self._outbox_tried, outbox, GALLERY_FOLDER)
        updater = GalleryUpdater(gallery, repair_first=self._watch_inbox, tried=tried)
        self._gallery = updater if config.outbox.gallery else None
        queue = EventQueue(time.monotonic)
        self._channel = Channel(
            keys.channel_id,
            journal.owner_of,
            config.pace.quiet_time,
            config.midjourney.application_id,
            keys.guild_id,
        )
        keep = config.inbox.after == "keep"
        self._inbox = Inbox(
            config.inbox.path,
            queue.put,
            settle=config.inbox.settle,
            settle_incomplete=config.inbox.settle_incomplete,
            scan_interval=config.inbox.scan_interval,
            keep=keep,
            ownership=ownership,
            max_jobs=config.pace.max_jobs_per_file,
            reading_note=config.state.path / NOTE_FILE,
        )
        self._wire = WireLog(config.state.path, keys.channel_id, time.time)
        stack.enter_context(closing(self._wire))
        self._worker = self._workers(stack, queue, outbox)
        in_inbox = self._inbox.has_file if keep else None
        self.engine = build_engine(config, journal, self._channel, queue, self._worker.perform, in_inbox)
        self.engine.load(patient=True)
        self.engine.on_turn = self._liveness.beat
        also = self._gallery.show_status if self._gallery else lambda status: None
        heartbeat = 60.0 * config.outbox.heartbeat
        self._status = StatusFile(
            config.outbox.path,
            self._summary,
            time.time,
            also,
            partial(self._outbox_tried, outbox, FILE_NAME),
            heartbeat=heartbeat,
        )
        textfile = config.metrics.textfile if self._watch_inbox else ""
        self._metrics = MetricsFile(Path(textfile), self._figures, time.time) if textfile else None
        self.engine.on_event = self._changed
        self._connection = self._gateway(queue)
        self._wakeups = WakeupListener(
            config.state.path, lambda: queue.put(RequestsPending()), self.unhealthy_parts
        )

    def _locked_journal(self, stack: ExitStack) -> tuple[Journal, Ownership]:
        """Take all locks and open the journal; also return who owns the inbox."""
        config, keys = self.config, self._keys
        stack.enter_context(daemon_lock(config.state.path))
        self._journal = journal = stack.enter_context(closing(Journal(config.state.path / JOURNAL_FILE)))
        ownership = self._ownership(journal)
        if self._watch_inbox:
            ownership.claim()  # first, so that a host that is refused has changed nothing
            stack.enter_context(inbox_lock(config.inbox.path, machine_id(journal.identity())))
        stack.enter_context(account_lock(config.discord.api_url, keys.token.reveal(), keys.channel_id))
        return journal, ownership

    def _workers(self, stack: ExitStack, queue: EventQueue, outbox: Outbox) -> WorkerPool:
        """Return the pool of threads that carry out effects, with the connections that they use."""
        config, keys = self.config, self._keys
        token, proxy, allow = keys.token.reveal(), config.discord.proxy, config.discord.allow_hosts
        self.rest = stack.enter_context(
            closing(
                DiscordREST(
                    config.discord.api_url, token, proxy=proxy, allow_hosts=allow, tap=self._wire.http
                )
            )
        )
        cdn = CDN(config.discord.cdn_hosts, proxy=proxy, tap=self._wire.download)
        stack.enter_context(closing(cdn))
        uploads = stack.enter_context(closing(AttachmentUploads(self.rest, proxy=proxy, clock=time.time)))
        self.rest.on_server_time = lambda server: queue.put(ClockCompared(time.time() - server))
        self._notifier = notifier_of(config, keys)
        channel = OutboxChannel(keys.guild_id, keys.channel_id)
        journal_path = config.state.path / JOURNAL_FILE
        return WorkerPool(
            queue.put,
            sender=Sender(
                self.rest,
                uploads,
                channel,
                config.midjourney.application_id,
                lambda job: _images_of(journal_path, job),
            ),
            collector=Collector(
                rest=self.rest,
                cdn=cdn,
                outbox=outbox,
                channel=channel,
                picture_format=config.outbox.format,
                keep_grid=config.outbox.keep_grid,
                embed_prompt=config.outbox.embed_prompt,
                state=config.state.path,
                file_of=lambda job_id: _file_of(journal_path, job_id),
                reading_wait=lambda: self.engine.service.reading_wait(),
                published=self._gallery.published if self._gallery else None,
            ),
            subscribe=self._subscribe,
            probe=lambda: self._connection.probe(),
            remove_file=self._inbox.remove,
            defer_file=self._inbox.defer,
            notify=self._notifier.put,
        )

    def _ownership(self, journal: Journal) -> Ownership:
        inbox = self.config.inbox
        facts = OwnershipFacts(
            known=journal.recall("inbox_owned") == os.fspath(inbox.path),
            has_files=journal.keeps_files(),
            keep=inbox.after == "keep",
            take_over=self._take_over,
            accept_existing=self._accept_existing,
        )
        identity = journal.identity()
        return Ownership(inbox.path, Owner(host_name(), machine_id(identity), identity), facts)

    def _summary(self) -> dict[str, Any]:
        """Return a summary of the service, for those who see the outbox only."""
        option = config_option(self.config.source)
        troubles = [
            replace(trouble, remedy=with_option(trouble.remedy, option))
            for trouble in self.engine.service.troubles.current
        ]
        try:
            with closing(JournalReader(self.config.state.path / JOURNAL_FILE)) as reader:
                facts = self._overview(reader)
        except JournalError:
            if not any(trouble.kind is TroubleKind.JOURNAL for trouble in troubles):
                raise
            facts = self._overview(None)
        if facts["mend"]:
            facts["mend"] = with_option(facts["mend"], option)
        return facts | trouble_facts(troubles)

    def _outbox_tried(self, outbox: Outbox, part: str, error: OSError | OutboxError | None) -> None:
        folder = PurePosixPath(GALLERY_FOLDER if part == GALLERY_FOLDER else "")
        self.engine.put(OutboxTried(part, None if error is None else outbox.trouble(error, folder)))

    def _figures(self) -> dict[str, Any]:
        """Return the summary and what else the metrics show."""
        config = self.config
        facts = self._summary()
        with suppress(JournalError), closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
            facts |= statistics(reader, time.time())
        disks = {"outbox": free_space(config.outbox.path), "state": free_space(config.state.path)}
        return facts | {"fast_hours": self.engine.scheduler.fast_hours_left, "disks": disks}

    def _changed(self) -> None:
        self._status.changed()
        if self._metrics:
            self._metrics.changed()

    def _overview(self, reader: JournalReader | None) -> dict[str, Any]:
        now = time.time()
        return overview(
            reader,
            daemon=True,
            max_per_day=self.config.pace.max_per_day,
            now=now,
            command=self.config.command(),
            quiet_until=Pace.of(self.config.pace).quiet_until(now),
        )

    def _gateway(self, queue: EventQueue) -> WebsocketConnection:
        config = self.config.discord
        session = GatewaySession(
            self._keys.token.reveal(),
            random=random.random,
            gateway_url=config.gateway_url,
            resume=self._channel.stream.resume_state(),
            wanted=self._channel.tracker.wanted,
            allowed=lambda url: token_may_go_to(url, config.allow_hosts),
        )
        return WebsocketConnection(
            session,
            queue.put,
            proxy=config.proxy,
            tap=self._wire.gateway,
            may_identify=lambda: not self.engine.service.is_session_stored,
        )

    def _subscribe(self) -> None:
        """Ask for a guild's messages, which come only to those who ask; direct messages always come."""
        if self._keys.guild_id is not None:
            self._connection.subscribe(self._keys.guild_id, self._keys.channel_id)

    def _start(self) -> None:
        self._notifier.start()
        if self._gallery:
            self._gallery.start()
        self._worker.start()
        self._wakeups.start()
        self._subscribe()
        self._connection.start()
        if self._watch_inbox:
            self._status.start()
            if self._metrics:
                self._metrics.start()
            self._inbox.start()
            self._remember_inbox()
        else:
            self.engine.put(InboxScanned(0))

    def _remember_inbox(self) -> None:
        owned = os.fspath(self.config.inbox.path)
        if self._journal.recall("inbox_owned") != owned:
            self._journal.remember({"inbox_owned": owned})

    def _stop(self) -> None:
        """Stop the outermost parts first, so that what the workers still finish is committed."""
        end = time.monotonic() + STOP_PATIENCE

        def at_most(seconds: float) -> float:
            return max(0.0, min(seconds, end - time.monotonic()))

        if self._watch_inbox:
            self._inbox.stop(at_most(INBOX_PATIENCE))
        self._worker.stop(at_most(WORKER_PATIENCE))
        self._wakeups.stop()
        self._connection.stop(resumable=self.resumable)
        if not self.resumable:
            self._channel.stream.forget_session()
        self.engine.finish()
        if self._watch_inbox:
            self._status.stop(at_most(STATUS_PATIENCE))
        if self._metrics:
            self._metrics.stop(at_most(STATUS_PATIENCE))
        self._notifier.stop(at_most(HOOK_PATIENCE))
        if self._gallery:
            # A run that has done everything may be the last one: its gallery is to be complete.
            self._gallery.stop(at_most(GALLERY_PATIENCE if self.resumable else STOP_PATIENCE))


def build_engine(
    config: Config,
    journal: Journal,
    channel: Channel,
    queue: EventQueue,
    perform: Callable[[Effect], None],
    in_inbox: Callable[[str], bool] | None = None,
) -> Engine:
    """Return the loop on this journal; the other arguments as in Engine."""
    pace = config.pace
    return Engine(
        journal,
        channel,
        queue,
        perform,
        pace=Pace.of(pace),
        timeouts=Timeouts(pace.start_timeout, pace.silence_timeout),
        in_inbox=in_inbox,
        min_fast_hours=pace.min_fast_hours,
        clock=time.time,
        monotonic=time.monotonic,
        rng=random.random,
        new_nonce=new_nonce,
        new_id=new_id,
        collect_by_hand=config.outbox.collect_by_hand,
    )


def new_nonce() -> str:
    """Return a nonce as Discord's own clients make them: a snowflake of now, its low bits random."""
    return snowflake(time.time_ns() // 1_000_000, secrets.randbits(22))


def new_id() -> str:
    """Return a job id: eight letters and digits that are easily read aloud."""
    # The alphabet has 32 of them, so that each is as likely as the others.
    return "".join(ID_ALPHABET[byte % len(ID_ALPHABET)] for byte in secrets.token_bytes(8))


def _images_of(journal: Path, job: Job) -> dict[str, bytes]:
    with closing(JournalReader(journal)) as reader:
        return {name: reader.image_of(job.id, name) for name in job.prompt.images}


def _file_of(journal: Path, job_id: str) -> TakenFile | None:
    with closing(JournalReader(journal)) as reader:
        return reader.file_of(job_id)
