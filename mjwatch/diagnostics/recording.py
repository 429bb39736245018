"""A bounded recording of what goes over the wire, in memory: gateway payloads and HTTP exchanges.

It may hold ids, prompts and names, but never the token, and nothing from other channels: of their events only
the names are kept. ``report.py`` makes texts from it that can be published.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mjwatch.discord.json_values import is_object, object_of, objects_of
from mjwatch.discord.protocol import Opcode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.discord.rest import HttpExchange

MOST_ENTRIES = 3000
"""The oldest are forgotten; a check of a few minutes in a busy channel has some hundred."""
MOST_ITEMS = 60
"""Elements of a list, or keys of an object; READY of an account in many guilds has thousands."""
LONGEST_TEXT = 4096
DEEPEST = 14

_NUMBER = re.compile(r"\d{5,}")
_PERSONAL = frozenset({"READY", "READY_SUPPLEMENTAL", "RESUMED"})
_PASSIVE = frozenset({"PASSIVE_UPDATE_V1", "PASSIVE_UPDATE_V2"})
_WITH_TOKEN = frozenset({Opcode.IDENTIFY, Opcode.RESUME})


class EntryKind(StrEnum):
    """The kind of an entry."""

    RECEIVED = "received"
    SENT = "sent"
    CLOSED = "closed"
    HTTP = "http"
    STEP = "step"
    """A step of the check begins."""


@dataclass(frozen=True, slots=True)
class WireEntry:
    """One payload, exchange or step.

    ``at``: seconds since the recording began. ``name``: the name of a dispatch, ``op 10``, ``GET
    /channels/{id}`` or the name of the step. ``data``: what is under ``d``; of an exchange ``status``,
    ``content_type``, ``sent``, ``body`` and ``is_empty``; of a close its ``code``.
    """

    at: float
    kind: EntryKind
    name: str
    data: Any = None


class WireRecording:
    """The recording of one account's traffic about one channel. Its methods may be called by any thread."""

    def __init__(
        self,
        channel_id: str,
        guild_id: str | None,
        application_id: str,
        clock: Callable[[], float],
        most: int = MOST_ENTRIES,
    ) -> None:
        self._channel_id = channel_id
        self._guild_id = guild_id
        self._application_id = application_id
        self._clock = clock
        self._began = clock()
        self._entries: deque[WireEntry] = deque(maxlen=most)
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)

    def entries(self) -> tuple[WireEntry, ...]:
        """Return what is recorded, oldest first."""
        with self._lock:
            return tuple(self._entries)

    def wait(self, seconds: float) -> None:
        """Wait for the next entry, for so long at most."""
        with self._news:
            self._news.wait(seconds)

    def step(self, name: str) -> None:
        """Note that a step of the check begins."""
        self._add(EntryKind.STEP, name, None)

    def gateway(self, direction: str, payload: Mapping[str, Any]) -> None:
        """Record a payload: the ``tap`` of a WebsocketConnection."""
        kind = EntryKind(direction)
        if kind is EntryKind.CLOSED:
            self._add(kind, "close", dict(payload))
            return
        opcode, name, data = payload.get("op"), payload.get("t"), payload.get("d")
        if opcode == Opcode.DISPATCH:
            self._add(kind, str(name), self._of_dispatch(str(name), data))
        else:
            self._add(kind, f"op {opcode}", None if opcode in _WITH_TOKEN else _bounded(data))

    def http(self, exchange: HttpExchange) -> None:
        """Record an exchange that was answered: the ``tap`` of a DiscordREST."""
        if exchange.status is None:
            return
        body = exchange.body()
        if is_object(body) and "application_commands" in body:
            body = {**body, "application_commands": self._commands(body)}
        data = {
            "status": exchange.status,
            "content_type": exchange.headers.get("Content-Type"),
            "is_empty": exchange.is_empty,
            "sent": _bounded(exchange.sent),
            "body": _bounded(body),
        }
        path = _NUMBER.sub("{id}", exchange.path)
        self._add(EntryKind.HTTP, f"{exchange.method} {path}", data)

    def _commands(self, index: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        commands = objects_of(index.get("application_commands"))
        return [one for one in commands if one.get("application_id") == self._application_id]

    def _of_dispatch(self, name: str, data: object) -> Any:
        """Return the data if it is about the person's session or this channel; of others nothing."""
        fields = object_of(data)
        is_ours = (
            name in _PERSONAL
            or name.startswith("INTERACTION_")
            or (name.startswith("MESSAGE_") and fields.get("channel_id") == self._channel_id)
        )
        if is_ours:
            return _bounded(data)
        if name in _PASSIVE and fields.get("guild_id") == self._guild_id:
            lists = ("channels", "updated_channels")
            return {key: self._own_channel(fields[key]) for key in lists if key in fields}
        return None

    def _own_channel(self, channels: object) -> list[Any]:
        return [_bounded(one) for one in objects_of(channels) if one.get("id") == self._channel_id]

    def _add(self, kind: EntryKind, name: str, data: Any) -> None:
        with self._news:
            self._entries.append(WireEntry(self._clock() - self._began, kind, name, data))
            self._news.notify_all()


def _bounded(value: object, depth: int = DEEPEST) -> Any:
    """Return a copy of limited size."""
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    if isinstance(value, list):
        return [_bounded(item, depth - 1) for item in value[:MOST_ITEMS]] if depth else []
    if is_object(value):
        kept = list(value.items())[:MOST_ITEMS] if depth else []
        return {str(key): _bounded(item, depth - 1) for key, item in kept}
    return value
