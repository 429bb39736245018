"""The gateway's connections, one WebSocket each, and the handshake: IDENTIFY and RESUME."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from mjwatch.discord.protocol import CloseCode, Opcode
from mjwatch.simulator.gateway import ready
from mjwatch.simulator.gateway.sessions import ZlibStream, encoded, packer_for
from mjwatch.simulator.world import GUILD_ID, NEW_USER_TOKEN, USER_ID, Json, account_of

if TYPE_CHECKING:
    from mjwatch.simulator.faults.registry import FaultRegistry
    from mjwatch.simulator.gateway.sessions import Sessions, SimulatedSession
    from mjwatch.simulator.messages.profiles import CurrentProfile
    from mjwatch.simulator.recorder import Recorder
    from mjwatch.simulator.world import Json


PAYLOAD_MAX = 4096
IDENTIFY_MAX = 15 * 1024
EVENTS_MAX = 120
EVENTS_WINDOW = 60.0
HEARTBEATS_MISSED = 2.0
"""Intervals without a heartbeat after which the connection is closed; Discord's own tolerance is unknown."""

_KNOWN = frozenset(int(opcode) for opcode in Opcode)
_RECEIVED = _KNOWN - {
    Opcode.DISPATCH,
    Opcode.RECONNECT,
    Opcode.INVALID_SESSION,
    Opcode.HELLO,
    Opcode.HEARTBEAT_ACK,
}
_SUBSCRIBES = frozenset({Opcode.GUILD_SUBSCRIPTIONS, Opcode.GUILD_SUBSCRIPTIONS_BULK})
_ENDED_BY = frozenset({CloseCode.NORMAL, CloseCode.GOING_AWAY})


@dataclass(frozen=True, slots=True)
class _CloseFrame:
    code: int


class GatewayConnection:
    """The connection of one client; a session's `SessionLink`."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, handshake: Handshake) -> None:
        self._request = request
        self._socket = socket
        self._handshake = handshake
        self._packer = packer_for(request.query.get("compress"))
        self._outbox: asyncio.Queue[str | _CloseFrame] = asyncio.Queue()
        self._received: deque[float] = deque(maxlen=EVENTS_MAX)
        self._session: SimulatedSession | None = None
        self._closing = False
        self._split = handshake.faults.take("gateway_split") is not None

    def send(self, text: str) -> None:
        """Queue one gateway message."""
        self._outbox.put_nowait(text)

    def send_op(self, opcode: Opcode, data: object) -> None:
        """Queue a message that is not a dispatch."""
        self.send(json.dumps({"t": None, "s": None, "op": int(opcode), "d": data}))

    def close(self, code: int) -> None:
        """Close with this code after everything queued has been sent."""
        self._closing = True
        self._outbox.put_nowait(_CloseFrame(code))

    def cut(self, *, midframe: bool = False) -> None:
        """Drop the TCP connection at once, or after the beginning of a message of 4 KB."""
        transport = self._request.transport
        if transport is not None and midframe:
            transport.write(b"\x82\x7e\x10\x00" + bytes(100))
            transport.close()
        elif transport is not None:
            transport.abort()

    async def serve(self) -> None:
        """Serve until either side ends the connection."""
        writer = asyncio.create_task(self._write())
        await self._send_hello()
        try:
            await self._read()
        except GatewayError as reason:
            self.close(reason.code)
            await asyncio.wait([writer])
        finally:
            self._leave_session()
            writer.cancel()

    async def _send_hello(self) -> None:
        if self._handshake.faults.take("reconnect_first"):
            self.send_op(Opcode.RECONNECT, None)
            return
        if armed := self._handshake.faults.take("hello_late"):
            await asyncio.sleep(armed.number("seconds", 1))
        interval = int(self._handshake.heartbeat_interval * 1000)
        self.send_op(Opcode.HELLO, {"heartbeat_interval": interval, "_trace": ['["simulator",{}]']})

    async def _write(self) -> None:
        try:
            while isinstance(item := await self._outbox.get(), str):
                await self._send_now(item)
            await self._socket.close(code=item.code)
        except ConnectionError:
            self.cut()

    async def _send_now(self, text: str) -> None:
        if self._packer is None:
            await self._socket.send_str(text)
            return
        packed = self._packer.pack(text.encode())
        split = self._split and isinstance(self._packer, ZlibStream)  # zstd-stream has a message a frame
        step = max(1, len(packed) // 3) if split else len(packed)
        for start in range(0, len(packed), step):
            await self._socket.send_bytes(packed[start : start + step])

    async def _read(self) -> None:
        tolerance = self._handshake.heartbeat_interval * HEARTBEATS_MISSED
        deadline = time.monotonic() + tolerance
        while True:
            try:
                message = await self._socket.receive(timeout=max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                self._end_session()
                raise GatewayError(CloseCode.SESSION_TIMED_OUT) from None
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            # After a standstill, what was due before this message arrived happens first: an answer to a
            # heartbeat must not overtake an event that was to be sent long before it.
            await asyncio.sleep(0)
            if self._received_payload(message.data):
                deadline = time.monotonic() + tolerance

    def _received_payload(self, data: str | bytes) -> bool:
        """Handle one message; return whether it was a heartbeat."""
        self._count_event()
        payload = _decoded(data)
        opcode = payload.get("op")
        if not isinstance(opcode, int) or opcode not in _RECEIVED:
            raise GatewayError(CloseCode.UNKNOWN_OPCODE)
        if opcode in (Opcode.HEARTBEAT, Opcode.QOS_HEARTBEAT):
            if not self._handshake.faults.take("heartbeat_ignored"):
                self.send_op(Opcode.HEARTBEAT_ACK, None)
            return True
        if len(data) > PAYLOAD_MAX and opcode != Opcode.IDENTIFY:
            raise GatewayError(CloseCode.DECODE_ERROR)
        self._handle(opcode, payload.get("d"))
        return False

    def _handle(self, opcode: int, data: object) -> None:
        if opcode in (Opcode.IDENTIFY, Opcode.RESUME):
            if self._session is not None:
                raise GatewayError(CloseCode.ALREADY_AUTHENTICATED)
            if not isinstance(data, dict):
                raise GatewayError(CloseCode.DECODE_ERROR)
            begin = self._handshake.identify if opcode == Opcode.IDENTIFY else self._handshake.resume
            self._session = begin(self, data)
        elif self._session is None:
            raise GatewayError(CloseCode.NOT_AUTHENTICATED)
        elif opcode in _SUBSCRIBES:
            if not self._handshake.profile.for_text().accepts_subscription:
                raise GatewayError(CloseCode.UNKNOWN_OPCODE)
            self._session.subscribed = True
        elif opcode == Opcode.REQUEST_GUILD_MEMBERS and isinstance(data, dict):
            self._handshake.send_members(self._session, data)

    def _count_event(self) -> None:
        now = time.monotonic()
        if len(self._received) == EVENTS_MAX and now - self._received[0] < EVENTS_WINDOW:
            raise GatewayError(CloseCode.RATE_LIMITED)
        self._received.append(now)

    def _leave_session(self) -> None:
        if self._session is None:
            return
        if self._socket.close_code in _ENDED_BY and not self._closing:
            self._end_session()
        else:
            self._handshake.sessions.detach(self._session, self)

    def _end_session(self) -> None:
        if self._session is not None:
            self._handshake.sessions.end(self._session)


def _decoded(data: str | bytes) -> Json:
    if len(data) > IDENTIFY_MAX:
        raise GatewayError(CloseCode.DECODE_ERROR)
    try:
        payload = json.loads(data)
    except ValueError:
        raise GatewayError(CloseCode.DECODE_ERROR) from None
    if not isinstance(payload, dict):
        raise GatewayError(CloseCode.DECODE_ERROR)
    return payload


class GatewayError(Exception):
    """The connection must be closed with this code, because of a broken rule or a fault."""

    def __init__(self, code: int) -> None:
        super().__init__(f"close {code}")
        self.code = code


class Handshake:
    """Begins and resumes sessions for the gateway's connections."""

    def __init__(
        self,
        sessions: Sessions,
        faults: FaultRegistry,
        recorder: Recorder,
        heartbeat_interval: float,
        profile: CurrentProfile,
    ) -> None:
        self.profile = profile
        self.sessions = sessions
        self.heartbeat_interval = heartbeat_interval
        self.resume_url = ""
        """`resume_gateway_url`; known once the simulator listens."""
        self.faults = faults
        self._recorder = recorder

    def identify(self, connection: GatewayConnection, data: Json) -> SimulatedSession | None:
        """Begin a session and send READY; return None if the client must try again (op 9)."""
        account = _account(data)
        if not isinstance(data.get("properties"), dict):
            raise GatewayError(CloseCode.DECODE_ERROR)
        if account != USER_ID and not isinstance(data.get("intents"), int):
            raise GatewayError(CloseCode.INVALID_INTENTS)
        if self.sessions.too_many(account):
            raise GatewayError(CloseCode.TOO_MANY_SESSIONS)
        self._recorder.identifies += 1
        if armed := self.faults.take("identify_closed"):
            raise GatewayError(int(armed.number("code", CloseCode.TOO_MANY_SESSIONS)))
        for name, resumable in (("identify_limited", False), ("identify_limited_resumable", True)):
            if self.faults.take(name):
                connection.send_op(Opcode.INVALID_SESSION, resumable)
                return None
        capabilities, intents = data.get("capabilities"), data.get("intents")
        session = self.sessions.begin(
            account,
            capabilities if isinstance(capabilities, int) else 0,
            intents if isinstance(intents, int) else None,
            reuse_id=self.faults.take("session_id_reused") is not None,
        )
        session.subscribed = self.faults.take("unsubscribed") is None
        self.sessions.attach(session, connection)
        self._send_ready(session)
        return session

    def resume(self, connection: GatewayConnection, data: Json) -> SimulatedSession | None:
        """Replay what the session missed; return None if it can't be resumed (op 9)."""
        account = _account(data)
        if self.faults.take("gateway_invalid_session_resumable"):
            connection.send_op(Opcode.INVALID_SESSION, True)
            return None
        session, seq = self.sessions.find(data.get("session_id")), data.get("seq")
        if session is None or session.account != account or not isinstance(seq, int):
            connection.send_op(Opcode.INVALID_SESSION, False)
            return None
        if seq > session.seq:
            self.sessions.end(session)
            raise GatewayError(CloseCode.INVALID_SEQ)
        if self.faults.take("gateway_invalid_session") or not session.can_replay_from(seq):
            self.sessions.end(session)
            connection.send_op(Opcode.INVALID_SESSION, False)
            return None
        self._replay(session, connection, seq)
        return session

    def send_members(self, session: SimulatedSession, request: Json) -> None:
        """Answer op 8 with the guild's few members in one chunk."""
        members = ready.guild(v2=False, with_members=True)["members"]
        chunk = {
            "guild_id": GUILD_ID,
            "members": members,
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [],
            "presences": [],
            "nonce": request.get("nonce"),
        }
        session.dispatch("GUILD_MEMBERS_CHUNK", encoded(chunk))

    def _send_ready(self, session: SimulatedSession) -> None:
        if session.account != USER_ID:
            session.dispatch("READY", encoded(ready.bot_ready(session, self.resume_url)))
            session.dispatch("GUILD_CREATE", encoded(ready.guild(v2=False, with_members=True)))
            return
        profile = self.profile.for_text()
        session.capabilities |= ready.DEDUPE_USER_OBJECTS if profile.ready_deduped else 0
        session.capabilities |= ready.PRIORITIZED_READY_PAYLOAD if profile.ready_supplemental else 0
        query = "?encoding=json" if profile.resume_url_query else ""
        body = ready.ready(session, self.resume_url + query)
        if armed := self.faults.take("required_action"):
            body["required_action"] = armed.text("action", "AGREEMENTS")
        if self.faults.take("ready_auth_token"):
            body["auth_token"] = NEW_USER_TOKEN
        if armed := self.faults.take("ready_large"):
            body["notes"] = {USER_ID: "\u00e9" * int(armed.number("megabytes", 8) * 500_000)}
        session.dispatch("READY", encoded(body))
        if session.capabilities & ready.PRIORITIZED_READY_PAYLOAD:
            session.dispatch("READY_SUPPLEMENTAL", encoded(ready.ready_supplemental()))

    def _replay(self, session: SimulatedSession, connection: GatewayConnection, seq: int) -> None:
        if session.link is not None:
            session.link.close(CloseCode.UNKNOWN_ERROR)
        self._recorder.resumes += 1
        self.sessions.attach(session, connection)
        times = 2 if self.faults.take("replay_twice") else 1
        for text in session.missed_since(seq):
            for _ in range(times):
                connection.send(text)
        session.dispatch("RESUMED", encoded({"_trace": []}))


def _account(data: Json) -> str:
    token = data.get("token")
    account = account_of(token) if isinstance(token, str) else None
    if account is None:
        raise GatewayError(CloseCode.AUTHENTICATION_FAILED)
    return account
