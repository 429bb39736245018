"""A WebSocket to the gateway: connect, read message by message, close with a code of our choice.

The exceptions of websocket-client end here. Each becomes a ``ConnectionLostError`` with a line for a person,
which never contains headers, bodies or payloads, because these may contain the token.
"""

from __future__ import annotations

import base64
import json
import selectors
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from websocket import (
    ABNF,
    DEFAULT_SOCKET_OPTION,
    WebSocket,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    WebSocketException,
    WebSocketProxyException,
    WebSocketTimeoutException,
)

from mjwatch.discord.allowed_hosts import host_of
from mjwatch.discord.http import USER_AGENT, proxy_for, tls_context
from mjwatch.discord.payloads import LARGEST_MESSAGE, InflateError, Inflater
from mjwatch.discord.session import RESUMABLE_CLOSE

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_TIMEOUT = 15.0
"""Seconds for each address of the gateway or the proxy."""
HANDSHAKE_DEADLINE = 30.0
"""Seconds for everything until the WebSocket is open, however slowly its bytes arrive."""
LARGEST_HANDSHAKE = 64 * 1024
"""Bytes of all answers until the WebSocket is open."""
IO_TIMEOUT = 3.0
"""Seconds that one write may take, and the longest wait for the rest of a frame."""
SHORTEST_READ = 0.05
READ_AHEAD = 64 * 1024
_MARKS = (b",", b"[", b"{")
MOST_VALUES = 2_000_000
"""Commas and opening brackets of a message. JSON of empty objects takes 25 times its size when it is read."""
CLOSE_TIMEOUT = 1.0
"""Seconds to wait for the gateway's close frame. Closing at once could lose our own frame to a reset."""

_REFUSED_WAIT = 300.0
_TOO_MANY_WAIT = 60.0
_LONGEST_WAIT = 3600.0
"""Seconds; the most that a Retry-After can put a connection off."""


class ConnectionLostError(Exception):
    """The connection ended: ``code`` of the close frame if there was one, else a ``reason`` as text.

    ``is_unreadable``: what came can't be read, or is too large.
    """

    def __init__(self, reason: str = "", *, code: int | None = None, wait: float = 0.0) -> None:
        super().__init__(reason or f"close code {code}")
        self.reason = reason
        self.code = code
        self.wait = wait
        self.is_unreadable = False


class _BoundedSocket:
    """A socket that all the handshake is read from: with one deadline and one limit for its size."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._left = LARGEST_HANDSHAKE

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> bytes:
        self._sock.settimeout(_time_until(self._deadline))
        data = self._sock.recv(size)
        self._left -= len(data)
        if self._left < 0:
            raise WebSocketException("the answer is too large")
        return data


class _Socket(WebSocket):
    """websocket-client's socket with three changes.

    The original answers a close frame with 1000, which may end the Discord session. It reads a frame to its
    end, however long that takes, so heartbeats would be late on a slow link. And it calls the system for each
    part of a frame; reading ahead saves a third of the time of a burst of messages.
    """

    read_until = float("inf")
    ahead = memoryview(b"")
    """Bytes that were read ahead."""

    def send_close(self, status: int = RESUMABLE_CLOSE, reason: str | bytes = b"") -> None:
        super().send_close(status, reason)

    def _recv(self, bufsize: int) -> Any:
        if (self.frame_buffer.length or 0) > LARGEST_MESSAGE:
            raise WebSocketException("a frame is too large")
        if not self.ahead:
            if time.monotonic() >= self.read_until:
                raise WebSocketTimeoutException("the rest of the frame has not arrived yet")
            self.ahead = memoryview(super()._recv(READ_AHEAD))  # type: ignore[no-untyped-call]
        part, self.ahead = bytes(self.ahead[:bufsize]), self.ahead[bufsize:]
        return part

    def _send(self, data: str | bytes) -> int:
        try:
            return super()._send(data)
        except WebSocketTimeoutException:
            # Half a frame may have been sent; unlike a read, a write can't continue later.
            raise WebSocketConnectionClosedException("sending took too long") from None


WAKER_BYTES = 4096
"""Bytes to read from the waker at once: it gets a byte for each call, and there are only a few calls."""


class WebSocketClient:
    """An open connection. Owned by one thread; only ``abort`` may be called from another."""

    def __init__(self, url: str, *, waker: socket.socket, proxy: str = "") -> None:
        """Connect. ``waker`` is a socket that ends a ``wait`` when readable. Raise ConnectionLostError."""
        self._inflater = Inflater()
        self._parts = bytearray()  # of a message in several frames
        self._opcode = ABNF.OPCODE_CONT
        self._waker = waker
        self._socket = _Socket(fire_cont_frame=True, skip_utf8_validation=True)
        try:
            self._socket.sock = self._open(url, proxy)
        except (WebSocketException, OSError, ValueError) as error:
            self._socket.shutdown()  # type: ignore[no-untyped-call]
            raise _lost(error, url) from None
        self._socket.settimeout(IO_TIMEOUT)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(waker, selectors.EVENT_READ)

    def _open(self, url: str, proxy: str) -> socket.socket:
        """Return the socket of the open WebSocket."""
        deadline = time.monotonic() + HANDSHAKE_DEADLINE
        sock = _dial(url, proxy_for(url, proxy), deadline)
        try:
            self._socket.connect(  # type: ignore[no-untyped-call]
                url,
                header=[f"User-Agent: {USER_AGENT}"],
                suppress_origin=True,
                redirect_limit=0,  # a redirect could carry the token to another host
                socket=_BoundedSocket(sock, deadline),
            )
        except BaseException:
            sock.close()
            raise
        return sock

    def wait(self, seconds: float) -> bool:
        """Wait for data, the waker or the end of the time. Return whether there is something to ``read``."""
        sock = self._socket.sock
        if self._socket.ahead or (isinstance(sock, ssl.SSLSocket) and sock.pending()):
            return True
        ready = {key.fileobj for key, _ in self._selector.select(seconds)}
        if self._waker in ready:
            self._waker.recv(WAKER_BYTES)  # otherwise it would stay readable
        return self._socket in ready

    def read(self, seconds: float = IO_TIMEOUT) -> Mapping[str, Any] | None:
        """Return the next gateway message, or None if it is not complete in time.

        Raise ConnectionLostError, also for a close frame.
        """
        timeout = min(IO_TIMEOUT, max(SHORTEST_READ, seconds))
        if timeout != self._socket.gettimeout():
            self._socket.settimeout(timeout)
        self._socket.read_until = time.monotonic() + timeout
        try:
            opcode, frame = self._socket.recv_data_frame(True)
            return self._decode(opcode, frame.data, ends=bool(frame.fin))
        except WebSocketTimeoutException:
            return None
        except (OSError, WebSocketConnectionClosedException) as error:
            raise _lost(error) from None
        except (WebSocketException, ValueError, RecursionError) as error:
            lost = _lost(error)
            lost.is_unreadable = True
            raise lost from None

    def send(self, text: str) -> None:
        """Send one text message. Raise ConnectionLostError."""
        self._socket.settimeout(IO_TIMEOUT)
        try:
            self._socket.send_text(text)
        except (WebSocketException, OSError) as error:
            raise _lost(error) from None

    def close(self, code: int = RESUMABLE_CLOSE) -> None:
        """Close with this code, wait a moment for the answer, and release the socket. Never raise."""
        self._socket.read_until = time.monotonic() + CLOSE_TIMEOUT
        self._socket.settimeout(CLOSE_TIMEOUT)
        self._socket.close(status=code, timeout=CLOSE_TIMEOUT)
        self._socket.shutdown()  # type: ignore[no-untyped-call]
        self._selector.close()

    def abort(self) -> None:
        """Cut the connection, so that a thread that hangs in it continues."""
        sock = self._socket.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it was already gone

    def _decode(self, opcode: int, data: bytes, *, ends: bool) -> Mapping[str, Any] | None:
        if opcode == ABNF.OPCODE_CLOSE:
            raise ConnectionLostError(code=int.from_bytes(data[:2], "big") if len(data) >= 2 else None)
        if opcode not in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT, ABNF.OPCODE_CONT):
            return None
        if opcode != ABNF.OPCODE_CONT:
            self._opcode = opcode
        if self._parts or not ends:
            data = self._joined(data, ends=ends)
        if not ends:
            return None
        text = self._inflater.feed(data) if self._opcode == ABNF.OPCODE_BINARY else data
        return None if text is None else _parsed(text)

    def _joined(self, data: bytes, *, ends: bool) -> bytes:
        """Return the frames of a message that have come so far."""
        self._parts += data
        if len(self._parts) > LARGEST_MESSAGE:
            raise WebSocketException("a message is too large")
        if not ends:
            return b""
        whole, self._parts = bytes(self._parts), bytearray()
        return whole


def _parsed(text: bytes) -> Mapping[str, Any] | None:
    if len(text) > LARGEST_MESSAGE or sum(map(text.count, _MARKS)) > MOST_VALUES:
        raise WebSocketException("a message is too large")
    message = json.loads(str(text, "utf-8"))
    return message if isinstance(message, dict) else None


def _time_until(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _dial(url: str, proxy: str | None, deadline: float) -> socket.socket:
    """Return a socket to the gateway, with TLS where the URL wants it."""
    target, via = urlsplit(url), urlsplit(proxy or url)
    secure = target.scheme == "wss"
    host, port = target.hostname or "", target.port or (443 if secure else 80)
    sock = _connected(via.hostname or "", via.port or (80 if proxy else port), deadline)
    try:
        if proxy:
            _tunnel(
                _BoundedSocket(sock, deadline), f"[{host}]:{port}" if ":" in host else f"{host}:{port}", via
            )
        sock.settimeout(_time_until(deadline))
        return tls_context().wrap_socket(sock, server_hostname=host) if secure else sock
    except BaseException:
        sock.close()
        raise


def _connected(host: str, port: int, deadline: float) -> socket.socket:
    failure: OSError = OSError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(CONNECT_TIMEOUT, _time_until(deadline)))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            for option in DEFAULT_SOCKET_OPTION:
                sock.setsockopt(*option)
            return sock
    raise failure


def _tunnel(sock: _BoundedSocket, target: str, proxy: SplitResult) -> None:
    """Have the proxy connect to this ``host:port``."""
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.username:
        user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(user.encode()).decode()}")
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)  # not more: what follows belongs to the tunnel
        if not byte:
            raise WebSocketProxyException("the proxy ended the connection")
        answer += byte
    if answer.split(maxsplit=2)[1:2] != [b"200"]:
        raise WebSocketProxyException("the proxy refuses")


def _lost(error: Exception, url: str = "") -> ConnectionLostError:
    """Return our error. It never contains the text of other exceptions, which may have headers and bodies."""
    if isinstance(error, WebSocketBadStatusException):
        return _refused(error)
    where = f"the gateway at {host_of(url)}" if url else "the gateway"
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionLostError(f"the certificate of {where} is not trusted: {error.verify_message}")
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return ConnectionLostError(reason.format(where=where))
    why = getattr(error, "strerror", None) or type(error).__name__
    return ConnectionLostError(f"no connection to {where}: {why}")


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "the name of {where} can't be resolved"),
    (WebSocketProxyException, "the proxy refuses a connection to {where}"),
    (WebSocketTimeoutException, "{where} did not answer in time"),
    (TimeoutError, "{where} did not answer in time"),
    (WebSocketConnectionClosedException, "the connection to the gateway was lost"),
    (ssl.SSLError, "no secure connection to {where}"),
    (WebSocketException, "{where} violates the WebSocket protocol"),
    (InflateError, "{where} sent a message that can't be decompressed"),
    (ValueError, "{where} sent a message that can't be read"),
    (RecursionError, "{where} sent a message that can't be read"),
)


def _refused(error: WebSocketBadStatusException) -> ConnectionLostError:
    """Return the error for a handshake without an upgrade; 401 and 403 say nothing about the token."""
    status = error.status_code
    reason = f"the gateway refused the connection with HTTP {status}"
    if status == 429:
        return ConnectionLostError(
            reason, wait=max(_TOO_MANY_WAIT, _seconds((error.resp_headers or {}).get("retry-after")))
        )
    return ConnectionLostError(reason, wait=_REFUSED_WAIT if status in (401, 403) else 0.0)


def _seconds(header: str | None) -> float:
    return min(_LONGEST_WAIT, float(header)) if header and header.strip().isdecimal() else 0.0
