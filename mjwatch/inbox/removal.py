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
from mjwatch.filesystem.folder import durable_folder, open_folder
from mjwatch.inbox.filenames import may_hold_prompts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mjwatch.filesystem.folder import Folder

log = logging.getLogger("mjwatch.inbox")

ASIDE_PREFIX = ".~mjwatch-aside-"
_ASIDE = re.compile(re.escape(ASIDE_PREFIX) + r"[0-9a-f]{8}-.+", re.DOTALL)
_PREFIX_LENGTH = len(ASIDE_PREFIX) + 9
_LONGEST_NAME = 255 - _PREFIX_LENGTH
"""Bytes; file systems allow 255."""

NAME_TRIES = 1000
"""So many names are tried for a dropped file."""


def remove_taken(root: Path, path: str, identity: tuple[int, ...]) -> bool:
    """Remove the file; return False, with nothing removed, if another file has taken its place.

    A file that is gone counts as removed. Raise OSError if it can't be removed; then it is where it was.
    """
    *folders, name = path.split("/")
    try:
        with open_folder(root, folders) as folder:
            if not _is_same(folder, name, identity):
                return False
            if len(os.fsencode(name)) <= _LONGEST_NAME:
                return _remove_by_rename(folder, name, identity)
            folder.unlink(name)  # its name has no room for the prefix: the check just made must do
    except FileNotFoundError:
        pass
    return True


def _remove_by_rename(folder: Folder, name: str, identity: tuple[int, ...]) -> bool:
    aside = f"{ASIDE_PREFIX}{secrets.token_hex(4)}-{name}"
    folder.move(name, folder, aside)
    if not _is_same(folder, aside, identity):
        _put_back(folder, aside, name)
        return False
    try:
        folder.unlink(aside)
    except OSError:
        _put_back(folder, aside, name)
        raise
    return True


def restore_aside(root: Path) -> None:
    """Put back what a crash left aside in this folder and below. Call it only while nothing is removed."""
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        names = waiting.pop()
        with suppress(OSError), open_folder(root, names) as folder:  # the scan reports what can't be read
            waiting += [(*names, inner) for inner in folder.folders() if may_hold_prompts(inner)]
            for name in folder.names():
                if _ASIDE.fullmatch(name):
                    _restore(folder, name)


def _restore(folder: Folder, aside: str) -> None:
    try:
        if stat.S_ISREG(folder.stat(aside).st_mode):  # mjwatch puts nothing else aside, so it is not its own
            _put_back(folder, aside, aside[_PREFIX_LENGTH:])
    except OSError as error:
        file = folder.path / aside
        log.warning("%s can't be put back: %s", file, error.strerror, extra={"file": str(file)})


def _put_back(folder: Folder, aside: str, name: str) -> None:
    """Give the file its name back, unless a newer file has that name: the newer one replaces it."""
    if not folder.rename_without_replacing(aside, name):
        log.info(
            "%s was written again meanwhile; the newest version counts",
            name,
            extra={"file": str(folder.path / name)},
        )
        with suppress(FileNotFoundError):
            folder.unlink(aside)


def _is_same(folder: Folder, name: str, identity: tuple[int, ...]) -> bool:
    """Return whether device, inode, size and mtime are the same; a rename changes the ctime."""
    found = folder.stat(name)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) == identity[:4]


def drop_file(inbox: Path, stem: str, suffix: str, data: bytes, taken: Callable[[str], bool]) -> str:
    """Drop a file as ``<stem>.ready<suffix>``, or ``<stem>-2.ready<suffix>`` and so on; return its name.

    It arrives as sync tools should deliver files: whole, by one rename. ``taken(name)`` says whether this
    content was accepted under that name before: dropped there once more, it would look like a second delivery
    of the same file. On return the file survives a power cut. Raise MjwatchError if the inbox can't be
    written.
    """
    temporary = f".~mjwatch-{uuid.uuid4().hex}.tmp"
    try:
        durable_folder(inbox)
        with open_folder(inbox) as folder:
            try:
                folder.create(temporary, data)
                for number in range(1, NAME_TRIES):
                    name = _name(stem, number, suffix)
                    if not taken(name) and folder.rename_without_replacing(temporary, name):
                        folder.sync()
                        return name
            finally:
                with suppress(OSError):
                    folder.unlink(temporary)
    except OSError as error:
        raise MjwatchError(
            f"mjwatch can't write into the inbox {inbox}: {error.strerror}", "see `mjwatch check`"
        ) from error
    raise MjwatchError(f"{inbox} already has {NAME_TRIES} files named {stem}", "remove some of them")


def _name(stem: str, number: int, suffix: str) -> str:
    """Return a name that the inbox accepts: it ignores names that begin like temporary or hidden ones."""
    stem = stem.lstrip("._~# ") or "prompt"
    base, dot, kind = stem.rpartition(".")
    if kind.lower() != "list":  # moods.list.txt is a list of prompts, moods.list-2.txt is not
        base, dot, kind = stem, "", ""
    return f"{base}{f'-{number}' if number > 1 else ''}{dot}{kind}.ready{suffix}"
