"""Reads files below the inbox without ever following a link, and only while they are what was seen.

Files and folders that survive a power cut: written, synced, and their names synced too.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mjwatch.model import Identity


_NOTHING_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO}
)
"""What the system says where no such file can be, a link stands in the way, or the name is impossible."""

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # or a pipe would wait for its writer
    | getattr(os, "O_BINARY", 0)
)


def identity_of(found: os.stat_result) -> Identity:
    """Device, inode, size, mtime and ctime."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def identify(root: Path, path: str) -> Identity | None:
    """How the regular file at this path (with slashes) looks; None where there is none, or a link on the way.

    Raises OSError where it can't be seen.
    """
    try:
        with _parent(root, path) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return None
        raise
    return identity_of(found) if stat.S_ISREG(found.st_mode) else None


def is_link(root: Path, path: str) -> bool:
    """Whether a link lies at this path itself. Raises OSError where that can't be seen."""
    try:
        with _parent(root, path) as (folder, name):
            return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return False
        raise


def read_alike(root: Path, path: str, identity: Identity, limit: int) -> bytes | None:
    """The file if it reads the same twice and is, all the while, the one that was seen; else None.

    Of a file that has more than ``limit`` bytes come that many and one. Raises OSError where it is gone or
    can't be read.
    """
    first = read_unchanged(root, path, identity, limit)
    return first if first is not None and first == read_unchanged(root, path, identity, limit) else None


def read_unchanged(root: Path, path: str, identity: Identity, limit: int) -> bytes | None:
    """The same by one reading."""
    with _parent(root, path) as (folder, name):
        descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        if identity_of(os.fstat(descriptor)) != identity:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
        same = identity_of(os.fstat(descriptor)) == identity
    finally:
        os.close(descriptor)
    return data if same else None


if os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd:

    @contextmanager
    def _parent(root: Path, path: str) -> Iterator[tuple[int | None, str]]:
        """The folder that holds the file, open, and the file's name in it.

        Step by step, so that no folder on the way can be exchanged for a link between a look and the opening.
        """
        *folders, name = path.split("/")
        here = os.open(root, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
        try:
            for folder in folders:
                below = os.open(folder, _FOLDER, dir_fd=here)
                os.close(here)
                here = below
            yield here, name
        finally:
            os.close(here)

else:

    @contextmanager
    def _parent(root: Path, path: str) -> Iterator[tuple[int | None, str]]:
        place = root
        *folders, name = path.split("/")
        for folder in folders:
            place /= folder
            if place.is_symlink():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
        yield None, str(place / name)


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
