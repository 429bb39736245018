"""The queue of events, in the order in which they came; one that can't be handled yet stays the first."""

from __future__ import annotations

import queue
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.events import LoopEvent


class EventQueue:
    """Any thread may ``put``, also a signal handler; only the loop's thread takes events out.

    ``monotonic`` gives seconds of a monotonic clock.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        # SimpleQueue, because its put may interrupt its own get, as a signal handler does.
        self._queue: queue.SimpleQueue[LoopEvent] = queue.SimpleQueue()
        self._first: deque[LoopEvent] = deque()

    def put(self, event: LoopEvent) -> None:
        """Add an event; from any thread."""
        self._queue.put(event)

    def take(self, timeout: float) -> LoopEvent | None:
        """Return the next event; None if none comes within ``timeout`` seconds."""
        if self._first:
            return self._first.popleft()
        try:
            return self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None

    def put_back(self, event: LoopEvent) -> None:
        """Make an event that could not be handled the next one again."""
        self._first.appendleft(event)

    def sleep(self, seconds: float, urgent: type[LoopEvent]) -> bool:
        """Wait so long, or until an ``urgent`` event has come (True). What arrives keeps its order."""
        end = self._monotonic() + seconds
        while (left := end - self._monotonic()) > 0:
            try:
                event = self._queue.get(timeout=left)
            except queue.Empty:
                break
            self._first.append(event)
            if isinstance(event, urgent):
                return True
        return False

    @property
    def empty(self) -> bool:
        """Whether no event waits."""
        return not self._first and self._queue.empty()
