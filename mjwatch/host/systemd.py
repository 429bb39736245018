"""Signs of life: how a thread shows that it works, and how the service reports to systemd (sd_notify(3)).

``Liveness`` is kept by each working thread. ``Supervision`` asks the service for its state and reports it
through ``Systemd``: ready, status, watchdog, stopping.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

log = logging.getLogger("mjwatch")

SEND_TIMEOUT = 1.0
"""Seconds to wait for a systemd that does not read."""

LONGEST_STATUS = 300
"""Characters of a status: `systemctl status` shows it on one line."""

CHECK_INTERVAL = 5.0
"""Seconds between two checks of the service, at most; the watchdog may ask for shorter intervals."""

STARTUP_CHECK_INTERVAL = 0.2
"""Seconds between two checks of a service that is starting."""

START_EXTENSION = 30.0
"""Seconds by which systemd is repeatedly asked to extend the start."""

LONGEST_BUILD = 600.0
"""Seconds for the start before the service can be checked: an old journal has to be migrated first."""

LONGEST_START = 60.0
"""Seconds after which a healthy service counts as started, whatever it still waits for."""

STOP_LIMIT = 20.0
"""Seconds within which the service has ended after it is asked to stop."""

PINGS_PER_TIMEOUT = 3
"""Watchdog messages within the time after which systemd would kill us."""


class Liveness:
    """Shows other threads how long one thread has been at its current piece of work.

    The thread uses ``with`` around each piece of work. Waiting for work has no limit. Work has one, and a
    thread that exceeds it is stalled.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``limit`` is in seconds; no piece of work takes that long."""
        self._limit = limit
        self._clock = clock
        self._since: float | None = None

    def beat(self) -> None:
        """Note that a piece of work begins, and that the one before has ended."""
        self._since = self._clock()

    def __enter__(self) -> Liveness:
        self.beat()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._since = None

    @property
    def stalled(self) -> bool:
        """Whether the current piece of work takes longer than any should."""
        since = self._since
        return since is not None and self._clock() - since > self._limit


class Systemd:
    """The connection to the service manager; without one, messages are dropped. Usable from any thread."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """The environment says where systemd listens and how often it expects a message."""
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog = _watchdog(environ) if self._address else None
        """Seconds of silence after which systemd kills us; None if there is no such limit."""

    @property
    def listens(self) -> bool:
        """Whether systemd started this process as a service and waits for its messages."""
        return bool(self._address)

    def ready(self) -> None:
        """Report that the start is complete."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Report what the service does, for `systemctl status`."""
        line = " ".join(text.split())
        short = line if len(line) <= LONGEST_STATUS else line[: LONGEST_STATUS - 1] + "…"
        self._send(f"STATUS={short}")

    def alive(self) -> None:
        """Report that all parts of the service work."""
        self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Ask for so many more seconds, from now on, for the start or the stop."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def stopping(self) -> None:
        """Report that the service has begun to stop."""
        self._send("STOPPING=1")

    def _send(self, line: str) -> None:
        if not self._address:
            return
        # A lost message is no reason to fail: systemd acts when it receives nothing.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.settimeout(SEND_TIMEOUT)
            sender.sendto(line.encode("utf-8", "replace"), self._address)


def _address(text: str) -> str:
    """Return the socket's address as Python expects it: a path, or NUL and a name in the abstract namespace.

    Other kinds, such as ``vsock:``, are for a virtual machine as a whole.
    """
    if not hasattr(socket, "AF_UNIX") or text[:1] not in {"/", "@"}:
        return ""
    return "\0" + text[1:] if text.startswith("@") else text


def _watchdog(environ: Mapping[str, str]) -> float | None:
    """Return the watchdog's seconds; None if the watchdog is off or is meant for another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    span = environ.get("WATCHDOG_USEC", "")
    return int(span) / 1e6 if span.isascii() and span.isdigit() and int(span) > 0 else None


class SupervisedService(Protocol):
    """What the supervision asks of the service, from another thread than the service's own."""

    def unhealthy_parts(self) -> list[str]:
        """Return the names of the parts that no longer work."""

    def started(self) -> bool:
        """Return whether the service works, or says what it waits for."""

    def sentence(self) -> str:
        """Return what the service does, for a person."""


class Supervision:
    """The thread "systemd", which reports the service to systemd; without systemd there is no thread.

    Use ``with`` around the whole life of the service. A watchdog message is sent only while all parts of the
    service are healthy: systemd ends a service that hangs and starts it again, which is always safe.
    """

    def __init__(self, systemd: Systemd, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` returns seconds."""
        self._systemd = systemd
        self._clock = clock
        self._began_at = clock()
        self._service: SupervisedService | None = None
        self._attached_at = 0.0
        self._is_ready = False
        self._is_stopping = False
        self._status = ""
        self._unhealthy_parts: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="systemd", daemon=True)

    def __enter__(self) -> Supervision:
        if self._systemd.listens:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def attach(self, service: SupervisedService) -> None:
        """Check the service from now on, because it has been built."""
        self._attached_at = self._clock()
        self._service = service

    def stopping(self) -> None:
        """Report that the service stops. What is not done within the limit is left to the next start."""
        self._is_stopping = True
        self._systemd.stopping()
        self._systemd.extend(STOP_LIMIT)
        self._report_status("Stopping; the next start continues what is in flight.")

    def _run(self) -> None:
        while not self._ended.wait(self.check()):
            pass

    def check(self) -> float:
        """Check the service once and report the result; return the seconds until the next check."""
        if self._is_stopping:
            return CHECK_INTERVAL
        service = self._service
        if service is None:
            self._report_status("Starting.")
            if self._clock() - self._began_at < LONGEST_BUILD:
                self._systemd.extend(START_EXTENSION)
            return STARTUP_CHECK_INTERVAL
        self._check_service(service)
        if not self._is_ready:
            return STARTUP_CHECK_INTERVAL
        watchdog = self._systemd.watchdog
        return CHECK_INTERVAL if watchdog is None else min(CHECK_INTERVAL, watchdog / PINGS_PER_TIMEOUT)

    def _check_service(self, service: SupervisedService) -> None:
        unhealthy_parts = service.unhealthy_parts()
        if unhealthy_parts != self._unhealthy_parts:
            self._unhealthy_parts = unhealthy_parts
            if unhealthy_parts:
                log.critical(
                    "these parts no longer work: %s; systemd restarts the service", ", ".join(unhealthy_parts)
                )
        if unhealthy_parts:
            self._report_status(f"No longer working: {', '.join(unhealthy_parts)}.")
            return
        self._report_status(service.sentence())
        if self._is_ready:
            self._systemd.alive()
        elif service.started() or self._clock() - self._attached_at >= LONGEST_START:
            self._is_ready = True
            self._systemd.ready()
        else:
            self._systemd.extend(START_EXTENSION)

    def _report_status(self, text: str) -> None:
        if text != self._status:
            self._status = text
            self._systemd.status(text)
