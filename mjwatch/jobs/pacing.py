"""When the next prompt may be sent: free slots, a human pace, hours of the day and a daily cap.

Pure: time is an argument. The cap counts what was executed, or may have been; limits and outages are in
jobs/limits.py.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from mjwatch.settings.sections import PaceSettings

DAY = 86_400.0

SAVED_AT_ONCE = 24
"""If so many jobs are being saved, nothing is sent: unsaved results must not pile up without limit.

This is twice what the largest plan is said to run at once, so it is reached only if saving is too slow.
"""


@dataclass(frozen=True, slots=True)
class SendingHours:
    """The times of the day at which prompts may be sent; always if there are no ``spans``.

    Each span has two local times in seconds since midnight. The first belongs to it, the second does not; it
    passes midnight if the second is not after the first. ``zone`` None: the time zone of this machine. What
    the clock on the wall shows decides, so a span is shorter or longer on the day of a clock change.
    """

    spans: tuple[tuple[int, int], ...] = ()
    zone: tzinfo | None = None

    def is_open(self, now: float) -> bool:
        """Return whether prompts may be sent now (seconds since 1970)."""
        at = _second_of_day(self._wall(math.floor(now)))
        inside = (start <= at < end if start < end else at >= start or at < end for start, end in self.spans)
        return not self.spans or any(inside)

    def opens_at(self, now: float) -> float:
        """Return when prompts may be sent the next time: ``now`` if they may be sent now."""
        while not self.is_open(now):
            second = math.floor(now)
            at = _second_of_day(self._wall(second))
            opens = second + min((start - at) % int(DAY) for start, _ in self.spans)
            now = self._clock_change(second, opens) or opens
        return now

    def _wall(self, second: int) -> datetime:
        return datetime.fromtimestamp(second, UTC).astimezone(self.zone)

    def _offset(self, second: int) -> timedelta | None:
        return self._wall(second).utcoffset()

    def _clock_change(self, low: int, high: int) -> int | None:
        """Return the first second with another offset from UTC; there is at most one change in a day."""
        before = self._offset(low)
        if self._offset(high) == before:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        return high


def _second_of_day(wall: datetime) -> int:
    return wall.hour * 3600 + wall.minute * 60 + wall.second


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast prompts may be sent. ``delay`` and ``jitter`` are in seconds; ``max_per_day`` 0: no cap.

    Jobs whose priority is at least ``urgent_priority`` are sent outside the ``hours``, too; None: no job.
    """

    max_in_flight: int = 3
    delay: float = 4.0
    jitter: float = 4.0
    max_per_day: int = 200
    hours: SendingHours = field(default_factory=SendingHours)
    urgent_priority: int | None = None

    @classmethod
    def of(cls, settings: PaceSettings, zone: tzinfo | None = None) -> Pace:
        """Return the pace in ``[pace]``; ``zone`` as in SendingHours."""
        return cls(
            settings.max_in_flight,
            settings.delay,
            settings.jitter,
            settings.max_per_day,
            SendingHours(tuple(map(_span, settings.run_between)), zone),
            settings.urgent_priority,
        )

    def quiet_until(self, now: float, priority: float = -math.inf) -> float | None:
        """Return until when the hours hold a job of this priority; None if they don't."""
        return None if priority >= self.least_priority(now) else self.hours.opens_at(now)

    def least_priority(self, now: float) -> float:
        """Return the priority from which jobs may be sent now: minus infinity: all, infinity: none."""
        if self.hours.is_open(now):
            return -math.inf
        return math.inf if self.urgent_priority is None else self.urgent_priority


def _span(text: str) -> tuple[int, int]:
    """Return a span such as ``22:00-07:00``, which the configuration has checked, in seconds."""
    start, end = (hours_and_minutes.split(":") for hours_and_minutes in text.split("-"))
    return 3600 * int(start[0]) + 60 * int(start[1]), 3600 * int(end[0]) + 60 * int(end[1])


def kept_attempts(pace: Pace) -> int:
    """Return how many of the last submissions are remembered, however old they seem.

    A clock that is a day ahead for a while must not use up the cap twice. Some of them may prove not to have
    been executed, so there are more than the cap.
    """
    return 2 * pace.max_per_day + 1


class Throttle:
    """Keeps to a pace: remembers what was sent last. All times are in seconds."""

    def __init__(self, pace: Pace, sent_before: Iterable[float] = ()) -> None:
        """``sent_before``: the times of earlier submissions, oldest first."""
        self._pace = pace
        self._next_time = -math.inf
        self.recall(sent_before)

    def recall(self, sent_before: Iterable[float]) -> None:
        """Take over the times of earlier submissions, oldest first, and the pause since the last."""
        self._sent = deque(sent_before)
        if self._sent:
            self._next_time = max(self._next_time, self._sent[-1] + self._pace.delay)

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
        while len(self._sent) > kept_attempts(self._pace):
            self._sent.popleft()
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
        cap = self._pace.max_per_day
        until = self._sent[-cap] + DAY if 0 < cap <= len(self._sent) else now
        return until if until > now else None

    def _adapt_to_clock(self, now: float) -> None:
        """If the clock was set back, count submissions in the future as sent now."""
        if self._sent and self._sent[-1] > now:
            self._sent = deque(min(time, now) for time in self._sent)
        self._next_time = min(self._next_time, now + self._pace.delay + self._pace.jitter)
