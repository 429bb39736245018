"""What systemd is told: ready, what the service does, that it is alive, that it stops (sd_notify(3)).

The thread that tells systemd how the service is, from the beginning of its start to its end.

A thread's sign of life: since when it has been at one piece of work.
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


log = logging.getLogger("mjwatch")

LOOK = 5.0
"""Seconds between two looks at the service, at most; the watchdog may ask for shorter ones."""

STARTING_LOOK = 0.2
"""Seconds between two looks at a service that is starting."""

EXTENSION = 30.0
"""Seconds that systemd is asked for again and again while the start goes on."""

LONGEST_BUILD = 600.0
"""Seconds for the start before the service can be looked at: an old journal has to be brought up to date."""

LONGEST_START = 60.0
"""Seconds after which a service that is well counts as started, whatever it still waits for."""

STOP_LIMIT = 20.0
"""Seconds within which the service has ended once it is asked to."""

BEATS = 3
"""Words of life within the time after which systemd would kill us."""


class SupervisedService(Protocol):
    """What is asked of the service; from another thread than its own."""

    def unhealthy_parts(self) -> list[str]:
        """The parts that no longer do their work."""

    def started(self) -> bool:
        """Whether it does its work, or says what it waits for."""

    def sentence(self) -> str:
        """What it does, for a person."""


class Supervision:
    """One thread, "systemd"; there is none where no systemd listens. Use ``with``, around all of a service.

    A word of life is sent only while all parts of the service are well: systemd ends one that hangs, and
    starts it again, which is always safe.
    """

    def __init__(self, systemd: Systemd, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` gives seconds."""
        self._systemd = systemd
        self._clock = clock
        self._began = clock()
        self._service: SupervisedService | None = None
        self._seen_at = 0.0
        self._ready = False
        self._stopping = False
        self._said = ""
        self._ailing: list[str] = []
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

    def look_at(self, service: SupervisedService) -> None:
        """The service is built; from now on it is looked at."""
        self._seen_at = self._clock()
        self._service = service

    def stopping(self) -> None:
        """The end has begun: what is not done within the limit is left to the next start."""
        self._stopping = True
        self._systemd.stopping()
        self._systemd.extend(STOP_LIMIT)
        self._say("Stopping; what is in flight is taken up by the next start.")

    def _run(self) -> None:
        while not self._ended.wait(self.look()):
            pass

    def look(self) -> float:
        """One look at the service, and what follows from it; seconds until the next one."""
        if self._stopping:
            return LOOK
        service = self._service
        if service is None:
            self._say("Starting.")
            if self._clock() - self._began < LONGEST_BUILD:
                self._systemd.extend(EXTENSION)
            return STARTING_LOOK
        self._look_at(service)
        if not self._ready:
            return STARTING_LOOK
        watchdog = self._systemd.watchdog
        return LOOK if watchdog is None else min(LOOK, watchdog / BEATS)

    def _look_at(self, service: SupervisedService) -> None:
        unhealthy_parts = service.unhealthy_parts()
        if unhealthy_parts != self._ailing:
            self._ailing = unhealthy_parts
            if unhealthy_parts:
                log.critical(
                    "no longer at work: %s; systemd is left to start it again", ", ".join(unhealthy_parts)
                )
        if unhealthy_parts:
            self._say(f"No longer at work: {', '.join(unhealthy_parts)}.")
            return
        self._say(service.sentence())
        if self._ready:
            self._systemd.alive()
        elif service.started() or self._clock() - self._seen_at >= LONGEST_START:
            self._ready = True
            self._systemd.ready()
        else:
            self._systemd.extend(EXTENSION)

    def _say(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self._systemd.status(words)


class Liveness:
    """Kept by one thread, looked at by others: ``with`` it around each piece of work.

    Waiting for something to do has no limit; work has, and who goes beyond it hangs.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``limit``: seconds that no piece of work takes."""
        self._limit = limit
        self._clock = clock
        self._since: float | None = None

    def beat(self) -> None:
        """A piece of work begins; the one before has ended."""
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
        """Whether the present piece of work takes longer than any should."""
        since = self._since
        return since is not None and self._clock() - since > self._limit
