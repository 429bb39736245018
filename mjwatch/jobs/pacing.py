"""When the next prompt may be sent: free slots, a human pace and a daily cap. Pure: time is an argument.

The cap counts what was executed, or may have been; limits and outages are in jobs/limits.py.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY = 86_400.0

SAVED_AT_ONCE = 24
"""If so many jobs are being saved, nothing is sent: unsaved results must not pile up without limit.

This is twice what the largest plan is said to run at once, so it is reached only if saving is too slow.
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast prompts may be sent. ``delay`` and ``jitter`` are in seconds; ``max_per_day`` 0: no cap."""

    max_in_flight: int = 3
    delay: float = 4.0
    jitter: float = 4.0
    max_per_day: int = 200


class Throttle:
    """Keeps to a pace: remembers what was sent in the last day. All times are in seconds."""

    def __init__(self, pace: Pace, sent_before: Iterable[float] = ()) -> None:
        """``sent_before``: the times of earlier submissions, oldest first."""
        self._pace = pace
        self._sent = deque(sent_before)
        # After a restart the pause since the last submission is kept, too.
        self._next_time = self._sent[-1] + pace.delay if self._sent else float("-inf")

    def may_send(self, now: float, in_flight: int, being_saved: int = 0) -> bool:
        """Return whether a prompt may be sent now, while so many are in flight and so many being saved."""
        has_room = in_flight < self._pace.max_in_flight and being_saved < SAVED_AT_ONCE
        return has_room and now >= self.next_time(now)

    def may_press(self, now: float) -> bool:
        """Return whether a Cancel Job button may be pressed now: at the pace, but without a cap."""
        return now >= self.next_press(now)

    def sent(self, now: float, rng: float) -> None:
        """Record a submission; ``rng``, from 0 to 1, is the share of the jitter in the pause after it."""
        self._sent.append(now)
        self.pressed(now, rng)

    def pressed(self, now: float, rng: float) -> None:
        """Record a press of Cancel Job, which is no submission, but the next one waits after it."""
        self._next_time = now + self._pace.delay + self._pace.jitter * rng

    def not_executed(self, at: float) -> None:
        """Note that the submission at this time was not executed, so that it does not count."""
        if at in self._sent:
            self._sent.remove(at)
        elif self._sent and at > self._sent[-1]:
            self._sent.pop()  # the clock was set back, and its time with it

    def executed(self, at: float) -> None:
        """Note that a submission was executed after all, if it is not counted yet."""
        if at not in self._sent:
            insort(self._sent, at)

    def next_press(self, now: float) -> float:
        """Return the earliest time for the next press; minus infinity if nothing was sent yet."""
        self._adapt_to_clock(now)
        return self._next_time

    def next_time(self, now: float) -> float:
        """Return the earliest time for the next submission, slots aside; minus infinity if there was none."""
        capped_until = self.capped_until(now)
        return self._next_time if capped_until is None else max(self._next_time, capped_until)

    def capped_until(self, now: float) -> float | None:
        """Return when the daily cap allows the next submission; None if the cap is not reached."""
        self._adapt_to_clock(now)
        while self._sent and self._sent[0] <= now - DAY:
            self._sent.popleft()
        cap = self._pace.max_per_day
        return self._sent[-cap] + DAY if 0 < cap <= len(self._sent) else None

    def _adapt_to_clock(self, now: float) -> None:
        """If the clock was set back, count submissions in the future as sent now."""
        if self._sent and self._sent[-1] > now:
            self._sent = deque(min(time, now) for time in self._sent)
        self._next_time = min(self._next_time, now + self._pace.delay + self._pace.jitter)
