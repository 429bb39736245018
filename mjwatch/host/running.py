"""Whether a daemon works with a state folder: asked by those who only look, so it loads next to nothing."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mjwatch.errors import DaemonError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "daemon.lock"
"""The lock's file in the state folder; host/lock.py takes it."""

ASKING = 0.2
"""Seconds after which a lock that others hold is an owner's, where askers must take it to ask (Windows)."""


def daemon_runs(state: Path) -> bool:
    """Whether a process owns this state folder now. Raises DaemonError where that can't be seen.

    Who may read the lock's file may ask: several askers at once don't take each other for the owner.
    """
    try:
        descriptor = os.open(state / FILE_NAME, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as error:
        message = f"the state folder {state} can't be read: {error.strerror}"
        raise DaemonError(message, "ask as the user that the service runs as") from error
    try:
        return _is_locked(descriptor, state / FILE_NAME)
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
