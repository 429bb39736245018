"""The hosts that may receive the token, and the hosts from which pictures may come."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from mjwatch.settings.values import is_this_machine

if TYPE_CHECKING:
    from collections.abc import Collection

API_HOST = "discord.com"
GATEWAY_DOMAIN = ".discord.gg"

_MISREAD = re.compile(r"[\0- \\\x7f]")
"""Characters that parsers of URLs read differently."""

_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


def token_may_go_to(url: str, allow_hosts: Collection[str] = ()) -> bool:
    """Return whether a request that carries the token may go to this URL.

    Allowed are ``https://discord.com``, ``wss`` hosts under discord.gg, this machine (also over plain
    ``http`` and ``ws``, because the simulator runs there), and over ``https`` and ``wss`` the hosts in
    ``allow_hosts``, each given as ``host`` or ``host:port``.
    """
    parts = _split(url)
    if parts is None:
        return False
    if is_loopback(url):
        return True
    if parts.scheme not in ("https", "wss"):
        return False
    return _is_discord(parts) or _is_listed(parts, allow_hosts)


def picture_may_come_from(url: str, hosts: Collection[str]) -> bool:
    """Return whether the URL has a listed host (or ``host:port``), and TLS unless it is this machine."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("https", "http"):
        return False
    return _is_listed(parts, hosts) and (parts.scheme == "https" or is_loopback(url))


def is_loopback(url: str) -> bool:
    """Return whether the URL names this machine: 127.0.0.0/8, ::1 or localhost."""
    parts = _split(url)
    return parts is not None and is_this_machine(parts.hostname or "")


def host_of(url: str) -> str:
    """Return the host of a URL for a message to a person: never its path, query or credentials."""
    parts = _split(url)
    return (parts.hostname or "?") if parts else "?"


def _split(url: str) -> SplitResult | None:
    """Return the URL's parts; None if two parsers could read it differently, or if it has credentials."""
    if _MISREAD.search(url):
        return None
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return None
    usable = port_is_valid and parts.scheme in _DEFAULT_PORTS and "@" not in parts.netloc
    return parts if usable and parts.hostname else None


def _is_discord(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if _port(parts) != _DEFAULT_PORTS[parts.scheme]:
        return False
    return host == API_HOST if parts.scheme == "https" else host.endswith(GATEWAY_DOMAIN)


def _is_listed(parts: SplitResult, hosts: Collection[str]) -> bool:
    host = parts.hostname or ""
    bracketed = f"[{host}]" if ":" in host else host
    names = {host, bracketed, f"{bracketed}:{_port(parts)}"}
    return any(entry.lower() in names for entry in hosts)


def _port(parts: SplitResult) -> int:
    return parts.port or _DEFAULT_PORTS[parts.scheme]
