"""The gateway's WebSocket against servers that keep to no limit: time, size and memory stay bounded."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import threading
import time
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.discord.payloads import SUFFIX
from mjwatch.discord.websocket import ConnectionLostError, WebSocketClient
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEXT, BINARY, CONTINUED, PING = 1, 2, 0, 9


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve each connection with ``talk`` in a thread, and give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.settimeout(deadline(20))
                    with suppress(OSError), connection:
                        talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def request_of(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        if not (byte := connection.recv(1)):
            raise ConnectionError  # the client has left, perhaps at its deadline
        data += byte
    return data


def accept(connection: socket.socket) -> None:
    """Answer the handshake of a WebSocket."""
    found = re.search(rb"(?i)sec-websocket-key: (\S+)", request_of(connection))
    assert found is not None
    digest = hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(head + b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n")


def frame(opcode: int, data: bytes, *, ends: bool = True) -> bytes:
    return struct.pack("!BBQ", opcode | (0x80 if ends else 0), 127, len(data)) + data


def drip(connection: socket.socket, data: bytes) -> None:
    """Send a byte every 20 ms, for longer than any test waits."""
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


@contextmanager
def connected(url: str, **options: str) -> Iterator[WebSocketClient]:
    ours, waker = socket.socketpair()
    with ours, waker:
        client = WebSocketClient(url, waker=waker, **options)
        try:
            yield client
        finally:
            client.abort()
            client.close()


def lost_while_connecting(url: str, **options: str) -> str:
    with pytest.raises(ConnectionLostError) as lost, connected(url, **options):
        pass
    return lost.value.reason


def messages(*data: bytes, count: int = 1) -> list[Any]:
    """Return what is read of a gateway that sends this after the handshake."""

    def talk(connection: socket.socket) -> None:
        accept(connection)
        for part in data:
            connection.sendall(part)
        while connection.recv(
            4096
        ):  # closing with unread bytes resets the connection, and what was sent is lost
            pass

    found: list[Any] = []
    with raw_server(talk) as port, connected(f"ws://127.0.0.1:{port}/") as client:
        end = time.monotonic() + deadline(20)
        while len(found) < count and time.monotonic() < end:
            message = client.read() if client.wait(1.0) else None
            found += [] if message is None else [message]
    return found


# The handshake


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 101 " + b"x" * 5000, b"HTTP/1.1 101 ok\r\nX-Long: " + b"y" * 5000]
)
def test_a_handshake_that_drips_ends_at_its_deadline(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mjwatch.discord.websocket.HANDSHAKE_DEADLINE", 0.3)

    def talk(connection: socket.socket) -> None:
        request_of(connection)
        drip(connection, head)

    began = time.monotonic()
    with raw_server(talk) as port:
        assert "did not answer in time" in lost_while_connecting(f"ws://127.0.0.1:{port}/")
        assert time.monotonic() - began < deadline(20)


def test_a_proxy_that_drips_ends_at_the_same_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mjwatch.discord.websocket.HANDSHAKE_DEADLINE", 0.3)

    def talk(connection: socket.socket) -> None:
        request_of(connection)
        drip(connection, b"HTTP/1.1 200 " + b"x" * 5000)

    began = time.monotonic()
    with raw_server(talk) as port:
        reason = lost_while_connecting("ws://gateway.example.org/", proxy=f"http://127.0.0.1:{port}")
        assert "did not answer in time" in reason
        assert time.monotonic() - began < deadline(20)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 101 ok\r\nX-Long: ",
        b"HTTP/1.1 500 no\r\nContent-Length: 1000000000\r\n\r\n",
        b"HTTP/1.1 101 ok\r\n" + b"X-Many: 1\r\n" * 20_000,
    ],
)
def test_an_answer_without_end_is_not_read_to_its_end(head: bytes) -> None:
    sent = 0

    def talk(connection: socket.socket) -> None:
        nonlocal sent
        request_of(connection)
        connection.sendall(head)
        while sent < 100_000_000:
            connection.sendall(bytes(65_536).replace(b"\0", b"z"))
            sent += 65_536

    with raw_server(talk) as port:
        lost_while_connecting(f"ws://127.0.0.1:{port}/")
    assert sent < 50_000_000  # what the buffers of the system take


def test_a_redirect_is_not_followed() -> None:
    asked = []

    def other(connection: socket.socket) -> None:
        asked.append(connection)

    with raw_server(other) as elsewhere:

        def talk(connection: socket.socket) -> None:
            request_of(connection)
            location = f"Location: ws://127.0.0.1:{elsewhere}/\r\n\r\n"
            connection.sendall(b"HTTP/1.1 302 Found\r\n" + location.encode())

        with raw_server(talk) as port:
            lost_while_connecting(f"ws://127.0.0.1:{port}/")
    assert asked == []


# A proxy


def test_a_proxy_connects_to_the_gateway() -> None:
    requests = []

    def talk(connection: socket.socket) -> None:
        requests.append(request_of(connection))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\nVia: a-proxy\r\n\r\n")
        accept(connection)
        connection.sendall(frame(TEXT, b'{"op": 10}'))
        connection.recv(1)

    with (
        raw_server(talk) as port,
        connected("ws://gateway.example.org/?v=9", proxy=f"http://ann:s%20cret@127.0.0.1:{port}") as client,
    ):
        assert client.wait(deadline(20))
        assert client.read() == {"op": 10}
    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "CONNECT gateway.example.org:80 HTTP/1.1"
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'ann:s cret').decode()}" in lines


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Who are you\r\n\r\n", b"", b"\r\n\r\n"])
def test_a_proxy_that_refuses_is_named(answer: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(answer)

    with raw_server(talk) as port:
        reason = lost_while_connecting("ws://gateway.example.org/", proxy=f"http://127.0.0.1:{port}")
        assert reason == "the proxy refuses a connection to the gateway at gateway.example.org"


# Messages


def test_a_message_in_many_frames_is_read_whole() -> None:
    hello = json.dumps({"op": 10, "d": "ö" * 500}, ensure_ascii=False).encode()
    stream = zlib.compressobj()
    packed = [stream.compress(hello) + stream.flush(zlib.Z_SYNC_FLUSH) for _ in range(2)]
    # A frame may end like a message without being its end.
    parts = [packed[0][:3], packed[0][3:-4], packed[0][-4:]]
    sent = [
        frame(BINARY, parts[0], ends=False),
        frame(PING, b"?"),
        frame(CONTINUED, parts[1], ends=False),
        frame(CONTINUED, parts[2]),
        frame(BINARY, packed[1]),
        *(frame(TEXT if n == 0 else CONTINUED, hello[n : n + 1], ends=False) for n in range(len(hello))),
        frame(CONTINUED, b""),
    ]
    assert parts[2] == SUFFIX
    assert messages(*sent, count=3) == [json.loads(hello)] * 3


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_frames_without_end_are_not_collected_without_limit(
    opcode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mjwatch.discord.websocket.LARGEST_MESSAGE", 1_000_000)
    more = [frame(CONTINUED, bytes(100_000), ends=False)] * 20
    with pytest.raises(ConnectionLostError, match="violates"):
        messages(frame(opcode, b"{", ends=False), *more)


def test_a_text_message_is_as_limited_as_a_compressed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mjwatch.discord.websocket.LARGEST_MESSAGE", 1000)
    assert messages(frame(TEXT, json.dumps("x" * 998).encode()), frame(TEXT, b"{}")) == [{}]
    with pytest.raises(ConnectionLostError, match="violates"):
        messages(frame(TEXT, json.dumps("x" * 999).encode()))


def test_a_message_of_very_many_values_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mjwatch.discord.websocket.MOST_VALUES", 1000)
    values = json.dumps([{}] * 499).encode()
    assert messages(frame(TEXT, values), frame(TEXT, b'{"op": 11}')) == [{"op": 11}]
    packed = zlib.compressobj()
    many = packed.compress(b"[" * 1001) + packed.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(ConnectionLostError, match="violates"):
        messages(frame(BINARY, many))
