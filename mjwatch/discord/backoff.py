"""How long to wait before the next connection: exponential with jitter, reset by a stable while; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import CloseVerdict

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_STEP = 1.0
LONGEST = 60.0
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

    def was_up_for(self, seconds: float) -> None:
        """Tell how long the lost session had been up."""
        if seconds >= STABLE_AFTER:
            self._losses = 0

    def next_delay(self) -> float:
        """Seconds to wait; each call without a stable while in between waits longer."""
        step = min(LONGEST, FIRST_STEP * 2.0 ** min(self._losses, 10))
        share = self._random() if self._losses == 0 else 0.5 + self._random() / 2
        self._losses += 1
        return step * share
