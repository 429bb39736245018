"""HTTP as mjwatch wants it: no redirects, no retries, no foreign credentials, bounded in size and time.

The exceptions of requests and urllib3 end here, sorted by how far a request got: ``NotReachedError`` as long
as no connection stood, ``UnansweredError`` from the first byte sent. Their own texts are not used: they may
hold headers, and with them the token.

The way to a host: which proxy applies to a URL, and which certificates are trusted.
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
CHUNK = 256 * 1024
LARGEST_ANSWER = 32 * 1024 * 1024
"""Bytes of a JSON answer. The command index of a guild with many bots is the largest, a few MiB."""
IDLE_LIMIT = 15.0
"""Seconds after which a kept connection is not used again: a reset on it would look unanswered."""

Timeout = tuple[float, float]
"""Seconds to connect, and seconds between two pieces of an answer."""


class _PhasedHTTP(HTTPConnection):
    """Raises one family of errors for all that fails before a request can be sent."""

    def connect(self) -> None:
        try:
            super().connect()
        except ConnectTimeoutError:
            raise
        except (OSError, HTTPError, http.client.HTTPException, ValueError) as error:
            raise NewConnectionError(self, "no connection") from error


class _PhasedHTTPS(HTTPSConnection):
    """The same over TLS: proxy tunnel and handshake belong to connecting, which urllib3 does not tell."""

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
    """Connections that tell the phases apart and trust what the gateway trusts.

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
        """Leave the certificates to the context, which would else load the same bundle again and again."""


def _use_phased_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


class _Credentials(requests.auth.AuthBase):
    """The token, or nothing. Having one keeps requests from looking into ~/.netrc for another."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __repr__(self) -> str:
        return "<credentials>"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = self._token
        return request


class Transport:
    """One keep-alive session. ``token`` goes out raw as Authorization, as user accounts send it."""

    def __init__(
        self,
        *,
        token: str | None = None,
        proxy: str = "",
        user_agent: str = USER_AGENT,
        timeout: Timeout = (10.0, 30.0),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._proxy = proxy
        self._timeout = timeout
        self._clock = clock
        self._used_at = clock()
        self._session = requests.Session()
        self._session.trust_env = (
            False  # proxies and certificates are ours to choose, and ~/.netrc is not read
        )
        self._session.auth = _Credentials(token)
        self._session.headers["User-Agent"] = user_agent
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter())

    def send(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and return the answer with its body unread: close it, or use ``read_body``.

        ``options`` are those of ``requests.request``. Raises NotReachedError and UnansweredError, and
        ConfigError for a proxy of a kind that can't be used.
        """
        proxy = proxy_for(url, self._proxy)
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
        seen: Callable[[bytes], object] = lambda piece: None,
    ) -> bytes:
        """The whole body. Raises UnansweredError where it breaks off, grows too large or takes too long.

        ``seen`` gets each piece of it while the next one is on its way.
        """
        until = self._clock() + seconds
        body = BytesIO()  # which gives its content away without a copy
        with response:
            while piece := _next_piece(response):
                body.write(piece)
                seen(piece)
                if body.tell() > limit:
                    raise UnansweredError(f"an answer is larger than {limit} bytes")
                if self._clock() > until:
                    raise UnansweredError(f"an answer took longer than {seconds:.0f} s")
        return body.getvalue()

    def release(self, response: Response) -> None:
        """Keep the connection of an answer that has no body. What may still be wrong with it is not told."""
        with contextlib.suppress(UnansweredError):
            self.read_body(response, limit=0)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _drop_idle_connections(self) -> None:
        if self._clock() - self._used_at > IDLE_LIMIT:
            self._session.close()  # only empties the pools: the session can be used on


def _next_piece(response: Response) -> bytes:
    """What has come in by now, so that a drip can't hold the reader for longer than one time-out."""
    try:
        return bytes(response.raw.read1(CHUNK, decode_content=True) or b"")
    except (HTTPError, OSError, http.client.HTTPException) as error:
        raise UnansweredError(f"an answer broke off ({type(error).__name__})") from None


def _translate(error: Exception, url: str) -> WireError:
    """The same by phase; anything that is not surely before the first byte sent counts as unanswered."""
    host = host_of(url)
    if isinstance(error, ValueError):  # InvalidURL, InvalidHeader and their like
        return NotReachedError(f"the request to {host} could not be made ({type(error).__name__})")
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    if isinstance(reason, ConnectTimeoutError | ProxyError):
        return NotReachedError(f"no connection to {host}: {_why(reason)}")
    if isinstance(error, requests.ReadTimeout):
        return UnansweredError(f"{host} did not answer in time")
    return UnansweredError(f"the connection to {host} broke before the answer came")


def _why(error: BaseException) -> str:
    """The innermost cause that has words which are safe to show."""
    words = "it took too long"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({seen.verify_message})"
        if isinstance(seen, OSError) and seen.strerror:
            words = seen.strerror
        elif isinstance(seen, ssl.SSLError):
            words = "no secure connection"
        seen = seen.__cause__ or seen.__context__
    return words


_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def proxy_for(url: str, configured: str = "") -> str | None:
    """The ``http://`` URL of the proxy for this URL, or None for a direct connection.

    The configured one, else the environment's (``https_proxy``, ``http_proxy``, ``all_proxy``, ``no_proxy``).
    This machine is always reached directly. Raises ConfigError for a proxy that is not an http one.
    """
    if is_loopback(url):
        return None
    proxy = configured or _environment_proxy(url)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_usable(proxy):
        raise ConfigError("only http proxies can be used", "give it as http://host:port")
    return proxy


def ca_bundle() -> str:
    """The file (or folder) with the certificates to trust: named in the environment, else certifi's."""
    named = (os.environ.get(name) for name in _CA_VARIABLES)
    return next((path for path in named if path), certifi.where())


@cache
def tls_context() -> ssl.SSLContext:
    """Verifies certificates and names, for HTTP and the gateway alike.

    Trusts the system's store beside ``ca_bundle``: a company's own authority may be in either. Raises
    ConfigError where the environment names a bundle that can't be read.
    """
    context = ssl.create_default_context()
    bundle = ca_bundle()
    try:
        if Path(bundle).is_dir():
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
    except OSError as error:
        raise ConfigError(f"no certificates can be read from {bundle}", "see REQUESTS_CA_BUNDLE") from error
    return context


def _environment_proxy(url: str) -> str:
    if proxy_bypass(host_of(url)):
        return ""
    proxies = getproxies()
    scheme = "https" if url.startswith(("https:", "wss:")) else "http"
    return proxies.get(scheme) or proxies.get("all") or ""


def _is_usable(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
