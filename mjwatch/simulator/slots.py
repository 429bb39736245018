"""Which jobs run and which wait: so many at once, so many behind them."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto


class Place(Enum):
    """Where a new job goes."""

    RUNNING = auto()
    WAITING = auto()
    NOWHERE = auto()


class Slots:
    """Counts running jobs and lines up the others."""

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.running = 0

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    def take(self) -> Place:
        """Take a slot if one is free; a job told WAITING then calls `turn`."""
        if self.running < self._max_running:
            self.running += 1
            return Place.RUNNING
        return Place.WAITING if len(self._waiting) < self._max_waiting else Place.NOWHERE

    def turn(self) -> asyncio.Future[None]:
        """Stand in line; the future is done when the slot is this job's."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def give_back(self) -> None:
        """A job ended: its slot goes to the next in line."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.cancelled():
                future.set_result(None)
                return
        self.running -= 1
