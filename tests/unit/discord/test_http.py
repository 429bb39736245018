import gzip
import socket
import threading
import time
import tracemalloc

import pytest

from mjwatch.discord.http import IDLE_LIMIT, Transport
from mjwatch.errors import NotReachedError, UnansweredError
from tests.helpers.raw_server import raw_server, read_request
from tests.helpers.timeouts import deadline
from tests.helpers.wire_servers import Answer, Request, http_server


class Stopwatch:
    """A clock that stands still until a server starts it, and may then run faster than real time.

    So connecting may take any time on a busy machine; a socket's own timeouts are in real time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._began: float | None = None

    def start(self) -> None:
        self._began = time.monotonic()

    def __call__(self) -> float:
        return 0.0 if self._began is None else self._speed * (time.monotonic() - self._began)


def test_a_connection_that_was_idle_for_long_is_not_used_again() -> None:
    now = [0.0]
    with http_server(lambda _request: Answer(body=b"x")) as server:
        transport = Transport(clock=lambda: now[0])
        for pause in (0, IDLE_LIMIT - 1, IDLE_LIMIT - 1):
            now[0] += pause
            transport.read_body(transport.send("GET", server.url))
        assert server.connections == 1
        now[0] += IDLE_LIMIT + 1
        transport.read_body(transport.send("GET", server.url))
        assert server.connections == 2
        transport.close()


@pytest.mark.parametrize(("size", "limit"), [(1000, 999), (3, 0)])
def test_too_large_an_answer_is_not_read_to_its_end(size: int, limit: int) -> None:
    with http_server(lambda _request: Answer(body=b"x" * size)) as server:
        transport = Transport()
        with pytest.raises(UnansweredError, match="larger"):
            transport.read_body(transport.send("GET", server.url), limit=limit)
        transport.close()


def test_a_slow_body_ends_at_its_deadline() -> None:
    clock = Stopwatch(speed=200)

    def answer(_request: Request) -> Answer:
        clock.start()
        return Answer(body=b"x" * 1000, drip=0.02)

    with http_server(answer) as server:
        transport = Transport(deadline=20, clock=clock)
        with pytest.raises(UnansweredError, match="longer than"):
            transport.read_body(transport.send("GET", server.url))
        transport.close()


def test_a_transport_without_a_token_sends_none_and_its_repr_shows_none() -> None:
    with http_server(lambda _request: Answer(body=b"x")) as server:
        for token in (None, "an-invented-token"):
            transport = Transport(token=token)
            transport.read_body(transport.send("GET", server.url))
            assert server.requests[-1].headers.get("Authorization") == token
            assert "an-invented-token" not in str(vars(transport))
            transport.close()


DRIPPED = [
    b"HTTP/1.1 200 " + b"O" * 5000,
    b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 5000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 5000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: " + b"x" * 5000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
    b"HTTP/1.1 100 Continue\r\n\r\n" * 200,
    b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
]


def drip(connection: socket.socket, data: bytes) -> None:
    """Send byte by byte, each well within a timeout between two pieces, for 25 s or until the client left."""
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.005)


@pytest.mark.parametrize("answer", DRIPPED, ids=lambda answer: str(answer[:24]))
@pytest.mark.parametrize("tunnelled", [False, True])
def test_an_answer_that_drips_in_byte_by_byte_ends_at_the_deadline(answer: bytes, tunnelled: bool) -> None:
    clock, is_whole = Stopwatch(speed=200), threading.Event()

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        clock.start()
        drip(connection, answer)
        is_whole.set()

    with raw_server(talk, []) as port:
        proxy = f"http://127.0.0.1:{port}" if tunnelled else ""
        url = "https://discord.example.org/" if tunnelled else f"http://127.0.0.1:{port}/"
        transport = Transport(proxy=proxy, timeout=(deadline(20), deadline(20)), deadline=20, clock=clock)
        with pytest.raises(NotReachedError if tunnelled else UnansweredError):
            transport.read_body(transport.send("POST", url, json={}))
        assert not is_whole.is_set()
        transport.close()


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_huge_answer_is_read_no_further_than_its_limit(encoding: str) -> None:
    """A small compressed answer can be a huge one; a redirect's body is no exception."""
    body = gzip.compress(bytes(64 << 20)) if encoding == "gzip" else bytes(4 << 20)
    answer = Answer(302, body, {"Location": "/there", "Content-Encoding": encoding})
    with http_server(lambda _request: answer) as server:
        transport = Transport()
        transport.close()
        tracemalloc.start()
        with pytest.raises(UnansweredError, match="larger than"):
            transport.read_body(transport.send("GET", server.url), limit=1 << 20)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        transport.close()
    assert peak < 8 << 20


def test_a_compressed_answer_is_decompressed() -> None:
    answer = Answer(200, gzip.compress(b"x" * 100_000), {"Content-Encoding": "gzip"})
    with http_server(lambda _request: answer) as server:
        transport = Transport()
        assert transport.read_body(transport.send("GET", server.url)) == b"x" * 100_000
        assert server.requests[-1].headers["Accept-Encoding"] == "gzip"
        answer.body = answer.body[:50]
        with pytest.raises(UnansweredError, match="broke off"):
            transport.read_body(transport.send("GET", server.url))
        answer.headers["Content-Encoding"] = "br"
        with pytest.raises(UnansweredError, match="did not ask for"):
            transport.read_body(transport.send("GET", server.url))
        transport.close()


def test_a_receiver_that_does_not_read_ends_an_upload_at_the_deadline() -> None:
    clock = Stopwatch()
    stop = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.recv(1)
        clock.start()
        assert stop.wait(deadline(20))

    with raw_server(talk, []) as port:
        transport = Transport(timeout=(deadline(20), deadline(20)), deadline=0.2, clock=clock)
        with pytest.raises(UnansweredError):
            transport.send("PUT", f"http://127.0.0.1:{port}/", data=bytes(32 << 20))
        stop.set()
        transport.close()
