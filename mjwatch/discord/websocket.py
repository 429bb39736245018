"""One WebSocket to the gateway: opened, read message by message, closed with a code of our choice.

The exceptions of websocket-client end here: each becomes a ``ConnectionLostError`` with a line for a person.
That line never holds headers, bodies or payloads, since those may hold the token.
"""

from __future__ import annotations

import json
import selectors
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from websocket import (
    ABNF,
    WebSocket,
    WebSocketAddressException,
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
IO_TIMEOUT = 3.0
"""Seconds that one write may take, and the longest that a read is waited for in the midst of a frame."""
SHORTEST_READ = 0.05
READ_AHEAD = 64 * 1024
CLOSE_TIMEOUT = 1.0
"""Seconds to wait for the other side's close frame. Closing at once could lose our own to a reset."""

_REFUSED_WAIT = 300.0
_TOO_MANY_WAIT = 60.0


class ConnectionLostError(Exception):
    """The connection ended: ``code`` of the close frame if there was one, else a ``reason`` in words."""

    def __init__(self, reason: str = "", *, code: int | None = None, wait: float = 0.0) -> None:
        super().__init__(reason or f"close code {code}")
        self.reason = reason
        self.code = code
        self.wait = wait


class _Socket(WebSocket):
    """websocket-client's socket with three habits changed.

    It answers a close frame with 1000, which may end the Discord session. It reads a frame to its end however
    long that takes, so that heartbeats would miss their time on a slow link. And it asks the system for each
    part of a frame: reading ahead takes a third of the time off a burst of messages.
    """

    read_until = float("inf")
    ahead = memoryview(b"")
    """What was read and is not asked for yet."""

    def send_close(self, status: int = RESUMABLE_CLOSE, reason: str | bytes = b"") -> None:
        super().send_close(status, reason)

    def _recv(self, bufsize: int) -> Any:
        if (self.frame_buffer.length or 0) > LARGEST_MESSAGE:
            raise WebSocketException("a frame is too large")
        if not self.ahead:
            if time.monotonic() >= self.read_until:
                raise WebSocketTimeoutException("the rest of the frame comes later")
            self.ahead = memoryview(super()._recv(READ_AHEAD))  # type: ignore[no-untyped-call]
        part, self.ahead = bytes(self.ahead[:bufsize]), self.ahead[bufsize:]
        return part

    def _send(self, data: str | bytes) -> int:
        try:
            return super()._send(data)
        except WebSocketTimeoutException:
            # Half a frame may be out: unlike a read, this can't go on later.
            raise WebSocketConnectionClosedException("sending took too long") from None


WAKES = 4096
"""Bytes that are taken from the waker at once: a byte a call, of which there are a few at most."""


class WebSocketClient:
    """An open connection. Owned by one thread; only ``abort`` may be called from another."""

    def __init__(self, url: str, *, waker: socket.socket, proxy: str = "") -> None:
        """Connect. ``waker`` is a socket that ends a ``wait`` when it becomes readable. Raises LostError."""
        self._inflater = Inflater()
        self._waker = waker
        self._socket = _Socket(skip_utf8_validation=True, sslopt={"context": tls_context()})
        self._socket.settimeout(CONNECT_TIMEOUT)
        try:
            self._socket.connect(  # type: ignore[no-untyped-call]
                url,
                header=[f"User-Agent: {USER_AGENT}"],
                suppress_origin=True,
                redirect_limit=0,  # a redirect could carry the token to another host
                **_proxy_options(url, proxy),
            )
        except (WebSocketException, OSError, ValueError) as error:
            self._socket.shutdown()  # type: ignore[no-untyped-call]
            raise _lost(error, url) from None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(waker, selectors.EVENT_READ)

    def wait(self, seconds: float) -> bool:
        """Sleep until something can be read, the waker wakes, or the time is over. True: ``read`` now."""
        sock = self._socket.sock
        if self._socket.ahead or (isinstance(sock, ssl.SSLSocket) and sock.pending()):
            return True
        ready = {key.fileobj for key, _ in self._selector.select(seconds)}
        if self._waker in ready:
            self._waker.recv(WAKES)  # else it would wake this for ever
        return self._socket in ready

    def read(self, seconds: float = IO_TIMEOUT) -> Mapping[str, Any] | None:
        """The next gateway message; None if it is not whole in time. Raises LostError, also at a close."""
        patience = min(IO_TIMEOUT, max(SHORTEST_READ, seconds))
        if patience != self._socket.gettimeout():
            self._socket.settimeout(patience)
        self._socket.read_until = time.monotonic() + patience
        try:
            opcode, frame = self._socket.recv_data_frame(True)
            return self._decode(opcode, frame.data)
        except WebSocketTimeoutException:
            return None
        except (WebSocketException, OSError, ValueError, RecursionError) as error:
            raise _lost(error) from None

    def send(self, text: str) -> None:
        """Send one text message. Raises LostError."""
        self._socket.settimeout(IO_TIMEOUT)
        try:
            self._socket.send_text(text)
        except (WebSocketException, OSError) as error:
            raise _lost(error) from None

    def close(self, code: int = RESUMABLE_CLOSE) -> None:
        """Say goodbye with this code, wait a moment for the answer, and let go. Never raises."""
        self._socket.read_until = time.monotonic() + CLOSE_TIMEOUT
        self._socket.settimeout(CLOSE_TIMEOUT)
        self._socket.close(status=code, timeout=CLOSE_TIMEOUT)
        self._socket.shutdown()  # type: ignore[no-untyped-call]
        self._selector.close()

    def abort(self) -> None:
        """Cut the connection under a thread that is stuck in it."""
        sock = self._socket.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it was already gone

    def _decode(self, opcode: int, data: bytes) -> Mapping[str, Any] | None:
        if opcode == ABNF.OPCODE_CLOSE:
            raise ConnectionLostError(code=int.from_bytes(data[:2], "big") if len(data) >= 2 else None)
        if opcode == ABNF.OPCODE_BINARY:
            whole = self._inflater.feed(data)
            if whole is None:
                return None
        elif opcode == ABNF.OPCODE_TEXT:
            whole = data
        else:
            return None
        message = json.loads(str(whole, "utf-8"))
        return message if isinstance(message, dict) else None


def _proxy_options(url: str, proxy: str) -> dict[str, Any]:
    """What websocket-client needs to use this proxy, or to use none whatever the environment says."""
    address = proxy_for(url, proxy)
    if address is None:
        # It looks at http_no_proxy only where a proxy is named, and else goes by the environment.
        return {"http_proxy_host": "unused", "http_proxy_port": 1, "http_no_proxy": ["*"]}
    parts = urlsplit(address)
    options: dict[str, Any] = {"http_proxy_host": parts.hostname, "http_proxy_port": parts.port or 80}
    if parts.username:
        options["http_proxy_auth"] = (unquote(parts.username), unquote(parts.password or ""))
    return options | {"http_no_proxy": [host_of(address)]}


def _lost(error: Exception, url: str = "") -> ConnectionLostError:
    """The same in words. The text of foreign exceptions stays out of it: it may hold headers and bodies."""
    if isinstance(error, WebSocketBadStatusException):
        return _refused(error)
    where = f"the gateway at {host_of(url)}" if url else "the gateway"
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionLostError(f"the certificate of {where} is not trusted: {error.verify_message}")
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return ConnectionLostError(words.format(where=where))
    why = getattr(error, "strerror", None) or type(error).__name__
    return ConnectionLostError(f"no connection to {where}: {why}")


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (WebSocketAddressException, "the name of {where} can't be resolved"),
    (WebSocketProxyException, "the proxy does not let us through to {where}"),
    (WebSocketTimeoutException, "{where} did not answer in time"),
    (TimeoutError, "{where} did not answer in time"),
    (WebSocketConnectionClosedException, "the connection to the gateway was lost"),
    (ssl.SSLError, "no secure connection to {where}"),
    (WebSocketException, "{where} does not speak WebSocket as it should"),
    (InflateError, "{where} sent a message that can't be decompressed"),
    (ValueError, "{where} sent a message that can't be read"),
    (RecursionError, "{where} sent a message that can't be read"),
)


def _refused(error: WebSocketBadStatusException) -> ConnectionLostError:
    """The handshake was answered by something else than an upgrade; 401 and 403 are no word on the token."""
    status = error.status_code
    reason = f"the gateway refused the connection with HTTP {status}"
    if status == 429:
        return ConnectionLostError(
            reason, wait=max(_TOO_MANY_WAIT, _seconds((error.resp_headers or {}).get("retry-after")))
        )
    return ConnectionLostError(reason, wait=_REFUSED_WAIT if status in (401, 403) else 0.0)


def _seconds(header: str | None) -> float:
    return float(header) if header and header.strip().isdigit() else 0.0
