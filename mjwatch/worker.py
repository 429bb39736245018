"""One effect in, one event out: where the loop's wishes meet the wire, the pictures and the folders."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Any
from zlib import crc32

from mjwatch import events as ev
from mjwatch.errors import (
    AnsweredNoError,
    DownloadError,
    JournalError,
    MjwatchError,
    NotReachedError,
    OutboxError,
    PictureError,
    UnansweredError,
    WireError,
)
from mjwatch.folders.manifest import FILE_NAME, PictureFile, Place, build_manifest, dump_manifest
from mjwatch.folders.outbox import prompt_file_name, stem_of
from mjwatch.folders.report import failure_page
from mjwatch.midjourney.packets import ImaginePacket, Target
from mjwatch.model import Refusal, RefusalClass
from mjwatch.pictures.split import image_facts, split_grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mjwatch.discord.cdn import CDN
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.folders.outbox import Outbox
    from mjwatch.jobs.reader import TakenFile
    from mjwatch.model import Job, RemotePicture

log = logging.getLogger("mjwatch.worker")

COLLECTORS = 4
"""Threads that download and publish. Splitting is bounded on its own, to the cores."""

TRIES = 8
"""Tries at a download, or at a picture that can't be read, before the job is given up (``retry`` goes on)."""

INDEX_FLOOR = 30.0
"""Seconds between two readings of the command index; it is large, and Discord limits it."""

HISTORY_PAGE = 100
BEGINNING = "0"
"""Stands for the newest message of a channel that has none: what is after it is everything."""

HISTORY_PAGES = 50


STOPPED = ev.NotSent("mjwatch was stopped before it was sent", retry_after=0.0)


class Worker:
    """Threads that do effects: one "sender", so that one POST is in flight; some "collector-n"."""

    def __init__(
        self,
        put: Callable[[ev.LoopEvent], None],
        *,
        rest: DiscordREST,
        cdn: CDN,
        outbox: Outbox,
        place: Place,
        application_id: str,
        picture_format: str,
        keep_grid: bool,
        subscribe: Callable[[], None],
        probe: Callable[[], None],
        remove_file: Callable[[str, tuple[int, ...]], object],
        file_of: Callable[[str], TakenFile | None],
        notify: Callable[[ev.Notify], None],
    ) -> None:
        self._put = put
        self._rest = rest
        self._cdn = cdn
        self._outbox = outbox
        self._place = place
        self._application_id = application_id
        self._format = picture_format
        self._keep_grid = keep_grid
        self._subscribe = subscribe
        self._probe = probe
        self._stopping = threading.Event()
        self._remove_file = remove_file
        self._file_of = file_of
        self._notify = notify
        self._missed: dict[str, int] = {}
        self._sending: queue.SimpleQueue[ev.Effect | None] = queue.SimpleQueue()
        # A queue a collector, chosen by the job: its failure's folder and a late result must not overtake.
        self._collecting: list[queue.SimpleQueue[ev.Effect | None]] = [
            queue.SimpleQueue() for _ in range(COLLECTORS)
        ]
        # Whole splits one after another, each on all cores: the peak of memory is one grid's, not four.
        self._split_turn = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(self._sending,), name="sender", daemon=True)
        ]
        self._threads += [
            threading.Thread(target=self._run, args=(effects,), name=f"collector-{n}", daemon=True)
            for n, effects in enumerate(self._collecting, 1)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, patience: float) -> bool:
        """End the threads after what they do now; False if that takes longer than so many seconds.

        What was not begun is not done: a POST is told as not sent, the rest is handed out by the next start.
        """
        self._stopping.set()
        for effects in (self._sending, *self._collecting):
            for effect in _drained(effects):
                if isinstance(effect, ev.Submit):
                    self._put(ev.ForJob(effect.job.id, STOPPED, effect.job.nonce))
            effects.put(None)
        end = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def perform(self, effect: ev.Effect) -> None:
        """Take an effect; returns at once."""
        match effect:
            case ev.Probe():
                self._probe()  # not behind a POST that hangs
            case ev.Notify():
                self._notify(effect)
            case ev.Submit() | ev.ReadHistory() | ev.Subscribe():
                self._sending.put(effect)
            case ev.Collect() | ev.Answer():
                self._collecting[crc32(effect.job.id.encode()) % COLLECTORS].put(effect)
            case ev.RemoveFile():
                self._collecting[crc32(effect.path.encode("utf-8", "replace")) % COLLECTORS].put(effect)

    def _run(self, effects: queue.SimpleQueue[ev.Effect | None]) -> None:
        while (effect := effects.get()) is not None:
            try:
                event = self._do(effect)
            except Exception as error:  # a thread's top: a bug must become an event, not a silent death
                log.exception("%s failed in an unforeseen way", type(effect).__name__)
                event = _unforeseen(effect, error)
            if event is not None:
                self._put(event)

    def _do(self, effect: ev.Effect) -> ev.LoopEvent | None:
        match effect:
            case ev.Submit():
                return ev.ForJob(effect.job.id, self._submit(effect.job), effect.job.nonce)
            case ev.Collect():
                return ev.ForJob(effect.job.id, self._collect(effect.job))
            case ev.Answer():
                return ev.ForJob(effect.job.id, self._answer(effect.job))
            case ev.RemoveFile():
                self._remove_file(effect.path, effect.identity)
                return None
            case ev.ReadHistory():
                return self._read_history(effect)
            case ev.Subscribe():
                self._subscribe()
                return None
            case ev.Probe() | ev.Notify():
                raise AssertionError("done at once, and by nobody's thread")

    # ---- sending

    def _submit(self, job: Job) -> ev.JobEvent:
        try:
            packet = ImaginePacket(job.prompt.text)
        except ValueError as error:
            return ev.Refused(Refusal(RefusalClass.USER, None, str(error)), executed=False)
        guild, channel = self._place.guild_id, self._place.channel_id
        try:
            command = self._rest.command(packet.name, self._application_id, guild, channel)
        except AnsweredNoError as error:
            return ev.Refused(error.refusal, executed=False)
        except WireError as error:
            return ev.NotSent(f"the command index can't be read: {error}")
        if self._stopping.is_set():
            return STOPPED
        target = Target(channel, job.session_id or "", self._application_id, guild)
        return self._post(packet.assemble(command, target, job.nonce or ""))

    def _post(self, payload: dict[str, object]) -> ev.JobEvent:
        try:
            self._rest.interact(payload)
        except NotReachedError as error:
            return ev.NotSent(str(error))
        except UnansweredError as error:
            return ev.Unanswered(str(error))
        except AnsweredNoError as error:
            refusal = error.refusal
            if refusal.cls is RefusalClass.STALE_VERSION and self._rest.forget_commands(INDEX_FLOOR):
                return ev.NotSent("the command's version was out of date; it is read anew", retry_after=0.0)
            return ev.Refused(refusal, executed=False)
        return ev.Accepted()

    def _read_history(self, effect: ev.ReadHistory) -> ev.LoopEvent:
        channel = self._place.channel_id
        try:
            if effect.after is None:
                newest = self._rest.channel(channel).get("last_message_id")
                return ev.HistoryRead((), newest if isinstance(newest, str) else BEGINNING)
            reread = {start: self._rest.message(channel, start) for start in effect.reread}
            messages, complete = self._pages(effect.after)
        except AnsweredNoError as error:
            if error.refusal.needs_human:
                self._put(ev.NeedsPerson(error.refusal))
            return ev.HistoryUnread(str(error))
        except WireError as error:
            return ev.HistoryUnread(str(error))
        newest = str(messages[-1]["id"]) if messages else None
        return ev.HistoryRead(tuple(messages), newest, reread, complete)

    def _pages(self, after: str) -> tuple[list[dict[str, Any]], bool]:
        """The messages after this id, up to so many pages; whether that is all."""
        messages: list[dict[str, Any]] = []
        for _ in range(HISTORY_PAGES):
            page = self._rest.history(self._place.channel_id, after, HISTORY_PAGE)
            messages += page
            if len(page) < HISTORY_PAGE:
                return messages, True
            after = str(page[-1]["id"])
        return messages, False

    # ---- saving

    def _collect(self, job: Job) -> ev.JobEvent:
        result = job.result
        if result is None or not result.pictures:
            return ev.NotSaved("Midjourney's message has no picture", final=True)
        try:
            grid = self._fetch(result.pictures[0], result.message_id)
            pictures = self._split(job, grid)
        except (DownloadError, PictureError) as error:
            return ev.NotSaved(str(error), final=self._is_last_try(job))
        except WireError as error:
            words = f"the picture's address can't be renewed: {error}"
            return ev.NotSaved(words, final=self._is_last_try(job))
        self._missed.pop(job.id, None)
        return self._publish(job, pictures, {})

    def _is_last_try(self, job: Job) -> bool:
        """Whether the picture itself could not be had too often. What a full disk cost does not count."""
        self._missed[job.id] = self._missed.get(job.id, 0) + 1
        if self._missed[job.id] < TRIES:
            return False
        del self._missed[job.id]
        return True

    def _fetch(self, picture: RemotePicture, message_id: str) -> bytes:
        """Fetch it; where its address has expired, have it signed anew, else read the message again."""
        try:
            return self._cdn.fetch(picture.url, picture.size)
        except DownloadError as error:
            if not error.gone:
                raise
            log.info("a picture's address is gone, asking for a new one: %s", error)
        renewed = self._rest.refresh_urls([picture.url]).get(picture.url)
        if renewed is not None and renewed != picture.url:
            try:
                return self._cdn.fetch(renewed, picture.size)
            except DownloadError as error:
                if not error.gone:
                    raise
        message = self._rest.message(self._place.channel_id, message_id)
        for attachment in (message or {}).get("attachments", ()):
            if attachment.get("filename") == picture.filename:
                return self._cdn.fetch(str(attachment.get("url")), picture.size)
        raise DownloadError("Midjourney's message and its picture are gone", gone=True)

    def _split(self, job: Job, grid: bytes) -> list[PictureFile]:
        stem = stem_of(job)
        with self._split_turn:
            tiles = split_grid(grid, self._format)
        pictures = [_picture(f"{stem}_{n}", tile, n) for n, tile in enumerate(tiles, 1)]
        return [*pictures, _picture(f"{stem}_grid", grid, 0)] if self._keep_grid else pictures

    def _answer(self, job: Job) -> ev.JobEvent:
        return self._publish(job, [], {"ERROR.md": failure_page(job).encode()}, failed=True)

    def _publish(
        self, job: Job, pictures: list[PictureFile], others: dict[str, bytes], *, failed: bool = False
    ) -> ev.JobEvent:
        try:
            file = self._file_of(job.id)
            if file is not None:
                others = {prompt_file_name(job): file.content, **others}
            manifest = build_manifest(job, self._place, pictures, others, time.time())
            files = {picture.name: picture.data for picture in pictures} | others
            folder = self._outbox.publish(job, files | {FILE_NAME: dump_manifest(manifest)}, failed=failed)
        except (OutboxError, JournalError) as error:
            return ev.NotSaved(str(error))
        return ev.Published(folder, failed)


def _picture(stem: str, data: bytes, index: int) -> PictureFile:
    kind, width, height = image_facts(data)
    suffix = {"jpeg": "jpg"}.get(kind, kind)
    return PictureFile(f"{stem}.{suffix}", data, index, width, height, kind)


def _drained(effects: queue.SimpleQueue[ev.Effect | None]) -> Iterator[ev.Effect | None]:
    while True:
        try:
            yield effects.get_nowait()
        except queue.Empty:
            return


def _unforeseen(effect: ev.Effect, error: Exception) -> ev.LoopEvent | None:
    words = error.message if isinstance(error, MjwatchError) else type(error).__name__
    match effect:
        case ev.Submit():
            doubt = ev.Unanswered(f"a fault in mjwatch while sending: {words}")
            return ev.ForJob(effect.job.id, doubt, effect.job.nonce)
        case ev.Collect() | ev.Answer():
            return ev.ForJob(effect.job.id, ev.NotSaved(f"a fault in mjwatch while saving: {words}"))
        case ev.ReadHistory():
            return ev.HistoryUnread(f"a fault in mjwatch: {words}")
        case _:
            return None
