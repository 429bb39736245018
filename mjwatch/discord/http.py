"""HTTP without redirects, retries and other programs' credentials, limited in size and time.

The exceptions of requests and urllib3 end here. They become a ``NotReachedError`` if there was no connection
yet, and an ``UnansweredError`` from the first byte sent. Their own texts are not used, because they may
contain headers, and with them the token. The functions at the end choose proxy and certificates.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import ssl
import time
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError, ProxyError

from mjwatch.discord.allowed_hosts import host_of, is_loopback
from mjwatch.errors import ConfigError, NotReachedError, UnansweredError, WireError
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response


USER_AGENT = f"mjwatch/{__version__}"
"""Our own name; no browser's."""
CHUNK_BYTES = 256 * 1024
LARGEST_ANSWER = 32 * 1024 * 1024
"""Bytes of a JSON answer. The largest is the command index of a guild with many bots, a few MiB."""
IDLE_LIMIT = 15.0
"""Seconds after which an idle connection is not used again, because a reset on it looks like an unanswered
request."""

Timeout = tuple[float, float]
"""Seconds to connect, and seconds between two pieces of an answer."""


class _PhasedHTTP(HTTPConnection):
    """Raises one kind of error for everything that fails before a request can be sent."""

    def connect(self) -> None:
        try:
            super().connect()
        except ConnectTimeoutError:
            raise
        except (OSError, HTTPError, http.client.HTTPException, ValueError) as error:
            raise NewConnectionError(self, "no connection") from error


class _PhasedHTTPS(HTTPSConnection):
    """The same over TLS: proxy tunnel and handshake belong to connecting, which urllib3 does not show."""

    def connect(self) -> None:
        try:
            super().connect()
        except ConnectTimeoutError:
            raise
        except (OSError, HTTPError, http.client.HTTPException, ValueError) as error:
            raise NewConnectionError(self, "no connection") from error


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _PhasedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PhasedHTTPS


class _Adapter(HTTPAdapter):
    """Connections that distinguish the phases and trust the same certificates as the gateway connection.

    requests turns urllib3's own retries off, so that no POST is ever repeated.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=tls_context(), **kwargs)
        _use_phased_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=tls_context(), **kwargs)
        _use_phased_pools(manager)
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the certificates to the context, so that the bundle is not loaded again and again."""


def _use_phased_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``base_url`` is the address of all requests, if they go to one host."""
        self._is_local = is_loopback(base_url) if base_url else None
        self._proxy = proxy
        self._timeout = timeout
        self._clock = clock
        self._used_at = clock()
        self._session = requests.Session()
        # We choose proxies and certificates ourselves, and ~/.netrc is not read.
        self._session.trust_env = False
        self._session.auth = _Credentials(token)
        self._session.headers["User-Agent"] = user_agent
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
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise _translate(error, url) from None
        finally:
            self._used_at = self._clock()

    def read_body(
        self,
        response: Response,
        *,
        limit: int = LARGEST_ANSWER,
        seconds: float = 60.0,
        on_piece: Callable[[bytes], object] = lambda piece: None,
    ) -> bytes:
        """Return the whole body. Raise UnansweredError if it breaks off, grows too large or takes too long.

        ``on_piece`` is called with each piece while the next one is being received.
        """
        until = self._clock() + seconds
        body = BytesIO()  # returns its content without a copy
        with response:
            while piece := _next_piece(response):
                body.write(piece)
                on_piece(piece)
                if body.tell() > limit:
                    raise UnansweredError(f"an answer is larger than {limit} bytes")
                if self._clock() > until:
                    raise UnansweredError(f"an answer took longer than {seconds:.0f} s")
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


def _next_piece(response: Response) -> bytes:
    """Return what has arrived so far; a slow trickle can't hold the reader longer than one timeout."""
    try:
        return bytes(response.raw.read1(CHUNK_BYTES, decode_content=True) or b"")
    except (HTTPError, OSError, http.client.HTTPException) as error:
        raise UnansweredError(f"an answer broke off ({type(error).__name__})") from None


def _translate(error: Exception, url: str) -> WireError:
    """Return our error for the phase; unless it is certain that nothing was sent, it is UnansweredError."""
    host = host_of(url)
    if isinstance(error, ValueError):  # InvalidURL, InvalidHeader and similar
        return NotReachedError(f"the request to {host} could not be built ({type(error).__name__})")
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    if isinstance(reason, ConnectTimeoutError | ProxyError):
        return NotReachedError(f"no connection to {host}: {_why(reason)}")
    if isinstance(error, requests.ReadTimeout):
        return UnansweredError(f"{host} did not answer in time")
    return UnansweredError(f"the connection to {host} broke before the answer came")


def _why(error: BaseException) -> str:
    """Return the innermost cause whose text is safe to show."""
    reason = "it took too long"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
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
