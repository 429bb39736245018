"""Import what this account made elsewhere in the channel, by a daemon or in this process; or count it."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mjwatch.client.discord_api import connect
from mjwatch.client.in_process import CONNECT_PATIENCE
from mjwatch.client.submit import request
from mjwatch.config import load_keys
from mjwatch.discord.protocol import snowflake_ms
from mjwatch.engine.channel_import import IMPORT, Reading
from mjwatch.errors import DaemonError, MjwatchError, NoJournalError, PausedError
from mjwatch.events import RequestsPending
from mjwatch.host.running import daemon_runs
from mjwatch.jobs.pacing import Pace
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.journal.requests import ask
from mjwatch.midjourney.channel import Channel
from mjwatch.midjourney.elsewhere import ImportVerdict, PictureJudge
from mjwatch.model import State
from mjwatch.runtime import Runtime
from mjwatch.trouble import resume_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mjwatch.config import Config
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.settings.secrets import Keys

POLL_INTERVAL = 0.5
"""Seconds between two looks at an import that a daemon does."""

_TOLD_FIRST = "nothing more is imported until then; `mjwatch import` continues"


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is: what is read, and how many pictures are being ``saved``.

    ``failed``: how many could not be saved. ``trouble``: why it waits, if it does.
    """

    reading: Reading
    saved: int = 0
    failed: int = 0
    trouble: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is read or saved."""
        return not self.reading.is_active and self.saved == 0


def progress_of(config: Config) -> ImportProgress:
    """Return how far the import is that was begun last. Raise JournalError."""
    with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        reading = Reading.stored(reader.recall(IMPORT)) or Reading(is_active=False)
        saved, failed = reader.made_elsewhere(State.COLLECTING), reader.made_elsewhere(State.FAILED)
        return ImportProgress(reading, saved, failed, reading.trouble or reader.recall("trouble"))


def import_channel(
    config: Config, since: str, until: str | None, watch: Callable[[ImportProgress], None]
) -> ImportProgress:
    """Import the channel's messages after ``since`` and up to ``until``; both are ids. Return how it ended.

    An import with these bounds that has not ended goes on where it was. KeyboardInterrupt leaves it to be
    continued. ``failed`` does not count what failed before this call. Raise MjwatchError.
    """
    try:
        failed_before = progress_of(config).failed
    except NoJournalError:
        failed_before = 0
    end = _import(config, since, until, watch)
    return replace(end, failed=max(0, end.failed - failed_before))


def _import(
    config: Config, since: str, until: str | None, watch: Callable[[ImportProgress], None]
) -> ImportProgress:
    while True:
        if daemon_runs(config.state.path):
            return _by_daemon(config, since, until, watch)
        with ExitStack() as stack:
            try:
                runtime = stack.enter_context(Runtime(config, load_keys(config), watch_inbox=False))
            except DaemonError:
                if daemon_runs(config.state.path):
                    continue  # another process took the lock first
                raise
            return _in_process(runtime, config, since, until, watch)


def stop_import(config: Config) -> str:
    """Read no further, and return what is to be told. Raise MjwatchError."""
    return request(config, "import stop", {})[0].message


def _by_daemon(
    config: Config, since: str, until: str | None, watch: Callable[[ImportProgress], None]
) -> ImportProgress:
    (outcome,) = request(config, IMPORT, {"since": since, "until": until})
    if not outcome.done:
        raise MjwatchError(outcome.message)
    try:
        while not (progress := progress_of(config)).is_over:
            watch(progress)
            if not daemon_runs(config.state.path):
                raise DaemonError("the process that imported has stopped", "`mjwatch import` continues")
            time.sleep(POLL_INTERVAL)
    except KeyboardInterrupt:
        stop_import(config)
        raise
    return progress


def _in_process(
    runtime: Runtime, config: Config, since: str, until: str | None, watch: Callable[[ImportProgress], None]
) -> ImportProgress:
    engine, deadline = runtime.engine, time.monotonic() + CONNECT_PATIENCE
    engine.scheduler.only = frozenset()  # nothing is sent
    ask(config.state.path / JOURNAL_FILE, IMPORT, {"since": since, "until": until}, time.time())
    engine.put(RequestsPending())
    shown_at = 0.0

    def is_over() -> bool:
        nonlocal shown_at
        if engine.imports.is_reading and time.monotonic() - shown_at >= POLL_INTERVAL:
            shown_at = time.monotonic()
            watch(progress_of(config))
        trouble = engine.service.connection_trouble
        if trouble is not None and (engine.service.needs_resume or trouble.next_try > deadline):
            return True
        return engine.idle and engine.all_imported()

    try:
        runtime.run(is_over)
    except KeyboardInterrupt:
        engine.imports.stop()
        raise
    trouble, pause = engine.service.connection_trouble, engine.service.pause
    if trouble is not None and not engine.all_imported():
        if pause is not None:
            raise PausedError(pause.reason, resume_hint(pause), _TOLD_FIRST)
        hint = "check the network and [discord] in the configuration; `mjwatch import` continues"
        raise MjwatchError(f"Discord can't be reached, nothing more is imported: {trouble.reason}", hint)
    return progress_of(config)


# ---- how much there is


@dataclass(slots=True)
class ImportCount:
    """How many finished pictures the channel has, by verdict, and by month for those of this account."""

    read: int = 0
    found: Counter[str] = field(default_factory=Counter)
    months: dict[str, Counter[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        totals = {str(verdict): self.found[verdict] for verdict in ImportVerdict}
        return {"read": self.read, "found": totals, "months": {m: dict(n) for m, n in self.months.items()}}


def count_channel(
    config: Config, since: str, until: str | None, watch: Callable[[ImportCount], None]
) -> ImportCount:
    """Count what an import of these messages would find. Nothing is stored. Raise MjwatchError."""
    keys = load_keys(config)
    count = ImportCount()
    with ExitStack() as stack:
        rest = stack.enter_context(closing(connect(config, keys)))
        reader = _reader(config)
        if reader is not None:
            stack.enter_context(closing(reader))
        take = _counter(config, keys, reader, str(rest.me()["id"]), count)
        for page in _pages(rest, keys.channel_id, since, Pace.of(config.pace)):
            within = [message for message in page if until is None or int(message["id"]) <= int(until)]
            for message in within:
                take(message)
            count.read += len(within)
            watch(count)
            if len(within) < len(page):
                break
    return count


def _reader(config: Config) -> JournalReader | None:
    try:
        return JournalReader(config.state.path / JOURNAL_FILE)
    except NoJournalError:
        return None


def _counter(
    config: Config, keys: Keys, reader: JournalReader | None, me: str, count: ImportCount
) -> Callable[[dict[str, Any]], None]:
    """Return the function that counts a message, by what the journal knows."""
    owner_of: Callable[..., str | None] = (lambda **_: None) if reader is None else reader.owner_of
    has_result = (lambda message, uuid: False) if reader is None else reader.has_result
    application = config.midjourney.application_id
    channel = Channel(keys.channel_id, owner_of, config.pace.quiet_time, application, keys.guild_id)
    jobs = {}
    if reader is not None:
        channel.load(*map(reader.recall, ("gateway", "newest", "strangers", "held")))
        jobs = {job.id: job for job in reader.live_jobs()}
    channel.tracker.me = me
    judge, seen = PictureJudge(channel.tracker, has_result, owner_of), set[str]()

    def take(payload: dict[str, Any]) -> None:
        message = channel.tracker.read(payload, jobs)
        verdict = judge.judge(message, jobs)
        if verdict is ImportVerdict.NEW and message.job_uuid in seen:
            verdict = ImportVerdict.KNOWN
        if verdict is None:
            return
        count.found[verdict] += 1
        if message.job_uuid is not None:
            seen.add(message.job_uuid)
        if verdict in {ImportVerdict.NEW, ImportVerdict.KNOWN, ImportVerdict.UNCLEAR}:
            made = datetime.fromtimestamp(snowflake_ms(message.message_id or "0") / 1000, UTC)
            count.months.setdefault(made.strftime("%Y-%m"), Counter())[str(verdict)] += 1

    return take


def _pages(rest: DiscordREST, channel_id: str, after: str, pace: Pace) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of the channel's history, oldest first, at the pace at which prompts are sent."""
    while True:
        page, is_last = rest.page(channel_id, after)
        yield page
        if is_last:
            return
        after = str(page[-1]["id"])
        time.sleep(pace.delay + pace.jitter * random.random())
