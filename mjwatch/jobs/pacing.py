"""When the next prompt may be sent: slots, a human pace, a daily cap, back-off. Pure: time comes in."""

from __future__ import annotations

from dataclasses import dataclass

DAY = 86_400.0


def backoff(tries: int, first: float = 2.0, most: float = 300.0) -> float:
    """Seconds to wait after this many failed tries: 2, 4, 8 ... 300."""
    return min(most, first * 2.0 ** min(max(tries, 0), 20))


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast prompts may be sent. ``delay`` and ``jitter`` in seconds; ``max_per_day`` 0 is no cap."""

    max_in_flight: int = 3
    delay: float = 4.0
    jitter: float = 4.0
    max_per_day: int = 200

    def next_time(self, last: float | None, chance: float) -> float:
        """The earliest time of the next submission; ``chance`` is a random number from 0 to 1."""
        return float("-inf") if last is None else last + self.delay + self.jitter * chance

    def has_slot(self, in_flight: int) -> bool:
        """Whether one more may be in flight at Midjourney."""
        return in_flight < self.max_in_flight

    def day_is_spent(self, sent_in_the_last_day: int) -> bool:
        """Whether the cap of rolling 24 hours is reached."""
        return 0 < self.max_per_day <= sent_in_the_last_day
