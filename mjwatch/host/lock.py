"""One state folder, one inbox, one account and channel to a daemon: locks that end with their process.

The system lets them go, however the process ends.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from mjwatch.errors import ConfigError, DaemonError
from mjwatch.host.permissions import make_for_steerers
from mjwatch.host.running import LOCK_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 2.0
"""Seconds to wait for the lock: `mjwatch status` may hold it for a moment, to see whether anybody does."""


@contextmanager
def daemon_lock(state: Path) -> Iterator[None]:
    """Own this state folder. Raises DaemonError where another process does, or where it can't be written."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        make_for_steerers(state / LOCK_FILE)
        lock = FileLock(state / LOCK_FILE)
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


@contextmanager
def account_lock(api_url: str, token: str, channel_id: str) -> Iterator[None]:
    """Be the only one on this machine that sends with this token into this channel, whatever its state.

    Raises DaemonError where another process does.
    """
    digest = hashlib.sha256(f"mjwatch {api_url} {channel_id} {token}".encode()).hexdigest()
    with ExitStack() as stack:
        try:
            _hold(f"mjwatch-{digest[:32]}", stack)
        except (Timeout, BlockingIOError) as error:
            raise DaemonError(
                "another mjwatch on this machine, with another state folder, sends with this token into this"
                " channel already",
                "stop one of them: each would take the other's pictures",
            ) from error
        yield


@contextmanager
def inbox_lock(inbox: Path, machine: str) -> Iterator[None]:
    """Be the only one on this machine that takes files out of this folder, by whatever path it is called.

    The folder is made where it is missing. ``machine`` is the id by which machines are told apart. Raises
    DaemonError where another process takes them, ConfigError where the folder can't be made.
    """
    try:
        inbox.mkdir(parents=True, exist_ok=True)
        place = inbox.stat()
    except OSError as error:
        raise ConfigError(f"the inbox {inbox} can't be made: {error.strerror}") from error
    digest = hashlib.sha256(f"mjwatch {machine} {place.st_dev} {place.st_ino}".encode()).hexdigest()
    with ExitStack() as stack:
        try:
            _hold(f"mjwatch-inbox-{digest[:32]}", stack)
        except (Timeout, BlockingIOError) as error:
            raise DaemonError(
                f"another mjwatch on this machine, with another state folder, takes the prompt files from"
                f" {inbox} already",
                "stop it, or give each its own [inbox] path: two would both run what comes",
            ) from error
        yield


if sys.platform == "linux":

    def _hold(name: str, stack: ExitStack) -> None:
        """By an address that has no file, so that private temporary folders don't hide it (unix(7))."""
        held = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        try:
            held.bind(f"\0{name}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BlockingIOError(*error.args) from error
            raise

else:

    def _hold(name: str, stack: ExitStack) -> None:
        lock = FileLock(Path(tempfile.gettempdir()) / f"{name}.lock")
        lock.acquire(timeout=PATIENCE, poll_interval=0.05)
        stack.callback(lock.release)
