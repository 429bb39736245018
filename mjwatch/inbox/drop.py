"""Puts a prompt file into an inbox as sync tools should: whole, by one rename, replacing nothing."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from mjwatch.errors import MjwatchError
from mjwatch.filesystem.durable import durable_copy, durable_folder, fsync_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
