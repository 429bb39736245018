"""Servers on loopback for tests of the network code: an HTTP server and a gateway that follow a script."""

from __future__ import annotations

import asyncio
import atexit
import json
import socket
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiohttp import WSMsgType, web

from tests.helpers.timeouts import deadline


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """An answer. ``raw`` replaces all of it by bytes; with ``cut`` the connection is reset after it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    cut: bool = False
    drip: float | None = None


def answer_json(value: object, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


class HttpServer:
    """Answers with ``answer(request)`` and keeps the requests."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self.connections = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                request = Request(self.command, self.path, dict(self.headers), self.rfile.read(length))
                server.requests.append(request)
                self.send_answer(answer(request))

            do_POST = do_PUT = do_GET  # noqa: N815

            def send_answer(self, answer: Answer) -> None:
                if answer.raw is not None:
                    self.wfile.write(answer.raw)
                else:
                    self.send_response(answer.status)
                    headers = {"Content-Length": str(len(answer.body))} | answer.headers
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.send_body(answer)
                self.close_connection = self.close_connection or answer.cut or answer.raw is not None
                if answer.cut:
                    self.wfile.flush()
                    self.connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
                    )  # close with a reset

            def send_body(self, answer: Answer) -> None:
                if answer.drip is None:
                    self.wfile.write(answer.body)
                    return
                for byte in answer.body:
                    if server.stopping.wait(answer.drip):
                        return
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()

            def handle(self) -> None:
                with suppress(OSError):  # the client has closed, as in some tests
                    super().handle()

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join(deadline(20))
        self._server.server_close()


@contextmanager
def http_server(answer: Callable[[Request], Answer]) -> Iterator[HttpServer]:
    server = HttpServer(answer)
    try:
        yield server
    finally:
        server.close()


@cache
def free_port() -> int:
    """Return a port without a listener, which no other process can take before this one ends."""
    owner = socket.socket()
    atexit.register(owner.close)
    owner.bind(("127.0.0.1", 0))
    return int(owner.getsockname()[1])


@contextmanager
def kept_port() -> Iterator[int]:
    """Give a port that only a listener with SO_REUSEADDR can take, so no other program gets it by chance."""
    with socket.socket() as owner:
        owner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        owner.bind(("127.0.0.1", 0))
        yield int(owner.getsockname()[1])


class Peer:
    """The gateway's side of one connection, for the script of a test."""

    def __init__(self, socket_: web.WebSocketResponse, request: web.Request, received: list[Any]) -> None:
        self._socket = socket_
        self._received = received
        self._stream = zlib.compressobj()
        self.url = request.path_qs
        self.headers = dict(request.headers)

    def compressed(self, payload: object) -> bytes:
        data = json.dumps(payload).encode()
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    async def send(self, payload: object) -> None:
        await self._socket.send_bytes(self.compressed(payload))

    async def send_bytes(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def send_text(self, text: str) -> None:
        await self._socket.send_str(text)

    async def hello(self, interval_ms: int = 45_000) -> None:
        await self.send({"op": 10, "d": {"heartbeat_interval": interval_ms}})

    async def ready(self, port: int, session_id: str = "session-1") -> None:
        data = {
            "session_id": session_id,
            "resume_gateway_url": f"ws://127.0.0.1:{port}/node",
            "user": {"id": "100", "username": "ann"},
            "guilds": [],
            "private_channels": [],
        }
        await self.send({"op": 0, "t": "READY", "s": 1, "d": data})

    async def dispatch(self, seq: int, name: str, **data: object) -> None:
        await self.send({"op": 0, "t": name, "s": seq, "d": data})

    async def expect(self, op: int) -> dict[str, Any]:
        """Return the next payload with this op; ignore others before it."""
        while True:
            message = await self._socket.receive(timeout=deadline(20))
            if message.type is not WSMsgType.TEXT:
                raise ConnectionError(message.type)
            payload: dict[str, Any] = json.loads(message.data)
            self._received.append(payload)
            if payload["op"] == op:
                return payload

    async def until_closed(self) -> int | None:
        """Read until the client closes; return its close code."""
        while not self._socket.closed:
            message = await self._socket.receive(timeout=deadline(20))
            if message.type is WSMsgType.TEXT:
                self._received.append(json.loads(message.data))
        return self._socket.close_code

    async def close(self, code: int) -> int | None:
        """Close, and return the client's close code."""
        await self._socket.close(code=code)
        return self._socket.close_code

    def cut(self, request: web.Request) -> None:
        """Drop the TCP connection without a close frame."""
        assert request.transport is not None
        request.transport.abort()


Script = Callable[["GatewayServer", Peer, web.Request], Awaitable[None]]


class GatewayServer:
    """Runs one script for each connection, in order, and the last one for all later connections."""

    def __init__(self, scripts: list[Script], refusal: web.Response | None = None) -> None:
        self.received: list[dict[str, Any]] = []
        self.urls: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.close_codes: list[int | None] = []
        self.failures: list[BaseException] = []
        self.port = 0
        self._scripts = scripts
        self._refusal = refusal
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._started.wait(deadline(20))

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(deadline(20))
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._connection)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _connection(self, request: web.Request) -> web.StreamResponse:
        self.urls.append(request.path_qs)
        self.headers.append(dict(request.headers))
        if self._refusal is not None:
            return self._refusal
        number = len(self.urls) - 1
        answer = web.WebSocketResponse(compress=False, autoclose=True, timeout=deadline(20))
        await answer.prepare(request)
        peer = Peer(answer, request, self.received)
        try:
            await self._scripts[min(number, len(self._scripts) - 1)](self, peer, request)
            self.close_codes.append(await peer.until_closed())
        except (ConnectionError, asyncio.CancelledError):
            self.close_codes.append(answer.close_code)
        except BaseException as failure:
            self.failures.append(failure)
        return answer


@contextmanager
def gateway_server(*scripts: Script, refusal: web.Response | None = None) -> Iterator[GatewayServer]:
    server = GatewayServer(list(scripts), refusal)
    try:
        yield server
    finally:
        server.close()
    assert server.failures == []
