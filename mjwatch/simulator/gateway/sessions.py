"""Gateway sessions: sequence numbers, replay, recipients of events, and transport compression.

The compression is one stream for a whole connection (discord-api-docs, Gateway).
"""

from __future__ import annotations

import json
import secrets
import time
import zlib
from collections import deque
from typing import TYPE_CHECKING, Protocol

from mjwatch.simulator.world import USER_ID, Json, SimulatedChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mjwatch.discord.protocol import Opcode


REPLAY_KEPT = 3000
"""Dispatches that a session can replay; Discord's own number is unknown."""
DETACHED_LIFETIME = 300.0
"""Seconds that a session outlives its connection: "a few minutes"."""
SESSIONS_MAX = 50

GUILD_MESSAGES_INTENT = 1 << 9
DIRECT_MESSAGES_INTENT = 1 << 12


def encoded(data: object) -> str:
    """Return JSON as Discord writes it: compact, in plain UTF-8."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


class SessionLink(Protocol):
    """What a session needs of the connection that carries it."""

    def send(self, text: str) -> None:
        """Queue one gateway message."""

    def send_op(self, opcode: Opcode, data: object) -> None:
        """Queue a message that is not a dispatch."""

    def close(self, code: int) -> None:
        """Close with this code after everything queued has been sent."""

    def cut(self, *, midframe: bool = False) -> None:
        """Drop the TCP connection at once, or in the middle of a message."""


class SimulatedSession:
    """One gateway session; it outlives its connections."""

    def __init__(self, session_id: str, account: str, capabilities: int, intents: int | None) -> None:
        self.id = session_id
        self.account = account
        self.capabilities = capabilities
        self.seq = 0
        self.link: SessionLink | None = None
        self.detached_at = 0.0
        self.subscribed = True
        """If False, only PASSIVE_UPDATE_V2 announces the guild's messages."""
        self._intents = intents
        self._replay: deque[tuple[int, str]] = deque(maxlen=REPLAY_KEPT)

    def dispatch(self, event: str, data: str) -> None:
        """Send this event, and keep it for the replay; ``data`` is already JSON."""
        self.seq += 1
        text = f'{{"t":"{event}","s":{self.seq},"op":0,"d":{data}}}'
        self._replay.append((self.seq, text))
        if self.link is not None:
            self.link.send(text)

    def can_replay_from(self, seq: int) -> bool:
        """Return whether everything after this sequence number can still be replayed."""
        return not self._replay or self._replay[0][0] <= seq + 1

    def missed_since(self, seq: int) -> list[str]:
        """Return the gateway messages after this sequence number, in order."""
        return [text for number, text in self._replay if number > seq]

    def receives_messages_of(self, channel: SimulatedChannel) -> bool:
        """Return whether message events of this channel reach this session."""
        if self.account != USER_ID and channel.guild_id is None:
            return False
        needed = DIRECT_MESSAGES_INTENT if channel.guild_id is None else GUILD_MESSAGES_INTENT
        return self._intents is None or bool(self._intents & needed)


class Sessions:
    """All sessions that can still be used or resumed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, SimulatedSession] = {}
        self._last_ids: dict[str, str] = {}  # by account
        self._closed_until = 0.0

    def close_for(self, seconds: float) -> None:
        """Refuse connections for some seconds."""
        self._closed_until = self._clock() + seconds

    @property
    def closed(self) -> bool:
        """Whether connections are refused."""
        return self._clock() < self._closed_until

    def end_all(self) -> None:
        """End all sessions, so that none can be resumed."""
        for session in list(self._sessions.values()):
            self.end(session)

    def begin(
        self, account: str, capabilities: int, intents: int | None, *, reuse_id: bool = False
    ) -> SimulatedSession:
        """Begin and return a new session; ``reuse_id`` ends the account's last one and gives it that id."""
        self._forget_expired()
        last = self._last_ids.get(account) if reuse_id else None
        if last in self._sessions:
            self.end(self._sessions[last])
        session = SimulatedSession(last or secrets.token_hex(16), account, capabilities, intents)
        self._sessions[session.id] = session
        self._last_ids[account] = session.id
        return session

    def find(self, session_id: object) -> SimulatedSession | None:
        """Return the live session with this id."""
        self._forget_expired()
        return self._sessions.get(session_id) if isinstance(session_id, str) else None

    def attach(self, session: SimulatedSession, link: SessionLink) -> None:
        """Use this connection for the session."""
        session.link = link

    def detach(self, session: SimulatedSession, link: SessionLink) -> None:
        """Note that the connection has ended; the session waits for a RESUME."""
        if session.link is link:
            session.link = None
            session.detached_at = self._clock()

    def end(self, session: SimulatedSession) -> None:
        """End the session, so that it can't be resumed."""
        self._sessions.pop(session.id, None)
        session.link = None

    def connected(self) -> list[SimulatedSession]:
        """Return the sessions that have a connection."""
        return [session for session in self._sessions.values() if session.link is not None]

    def links(self) -> list[SessionLink]:
        """Return the connections of all sessions."""
        return [session.link for session in self._sessions.values() if session.link is not None]

    def too_many(self, account: str) -> bool:
        """Return whether this account is at its limit of connected sessions."""
        return sum(1 for one in self._of(account) if one.link is not None) >= SESSIONS_MAX

    def to_session(self, session_id: str, event: str, data: Json) -> None:
        """Dispatch to one session; an unknown id is ignored."""
        if (session := self.find(session_id)) is not None:
            session.dispatch(event, encoded(data))

    def to_channel(
        self, channel: SimulatedChannel, event: str, data: Json, passive: Json | None = None
    ) -> None:
        """Dispatch a message event to all sessions that receive this channel's messages.

        ``passive`` is the PASSIVE_UPDATE_V2 for sessions without a subscription to the guild.
        """
        text = encoded(data)
        for session in list(self._sessions.values()):
            if not session.receives_messages_of(channel):
                continue
            if session.subscribed or passive is None:
                session.dispatch(event, text)
            else:
                session.dispatch("PASSIVE_UPDATE_V2", encoded(passive))

    def to_user(self, session_id: str, event: str, data: Json) -> None:
        """Dispatch something ephemeral to the named session, or else to all of the user's sessions."""
        text = encoded(data)
        named = self.find(session_id)
        for session in [named] if named is not None else list(self._of(USER_ID)):
            session.dispatch(event, text)

    def _of(self, account: str) -> Iterator[SimulatedSession]:
        return (session for session in self._sessions.values() if session.account == account)

    def _forget_expired(self) -> None:
        limit = self._clock() - DETACHED_LIFETIME
        for session in list(self._sessions.values()):
            if session.link is None and session.detached_at and session.detached_at < limit:
                del self._sessions[session.id]


class Packer(Protocol):
    """Turns gateway messages into the next bytes of a stream."""

    def pack(self, message: bytes) -> bytes:
        """Return the bytes of one message, which a client can decode after the bytes before them."""


class ZlibStream:
    """``compress=zlib-stream``: every message ends with the mark of a sync flush."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj()

    def pack(self, message: bytes) -> bytes:
        """Return the deflated message."""
        return self._deflate.compress(message) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class ZstdStream:
    """``compress=zstd-stream``: a frame that never ends, here of raw blocks (RFC 8878).

    Nothing gets smaller, but a client's decompressor accepts the stream, and no library is needed.
    """

    _FRAME = b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x38"
    """Magic number; no content size, checksum or dictionary; a window of 128 KB."""
    _BLOCK = 128 * 1024
    """The most bytes of a block."""

    def __init__(self) -> None:
        self._head = self._FRAME

    def pack(self, message: bytes) -> bytes:
        """Return the message in blocks, none of them marked as the last; the frame's head comes first."""
        head, self._head = self._head, b""
        starts = range(0, len(message), self._BLOCK)
        pieces = (message[start : start + self._BLOCK] for start in starts)
        return head + b"".join((len(piece) << 3).to_bytes(3, "little") + piece for piece in pieces)


_PACKERS: dict[str, type[Packer]] = {"zlib-stream": ZlibStream, "zstd-stream": ZstdStream}


def packer_for(compress: str | None) -> Packer | None:
    """Return the packer for a client's ``compress``; None for plain text."""
    packer = _PACKERS.get(compress or "")
    return packer() if packer is not None else None
