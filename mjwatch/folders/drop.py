"""Puts a prompt file into an inbox as sync tools should: whole, by one rename, replacing nothing."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

from mjwatch.errors import OutboxError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRIES = 1000


def drop_file(inbox: Path, stem: str, suffix: str, data: bytes, taken: Callable[[str], bool]) -> str:
    """Drop it as ``<stem>.ready<suffix>``, or ``<stem>-2.ready<suffix>`` and so on; the name that it got.

    ``taken(name)`` says whether this content was accepted under that name before: dropped there once more,
    it would look like a second delivery of the same file.
    """
    temporary = inbox / f".~mjwatch-{uuid.uuid4().hex}.tmp"
    try:
        inbox.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        for number in range(1, TRIES):
            name = f"{stem}{f'-{number}' if number > 1 else ''}.ready{suffix}"
            if not taken(name) and _move(temporary, inbox / name):
                return name
    except OSError as error:
        raise OutboxError(f"{inbox} can't be written: {error.strerror}", "see `mjwatch check`") from error
    finally:
        temporary.unlink(missing_ok=True)
    raise OutboxError(f"{inbox} has {TRIES} files named {stem} already")


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
