"""Files and folders that survive a power cut: written, synced, and their names synced too."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o644, 0o755
"""Set whatever the umask is, for the far end of a sync must be able to read them."""


def durable_copy(path: Path, data: bytes) -> None:
    """Write a new file; its content and mode are durable, its name only after ``fsync_folder``."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, FILE_MODE), "wb") as file:
        file.write(data)
        file.flush()
        path.chmod(FILE_MODE)
        os.fsync(file.fileno())


def durable_replace(path: Path, data: bytes) -> None:
    """Put a new version in the place of the old one, if there is one; it is whole at every moment.

    Raises OSError, and then nothing has changed.
    """
    # Syncthing and most others leave names like this alone, so that no half version travels.
    staged = path.with_name(f"~syncthing~{path.name}.tmp")
    with suppress(FileNotFoundError):
        staged.unlink()
    try:
        durable_copy(staged, data)
        staged.replace(path)
    except OSError:
        with suppress(OSError):
            staged.unlink()
        raise
    fsync_folder(path.parent)


def durable_folder(folder: Path) -> None:
    """Make a folder, with those above it that are missing, each durable in its parent."""
    if folder.is_dir():
        return
    durable_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
        return  # somebody else made it just now
    folder.chmod(FOLDER_MODE)
    fsync_folder(folder.parent)


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    if os.name == "nt":  # Windows can't open a folder; its renames are durable with the volume's log
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
