"""One state folder, one daemon: a lock that the system lets go when its process ends, however it ends."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from mjwatch.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "daemon.lock"

PATIENCE = 2.0
"""Seconds to wait for the lock: `mjwatch status` may hold it for a moment, to see whether anybody does."""

ASKING = 0.2
"""Seconds after which a lock that others hold is an owner's, where askers must take it to ask (Windows)."""


@contextmanager
def daemon_lock(state: Path) -> Iterator[None]:
    """Own this state folder. Raises DaemonError where another process does, or where it can't be written."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = FileLock(state / FILE_NAME)
        lock.acquire(timeout=PATIENCE, poll_interval=0.05)
    except Timeout:
        message = f"another mjwatch already works with {state}"
        raise DaemonError(message, "see `mjwatch status`; stop it first") from None
    except OSError as error:
        message = f"the state folder {state} can't be used: {error.strerror or error}"
        raise DaemonError(message, "this user must be able to write there") from error
    try:
        yield
    finally:
        lock.release()


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
