"""Tries out what the folders allow (writing, renaming, watching) and leaves nothing behind."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from pathlib import Path

INOTIFY = Path("/proc/sys/fs/inotify")

_COUNTED_AT_MOST = 100_000


def writable(folder: Path) -> str | None:
    """None if a file can be made, renamed and removed here, or the folder could be made; else why not."""
    try:
        if not folder.exists():
            return _can_be_made(folder)
        if not folder.is_dir():
            return "it is not a folder"
        _write_rename_remove(folder)
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def renames_into(source: Path, target: Path) -> bool | None:
    """Whether a folder can be renamed from one place into the other; None if it can't be tried.

    A real rename is the only sure test: one file system may be mounted twice, or be layered.
    """
    before, after = source / _probe_name(), target / _probe_name()
    try:
        before.mkdir()
    except OSError:
        return None
    try:
        before.rename(after)
    except OSError as error:
        before.rmdir()
        return False if error.errno == errno.EXDEV else None
    after.rmdir()
    return True


def count_folders(folder: Path) -> int:
    """The folder and those below it: each needs a watch of its own. Stops counting at 100,000."""
    count = 0
    for _ in os.walk(folder):
        count += 1
        if count >= _COUNTED_AT_MOST:
            break
    return count


def inotify_limit(name: str, root: Path = INOTIFY) -> int | None:
    """A limit of the kernel such as ``max_user_watches``; None where there is no inotify."""
    try:
        return int((root / name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def inotify_obstacle() -> str | None:
    """Why the kernel lets no further watcher begin, or None; a user's instances are limited in number."""
    begin = getattr(ctypes.CDLL(None, use_errno=True), "inotify_init1", None) if os.name == "posix" else None
    if begin is None:
        return None
    descriptor = begin(0)
    if descriptor < 0:
        return os.strerror(ctypes.get_errno())
    os.close(descriptor)
    return None


def free_space(folder: Path) -> int | None:
    """Bytes that this user may still write on the folder's disk, there or yet to be made; None if unknown."""
    place = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def _write_rename_remove(folder: Path) -> None:
    before, after = folder / _probe_name(), folder / _probe_name()
    before.touch(exist_ok=False)
    try:
        before.rename(after)
    except OSError:
        before.unlink()
        raise
    after.unlink()


def _can_be_made(folder: Path) -> str | None:
    parent = next((parent for parent in folder.parents if parent.exists()), folder)
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return None
    return f"it does not exist, and nothing can be made in {parent}"


def _probe_name() -> str:
    # The inbox leaves names that begin with "_" alone.
    return f"_mjwatch-probe-{secrets.token_hex(6)}.tmp"
