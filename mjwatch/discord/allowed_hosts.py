"""The hosts that may receive the token, and the hosts from which pictures may come."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

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
    address = _read(url)
    if address is None:
        return False
    if is_this_machine(address.host):
        return True
    if address.scheme not in ("https", "wss"):
        return False
    return _is_discord(address) or _is_listed(address, allow_hosts)


def picture_may_come_from(url: str, hosts: Collection[str]) -> bool:
    """Return whether the URL has a listed host (or ``host:port``), and TLS unless it is this machine."""
    address = _read(url)
    if address is None or address.scheme not in ("https", "http"):
        return False
    return _is_listed(address, hosts) and (address.scheme == "https" or is_this_machine(address.host))


def is_loopback(url: str) -> bool:
    """Return whether the URL names this machine: 127.0.0.0/8, ::1 or localhost."""
    address = _read(url)
    return address is not None and is_this_machine(address.host)


def host_of(url: str) -> str:
    """Return the host of a URL for a message to a person: never its path, query or credentials."""
    address = _read(url)
    return "?" if address is None else address.host


class _Address(NamedTuple):
    """Where a URL leads. ``host`` is in lower case, that of an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int


def _read(url: str) -> _Address | None:
    """Return where the URL leads; None if two parsers could read it differently, or if it has credentials."""
    if _MISREAD.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or not parts.hostname or port == 0:
        return None
    return _Address(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme])


def _is_discord(address: _Address) -> bool:
    if address.port != _DEFAULT_PORTS[address.scheme]:
        return False
    return address.host == API_HOST if address.scheme == "https" else address.host.endswith(GATEWAY_DOMAIN)


def _is_listed(address: _Address, hosts: Collection[str]) -> bool:
    host = f"[{address.host}]" if ":" in address.host else address.host
    names = {address.host, host, f"{host}:{address.port}"}
    return any(entry.lower() in names for entry in hosts)
