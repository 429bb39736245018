"""What a gateway session sends and what READY contains, as plain data, and its decompression; pure.

The gateway's transport compression is zlib-stream: one stream for a whole connection.
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
"""Capabilities that only remove data that we never read: notes and affinities in READY, single reactions.

Omitted on purpose: AUTH_TOKEN_REFRESH (bit 8), with which READY may replace the token and a client that does
not store the new token loses its login; the DEDUPE bits (4, 5), which spread users over several events. The
sum is not that of an official client, and is not meant to look like one (discord-userdoccers, gateway
capabilities).
"""

LARGEST_PAYLOAD = 4096
"""Bytes; a larger payload closes with 4002 (discord-api-docs, Gateway, "Sending events")."""

_LONGEST_SESSION_ID = 512


@dataclass(frozen=True, slots=True)
class ResumeState:
    """What is needed to resume a session, also in another process. ``seq`` is the last dispatch received."""

    session_id: str
    seq: int
    resume_gateway_url: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The fields of READY that are used; all others are ignored, also ``auth_token``.

    ``user_id`` is empty if READY does not say whose session it is.
    """

    session_id: str
    resume_gateway_url: str
    user_id: str
    user_name: str
    guild_ids: frozenset[str]
    private_channel_ids: frozenset[str]
    required_action: str | None


def client_properties() -> dict[str, str]:
    """Return honest client properties: this system, and our own name in place of a browser's."""
    return {"os": platform.system() or "unknown", "browser": "mjwatch", "device": "mjwatch"}


def identify(token: str, properties: Mapping[str, str]) -> Payload:
    """Return op 2, without intents, which user sessions don't need; the presence that others see stays."""
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
    """Return op 6."""
    data = {"token": token, "session_id": state.session_id, "seq": state.seq}
    return {"op": Opcode.RESUME, "d": data}


def heartbeat(seq: int | None) -> Payload:
    """Return op 1 with the last ``seq``, or null if there is none yet."""
    return {"op": Opcode.HEARTBEAT, "d": seq}


def guild_subscription(guild_id: str, channel_id: str) -> Payload:
    """Return op 37; without it large guilds send no messages to a user session (``typing`` subscribes).

    Source: discord-userdoccers, "Update Guild Subscriptions", and discord.py-self's state keeping.
    """
    wanted = {"typing": True, "activities": False, "threads": True, "channels": {channel_id: [[0, 99]]}}
    return {"op": Opcode.GUILD_SUBSCRIPTIONS_BULK, "d": {"subscriptions": {guild_id: wanted}}}


def encode(payload: Mapping[str, Any]) -> str:
    """Return the payload as compact JSON. Raise ValueError if it is larger than the gateway accepts."""
    text = json.dumps(payload, separators=(",", ":"))
    if len(text.encode()) >= LARGEST_PAYLOAD:
        raise ValueError(f"a payload with op {payload.get('op')} is larger than the gateway accepts")
    return text


def read_ready(data: Mapping[str, Any]) -> Ready | None:
    """Return the content of READY; None if it lacks the session id, which is essential."""
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
    """Return the ids in a list of objects; anything else in the list is ignored."""
    ids = (id_of(item.get("id")) for item in objects_of(items))
    return frozenset(found for found in ids if found is not None)


SUFFIX = b"\x00\x00\xff\xff"
"""The end of a message: the mark of zlib's Z_SYNC_FLUSH (discord-api-docs, Gateway, zlib-stream)."""

LARGEST_MESSAGE = 32 * 1024 * 1024
"""Bytes of a message, compressed or not. The largest known is READY of an account in very many guilds, below
16 MiB."""


class InflateError(ValueError):
    """The stream is broken, or a message in it is larger than any real one."""


class Inflater:
    """Collects pieces until a message is complete. Each connection needs a new one, also to resume."""

    def __init__(self, largest: int = LARGEST_MESSAGE) -> None:
        self._largest = largest
        self._stream = zlib.decompressobj()
        self._pieces = bytearray()

    def feed(self, piece: bytes) -> bytes | None:
        """Return the message that this piece completes, or None. Raise InflateError."""
        self._pieces += piece
        if len(self._pieces) > self._largest:
            raise InflateError("a compressed message is too large")
        if not self._pieces.endswith(SUFFIX):
            return None
        data, self._pieces = self._pieces, bytearray()
        return self._inflate(data)

    def _inflate(self, data: bytearray) -> bytes:
        try:
            message = self._stream.decompress(data, self._largest)
        except zlib.error as error:
            raise InflateError("the compressed stream is broken") from error
        if self._stream.unconsumed_tail:
            raise InflateError("a message is too large")
        return message
