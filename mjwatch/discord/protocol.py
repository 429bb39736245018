"""Discord's own numbers: opcodes, close codes, snowflakes, and what a close code means for the session.

Sources: ``developers/topics/opcodes-and-status-codes`` and ``gateway`` of discord-api-docs, and the
community documentation of the user-account API (discord-userdoccers) for what only user sessions meet.
"""

from __future__ import annotations

from enum import Enum, IntEnum

DISCORD_EPOCH_MS = 1_420_070_400_000
"""The first millisecond of 2015, from which snowflakes count."""

MIDJOURNEY_APPLICATION_ID = "936929561302675456"
NIJI_APPLICATION_ID = "1022952195194359889"

API_VERSION = 9

INTERACTION_COMMAND = 2
INTERACTION_COMPONENT = 3
INTERACTION_MODAL = 5

FLAG_EPHEMERAL = 1 << 6
FLAG_LOADING = 1 << 7
FLAG_COMPONENTS_V2 = 1 << 15


class Opcode(IntEnum):
    """Every gateway opcode that a user session sends or meets."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11
    GUILD_SUBSCRIPTIONS = 14
    REQUEST_LAST_MESSAGES = 34
    GUILD_SUBSCRIPTIONS_BULK = 37
    QOS_HEARTBEAT = 40
    UPDATE_TIME_SPENT_SESSION_ID = 41


class CloseCode(IntEnum):
    """Gateway close codes, and the WebSocket ones that matter here."""

    NORMAL = 1000
    GOING_AWAY = 1001
    ABNORMAL = 1006
    UNKNOWN_ERROR = 4000
    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    SESSION_NO_LONGER_VALID = 4006
    INVALID_SEQ = 4007
    RATE_LIMITED = 4008
    SESSION_TIMED_OUT = 4009
    INVALID_SHARD = 4010
    SHARDING_REQUIRED = 4011
    INVALID_API_VERSION = 4012
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014
    TOO_MANY_SESSIONS = 4015


class CloseVerdict(Enum):
    """What to do after the connection was closed."""

    RESUME = "resume"
    """Connect again and resume the session."""
    IDENTIFY = "identify"
    """The session is gone: connect again and begin a new one."""
    WAIT_AND_RESUME = "wait and resume"
    """Too much was sent: wait at least a minute, then resume."""
    WAIT_AND_IDENTIFY = "wait and identify"
    """Too many sessions: don't loop; inform the person and try again after minutes."""
    STOP = "stop"
    """Connecting again can't help: a person must act (token, configuration)."""


_VERDICTS: dict[int, CloseVerdict] = {
    CloseCode.NOT_AUTHENTICATED: CloseVerdict.IDENTIFY,
    CloseCode.AUTHENTICATION_FAILED: CloseVerdict.STOP,
    CloseCode.SESSION_NO_LONGER_VALID: CloseVerdict.IDENTIFY,
    CloseCode.INVALID_SEQ: CloseVerdict.IDENTIFY,
    CloseCode.RATE_LIMITED: CloseVerdict.WAIT_AND_RESUME,
    CloseCode.SESSION_TIMED_OUT: CloseVerdict.IDENTIFY,
    CloseCode.INVALID_SHARD: CloseVerdict.STOP,
    CloseCode.SHARDING_REQUIRED: CloseVerdict.STOP,
    CloseCode.INVALID_API_VERSION: CloseVerdict.STOP,
    CloseCode.INVALID_INTENTS: CloseVerdict.STOP,
    CloseCode.DISALLOWED_INTENTS: CloseVerdict.STOP,
    CloseCode.TOO_MANY_SESSIONS: CloseVerdict.WAIT_AND_IDENTIFY,
}


def close_verdict(code: int | None) -> CloseVerdict:
    """Return what to do after a close with this code; None means no close frame (TCP or TLS lost).

    Codes not listed, a server's 1000 and 1001 included, leave the session resumable (discord-api-docs,
    "Gateway close event codes"; discord.py treats a server's 1000 alike).
    """
    return CloseVerdict.RESUME if code is None else _VERDICTS.get(code, CloseVerdict.RESUME)


_SHARDING = "it asks for sharding, as large bots do it, which mjwatch does not support"
_INTENTS = "it no longer sends mjwatch the events that it needs; mjwatch needs an update"
_REASONS: dict[int, str] = {
    CloseCode.UNKNOWN_ERROR: "something went wrong on Discord's side",
    CloseCode.NOT_AUTHENTICATED: "the session was invalidated",
    CloseCode.AUTHENTICATION_FAILED: "Discord does not accept the token (a new password makes a new one)",
    CloseCode.RATE_LIMITED: "too much was sent",
    CloseCode.SESSION_TIMED_OUT: "the session timed out",
    CloseCode.INVALID_SHARD: _SHARDING,
    CloseCode.SHARDING_REQUIRED: _SHARDING,
    CloseCode.INVALID_API_VERSION: "the gateway no longer supports this API version; mjwatch needs an update",
    CloseCode.INVALID_INTENTS: _INTENTS,
    CloseCode.DISALLOWED_INTENTS: _INTENTS,
    CloseCode.TOO_MANY_SESSIONS: "the account has too many open sessions; log out of some other clients",
}


def describe_close(code: int | None) -> str:
    """Describe a close of the gateway in one line; None means that no close frame came."""
    if code is None:
        return "the connection to the gateway was lost"
    reason = _REASONS.get(code)
    return f"the gateway closed the connection with {code}" + (f": {reason}" if reason else "")


def snowflake(unix_ms: int, low_bits: int = 0) -> str:
    """Return a snowflake for this time in ms since 1970; 22 ``low_bits`` distinguish two of one ms."""
    return str((unix_ms - DISCORD_EPOCH_MS) << 22 | (low_bits & 0x3FFFFF))


def snowflake_ms(value: str) -> int:
    """Return the time in a snowflake, in ms since 1970. Raise ValueError for anything but a number."""
    return (int(value) >> 22) + DISCORD_EPOCH_MS
