"""Read files without following links, and write files and folders that survive a power cut.

A file is read only while it still looks as it did when it was seen. A durable file is synced, and so is the
folder that holds its name.
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
"""The system's errors for a file that can't exist: a link stands in the way, or the name is impossible."""

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # or a pipe would wait for its writer
    | getattr(os, "O_BINARY", 0)
)

FILE_MODE, FOLDER_MODE = 0o644, 0o755
"""Set whatever the umask is, because the far end of a sync must be able to read the files."""


def identity_of(found: os.stat_result) -> Identity:
    """Return device, inode, size, mtime and ctime."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def identify(root: Path, path: str) -> Identity | None:
    """Return how the regular file at this path (with slashes) looks; None if none is there without a link.

    Raise OSError if it can't be seen.
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
    """Return whether a link lies at this path itself. Raise OSError if that can't be seen."""
    try:
        with _parent(root, path) as (folder, name):
            return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return False
        raise


def read_alike(root: Path, path: str, identity: Identity, limit: int) -> bytes | None:
    """Return the content if it reads the same twice and the file looks the same all the time; else None.

    Of a file with more than ``limit`` bytes, return ``limit`` + 1 bytes. Raise OSError if it is gone or
    can't be read.
    """
    first = read_unchanged(root, path, identity, limit)
    return first if first is not None and first == read_unchanged(root, path, identity, limit) else None


def read_unchanged(root: Path, path: str, identity: Identity, limit: int) -> bytes | None:
    """Return the content as ``read_alike`` does, but read it only once."""
    with _parent(root, path) as (folder, name):
        descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        if identity_of(os.fstat(descriptor)) != identity:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
        is_same = identity_of(os.fstat(descriptor)) == identity
    finally:
        os.close(descriptor)
    return data if is_same else None


if os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd:

    @contextmanager
    def _parent(root: Path, path: str) -> Iterator[tuple[int | None, str]]:
        """Yield a descriptor of the folder that holds the file, and the file's name in it.

        It opens one folder after the other, so that none on the way can be exchanged for a link between a
        check and the opening.
        """
        *folders, name = path.split("/")
        descriptor = os.open(root, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
        try:
            for folder in folders:
                inner = os.open(folder, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor, name
        finally:
            os.close(descriptor)

else:

    @contextmanager
    def _parent(root: Path, path: str) -> Iterator[tuple[int | None, str]]:
        parent = root
        *folders, name = path.split("/")
        for folder in folders:
            parent /= folder
            if parent.is_symlink():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent))
        yield None, str(parent / name)


def folder_identity(folder: Path) -> tuple[int, int] | None:
    """Return the folder's device and inode; None if it is not there."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def move_without_replacing(source: Path, target: Path) -> bool:
    """Move a regular file within a file system; return False, with nothing moved, if the name is taken."""
    try:
        os.link(source, target, follow_symlinks=False)  # fails if the name is taken, which a rename does not
    except FileExistsError:
        return False
    except (OSError, NotImplementedError):  # a file system without hard links
        if target.exists():
            return False
        source.rename(target)
    else:
        with suppress(OSError):  # it has its new name; an error now would say that it was not moved
            source.unlink()
    return True


def durable_copy(path: Path, data: bytes) -> None:
    """Write a new file; its content and mode are durable, its name only after ``fsync_folder``."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, FILE_MODE), "wb") as file:
        file.write(data)
        file.flush()
        path.chmod(FILE_MODE)
        os.fsync(file.fileno())


def durable_replace(path: Path, data: bytes) -> None:
    """Replace the file by a new version, or create it; it is whole at every moment.

    Raise OSError, and then nothing has changed.
    """
    # Syncthing and most other tools ignore names like this, so that no half version is synced.
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
    """Make a folder and its missing parents, each durable in its own parent."""
    if folder.is_dir():
        return
    durable_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
        return  # another process made it just now
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
