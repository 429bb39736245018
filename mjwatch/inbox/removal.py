"""Remove a taken prompt file, and drop a new one into an inbox, without ever replacing another file.

Removal takes only the file that was read, never one that has come in its place. A rename aside settles the
race with whoever writes: the renamed file is checked, then unlinked or put back. Its name holds the whole
original name, so that a crash in between loses nothing: the next start puts it back, and mjwatch knows a file
that it has taken already by its path, content and time.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from mjwatch.errors import MjwatchError
from mjwatch.filesystem.files import durable_copy, durable_folder, fsync_folder, move_without_replacing
from mjwatch.inbox.filenames import may_hold_prompts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


log = logging.getLogger("mjwatch.inbox")

ASIDE_PREFIX = ".~mjwatch-aside-"
_ASIDE = re.compile(re.escape(ASIDE_PREFIX) + r"[0-9a-f]{8}-.+", re.DOTALL)
_PREFIX_LENGTH = len(ASIDE_PREFIX) + 9
_LONGEST_NAME = 255 - _PREFIX_LENGTH
"""Bytes; file systems allow 255."""

NAME_TRIES = 1000
"""So many names are tried for a dropped file."""


def remove_taken(file: Path, identity: tuple[int, ...]) -> bool:
    """Remove the file; return False, with nothing removed, if another file has taken its place.

    A file that is gone counts as removed. Raise OSError if it can't be removed; then it is where it was.
    """
    try:
        if not _is_same(file, identity):
            return False
        if len(os.fsencode(file.name)) > _LONGEST_NAME:
            file.unlink()  # its name has no room for the prefix: the check just made must do
            return True
        return _remove_by_rename(file, _aside(file), identity)
    except FileNotFoundError:
        return True


def _remove_by_rename(file: Path, aside: Path, identity: tuple[int, ...]) -> bool:
    file.rename(aside)
    if not _is_same(aside, identity):
        _put_back(aside, file)
        return False
    try:
        aside.unlink()
    except OSError:
        _put_back(aside, file)
        raise
    return True


def restore_aside(root: Path) -> None:
    """Put back what a crash left aside in this folder and below. Call it only while nothing is removed."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if may_hold_prompts(name)]
        for name in names:
            if _ASIDE.fullmatch(name):
                _restore(root / folder / name)


def _restore(aside: Path) -> None:
    try:
        if stat.S_ISREG(aside.lstat().st_mode):  # mjwatch never puts a link there, so it is not its own
            _put_back(aside, aside.with_name(aside.name[_PREFIX_LENGTH:]))
    except OSError as error:
        log.warning("%s can't be put back: %s", aside, error.strerror, extra={"file": str(aside)})


def _aside(file: Path) -> Path:
    return file.with_name(f"{ASIDE_PREFIX}{secrets.token_hex(4)}-{file.name}")


def _put_back(aside: Path, file: Path) -> None:
    """Give the file its name back, unless a newer file has that name: the newer one replaces it."""
    if not move_without_replacing(aside, file):
        log.info(
            "%s was written again meanwhile; the newest version counts", file.name, extra={"file": str(file)}
        )
        aside.unlink(missing_ok=True)


def _is_same(file: Path, identity: tuple[int, ...]) -> bool:
    """Return whether device, inode, size and mtime are the same; a rename changes the ctime."""
    found = file.lstat()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) == identity[:4]


def drop_file(inbox: Path, stem: str, suffix: str, data: bytes, taken: Callable[[str], bool]) -> str:
    """Drop a file as ``<stem>.ready<suffix>``, or ``<stem>-2.ready<suffix>`` and so on; return its name.

    It arrives as sync tools should deliver files: whole, by one rename. ``taken(name)`` says whether this
    content was accepted under that name before: dropped there once more, it would look like a second delivery
    of the same file. On return the file survives a power cut. Raise MjwatchError if the inbox can't be
    written.
    """
    temporary = inbox / f".~mjwatch-{uuid.uuid4().hex}.tmp"
    try:
        durable_folder(inbox)
        durable_copy(temporary, data)
        for number in range(1, NAME_TRIES):
            name = _name(stem, number, suffix)
            if not taken(name) and move_without_replacing(temporary, inbox / name):
                fsync_folder(inbox)
                return name
    except OSError as error:
        raise MjwatchError(
            f"mjwatch can't write into the inbox {inbox}: {error.strerror}", "see `mjwatch check`"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    raise MjwatchError(f"{inbox} already has {NAME_TRIES} files named {stem}", "remove some of them")


def _name(stem: str, number: int, suffix: str) -> str:
    """Return a name that the inbox accepts: it ignores names that begin like temporary or hidden ones."""
    stem = stem.lstrip("._~# ") or "prompt"
    base, dot, kind = stem.rpartition(".")
    if kind.lower() != "list":  # moods.list.txt is a list of prompts, moods.list-2.txt is not
        base, dot, kind = stem, "", ""
    return f"{base}{f'-{number}' if number > 1 else ''}{dot}{kind}.ready{suffix}"
