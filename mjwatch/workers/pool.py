"""Threads between the loop and the shells: one effect in, one event out."""

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

    from mjwatch.workers.collector import Collector
    from mjwatch.workers.sender import Sender

log = logging.getLogger("mjwatch.workers.pool")

COLLECTORS = 3
"""Threads that download and publish; each holds a picture at most. Grids are split one after another."""

BEHIND_THE_POST = 0.005
"""Seconds that a lone file's removal waits: its prompt goes out first, which has use for every moment."""

FAULTY_TRIES = 8
"""Tries at saving a job that meet a fault of our own, before the job is given up (``retry`` goes on)."""

LONGEST_EFFECT = 1800.0
"""Seconds that no effect takes, however slow the wire and the disk: each of their steps has a limit."""


class WorkerPool:
    """Threads that do effects: one "sender", so that one POST is in flight; "remover"; some "collector-n"."""

    def __init__(
        self,
        put: Callable[[ev.LoopEvent], None],
        *,
        sender: Sender,
        collector: Collector,
        subscribe: Callable[[], None],
        probe: Callable[[], None],
        remove_file: Callable[[str, tuple[int, ...]], object],
        leave_file: Callable[[str, str | None, float], object],
        notify: Callable[[ef.SendNotification], None],
    ) -> None:
        self._put = put
        self._sender = sender
        self._collector = collector
        self._subscribe = subscribe
        self._probe = probe
        self._remove_file = remove_file
        self._leave_file = leave_file
        self._notify = notify
        self._sending: queue.SimpleQueue[ef.Effect | None] = queue.SimpleQueue()
        # A queue a collector, chosen by the job: its failure's folder and a late result must not overtake.
        self._collecting: list[queue.SimpleQueue[ef.Effect | None]] = [
            queue.SimpleQueue() for _ in range(COLLECTORS)
        ]
        # Not behind pictures that take their time: while files wait to be removed, others are not taken.
        self._removing: queue.SimpleQueue[ef.Effect | None] = queue.SimpleQueue()
        self._pulses: list[Liveness] = []
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
        """End the threads after what they do now; False if that takes longer than so many seconds.

        What was not begun is not done: a POST is told as not sent, the rest is handed out by the next start.
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
        """Take an effect; returns at once."""
        match effect:
            case ef.Probe():
                self._probe()  # not behind a POST that hangs
            case ef.SendNotification():
                self._notify(effect)
            case ef.DeferFile():
                self._leave_file(effect.path, effect.why, effect.seconds)
            case ef.UploadImages() | ef.Submit() | ef.PressCancel() | ef.ReadHistory() | ef.Subscribe():
                self._sending.put(effect)
            case ef.FetchResult() | ef.PublishFailure():
                self._collecting[crc32(effect.job.id.encode()) % COLLECTORS].put(effect)
            case ef.RemoveFile():
                self._removing.put(effect)
            case ef.CreateFollowUps():
                raise AssertionError("the loop does it itself")

    @property
    def healthy(self) -> bool:
        """Whether all its threads are there, and none is at one effect for longer than that can take."""
        alive = all(thread.is_alive() for thread in self._threads)
        return alive and not any(pulse.stalled for pulse in self._pulses)

    def _run(self, effects: queue.SimpleQueue[ef.Effect | None]) -> None:
        pulse = Liveness(LONGEST_EFFECT)
        self._pulses.append(pulse)
        while (effect := effects.get()) is not None:
            with pulse:
                event = self._do_safely(effect)
            if event is not None:
                self._put(event)

    def _do_safely(self, effect: ef.Effect) -> ev.LoopEvent | None:
        try:
            return self._do(effect)
        except Exception as error:  # a thread's top: a bug must become an event, not a silent death
            whose, name = getattr(effect, "job", None), type(effect).__name__
            if whose is None:
                log.exception("%s failed in an unforeseen way", name)
            else:
                log.exception("%s %s failed in an unforeseen way", whose.id, name)
            return _unforeseen(effect, error)

    def _do(self, effect: ef.Effect) -> ev.LoopEvent | None:
        match effect:
            case ef.Submit() | ef.UploadImages() | ef.PressCancel():
                event = self._send(effect)
                return None if event is None else ev.ForJob(effect.job.id, event, effect.job.nonce)
            case ef.FetchResult():
                return ev.ForJob(effect.job.id, self._collector.collect(effect.job))
            case ef.PublishFailure():
                return ev.ForJob(effect.job.id, self._collector.answer(effect.job))
            case ef.RemoveFile():
                if self._removing.empty():
                    time.sleep(BEHIND_THE_POST)
                self._remove_file(effect.path, effect.identity)
                return None
            case ef.ReadHistory():
                return self._sender.read_history(effect)
            case ef.Subscribe():
                self._subscribe()
                return None
            case ef.Probe() | ef.SendNotification() | ef.DeferFile() | ef.CreateFollowUps():
                raise AssertionError("done at once, and by nobody's thread")

    def _send(self, effect: ef.Submit | ef.UploadImages | ef.PressCancel) -> ev.JobEvent | None:
        match effect:
            case ef.Submit():
                return self._sender.submit(effect.job)
            case ef.UploadImages():
                return self._sender.upload(effect.job)
            case ef.PressCancel():
                return self._sender.press_cancel(effect)


def _drained(effects: queue.SimpleQueue[ef.Effect | None]) -> Iterator[ef.Effect | None]:
    while True:
        try:
            yield effects.get_nowait()
        except queue.Empty:
            return


def _unforeseen(effect: ef.Effect, error: Exception) -> ev.LoopEvent | None:
    words = error.message if isinstance(error, MjwatchError) else type(error).__name__
    match effect:
        case ef.Submit():
            doubt = ev.OutcomeUnknown(f"a fault in mjwatch while sending: {words}")
            return ev.ForJob(effect.job.id, doubt, effect.job.nonce)
        case ef.UploadImages():
            return ev.ForJob(effect.job.id, ev.UploadFailed(f"a fault in mjwatch while uploading: {words}"))
        case ef.PressCancel():
            failure = ev.CancelPressed(f"a fault in mjwatch: {words}")
            return ev.ForJob(effect.job.id, failure, effect.job.nonce)
        case ef.FetchResult() | ef.PublishFailure():
            final = isinstance(effect, ef.FetchResult) and effect.job.failed_tries + 1 >= FAULTY_TRIES
            return ev.ForJob(effect.job.id, ev.SaveFailed(f"a fault in mjwatch while saving: {words}", final))
        case ef.ReadHistory():
            return ev.HistoryReadFailed(f"a fault in mjwatch: {words}")
        case _:
            return None
