"""Keeps what goes on being wrong from filling the log: each cause is told at first, then now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE = 600.0
"""Seconds until the same words are told again."""


class Complaints:
    """Asked before each line, by one thread; ``ticks`` gives seconds of a monotonic clock."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._ticks = ticks
        self._told: dict[str, float] = {}

    def is_due(self, words: str) -> bool:
        """Whether to say it now: it is new, or was last said long ago."""
        now = self._ticks()
        if words in self._told and now < self._told[words] + PAUSE:
            return False
        self._told = {said: at for said, at in self._told.items() if now < at + PAUSE} | {words: now}
        return True

    def over(self) -> bool:
        """All is well again, and what comes next is new. False if nothing had been wrong."""
        had_any = bool(self._told)
        self._told.clear()
        return had_any
