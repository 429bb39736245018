"""One state folder, one daemon: a lock that the system lets go when its process ends, however it ends."""

from __future__ import annotations

import time
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
        raise DaemonError(f"the state folder {state} can't be used: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def daemon_runs(state: Path) -> bool:
    """Whether a process owns this state folder now."""
    if not (state / FILE_NAME).exists():
        return False
    lock = FileLock(state / FILE_NAME)
    end = time.monotonic() + 0.2
    while True:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:
            if time.monotonic() > end:
                return False
            continue
        lock.release()
        return False
