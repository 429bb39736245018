"""What a gateway session sends and what READY tells it, as plain data; pure.

Undoes zlib-stream, the transport compression of the gateway: one stream for a whole connection.
"""

from __future__ import annotations

import json
import platform
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch.discord.json_values import id_of, object_of, objects_of, text_of
from mjwatch.discord.protocol import Opcode

if TYPE_CHECKING:
    from collections.abc import Mapping


Payload = dict[str, Any]

LAZY_USER_NOTES = 1 << 0
NO_AFFINE_USER_IDS = 1 << 1
DEBOUNCE_MESSAGE_REACTIONS = 1 << 13

CAPABILITIES = LAZY_USER_NOTES | NO_AFFINE_USER_IDS | DEBOUNCE_MESSAGE_REACTIONS
"""Capabilities that only take away what we never read: notes and affinities in READY, single reactions.

Left off on purpose: AUTH_TOKEN_REFRESH (bit 8), with which READY may replace the token and a client that does
not store the new one loses its login; the DEDUPE bits (4, 5), which spread users over several events. The sum
is no official client's, and is not meant to look like one (discord-userdoccers, gateway capabilities).
"""

LARGEST_PAYLOAD = 4096
"""Bytes; a larger one closes with 4002 (discord-api-docs, Gateway, "Sending events")."""

_LONGEST_SESSION_ID = 512


@dataclass(frozen=True, slots=True)
class ResumeState:
    """What it takes to resume a session, also from another process. ``seq`` is the last dispatch received."""

    session_id: str
    seq: int
    resume_gateway_url: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The fields of READY that are used; whatever else comes is not looked at, ``auth_token`` included.

    ``user_id`` is empty where READY does not tell whose session it is.
    """

    session_id: str
    resume_gateway_url: str
    user_id: str
    user_name: str
    guild_ids: frozenset[str]
    private_channel_ids: frozenset[str]
    required_action: str | None


def client_properties() -> dict[str, str]:
    """Who we are, honestly: this system, and our own name where a browser's would stand."""
    return {"os": platform.system() or "unknown", "browser": "mjwatch", "device": "mjwatch"}


def identify(token: str, properties: Mapping[str, str]) -> Payload:
    """Op 2. No intents, which user sessions don't need; the presence that others see stays as it is."""
    presence = {"status": "unknown", "since": 0, "activities": [], "afk": False}
    data = {
        "token": token,
        "properties": dict(properties),
        "capabilities": CAPABILITIES,
        "presence": presence,
        "client_state": {"guild_versions": {}},
    }
    return {"op": Opcode.IDENTIFY, "d": data}


def resume(token: str, state: ResumeState) -> Payload:
    """Op 6."""
    data = {"token": token, "session_id": state.session_id, "seq": state.seq}
    return {"op": Opcode.RESUME, "d": data}


def heartbeat(seq: int | None) -> Payload:
    """Op 1 with the last ``seq``, or null before there is one."""
    return {"op": Opcode.HEARTBEAT, "d": seq}


def guild_subscription(guild_id: str, channel_id: str) -> Payload:
    """Op 37: without it large guilds send no messages to a user session (``typing`` is what subscribes).

    Source: discord-userdoccers, "Update Guild Subscriptions", and discord.py-self's state keeping.
    """
    wanted = {"typing": True, "activities": False, "threads": True, "channels": {channel_id: [[0, 99]]}}
    return {"op": Opcode.GUILD_SUBSCRIPTIONS_BULK, "d": {"subscriptions": {guild_id: wanted}}}


def encode(payload: Mapping[str, Any]) -> str:
    """The payload as compact JSON. Raises ValueError where it is larger than the gateway takes."""
    text = json.dumps(payload, separators=(",", ":"))
    if len(text.encode()) >= LARGEST_PAYLOAD:
        raise ValueError(f"a payload with op {payload.get('op')} is larger than the gateway takes")
    return text


def read_ready(data: Mapping[str, Any]) -> Ready | None:
    """What READY says; None where it lacks the session id, without which nothing works."""
    session_id = data.get("session_id")
    if not isinstance(session_id, str) or not 0 < len(session_id) <= _LONGEST_SESSION_ID:
        return None
    user = object_of(data.get("user"))
    return Ready(
        session_id=session_id,
        resume_gateway_url=text_of(data.get("resume_gateway_url")),
        user_id=id_of(user.get("id")) or "",
        user_name=text_of(user.get("username")),
        guild_ids=_ids(data.get("guilds")),
        private_channel_ids=_ids(data.get("private_channels")),
        required_action=_required_action(data.get("required_action")),
    )


def _required_action(value: object) -> str | None:
    return str(value) if value else None


def _ids(items: object) -> frozenset[str]:
    """Return the ids in a list of objects, without anything that is not an id."""
    ids = (id_of(item.get("id")) for item in objects_of(items))
    return frozenset(found for found in ids if found is not None)


SUFFIX = b"\x00\x00\xff\xff"
"""What a message ends with: the mark of zlib's Z_SYNC_FLUSH (discord-api-docs, Gateway, zlib-stream)."""

LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes. READY of an account in very many guilds is the largest message known, below 16 MiB."""


class InflateError(ValueError):
    """The stream is broken, or a message of it is larger than any honest one."""


class Inflater:
    """Collects pieces until a message is whole. Each connection needs a new one, a resumed one too."""

    def __init__(self, largest: int = LARGEST_MESSAGE) -> None:
        self._largest = largest
        self._stream = zlib.decompressobj()
        self._pieces: list[bytes] = []
        self._held = 0

    def feed(self, piece: bytes) -> bytes | None:
        """The message that this piece completes, or None. Raises InflateError."""
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held > self._largest:
            raise InflateError("a compressed message is too large")
        if not self._ends_message():
            return None
        data, self._pieces, self._held = b"".join(self._pieces), [], 0
        return self._inflate(data)

    def _ends_message(self) -> bool:
        tail = self._pieces[-1][-len(SUFFIX) :]
        if len(tail) < len(SUFFIX):
            tail = b"".join(self._pieces[-len(SUFFIX) :])[-len(SUFFIX) :]
        return tail == SUFFIX

    def _inflate(self, data: bytes) -> bytes:
        try:
            message = self._stream.decompress(data, self._largest)
        except zlib.error as error:
            raise InflateError("the compressed stream is broken") from error
        if self._stream.unconsumed_tail:
            raise InflateError("a message is too large")
        return message
