"""When the next prompt may be sent: slots, a human pace, a daily cap, back-off. Pure: time comes in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY = 86_400.0

SAVED_AT_ONCE = 24
"""Jobs whose pictures are being saved, from which on nothing is sent: they must not pile up without bound.

Twice what the largest plan is said to run at once, so that it is met only where saving does not keep up.
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast prompts may be sent. ``delay`` and ``jitter`` in seconds; ``max_per_day`` 0 is no cap."""

    max_in_flight: int = 3
    delay: float = 4.0
    jitter: float = 4.0
    max_per_day: int = 200


class Throttle:
    """Keeps to a pace: knows what was sent in the last day and when the next may go. Times in seconds."""

    def __init__(self, pace: Pace, sent_before: Iterable[float] = ()) -> None:
        """``sent_before``: the times of earlier submissions, oldest first."""
        self._pace = pace
        self._sent = deque(sent_before)
        # A restart is no reason to hurry.
        self._next_time = self._sent[-1] + pace.delay if self._sent else float("-inf")

    def may_send(self, now: float, in_flight: int, being_saved: int = 0) -> bool:
        """Whether one more may be sent now: so many are in flight at Midjourney, so many being saved."""
        free = in_flight < self._pace.max_in_flight and being_saved < SAVED_AT_ONCE
        return free and now >= self.next_time(now)

    def may_press(self, now: float) -> bool:
        """Whether a button that stops a job may be pressed now: at the pace, but over any cap."""
        self._mind_the_clock(now)
        return now >= self._next_time

    def pressed(self, now: float, rng: float) -> None:
        """It was pressed now; that is no submission, but the next one waits for its turn after it."""
        self._next_time = now + self._pace.delay + self._pace.jitter * rng

    def next_press(self, now: float) -> float:
        """The earliest time for such a press; minus infinity where nothing was sent yet."""
        self._mind_the_clock(now)
        return self._next_time

    def next_time(self, now: float) -> float:
        """The earliest time for the next one, slots aside; minus infinity where nothing was sent yet."""
        capped_until = self.capped_until(now)
        return self._next_time if capped_until is None else max(self._next_time, capped_until)

    def capped_until(self, now: float) -> float | None:
        """When the daily cap lets the next one go; None where it is not reached."""
        self._forget_old(now)
        cap = self._pace.max_per_day
        return self._sent[-cap] + DAY if 0 < cap <= len(self._sent) else None

    def _forget_old(self, now: float) -> None:
        self._mind_the_clock(now)
        while self._sent and self._sent[0] <= now - DAY:
            self._sent.popleft()

    def _mind_the_clock(self, now: float) -> None:
        """Where the clock was set back, what was sent "later" counts as sent now."""
        if self._sent and self._sent[-1] > now:
            self._sent = deque(min(time, now) for time in self._sent)
        self._next_time = min(self._next_time, now + self._pace.delay + self._pace.jitter)

    def sent(self, now: float, rng: float) -> None:
        """One was sent now; ``rng``, from 0 to 1, is the share of the jitter added to the pause."""
        self._sent.append(now)
        self._next_time = now + self._pace.delay + self._pace.jitter * rng
