"""The way to a host: which proxy applies to a URL, and which certificates are trusted."""

from __future__ import annotations

import os
import ssl
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi

from mjwatch import __version__
from mjwatch.discord.hosts import host_of, is_loopback
from mjwatch.errors import ConfigError

USER_AGENT = f"mjwatch/{__version__}"
"""Our own name; no browser's."""

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
