"""Whether a daemon works with a state folder: asked by those who only look, so it loads next to nothing.

Wakes the daemon when a request lies in its journal: a datagram to a socket in the state folder.

Where there can be no such socket (Windows, a path that is too long for one, some network file systems) the
daemon looks each second. A poke that is lost only makes it look later.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

from mjwatch.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


LOCK_FILE = "daemon.lock"
"""The lock's file in the state folder; host/lock.py takes it."""

ASKING = 0.2
"""Seconds after which a lock that others hold is an owner's, where askers must take it to ask (Windows)."""


def daemon_runs(state: Path) -> bool:
    """Whether a process owns this state folder now. Raises DaemonError where that can't be seen.

    Who may read the lock's file may ask: several askers at once don't take each other for the owner.
    """
    try:
        descriptor = os.open(state / LOCK_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as error:
        message = f"the state folder {state} can't be read: {error.strerror}"
        raise DaemonError(message, "ask as the user that the service runs as") from error
    try:
        return _is_locked(descriptor, state / LOCK_FILE)
    finally:
        os.close(descriptor)


if sys.platform == "win32":

    def _is_locked(descriptor: int, path: Path) -> bool:
        from filelock import FileLock, Timeout

        lock = FileLock(path)
        try:
            lock.acquire(timeout=ASKING, poll_interval=0.02)
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
        return False  # closing the file lets it go


log = logging.getLogger("mjwatch")

SOCKET_FILE = "poke.sock"

LONGEST_PATH = 100
"""Bytes. A socket's address takes 108 on Linux and 104 on macOS, with the zero at its end."""

PATIENCE = 10.0
"""Seconds after which it looks though nobody has poked: the socket's file may be gone."""

PATIENCE_WITHOUT_SOCKET = 1.0


def poke(state: Path) -> None:
    """Wake the daemon of this state folder, if there is one that can be woken."""
    if not _can_have_socket(state):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
        sender.setblocking(False)
        sender.sendto(b"\0", str(state / SOCKET_FILE))


class WakeupListener:
    """The thread "control": calls ``poked`` after each poke, and now and then without one."""

    def __init__(self, state: Path, poked: Callable[[], None]) -> None:
        """The caller owns the state folder."""
        self._state = state
        self._poked = poked
        self._stopping = threading.Event()
        self._socket: socket.socket | None = None
        self._waker: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        if _can_have_socket(self._state):
            self._bind()
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and remove the socket."""
        self._stopping.set()
        if self._waker is not None:
            with contextlib.suppress(OSError):
                self._waker.send(b"\0")
        self._thread.join()
        self._close()

    @property
    def healthy(self) -> bool:
        """Whether it still listens."""
        return self._thread.is_alive()

    def _bind(self) -> None:
        path = self._state / SOCKET_FILE
        try:
            path.unlink(missing_ok=True)  # of a daemon that was killed
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(PATIENCE)
            self._socket.bind(str(path))
            path.chmod(self._state.stat().st_mode & 0o666)  # who may write there may poke
            # Connected now, it reaches us also when the file is gone.
            self._waker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._waker.connect(str(path))
            self._waker.setblocking(False)
        except OSError as error:
            log.info("no socket to be poked at in %s: %s; looking each second", self._state, error.strerror)
            self._close()

    def _close(self) -> None:
        for end in (self._waker, self._socket):
            if end is not None:
                end.close()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                (self._state / SOCKET_FILE).unlink(missing_ok=True)
        self._waker = self._socket = None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wait()
            if not self._stopping.is_set():
                self._poked()

    def _wait(self) -> None:
        if self._socket is None:
            self._stopping.wait(PATIENCE_WITHOUT_SOCKET)
            return
        with contextlib.suppress(TimeoutError):
            self._socket.recv(1)


def _can_have_socket(state: Path) -> bool:
    address = str(state / SOCKET_FILE).encode("utf-8", "surrogateescape")
    return hasattr(socket, "AF_UNIX") and len(address) <= LONGEST_PATH
