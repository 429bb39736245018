"""The messages of each channel: compressed, limited in number, and without the fields that REST omits."""

from __future__ import annotations

import json
import zlib
from bisect import bisect_left, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mjwatch.simulator.world import Json

MESSAGES_KEPT = 20_000
"""Per channel; some 20 MB. Older ones are forgotten."""


class ChannelHistory:
    """The messages of one channel, by id."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._packed: dict[int, bytes] = {}

    def put(self, message: Json) -> None:
        """Add a message, or replace the message with the same id."""
        number = int(message["id"])
        if number not in self._packed:
            insort(self._ids, number)
        self._packed[number] = zlib.compress(json.dumps(message).encode(), 1)
        if len(self._ids) > MESSAGES_KEPT:
            self.remove(self._ids[0])

    def remove(self, number: int) -> None:
        """Remove a message; a missing one is no error."""
        if self._packed.pop(number, None) is not None:
            del self._ids[bisect_left(self._ids, number)]

    def get(self, number: int) -> Json | None:
        """Return the message with this id."""
        packed = self._packed.get(number)
        return None if packed is None else self._unpacked(packed)

    def before(self, number: int | None, limit: int) -> list[Json]:
        """Return the newest messages before this id (or of all), newest first."""
        end = len(self._ids) if number is None else bisect_left(self._ids, number)
        return self._page(max(0, end - limit), end)

    def after(self, number: int, limit: int) -> list[Json]:
        """Return the oldest messages after this id, but newest first, as Discord's pages are."""
        start = bisect_left(self._ids, number + 1)
        return self._page(start, start + limit)

    def around(self, number: int, limit: int) -> list[Json]:
        """Return the message with this id in the middle of its neighbours, newest first."""
        middle = bisect_left(self._ids, number)
        start = max(0, middle - limit // 2)
        return self._page(start, start + limit)

    def _page(self, start: int, end: int) -> list[Json]:
        return [self._unpacked(self._packed[number]) for number in reversed(self._ids[start:end])]

    @staticmethod
    def _unpacked(packed: bytes) -> Json:
        message: Json = json.loads(zlib.decompress(packed))
        return message


class History:
    """The histories of all channels."""

    def __init__(self) -> None:
        self._channels: dict[str, ChannelHistory] = {}
        self.ephemeral = ChannelHistory()
        """Ephemeral messages: REST never shows them, their buttons work all the same."""

    def of(self, channel_id: str) -> ChannelHistory:
        """Return the history of this channel, which is created if there is none."""
        return self._channels.setdefault(channel_id, ChannelHistory())

    def find(self, channel_id: str, message_id: str | None) -> Json | None:
        """Return the message with this id, ephemeral or not."""
        number = int(message_id or 0)
        return self.of(channel_id).get(number) or self.ephemeral.get(number)

    def clear(self) -> None:
        """Remove all messages."""
        self._channels.clear()
        self.ephemeral = ChannelHistory()
