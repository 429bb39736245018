"""A thread's sign of life: since when it has been at one piece of work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Pulse:
    """Kept by one thread, looked at by others: ``with`` it around each piece of work.

    Waiting for something to do has no limit; work has, and who goes beyond it hangs.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``limit``: seconds that no piece of work takes."""
        self._limit = limit
        self._clock = clock
        self._since: float | None = None

    def beat(self) -> None:
        """A piece of work begins; the one before has ended."""
        self._since = self._clock()

    def __enter__(self) -> Pulse:
        self.beat()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._since = None

    @property
    def hangs(self) -> bool:
        """Whether the present piece of work takes longer than any should."""
        since = self._since
        return since is not None and self._clock() - since > self._limit
