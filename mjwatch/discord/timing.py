"""The times of a gateway connection: heartbeats, delays before reconnecting, the send limit; pure.

Delays grow exponentially with jitter, and a session that was up for a while resets them. The send limit is a
sliding window below Discord's own limit.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import CloseVerdict

if TYPE_CHECKING:
    from collections.abc import Callable


USUAL_INTERVAL = 41.25
"""Seconds between heartbeats that Discord asks for in HELLO (discord-api-docs, Gateway)."""
SHORTEST_INTERVAL = 1.0
"""A shorter interval would use up the connection's send budget with heartbeats alone."""
LONGEST_INTERVAL = 120.0
"""With a longer interval a dead connection would go unnoticed for long. More heartbeats do no harm."""


class Heartbeat:
    """Beats every ``interval`` seconds, first after a part of it; each needs an answer before the next.

    A random first wait spreads reconnecting clients (discord-api-docs, "Sending heartbeats").
    """

    def __init__(self, interval_ms: object, now: float, random_share: float) -> None:
        self.interval = _interval(interval_ms)
        self.due = now + self.interval * random_share
        self._unanswered = False
        self._sent_count = 0
        self._answers = 0
        self.is_requested = False
        """Whether an extra heartbeat is wanted: by the gateway (op 1), or as a probe."""
        self._probe_wanted = False
        self._probe: int | None = None

    def probe(self) -> None:
        """Request an extra heartbeat; its answer shows that everything sent before it has reached us."""
        self.is_requested = self._probe_wanted = True

    def acknowledged(self) -> bool:
        """Note an answer of the gateway (op 11); return whether it answers the last probe."""
        self._unanswered = False
        self._answers += 1
        if self._probe is None or self._answers < self._probe:
            return False
        self._probe = None
        return True

    def sent(self, now: float) -> None:
        """Note that a heartbeat is sent now, the scheduled one if it is due."""
        self._sent_count += 1
        self.is_requested = False
        if self._probe_wanted:
            self._probe, self._probe_wanted = self._sent_count, False
        if now >= self.due:
            self._unanswered = True
            self.due = now + self.interval

    def is_dead(self, now: float) -> bool:
        """Return whether the next heartbeat is due while the last one is still unanswered."""
        return self._unanswered and now >= self.due


def _interval(interval_ms: object) -> float:
    """Return the interval in seconds, within sane bounds; the usual one if HELLO has no positive number."""
    if isinstance(interval_ms, bool) or not isinstance(interval_ms, int | float) or not interval_ms > 0:
        return USUAL_INTERVAL
    # An integer can be too large for a division: it is compared first.
    return max(SHORTEST_INTERVAL, min(interval_ms, LONGEST_INTERVAL * 1000) / 1000)


FIRST_STEP = 1.0
LONGEST_STEP = 60.0
QUICK_STEP = 2.0
QUICK_TRIES = 80
"""While the gateway does not answer, so many short steps come first, about two minutes: most outages are
over by then, and results that were finished in the meantime wait only for the new connection."""
STABLE_AFTER = 30.0
"""Seconds that a session must be up before the next loss counts as the first (hikari uses 30 too)."""

LEAST_WAIT = {CloseVerdict.WAIT_AND_RESUME: 60.0, CloseVerdict.WAIT_AND_IDENTIFY: 300.0}
"""The least seconds to wait after some closes: too much was sent (4008), too many sessions (4015)."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Connect again after ``delay`` seconds. ``reason`` is one line for a person."""

    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Reconnecting can't help until a person has acted."""

    reason: str
    code: int | None


class Backoff:
    """Returns delays up to 1, 2, 4, ... 60 seconds, random in their upper half, the first one from 0 on."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._losses = 0
        self._misses = 0

    def was_up_for(self, seconds: float) -> None:
        """Note how long the lost session had been up."""
        if seconds >= STABLE_AFTER:
            self._losses = 0

    def next_delay(self, *, reached: bool) -> float:
        """Return the seconds to wait, which grow with each call until a session was stable.

        ``reached`` says that the gateway had sent HELLO, so a new connection is a cost for it.
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
    return min(LONGEST_STEP, FIRST_STEP * 2.0 ** min(tries, 10))


LIMIT_WINDOW = 60.0
"""Seconds over which Discord counts payloads; more than 120 close with 4008 (discord-api-docs, Gateway)."""
PAYLOAD_LIMIT = 110
"""Ordinary payloads may use so many of the 120; discord.py keeps the same reserve."""
HEARTBEAT_LIMIT = 118
"""Heartbeats may use so many: they go first, and still go when nothing else may."""


class SendBudget:
    """Counts the payloads of the last minute. Each connection has its own budget."""

    def __init__(self) -> None:
        self._sent: deque[float] = deque()

    def allows(self, now: float, *, heartbeat: bool = False) -> bool:
        """Return whether one more payload may be sent now."""
        while self._sent and now - self._sent[0] >= LIMIT_WINDOW:
            self._sent.popleft()
        return len(self._sent) < (HEARTBEAT_LIMIT if heartbeat else PAYLOAD_LIMIT)

    def spend(self, now: float) -> None:
        """Note that a payload was sent."""
        self._sent.append(now)

    def free_at(self) -> float:
        """Return when the oldest payload leaves the window; call it only after ``allows`` returned False."""
        return self._sent[0] + LIMIT_WINDOW


def backoff(tries: int, first: float = 2.0, most: float = 300.0) -> float:
    """Return the seconds to wait after this many failed tries: 2, 4, 8 ... 300."""
    return min(most, first * 2.0 ** min(max(tries, 0), 20))
