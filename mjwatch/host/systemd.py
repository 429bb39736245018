"""What systemd is told: ready, what the service does, that it is alive, that it stops (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 1.0
"""Seconds that a systemd which does not read may hold us up."""

LONGEST_STATUS = 300
"""Letters of a status: `systemctl status` shows it on one line."""


class Systemd:
    """The way to the service manager, if one listens; else each word is dropped. Usable from any thread."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Where it listens and how often it wants to hear of us stands in the environment."""
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog = _watchdog(environ) if self._address else None
        """Seconds of silence after which we are killed; None if we may be silent."""

    @property
    def listens(self) -> bool:
        """Whether this process is a service of systemd's that is waited for."""
        return bool(self._address)

    def ready(self) -> None:
        """The start is over."""
        self._tell("READY=1")

    def status(self, words: str) -> None:
        """What the service does, for `systemctl status`."""
        line = " ".join(words.split())
        short = line if len(line) <= LONGEST_STATUS else line[: LONGEST_STATUS - 1] + "…"
        self._tell(f"STATUS={short}")

    def alive(self) -> None:
        """All parts of the service do their work."""
        self._tell("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """So much longer from now on may the start or the stop take."""
        self._tell(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, line: str) -> None:
        if not self._address:
            return
        # A word that is lost is no reason to fail: systemd acts when it hears nothing.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.settimeout(PATIENCE)
            sender.sendto(line.encode("utf-8", "replace"), self._address)


def _address(text: str) -> str:
    """The socket's address as Python wants it: a path, or NUL and a name in the abstract namespace.

    Other kinds, such as ``vsock:``, are for the system of a virtual machine as a whole.
    """
    if not hasattr(socket, "AF_UNIX") or text[:1] not in {"/", "@"}:
        return ""
    return "\0" + text[1:] if text.startswith("@") else text


def _watchdog(environ: Mapping[str, str]) -> float | None:
    """Seconds; None where the watchdog is off, or means another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    span = environ.get("WATCHDOG_USEC", "")
    return int(span) / 1e6 if span.isascii() and span.isdigit() and int(span) > 0 else None
