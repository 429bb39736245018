"""Ids that grow strictly, and the times that are written in them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import DISCORD_EPOCH_MS, snowflake_ms

if TYPE_CHECKING:
    from collections.abc import Callable


class SnowflakeMint:
    """Makes snowflakes of the current time, each greater than the one before."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> str:
        """A new id."""
        now = (int(self._clock() * 1000) - DISCORD_EPOCH_MS) << 22
        self._last = max(now, self._last + 1)
        return str(self._last)


def timestamp_of(snowflake: str) -> str:
    """The time in an id as Discord writes it in messages, e.g. `2026-06-06T18:15:49.650000+00:00`."""
    return iso_time(snowflake_ms(snowflake) / 1000)


def iso_time(unix: float) -> str:
    """A unix time in Discord's form, in UTC, always with six digits after the point."""
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="microseconds")
