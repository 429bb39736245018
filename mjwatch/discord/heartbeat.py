"""When to beat, and whether the other side still answers: the heartbeat of one connection, pure."""

from __future__ import annotations

from math import isfinite

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
