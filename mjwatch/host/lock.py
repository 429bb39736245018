"""Locks: one daemon for each state folder, each inbox, and each account and channel.

The operating system releases them, however the process ends.
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
from mjwatch.filesystem.folder import private_folder
from mjwatch.host.platform import create_shared_file
from mjwatch.host.running import LOCK_FILE, refuse_odd_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_TIMEOUT = 2.0
"""Seconds to wait for the lock: `mjwatch status` may hold it for a moment, to find out whether it is free."""


@contextmanager
def daemon_lock(state: Path) -> Iterator[None]:
    """Own this state folder. Raise DaemonError if another process owns it, or if it can't be written."""
    try:
        private_folder(state)
        refuse_odd_lock(state)
        create_shared_file(state / LOCK_FILE)
        lock = FileLock(state / LOCK_FILE)
        lock.acquire(timeout=LOCK_TIMEOUT, poll_interval=0.05)
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
    """Be the only process on this machine that sends with this token into this channel.

    Raise DaemonError if another process does, also one with another state folder.
    """
    digest = hashlib.sha256(f"mjwatch {api_url} {channel_id} {token}".encode()).hexdigest()
    with ExitStack() as stack:
        try:
            _acquire(f"mjwatch-{digest[:32]}", stack)
        except (Timeout, BlockingIOError) as error:
            raise DaemonError(
                "another mjwatch on this machine, with another state folder, already sends with this token"
                " into this channel",
                "stop one of them, because each would take the other's pictures",
            ) from error
        yield


@contextmanager
def inbox_lock(inbox: Path, machine: str) -> Iterator[None]:
    """Be the only process on this machine that takes files from this folder, whatever path leads to it.

    A missing folder is created. ``machine`` is the machine's id. Raise DaemonError if another process takes
    files from it, ConfigError if it can't be created.
    """
    try:
        inbox.mkdir(parents=True, exist_ok=True)
        status = inbox.stat()
    except OSError as error:
        raise ConfigError(f"the inbox {inbox} can't be created: {error.strerror}") from error
    digest = hashlib.sha256(f"mjwatch {machine} {status.st_dev} {status.st_ino}".encode()).hexdigest()
    with ExitStack() as stack:
        try:
            _acquire(f"mjwatch-inbox-{digest[:32]}", stack)
        except (Timeout, BlockingIOError) as error:
            raise DaemonError(
                f"another mjwatch on this machine, with another state folder, already takes the prompt files"
                f" from {inbox}",
                "stop it, or give each its own [inbox] path, because both would run every file",
            ) from error
        yield


if sys.platform == "linux":

    def _acquire(name: str, stack: ExitStack) -> None:
        """Bind an address that has no file, so that private temporary folders don't hide it (unix(7))."""
        owned = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        try:
            owned.bind(f"\0{name}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BlockingIOError(*error.args) from error
            raise

else:

    def _acquire(name: str, stack: ExitStack) -> None:
        lock = FileLock(Path(tempfile.gettempdir()) / f"{name}.lock")
        lock.acquire(timeout=LOCK_TIMEOUT, poll_interval=0.05)
        stack.callback(lock.release)
