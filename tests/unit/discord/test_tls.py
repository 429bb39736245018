"""Trust over TLS, with certificates that are made for the test."""

import base64
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from mjwatch.discord.http import tls_context
from mjwatch.discord.rest import DiscordREST
from mjwatch.discord.websocket import ConnectionLostError, WebSocketClient
from mjwatch.errors import NotReachedError
from tests.helpers.timeouts import deadline


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a certificate for 127.0.0.1, its key and its own authority."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    both = tmp_path_factory.mktemp("tls") / "both.pem"
    parts = (leaf.private_key_and_cert_chain_pem.bytes(), authority.cert_pem.bytes())
    both.write_bytes(b"".join(parts))
    return both


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


@contextmanager
def tls_server(certificate: Path, talk: Callable[[ssl.SSLSocket], None]) -> Iterator[int]:
    """Accept one TLS connection and call ``talk``; a client may leave early."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve() -> None:
        try:
            plain, _ = listener.accept()
            with plain, context.wrap_socket(plain, server_side=True) as connection:
                connection.settimeout(deadline(20))
                talk(connection)
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(deadline(20))
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(deadline(20))


def answer_me(connection: ssl.SSLSocket) -> None:
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{"id": "1"}')


def upgrade_and_send_two_messages_in_one_record(connection: ssl.SSLSocket) -> None:
    request = connection.recv(65536).decode()
    key = next(line.split(": ")[1] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
    magic = (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()
    accept = base64.b64encode(hashlib.sha1(magic, usedforsecurity=False).digest()).decode()
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    connection.sendall(head.encode() + b'\x81\x08{"op":1}' + b'\x81\x08{"op":7}')
    connection.recv(65536)


@pytest.mark.usefixtures("trusted")
def test_a_trusted_certificate_opens_the_api(certificate: Path) -> None:
    with tls_server(certificate, answer_me) as port:
        rest = DiscordREST(
            f"https://127.0.0.1:{port}/api", "an-invented-token", timeout=(deadline(20), deadline(20))
        )
        assert rest.me() == {"id": "1"}
        rest.close()


def test_a_certificate_that_is_not_trusted_means_not_reached(certificate: Path) -> None:
    seen: list[bytes] = []
    with tls_server(certificate, lambda connection: seen.append(connection.recv(65536))) as port:
        rest = DiscordREST(
            f"https://127.0.0.1:{port}/api", "an-invented-token", timeout=(deadline(20), deadline(20))
        )
        with pytest.raises(NotReachedError, match="certificate is not trusted"):
            rest.interact({})
        rest.close()
    assert not any(seen)


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_means_not_reached(certificate: Path) -> None:
    with tls_server(certificate, answer_me) as port:
        rest = DiscordREST(
            f"https://localhost:{port}/api", "an-invented-token", timeout=(deadline(20), deadline(20))
        )
        with pytest.raises(NotReachedError, match="certificate is not trusted"):
            rest.me()
        rest.close()


@pytest.mark.usefixtures("trusted")
def test_messages_that_share_a_tls_record_are_all_read_without_waiting(certificate: Path) -> None:
    waker, other = socket.socketpair()
    with (
        waker,
        other,
        tls_server(certificate, upgrade_and_send_two_messages_in_one_record) as port,
    ):
        websocket = WebSocketClient(f"wss://127.0.0.1:{port}/", waker=waker)
        got = []
        for _ in range(2):
            assert websocket.wait(deadline(20))
            got.append(websocket.read())
        websocket.close()
        assert got == [{"op": 1}, {"op": 7}]


def test_an_untrusted_gateway_gets_no_data(certificate: Path) -> None:
    waker, other = socket.socketpair()
    seen: list[bytes] = []
    with (
        waker,
        other,
        tls_server(certificate, lambda connection: seen.append(connection.recv(65536))) as port,
        pytest.raises(ConnectionLostError, match="not trusted"),
    ):
        WebSocketClient(f"wss://127.0.0.1:{port}/", waker=waker)
    assert not any(seen)
