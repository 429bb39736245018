"""The threads that carry out the loop's effects: one effect in, one event out."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING
from zlib import crc32

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.errors import MjwatchError
from mjwatch.host.systemd import Liveness
from mjwatch.workers.sender import STOPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mjwatch.model import Job
    from mjwatch.workers.collector import Collector
    from mjwatch.workers.sender import Sender

log = logging.getLogger("mjwatch.workers.pool")

COLLECTORS = 3
"""Threads that download and publish; each has at most one picture. Grids are split one after another."""

REMOVAL_DELAY = 0.005
"""Seconds that the removal of a single file waits, so that its prompt is sent first."""

FAULTY_TRIES = 8
"""Attempts to save a job that fail because of a bug, before the job fails (``retry`` tries again)."""

LONGEST_EFFECT = 1800.0
"""A longer effect counts as hung, because each of its steps has a limit; in seconds."""


class WorkerPool:
    """The threads "sender" (one, so that one POST is in flight), "remover" and "collector-n"."""

    def __init__(
        self,
        put: Callable[[ev.LoopEvent], None],
        *,
        sender: Sender,
        collector: Collector,
        subscribe: Callable[[], None],
        probe: Callable[[], None],
        remove_file: Callable[[str, tuple[int, ...]], object],
        defer_file: Callable[[str, str | None, float], object],
        notify: Callable[[ef.SendNotification], None],
    ) -> None:
        self._put = put
        self._sender = sender
        self._collector = collector
        self._subscribe = subscribe
        self._probe = probe
        self._remove_file = remove_file
        self._defer_file = defer_file
        self._notify = notify
        self._sending: queue.SimpleQueue[ef.Effect | None] = queue.SimpleQueue()
        # One queue for each collector, chosen by the job: a job's failure and its late result stay in order.
        self._collecting: list[queue.SimpleQueue[ef.Effect | None]] = [
            queue.SimpleQueue() for _ in range(COLLECTORS)
        ]
        # Separate from slow pictures: while files wait to be removed, other files are not taken.
        self._removing: queue.SimpleQueue[ef.Effect | None] = queue.SimpleQueue()
        self._liveness: list[Liveness] = []
        self._threads = [
            threading.Thread(target=self._run, args=(self._sending,), name="sender", daemon=True),
            threading.Thread(target=self._run, args=(self._removing,), name="remover", daemon=True),
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
        """End the threads after their current effects. Return False if that takes longer than ``patience``.

        Waiting effects are dropped: a POST is reported as not sent, and the next start repeats the others.
        """
        self._sender.stop()
        for effects in (self._sending, self._removing, *self._collecting):
            for effect in _drained(effects):
                if isinstance(effect, ef.Submit):
                    self._put(ev.ForJob(effect.job.id, STOPPED, effect.job.nonce))
            effects.put(None)
        end = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def perform(self, effect: ef.Effect) -> None:
        """Accept an effect and return at once."""
        match effect:
            case ef.Probe():
                self._probe()  # does not wait behind a POST that hangs
            case ef.SendNotification():
                self._notify(effect)
            case ef.DeferFile():
                self._defer_file(effect.path, effect.why, effect.seconds)
            case ef.UploadImages() | ef.Submit() | ef.PressCancel() | ef.Subscribe():
                self._sending.put(effect)
            case ef.ReadHistory() | ef.ReadPage():
                self._sending.put(effect)
            case ef.FetchResult() | ef.PublishFailure():
                self._collecting[crc32(effect.job.id.encode()) % COLLECTORS].put(effect)
            case ef.RemoveFile():
                self._removing.put(effect)
            case ef.CreateFollowUps():
                raise AssertionError("the loop carries it out itself")

    @property
    def healthy(self) -> bool:
        """Whether all threads run, and none takes longer for its effect than any effect can take."""
        alive = all(thread.is_alive() for thread in self._threads)
        return alive and not any(liveness.stalled for liveness in self._liveness)

    def _run(self, effects: queue.SimpleQueue[ef.Effect | None]) -> None:
        liveness = Liveness(LONGEST_EFFECT)
        self._liveness.append(liveness)
        while (effect := effects.get()) is not None:
            with liveness:
                event = self._do_safely(effect)
            if event is not None:
                self._put(event)
            del effect, event  # the next one may come in hours, and thousands of messages may have been read

    def _do_safely(self, effect: ef.Effect) -> ev.LoopEvent | None:
        try:
            return self._do(effect)
        except Exception as error:  # the top of a thread: a bug must become an event, not a silent end
            job, name = getattr(effect, "job", None), type(effect).__name__
            if job is None:
                log.exception("%s failed with an unexpected error", name)
            else:
                log.exception("%s %s failed with an unexpected error", job.id, name, extra={"job": job.id})
            return _event_of_bug(effect, error)

    def _do(self, effect: ef.Effect) -> ev.LoopEvent | None:
        match effect:
            case ef.Submit():
                return _for_job(effect.job, self._sender.submit(effect.job))
            case ef.UploadImages():
                return _for_job(effect.job, self._sender.upload(effect.job))
            case ef.PressCancel():
                pressed = self._sender.press_cancel(effect)
                return None if pressed is None else _for_job(effect.job, pressed)
            case ef.FetchResult():
                return ev.ForJob(effect.job.id, self._collector.collect(effect.job))
            case ef.PublishFailure():
                return ev.ForJob(effect.job.id, self._collector.publish_failure(effect.job))
            case ef.RemoveFile():
                self._remove(effect)
                return None
            case ef.ReadHistory() | ef.ReadPage():
                return self._sender.read(effect)
            case ef.Subscribe():
                self._subscribe()
                return None
            case ef.Probe() | ef.SendNotification() | ef.DeferFile() | ef.CreateFollowUps():
                raise AssertionError("perform carries it out at once")

    def _remove(self, effect: ef.RemoveFile) -> None:
        if self._removing.empty():
            time.sleep(REMOVAL_DELAY)
        self._remove_file(effect.path, effect.identity)


def _for_job(job: Job, event: ev.JobEvent) -> ev.ForJob:
    """Return the event of the attempt that ``job.nonce`` names."""
    return ev.ForJob(job.id, event, job.nonce)


def _drained(effects: queue.SimpleQueue[ef.Effect | None]) -> Iterator[ef.Effect | None]:
    while True:
        try:
            yield effects.get_nowait()
        except queue.Empty:
            return


def _event_of_bug(effect: ef.Effect, error: Exception) -> ev.LoopEvent | None:
    cause = error.message if isinstance(error, MjwatchError) else type(error).__name__
    match effect:
        case ef.Submit():
            return _for_job(effect.job, ev.OutcomeUnknown(f"a fault in mjwatch while sending: {cause}"))
        case ef.UploadImages():
            return ev.ForJob(effect.job.id, ev.UploadFailed(f"a fault in mjwatch while uploading: {cause}"))
        case ef.PressCancel():
            return _for_job(effect.job, ev.CancelPressed(f"a fault in mjwatch: {cause}"))
        case ef.FetchResult() | ef.PublishFailure():
            final = isinstance(effect, ef.FetchResult) and effect.job.failed_tries + 1 >= FAULTY_TRIES
            return ev.ForJob(effect.job.id, ev.SaveFailed(f"a fault in mjwatch while saving: {cause}", final))
        case ef.ReadHistory():
            return ev.HistoryReadFailed(f"a fault in mjwatch: {cause}")
        case ef.ReadPage():
            return ev.PageReadFailed(f"a fault in mjwatch: {cause}")
        case _:
            return None
