"""How long to wait before the next connection: exponential with jitter, reset by a stable while; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import CloseVerdict

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_STEP = 1.0
LONGEST = 60.0
QUICK_STEP = 2.0
QUICK_TRIES = 80
"""Where nobody answers, so many short steps come first, some two minutes: most outages are over by then, and
what was finished meanwhile waits for nothing but this."""
STABLE_AFTER = 30.0
"""Seconds that a session must have been up for the next loss to count as the first (hikari uses 30 too)."""

LEAST_WAIT = {CloseVerdict.WAIT_AND_RESUME: 60.0, CloseVerdict.WAIT_AND_IDENTIFY: 300.0}
"""Seconds that some closes ask for at least: sent too much (4008), too many sessions (4015)."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Connect again after ``delay`` seconds. ``reason`` is one line for a person."""

    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Connecting again can't help until a person has acted."""

    reason: str
    code: int | None


class Backoff:
    """Delays of up to 1, 2, 4, ... 60 seconds, each drawn from its upper half, the first from 0 on."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._losses = 0
        self._misses = 0

    def was_up_for(self, seconds: float) -> None:
        """Tell how long the lost session had been up."""
        if seconds >= STABLE_AFTER:
            self._losses = 0

    def next_delay(self, *, reached: bool) -> float:
        """Seconds to wait; each call without a stable while in between waits longer.

        ``reached``: the gateway had said hello, so that it costs it something to be asked again.
        """
        if reached:
            tries, self._losses, self._misses = self._losses, self._losses + 1, 0
            step = _step(tries)
        else:
            tries, self._misses = self._misses, self._misses + 1
            step = min(QUICK_STEP, _step(tries)) if tries < QUICK_TRIES else _step(tries - QUICK_TRIES)
        share = self._random() if tries == 0 else 0.5 + self._random() / 2
        return step * share


def _step(tries: int) -> float:
    return min(LONGEST, FIRST_STEP * 2.0 ** min(tries, 10))
