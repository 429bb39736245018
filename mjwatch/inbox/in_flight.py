"""What was handed on out of the inbox: known, so that it goes out once, and counted until it is dealt with.

What is on its way to the journal is held in memory. So only so much of it goes out at a time, however many
files have come. Any thread may use this.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from mjwatch.model import Identity

MOST_FILES = 500
MOST_BYTES = 64 * 1024 * 1024
"""So much may be out at a time; one file may always."""

REMEMBERED = 600.0
"""Seconds for which the names of files that are gone are remembered: what belongs to them may come late."""


class InFlightFiles:
    """The files that were handed on, by path, and how each looked; ``monotonic`` is a monotonic clock."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looks: dict[str, Identity] = {}
        self._out: dict[str, int] = {}
        self._bytes = 0
        self._names: dict[str, tuple[float, Identity]] = {}
        self._until: dict[str, float] = {}
        self._stays: dict[str, str] = {}

    def put(self, path: str, identity: Identity, size: int) -> None:
        """It goes out now, and holds so many bytes of memory."""
        with self._lock:
            self._looks[path] = identity
            self._bytes += size - self._out.get(path, 0)
            self._out[path] = size
            self._names[path] = (self._monotonic(), identity)
            self._stays.pop(path, None)
            self._until.pop(path, None)

    def ignore(self, path: str, identity: Identity) -> None:
        """It is none of ours as long as it looks so."""
        with self._lock:
            self._looks[path] = identity

    def back(self, path: str) -> bool:
        """It is dealt with; whether that makes room for others to go out."""
        with self._lock:
            was_full = self._is_full()
            self._bytes -= self._out.pop(path, 0)
            return was_full

    def stay(self, path: str, why: str | None, seconds: float | None = None) -> None:
        """It stays in the inbox; told of if there is a ``why``. After so many seconds it is new again."""
        with self._lock:
            if why is not None:
                self._stays[path] = why
            if seconds is not None:
                self._until[path] = self._monotonic() + seconds

    def knows(self, path: str, identity: Identity) -> bool:
        """Whether it was handed on, or is to be ignored, and still looks so."""
        return self._looks.get(path) == identity

    def look_of(self, path: str) -> Identity | None:
        """How a file of that name looked when it was handed on; it may be gone by now, but not for long."""
        with self._lock:
            look = self._looks.get(path)
            return look if look is not None or path not in self._names else self._names[path][1]

    def beside(self, folder: str) -> list[str]:
        """The files of which that is true in this folder itself, a prefix of paths."""
        with self._lock:
            names = {*self._looks, *self._names}
        return [path for path in names if path.startswith(folder) and "/" not in path[len(folder) :]]

    @property
    def full(self) -> bool:
        """Whether no more should go out at the moment."""
        with self._lock:
            return self._is_full()

    @property
    def out(self) -> int:
        """How many were handed on and are not dealt with yet: they may come back to stay for a while."""
        with self._lock:
            return len(self._out)

    def _is_full(self) -> bool:
        return len(self._out) >= MOST_FILES or self._bytes >= MOST_BYTES

    def tidy(self, present: Container[str]) -> None:
        """Forget what is gone from the inbox, and what has stayed for its time."""
        now = self._monotonic()
        with self._lock:
            over = {path for path, until in self._until.items() if until <= now}
            gone = {path for path in self._looks if path not in present} | over
            for path in gone:
                for table in (self._looks, self._until, self._stays):
                    table.pop(path, None)
            for path in [path for path, (at, _) in self._names.items() if now - at > REMEMBERED]:
                del self._names[path]

    def pending(self) -> int:
        """How many stay for a time only, without a reason that anybody should hear of."""
        with self._lock:
            return sum(path not in self._stays for path in self._until)

    def next_due(self) -> float | None:
        """When the next of those that stay for a time is new again."""
        with self._lock:
            return min(self._until.values(), default=None)

    def staying(self) -> list[tuple[str, str]]:
        """What stays although it was handed on, and why."""
        with self._lock:
            return sorted(self._stays.items())
