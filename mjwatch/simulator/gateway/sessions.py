"""Gateway sessions: their sequence numbers, what they can replay, and who hears what.

Transport compression of the gateway: one stream for a whole connection (discord-api-docs, Gateway).
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
    """JSON as Discord writes it: compact, in plain UTF-8."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


class SessionLink(Protocol):
    """What a session needs of the connection that carries it."""

    def send(self, text: str) -> None:
        """Queue one gateway message."""

    def send_op(self, opcode: Opcode, data: object) -> None:
        """Queue a message that is no dispatch."""

    def close(self, code: int) -> None:
        """Close with this code once everything queued is out."""

    def cut(self, *, midframe: bool = False) -> None:
        """Drop the TCP connection at once, or in the middle of a message."""


class SimulatedSession:
    """One gateway session; it outlives its connections."""

    def __init__(self, account: str, capabilities: int, intents: int | None) -> None:
        self.id = secrets.token_hex(16)
        self.account = account
        self.capabilities = capabilities
        self.seq = 0
        self.link: SessionLink | None = None
        self.detached_at = 0.0
        self.subscribed = True
        """Else the guild's messages are told by PASSIVE_UPDATE_V2 only."""
        self._intents = intents
        self._replay: deque[tuple[int, str]] = deque(maxlen=REPLAY_KEPT)

    def dispatch(self, event: str, data: str) -> None:
        """Send this event, or keep it for the replay; ``data`` is JSON already."""
        self.seq += 1
        text = f'{{"t":"{event}","s":{self.seq},"op":0,"d":{data}}}'
        self._replay.append((self.seq, text))
        if self.link is not None:
            self.link.send(text)

    def can_replay_from(self, seq: int) -> bool:
        """Whether everything after this sequence number is still known."""
        return not self._replay or self._replay[0][0] <= seq + 1

    def missed_since(self, seq: int) -> list[str]:
        """The gateway messages after this sequence number, in order."""
        return [text for number, text in self._replay if number > seq]

    def hears_messages_in(self, channel: SimulatedChannel) -> bool:
        """Whether message events of this channel reach this session."""
        if self.account != USER_ID and channel.guild_id is None:
            return False
        needed = DIRECT_MESSAGES_INTENT if channel.guild_id is None else GUILD_MESSAGES_INTENT
        return self._intents is None or bool(self._intents & needed)


class Sessions:
    """Every live session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, SimulatedSession] = {}
        self._closed_until = 0.0

    def close_for(self, seconds: float) -> None:
        """Let no connection in for some seconds."""
        self._closed_until = self._clock() + seconds

    @property
    def closed(self) -> bool:
        """Whether connections are kept out."""
        return self._clock() < self._closed_until

    def end_all(self) -> None:
        """No session there is can be resumed any more."""
        for session in list(self._sessions.values()):
            self.end(session)

    def begin(self, account: str, capabilities: int, intents: int | None) -> SimulatedSession:
        """A new session."""
        self._forget_expired()
        session = SimulatedSession(account, capabilities, intents)
        self._sessions[session.id] = session
        return session

    def find(self, session_id: object) -> SimulatedSession | None:
        """The live session with this id."""
        self._forget_expired()
        return self._sessions.get(session_id) if isinstance(session_id, str) else None

    def attach(self, session: SimulatedSession, link: SessionLink) -> None:
        """Let this connection carry the session."""
        session.link = link

    def detach(self, session: SimulatedSession, link: SessionLink) -> None:
        """The connection is gone; the session waits for a RESUME."""
        if session.link is link:
            session.link = None
            session.detached_at = self._clock()

    def end(self, session: SimulatedSession) -> None:
        """The session is over and can't be resumed."""
        self._sessions.pop(session.id, None)
        session.link = None

    def connected(self) -> list[SimulatedSession]:
        """The sessions that a connection carries now."""
        return [session for session in self._sessions.values() if session.link is not None]

    def links(self) -> list[SessionLink]:
        """Those connections."""
        return [session.link for session in self._sessions.values() if session.link is not None]

    def too_many(self, account: str) -> bool:
        """Whether this account is at its limit of connected sessions."""
        return sum(1 for one in self._of(account) if one.link is not None) >= SESSIONS_MAX

    def to_session(self, session_id: str, event: str, data: Json) -> None:
        """Dispatch to one session; an unknown id means that nobody hears it."""
        if (session := self.find(session_id)) is not None:
            session.dispatch(event, encoded(data))

    def to_channel(
        self, channel: SimulatedChannel, event: str, data: Json, passive: Json | None = None
    ) -> None:
        """Dispatch a message event to everybody who hears this channel.

        ``passive``: PASSIVE_UPDATE_V2 for those who are not subscribed to its guild.
        """
        text = encoded(data)
        for session in list(self._sessions.values()):
            if not session.hears_messages_in(channel):
                continue
            if session.subscribed or passive is None:
                session.dispatch(event, text)
            else:
                session.dispatch("PASSIVE_UPDATE_V2", encoded(passive))

    def to_user(self, session_id: str, event: str, data: Json) -> None:
        """Dispatch something ephemeral: to the session named if it lives, else to all of the user's."""
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
    """Makes gateway messages into the next bytes of a stream."""

    def pack(self, message: bytes) -> bytes:
        """The bytes of one message, all of which a client can read from them and what came before."""


class ZlibStream:
    """``compress=zlib-stream``: every message ends with the mark of a sync flush."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj()

    def pack(self, message: bytes) -> bytes:
        """The deflated message."""
        return self._deflate.compress(message) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class ZstdStream:
    """``compress=zstd-stream``: a frame that never ends, here of raw blocks (RFC 8878).

    Nothing gets smaller; a client's decompressor finds all that it looks for, and no library is needed.
    """

    _FRAME = b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x38"
    """Magic number; neither content size nor checksum nor dictionary; a window of 128 KB."""
    _BLOCK = 128 * 1024
    """Bytes, the most that a block may have."""

    def __init__(self) -> None:
        self._head = self._FRAME

    def pack(self, message: bytes) -> bytes:
        """The message in blocks, none of which is the last one; before the first stands the frame's head."""
        head, self._head = self._head, b""
        starts = range(0, len(message), self._BLOCK)
        pieces = (message[start : start + self._BLOCK] for start in starts)
        return head + b"".join((len(piece) << 3).to_bytes(3, "little") + piece for piece in pieces)


_PACKERS: dict[str, type[Packer]] = {"zlib-stream": ZlibStream, "zstd-stream": ZstdStream}


def packer_for(compress: str | None) -> Packer | None:
    """The packer that a client's ``compress`` asks for; None to send plain text."""
    packer = _PACKERS.get(compress or "")
    return packer() if packer is not None else None
