"""HTTP without redirects, retries and other programs' credentials, limited in size and time.

The exceptions of requests and urllib3 end here. Their classes and texts are not used: the classes do not say
how far a request got, and the texts may contain headers, and with them the token. Instead each call has a
record, and every failure becomes a ``NotReachedError`` if no byte of the request can have left, and an
``UnansweredError`` otherwise. The functions at the end choose proxy and certificates.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import re
import ssl
import time
import zlib
from contextvars import ContextVar
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from mjwatch.discord.allowed_hosts import host_of, is_loopback
from mjwatch.errors import ConfigError, NotReachedError, UnansweredError, WireError
from mjwatch.version import __version__

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from requests import PreparedRequest, Response


USER_AGENT = f"mjwatch/{__version__}"
"""Our own name; no browser's."""
CHUNK_BYTES = 64 * 1024
LARGEST_ANSWER = 8 * 1024 * 1024
"""Bytes of a JSON answer, decompressed. A page of history with 100 of the longest messages has less."""
IDLE_LIMIT = 15.0
"""Seconds after which an idle connection is not used again, because a reset on it looks like an unanswered
request."""

Timeout = tuple[float, float]
"""Seconds to connect, and seconds between two pieces of an answer."""


# ---- one call, from the connection to the last byte of the answer


class _Phase(IntEnum):
    """How far a call has got."""

    BUILDING = 0
    CONNECTING = 1
    """Looks the name up, connects, and shakes hands with the proxy and over TLS."""
    CONNECTED = 2
    SENT = 3
    """A byte of the request may have left this machine."""


class _Call:
    """The record of one call: how far it has got, and until when it may last."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until = clock() + seconds
        self.phase = _Phase.BUILDING

    def reaches(self, phase: _Phase) -> None:
        """Note that the call has got this far; it never goes back."""
        self.phase = max(self.phase, phase)

    def time_left(self) -> float:
        """Return the seconds that are left; raise _TooSlowError if none are."""
        left = self._until - self._clock()
        if left <= 0:
            raise _TooSlowError(f"it took longer than {self._seconds:.0f} s")
        return left


class _TooSlowError(Exception):
    """The call has lasted too long. It is no OSError, so that urllib3 does not wrap it."""


_CALL: ContextVar[_Call] = ContextVar("call")
"""The call that the current thread makes."""


class _LimitedReader(io.RawIOBase):
    """Reads from a socket until the call's deadline; a timeout of the socket alone restarts at each byte."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._file = sock.makefile("rb", buffering=0)
        self._call = _CALL.get()
        self._timeout = sock.gettimeout() or self._call.time_left()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(min(self._timeout, self._call.time_left()))
        try:
            return self._file.readinto(buffer)
        except TimeoutError:
            self._call.time_left()
            raise

    def close(self) -> None:
        self._file.close()
        super().close()


class _LimitedFile:
    """A socket as ``http.client`` reads it."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_LimitedReader(self._socket))


class _LimitedResponse(http.client.HTTPResponse):
    """Any answer, that of a proxy to CONNECT included. http.client limits the size of its head."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_LimitedFile(sock), *args, **kwargs)  # type: ignore[arg-type]  # calls makefile only

    def begin(self) -> None:
        """Read the head. Only after what is a whole answer for sure may the connection be used again.

        After an interim one (RFC 9110, 15.2) or an error of the server, more may follow: as the answer to the
        next request it would deny what was executed. http.client itself skips a 100.
        """
        super().begin()
        if self.status // 100 not in (2, 4) or self.status == 408:
            self.will_close = True


class _RecordingHTTP(HTTPConnection):
    """Records in the call when the first byte of the request may leave; ``connect`` sends none."""

    response_class = _LimitedResponse

    def connect(self) -> None:
        call = _CALL.get()
        call.reaches(_Phase.CONNECTING)
        super().connect()
        self.sock.getpeername()  # ssl returns a socket that is no longer connected as if it were
        call.time_left()
        call.reaches(_Phase.CONNECTED)

    def send(self, data: Any) -> None:
        call = _CALL.get()
        if call.phase is _Phase.CONNECTING:  # this is the request for a tunnel
            super().send(data)
            return
        if self.sock is None:
            self.connect()
        call.reaches(_Phase.SENT)
        for start in range(0, len(data), CHUNK_BYTES):
            left = call.time_left()
            self.sock.settimeout(min(self.sock.gettimeout() or left, left))
            super().send(data[start : start + CHUNK_BYTES])


class _RecordingHTTPS(_RecordingHTTP, HTTPSConnection):
    """The same over TLS."""


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _RecordingHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _RecordingHTTPS


class _Adapter(HTTPAdapter):
    """Connections that keep the call's record and trust the same certificates as the gateway connection.

    requests turns urllib3's own retries off, so that no POST is ever repeated.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_recording_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        _use_recording_pools(manager)
        return manager

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        """Add the certificates where they are needed: to load them takes 60 ms, a tenth of a start."""
        host, tls = super().build_connection_pool_key_attributes(*args, **kwargs)
        return host, {"ssl_context": tls_context()} if host["scheme"] == "https" else tls

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the certificates to the context, so that the bundle is not loaded again and again."""


def _use_recording_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


class _Session(requests.Session):
    """A session that leaves redirects alone; requests would read the whole body and the new address."""

    def get_redirect_target(self, resp: Response) -> str | None:
        return None


class _Credentials(requests.auth.AuthBase):
    """The token, or nothing. With an auth object, requests does not search ~/.netrc for credentials."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __repr__(self) -> str:
        return "<credentials>"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = self._token
        return request


class Transport:
    """One keep-alive session. ``token`` is sent as it is in Authorization, as user accounts send it."""

    def __init__(
        self,
        *,
        token: str | None = None,
        base_url: str = "",
        proxy: str = "",
        user_agent: str = USER_AGENT,
        timeout: Timeout = (10.0, 30.0),
        deadline: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``base_url`` is the address of all requests, if they go to one host.

        ``deadline``: the seconds for a whole call, from connecting to the last byte of the answer. Only the
        look-up of a name by the operating system may take longer.
        """
        self._is_local = is_loopback(base_url) if base_url else None
        if self._is_local is False:
            tls_context()  # a bundle that can't be read is noticed at the start
        self._proxy = proxy
        self._timeout = timeout
        self._deadline = deadline
        self._clock = clock
        self._used_at = clock()
        self._session = _Session()
        # We choose proxies and certificates ourselves, and ~/.netrc is not read.
        self._session.trust_env = False
        self._session.auth = _Credentials(token)
        self._session.headers["User-Agent"] = user_agent
        self._session.headers["Accept-Encoding"] = "gzip"
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter())

    def send(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and return the answer with its body unread: close it, or use ``read_body``.

        ``options`` are those of ``requests.request``. Raise NotReachedError or UnansweredError, or
        ConfigError for a proxy of a kind that can't be used.
        """
        is_local = is_loopback(url) if self._is_local is None else self._is_local
        proxy = None if is_local else _remote_proxy(url, self._proxy)
        self._drop_idle_connections()
        call = _Call(self._deadline, self._clock)
        outer = _CALL.set(call)
        try:
            return self._session.request(
                method,
                url,
                stream=True,
                allow_redirects=False,
                timeout=self._timeout,
                proxies={"http": proxy, "https": proxy} if proxy else None,
                **options,
            )
        except (
            Exception
        ) as error:  # the one edge for foreign exceptions, ValueError and UnicodeError included
            raise _translate(error, url, call) from None
        finally:
            _CALL.reset(outer)
            self._used_at = self._clock()

    def read_body(
        self,
        response: Response,
        *,
        limit: int = LARGEST_ANSWER,
        on_piece: Callable[[bytes], object] = lambda piece: None,
    ) -> bytes:
        """Return the whole body. Raise UnansweredError if it breaks off, grows too large or takes too long.

        ``limit``: the bytes, decompressed. ``on_piece`` is called with each piece while the next one is being
        received.
        """
        body = io.BytesIO()  # returns its content without a copy
        with response:
            for piece in _pieces(response):
                body.write(piece)
                on_piece(piece)
                if body.tell() > limit:
                    raise UnansweredError(f"an answer is larger than {limit} bytes")
        return body.getvalue()

    def release(self, response: Response) -> None:
        """Read an answer that has no body, to keep its connection. An error while reading is ignored."""
        with contextlib.suppress(UnansweredError):
            self.read_body(response, limit=0)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _drop_idle_connections(self) -> None:
        if self._clock() - self._used_at > IDLE_LIMIT:
            self._session.close()  # only empties the pools; the session stays usable


def _pieces(response: Response) -> Iterator[bytes]:
    """Yield the body as it arrives, decompressed. Raise UnansweredError if that fails."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    received = iter(lambda: response.raw.read1(CHUNK_BYTES, decode_content=False) or b"", b"")
    try:
        if encoding == "identity":
            yield from received
        elif encoding == "gzip":
            yield from _decompressed(received)
        else:
            raise UnansweredError("an answer is compressed in a way that mjwatch did not ask for")
    except UnansweredError:
        raise
    except _TooSlowError as error:
        raise UnansweredError(f"an answer broke off: {error}") from None
    except Exception as error:  # of http.client, urllib3 or zlib: see ``send``
        raise UnansweredError(f"an answer broke off ({type(error).__name__})") from None


def _decompressed(received: Iterator[bytes]) -> Iterator[bytes]:
    """Yield small pieces, so that the reader can stop before a small answer has become a huge one."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    for piece in received:
        while piece:
            yield stream.decompress(piece, CHUNK_BYTES)
            piece = stream.unconsumed_tail
    if not stream.eof:
        raise UnansweredError("an answer broke off")


def _translate(error: Exception, url: str, call: _Call) -> WireError:
    """Return our error: whether a byte of the request can have left decides, not the kind of the failure."""
    host = host_of(url)
    if call.phase is _Phase.BUILDING:  # InvalidURL and similar
        return NotReachedError(f"the request to {host} could not be built ({type(error).__name__})")
    if call.phase is not _Phase.SENT:
        return NotReachedError(f"no connection to {host}: {_why(error)}")
    if isinstance(error, requests.ReadTimeout):
        return UnansweredError(f"{host} did not answer in time")
    if isinstance(error, _TooSlowError):
        return UnansweredError(f"{host} did not answer in time: {error}")
    return UnansweredError(f"the connection to {host} broke before the answer came")


_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})\b")
"""The text that http.client gives its OSError for a proxy's answer to CONNECT."""


def _why(error: BaseException) -> str:
    """Return the innermost cause whose text is safe to show."""
    reason = "it took too long"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, _TooSlowError):
            return str(cause)
        refused = _TUNNEL_REFUSED.match(str(cause)) if isinstance(cause, OSError) else None
        if refused:
            return f"the proxy refused (HTTP {refused[1]})"
        if isinstance(cause, OSError) and cause.strerror:
            reason = cause.strerror
        elif isinstance(cause, ssl.SSLError):
            reason = "no secure connection"
        cause = cause.__cause__ or cause.__context__
    return reason


_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def proxy_for(url: str, configured: str = "") -> str | None:
    """Return the ``http://`` URL of the proxy for this URL, or None for a direct connection.

    It is the configured proxy, or else the environment's (``https_proxy``, ``http_proxy``, ``all_proxy``,
    ``no_proxy``). This machine is always reached directly. Raise ConfigError for a proxy that is not http.
    """
    return None if is_loopback(url) else _remote_proxy(url, configured)


def _remote_proxy(url: str, configured: str) -> str | None:
    """Return the proxy for a URL that is not on this machine."""
    proxy = configured or _environment_proxy(url)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_usable(proxy):
        raise ConfigError("only http proxies can be used", "give the proxy as http://host:port")
    return proxy


def ca_bundle() -> str:
    """Return the file (or folder) of trusted certificates: the environment's, or else certifi's."""
    named = (os.environ.get(name) for name in _CA_VARIABLES)
    return next((path for path in named if path), certifi.where())


@cache
def tls_context() -> ssl.SSLContext:
    """Return the context that verifies certificates and names, for HTTP and the gateway.

    It trusts the system's store beside ``ca_bundle``, because a company's own authority may be in either.
    Raise ConfigError if the environment names a bundle that can't be read.
    """
    context = ssl.create_default_context()
    bundle = ca_bundle()
    try:
        if Path(bundle).is_dir():
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
    except OSError as error:
        raise ConfigError(f"no certificates can be read from {bundle}", "check REQUESTS_CA_BUNDLE") from error
    return context


def _environment_proxy(url: str) -> str:
    proxies = getproxies()
    if not proxies or proxy_bypass(host_of(url)):
        return ""
    scheme = "https" if url.startswith(("https:", "wss:")) else "http"
    return proxies.get(scheme) or proxies.get("all") or ""


def _is_usable(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
