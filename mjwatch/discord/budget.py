"""How much may be sent on one connection: a sliding window below Discord's limit, pure."""

from __future__ import annotations

from collections import deque

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
