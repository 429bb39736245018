"""The gateway's connections: one WebSocket each, from HELLO to its close code."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from mjwatch.discord.protocol import CloseCode, Opcode
from mjwatch.simulator.compression import ZlibStream, packer_for
from mjwatch.simulator.handshake import GatewayError, Handshake

if TYPE_CHECKING:
    from mjwatch.simulator.identity import Json
    from mjwatch.simulator.sessions import Session

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
    """One client's connection; a session's `Link`."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, handshake: Handshake) -> None:
        self._request = request
        self._socket = socket
        self._handshake = handshake
        self._packer = packer_for(request.query.get("compress"))
        self._outbox: asyncio.Queue[str | _CloseFrame] = asyncio.Queue()
        self._received: deque[float] = deque(maxlen=EVENTS_MAX)
        self._session: Session | None = None
        self._closing = False
        self._split = handshake.faults.take("gateway_split") is not None

    def send(self, text: str) -> None:
        """Queue one gateway message."""
        self._outbox.put_nowait(text)

    def send_op(self, opcode: Opcode, data: object) -> None:
        """Queue a message that is no dispatch."""
        self.send(json.dumps({"t": None, "s": None, "op": int(opcode), "d": data}))

    def close(self, code: int) -> None:
        """Close with this code once everything queued is out."""
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
        """Talk until the connection ends, whoever ends it."""
        writer = asyncio.create_task(self._write())
        await self._greet()
        try:
            await self._read()
        except GatewayError as reason:
            self.close(reason.code)
            await asyncio.wait([writer])
        finally:
            self._leave_session()
            writer.cancel()

    async def _greet(self) -> None:
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
            if self._received_payload(message.data):
                deadline = time.monotonic() + tolerance

    def _received_payload(self, data: str | bytes) -> bool:
        """Handle one message; True if it was a heartbeat."""
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
