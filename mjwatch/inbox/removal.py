"""Removes a taken prompt file with care: only what was read, never what has come in its place.

A rename aside settles the race with whoever writes: what was moved is looked at, then unlinked or put back.
The name aside holds the whole name, so that a crash in between loses nothing: the next start puts it back,
and a file that had been taken already is known by its path, content and time.

Puts a prompt file into an inbox as sync tools should: whole, by one rename, replacing nothing.
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
from mjwatch.filesystem.files import durable_copy, durable_folder, fsync_folder
from mjwatch.inbox.filenames import may_hold_prompts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


log = logging.getLogger("mjwatch.inbox")

ASIDE_PREFIX = ".~mjwatch-aside-"
_ASIDE = re.compile(re.escape(ASIDE_PREFIX) + r"[0-9a-f]{8}-.+", re.DOTALL)
_BEFORE_NAME = len(ASIDE_PREFIX) + 9
_LONGEST_NAME = 255 - _BEFORE_NAME
"""Bytes; file systems allow 255."""


def remove_taken(file: Path, identity: tuple[int, ...]) -> bool:
    """Remove it; False, with nothing removed, where another file has taken its place. Gone is removed.

    Raises OSError where it can't be removed; then it is where it was.
    """
    try:
        if not _is(file, identity):
            return False
        if len(os.fsencode(file.name)) > _LONGEST_NAME:
            file.unlink()  # no room for a name aside: here the check just made must do
            return True
        return _remove_by_way_of(file, _aside(file), identity)
    except FileNotFoundError:
        return True


def _remove_by_way_of(file: Path, aside: Path, identity: tuple[int, ...]) -> bool:
    file.rename(aside)
    if not _is(aside, identity):
        _put_back(aside, file)
        return False
    try:
        aside.unlink()
    except OSError:
        _put_back(aside, file)
        raise
    return True


def restore_aside(root: Path) -> None:
    """Put back what a crash has left aside, in this folder and below. Only while nothing is being removed."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if may_hold_prompts(name)]
        for name in names:
            if _ASIDE.fullmatch(name):
                _restore(root / folder / name)


def _restore(aside: Path) -> None:
    try:
        if stat.S_ISREG(aside.lstat().st_mode):  # we never put a link there, so whose would it be
            _put_back(aside, aside.with_name(aside.name[_BEFORE_NAME:]))
    except OSError as error:
        log.warning("%s can't be put back: %s", aside, error.strerror)


def _aside(file: Path) -> Path:
    return file.with_name(f"{ASIDE_PREFIX}{secrets.token_hex(4)}-{file.name}")


def _put_back(aside: Path, file: Path) -> None:
    """Back under its name, replacing nothing: what stands there by now was written over it."""
    try:
        os.link(aside, file, follow_symlinks=False)
    except FileExistsError:
        log.info("%s was written anew while it was looked at; the newest one counts", file.name)
    except (OSError, NotImplementedError):  # a file system without hard links
        if not file.exists():
            aside.rename(file)
            return
    aside.unlink(missing_ok=True)


def _is(file: Path, identity: tuple[int, ...]) -> bool:
    """Whether it is the same by device, inode, size and mtime; a rename changes the ctime."""
    found = file.lstat()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) == identity[:4]


TRIES = 1000


def drop_file(inbox: Path, stem: str, suffix: str, data: bytes, taken: Callable[[str], bool]) -> str:
    """Drop it as ``<stem>.ready<suffix>``, or ``<stem>-2.ready<suffix>`` and so on; the name that it got.

    ``taken(name)`` says whether this content was accepted under that name before: dropped there once more,
    it would look like a second delivery of the same file. On return the file survives a power cut. Raises
    MjwatchError where the inbox can't be written.
    """
    temporary = inbox / f".~mjwatch-{uuid.uuid4().hex}.tmp"
    try:
        durable_folder(inbox)
        durable_copy(temporary, data)
        for number in range(1, TRIES):
            name = _name(stem, number, suffix)
            if not taken(name) and _move(temporary, inbox / name):
                fsync_folder(inbox)
                return name
    except OSError as error:
        raise MjwatchError(
            f"nothing can be put into the inbox {inbox}: {error.strerror}", "see `mjwatch check`"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    raise MjwatchError(f"{inbox} has {TRIES} files named {stem} already", "take some of them away")


def _name(stem: str, number: int, suffix: str) -> str:
    """A name that the inbox takes: it leaves names alone that begin as temporary and hidden ones do."""
    stem = stem.lstrip("._~# ") or "prompt"
    base, dot, kind = stem.rpartition(".")
    if kind.lower() != "list":  # moods.list.txt is a list of prompts, moods.list-2.txt is not
        base, dot, kind = stem, "", ""
    return f"{base}{f'-{number}' if number > 1 else ''}{dot}{kind}.ready{suffix}"


def _move(source: Path, target: Path) -> bool:
    """Move without ever replacing a file; False where one is there."""
    try:
        os.link(source, target)  # fails where the name is taken, which a rename does not
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if target.exists():
            return False
        source.rename(target)
    return True
