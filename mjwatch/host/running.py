"""Whether a daemon works with a state folder, and how other processes wake it.

A command that has written a request into the journal wakes the daemon with a datagram to a socket in the
state folder; another datagram asks whether all parts of the daemon work. Without such a socket (Windows, a
path that is too long, some network file systems) the daemon checks for requests every second. A lost datagram
only delays the check. Commands that only look import this module, so it imports little.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

from mjwatch.errors import DaemonError
from mjwatch.filesystem.files import obstacle_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger("mjwatch")

LOCK_FILE = "daemon.lock"
"""The lock's file in the state folder; host/lock.py takes the lock."""

LOCK_TRIAL = 0.2
"""Seconds after which a lock counts as a daemon's, if it must be taken to find out (Windows)."""

SOCKET_FILE = "poke.sock"

LONGEST_PATH = 100
"""Bytes. A socket's address takes 108 on Linux and 104 on macOS, with the zero at its end."""

CHECK_INTERVAL = 10.0
"""Seconds between two checks without a datagram: the socket's file may have been deleted."""

CHECK_INTERVAL_WITHOUT_SOCKET = 1.0

WAKEUP, HEALTH_QUESTION = b"\0", b"?"
"""The datagrams that the daemon's socket receives."""

HEALTH_TIMEOUT = 10.0
"""Seconds within which a daemon answers, also on a busy machine."""


def daemon_runs(state: Path) -> bool:
    """Return whether a process owns this state folder now. Raise DaemonError if that can't be seen.

    Every user who may read the lock's file may ask. Several processes that ask at the same time don't take
    each other for the owner.
    """
    try:
        refuse_odd_lock(state)
        descriptor = os.open(state / LOCK_FILE, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return False
    except OSError as error:
        message = f"the state folder {state} can't be read: {error.strerror}"
        raise DaemonError(message, "run the command as the user of the service") from error
    try:
        return _is_locked(descriptor, state / LOCK_FILE)
    finally:
        os.close(descriptor)


def refuse_odd_lock(state: Path) -> None:
    """Raise DaemonError if a link, a pipe and the like is where the lock's file must be, or OSError."""
    obstacle = obstacle_at(state, LOCK_FILE)
    if obstacle is not None:
        raise DaemonError(f"{state / LOCK_FILE} is {obstacle}", "remove it")


if sys.platform == "win32":

    def _is_locked(descriptor: int, path: Path) -> bool:
        from filelock import FileLock, Timeout

        lock = FileLock(path)
        try:
            lock.acquire(timeout=LOCK_TRIAL, poll_interval=0.02)
        except Timeout:
            return True
        lock.release()
        return False

else:
    import fcntl

    def _is_locked(descriptor: int, path: Path) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False  # closing the file releases the lock


def wake_daemon(state: Path) -> None:
    """Wake the daemon of this state folder, if there is one that can be woken."""
    if not _can_have_socket(state):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
        sender.setblocking(False)
        sender.sendto(WAKEUP, str(state / SOCKET_FILE))


def unhealthy_parts(state: Path, timeout: float = HEALTH_TIMEOUT) -> list[str]:
    """Ask the daemon of this state folder which of its parts no longer work; without an answer, "control".

    A daemon that can't be asked has none: it is starting or stopping, has no socket, or this is not Linux.
    """
    if sys.platform != "linux" or not _can_have_socket(state):
        return []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
        asker.settimeout(timeout)
        asker.bind("")  # an address without a file, for the answer (unix(7), autobind)
        try:
            asker.sendto(HEALTH_QUESTION, str(state / SOCKET_FILE))
        except (FileNotFoundError, ConnectionRefusedError):
            return []
        except TimeoutError:
            return ["control"]
        except OSError as error:
            message = f"the daemon of {state} can't be asked: {error.strerror}"
            raise DaemonError(message, "run the command as the user of the service") from error
        try:
            return [str(part) for part in json.loads(asker.recv(4096))]
        except TimeoutError:
            return ["control"]


class WakeupListener:
    """The daemon's thread "control": calls ``on_wakeup`` after each datagram, and at intervals."""

    def __init__(
        self, state: Path, on_wakeup: Callable[[], None], unhealthy: Callable[[], list[str]] = list
    ) -> None:
        """The caller owns the state folder. ``unhealthy`` names the daemon's parts that no longer work."""
        self._state = state
        self._on_wakeup = on_wakeup
        self._unhealthy = unhealthy
        self._stopping = threading.Event()
        self._socket: socket.socket | None = None
        self._stop_sender: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Start to listen."""
        if _can_have_socket(self._state):
            self._bind()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and remove the socket."""
        self._stopping.set()
        if self._stop_sender is not None:
            with contextlib.suppress(OSError):
                self._stop_sender.send(b"\0")
        self._thread.join()
        self._close()

    @property
    def healthy(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def _bind(self) -> None:
        path = self._state / SOCKET_FILE
        try:
            path.unlink(missing_ok=True)  # a daemon that was killed leaves it
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(CHECK_INTERVAL)
            self._socket.bind(str(path))
            path.chmod(self._state.stat().st_mode & 0o666)  # users who may write to the folder may wake us
            # Connected now, this socket reaches ours even when the file has been deleted.
            self._stop_sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._stop_sender.connect(str(path))
            self._stop_sender.setblocking(False)
        except OSError as error:
            log.info(
                "the wakeup socket can't be created in %s: %s; checking for requests every second",
                self._state,
                error.strerror,
            )
            self._close()

    def _close(self) -> None:
        for end in (self._stop_sender, self._socket):
            if end is not None:
                end.close()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                (self._state / SOCKET_FILE).unlink(missing_ok=True)
        self._stop_sender = self._socket = None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wait()
            if not self._stopping.is_set():
                self._on_wakeup()

    def _wait(self) -> None:
        if self._socket is None:
            self._stopping.wait(CHECK_INTERVAL_WITHOUT_SOCKET)
            return
        with contextlib.suppress(TimeoutError):
            datagram, asker = self._socket.recvfrom(1)
            if datagram == HEALTH_QUESTION and asker:
                self._answer(asker)

    def _answer(self, asker: str | bytes) -> None:
        answer = json.dumps(self._unhealthy()).encode()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(answer, asker)


def _can_have_socket(state: Path) -> bool:
    address = str(state / SOCKET_FILE).encode("utf-8", "surrogateescape")
    return hasattr(socket, "AF_UNIX") and len(address) <= LONGEST_PATH
