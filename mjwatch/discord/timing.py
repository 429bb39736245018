"""When to beat, and whether the other side still answers: the heartbeat of one connection, pure.

How long to wait before the next connection: exponential with jitter, reset by a stable while; pure.

How much may be sent on one connection: a sliding window below Discord's limit, pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import CloseVerdict

if TYPE_CHECKING:
    from collections.abc import Callable


USUAL_INTERVAL = 41.25
"""Seconds between beats as Discord asks for them in HELLO (discord-api-docs, Gateway)."""
SHORTEST_INTERVAL = 0.1
"""A shorter one would spend the connection's send budget on beats alone."""


class Heartbeat:
    """Beats every ``interval`` seconds, the first one after a part of it, and each answered before the next.

    The random first wait spreads reconnecting clients (discord-api-docs, "Sending heartbeats").
    """

    def __init__(self, interval_ms: object, now: float, random_share: float) -> None:
        self.interval = _interval(interval_ms)
        self.due = now + self.interval * random_share
        self._unanswered = False
        self._sent = 0
        self._answers = 0
        self.asked = False
        """Whether a beat is wanted out of turn: by the other side (op 1), or as a probe of it."""
        self._probe_wanted = False
        self._probe: int | None = None

    def probe(self) -> None:
        """Send a beat out of turn; its own answer shows that all that was said before has reached us."""
        self.asked = self._probe_wanted = True

    def acknowledged(self) -> bool:
        """The other side answered (op 11); whether that answers the last probe."""
        self._unanswered = False
        self._answers += 1
        if self._probe is None or self._answers < self._probe:
            return False
        self._probe = None
        return True

    def goes_out(self, now: float) -> None:
        """A beat goes out now, a scheduled one if one is due."""
        self._sent += 1
        self.asked = False
        if self._probe_wanted:
            self._probe, self._probe_wanted = self._sent, False
        if now >= self.due:
            self._unanswered = True
            self.due = now + self.interval

    def is_dead(self, now: float) -> bool:
        """Whether it is time for the next beat while the last one is still unanswered."""
        return self._unanswered and now >= self.due


def _interval(interval_ms: object) -> float:
    """The interval in seconds; the usual one where HELLO brings no usable number."""
    if isinstance(interval_ms, bool) or not isinstance(interval_ms, int | float):
        return USUAL_INTERVAL
    seconds = interval_ms / 1000
    return max(SHORTEST_INTERVAL, seconds) if isfinite(seconds) and seconds > 0 else USUAL_INTERVAL


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


WINDOW = 60.0
"""Seconds over which Discord counts; more than 120 in it closes with 4008 (discord-api-docs, Gateway)."""
FOR_ALL = 110
"""What ordinary payloads may use of the 120; discord.py keeps the same reserve."""
FOR_HEARTBEATS = 118
"""What heartbeats may use: they go first, and last when nothing else may."""


class SendBudget:
    """Counts what was sent in the last minute. A new connection starts with a new one."""

    def __init__(self) -> None:
        self._sent: deque[float] = deque()

    def allows(self, now: float, *, heartbeat: bool = False) -> bool:
        """Whether one more may go out now."""
        while self._sent and now - self._sent[0] >= WINDOW:
            self._sent.popleft()
        return len(self._sent) < (FOR_HEARTBEATS if heartbeat else FOR_ALL)

    def spend(self, now: float) -> None:
        """One went out."""
        self._sent.append(now)

    def free_at(self) -> float:
        """When the oldest in the window stops counting; only after ``allows`` said no."""
        return self._sent[0] + WINDOW


def backoff(tries: int, first: float = 2.0, most: float = 300.0) -> float:
    """Seconds to wait after this many failed tries: 2, 4, 8 ... 300."""
    return min(most, first * 2.0 ** min(max(tries, 0), 20))
