"""Servers on loopback that answer with any bytes, also as proxies or over TLS, and cut connections."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

RESET = b"\x01\0\0\0\0\0\0\0"
"""SO_LINGER for a close with a reset."""


@dataclass
class RawAnswer:
    """Bytes to send for a request; then the connection ends, by a reset or in the usual way."""

    data: bytes
    reset: bool = False


@dataclass
class RawServer:
    """Answers each request with ``answer``. ``received`` has what arrived on each connection."""

    port: int = 0
    answer: RawAnswer = field(default_factory=lambda: RawAnswer(b""))
    to_connect: bytes | None = None
    """A proxy's answer to CONNECT; what follows it in the tunnel is answered over TLS."""
    tls: ssl.SSLContext | None = None
    received: list[bytes] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def talk(self, connection: socket.socket) -> None:
        if self.to_connect is not None:
            read_request(connection)
            connection.sendall(self.to_connect)
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True)
        self.received.append(read_request(connection))
        connection.sendall(self.answer.data)
        end(connection, reset=self.answer.reset)


def read_request(connection: socket.socket) -> bytes:
    """Return a request with its body, or what has come of it before the client left."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(65536)):
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    ]
    missing = int(lengths[0]) - len(body) if lengths else 0
    while missing > 0 and (piece := connection.recv(missing)):
        data += piece
        missing -= len(piece)
    return data


def end(connection: socket.socket, *, reset: bool) -> None:
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


@contextmanager
def raw_server(talk: Callable[[socket.socket], None], failures: list[BaseException]) -> Iterator[int]:
    """Call ``talk`` with each connection, one after the other; a client may leave early."""
    stopping = threading.Event()

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            if stopping.is_set():
                connection.close()
                return
            with connection, suppress(OSError):
                connection.settimeout(deadline(20))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    talk(connection)
                except OSError:
                    raise
                except BaseException as failure:
                    failures.append(failure)

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield port
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join(deadline(20))


@contextmanager
def answering(server: RawServer) -> Iterator[RawServer]:
    with raw_server(server.talk, server.failures) as server.port:
        yield server
    assert server.failures == []
