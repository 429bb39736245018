"""Read, replace and remove single files below a configured folder, without following links.

Paths are relative to that folder, with slashes. A prompt file is read only while it still looks as it did
when it was seen.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from mjwatch.filesystem.folder import describe_kind, open_folder

if TYPE_CHECKING:
    from pathlib import Path

    from mjwatch.model import Identity


_NOTHING_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO}
)
"""The system's errors for a file that can't exist: a link stands in the way, or the name is impossible."""


_NO_NEW_FILE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM})


def identity_of(found: os.stat_result) -> Identity:
    """Return device, inode, size, mtime and ctime."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def identify(root: Path, path: str) -> Identity | None:
    """Return how the regular file at this path (with slashes) looks; None if none is there without a link.

    Raise OSError if it can't be seen.
    """
    try:
        found = _stat(root, path)
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return None
        raise
    return identity_of(found) if stat.S_ISREG(found.st_mode) else None


def obstacle_at(root: Path, path: str) -> str | None:
    """Return what lies at this path instead of a regular file; None if nothing or such a file does.

    Raise OSError if that can't be seen.
    """
    try:
        return describe_kind(_stat(root, path))
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return None
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
    *folders, name = path.split("/")
    with open_folder(root, folders) as folder, folder.opened(name) as descriptor:
        if identity_of(os.fstat(descriptor)) != identity:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
        is_same = identity_of(os.fstat(descriptor)) == identity
    return data if is_same else None


def read_file(root: Path, path: str, limit: int) -> bytes:
    """Return the content of a regular file; raise UnexpectedFileError if it has more than ``limit`` bytes."""
    *folders, name = path.split("/")
    with open_folder(root, folders) as folder:
        return folder.read(name, limit)


def replace_file(
    root: Path, path: str, data: bytes, mode: int | None = None, *, durable: bool = True
) -> None:
    """Replace a file by a new version, or create it and its folders; it is whole at every moment.

    ``mode``: None leaves it to the umask. ``durable`` as in ``Folder.replace``. Raise OSError, and then the
    file has not changed.
    """
    *folders, name = path.split("/")
    with open_folder(root, folders, make=True) as folder:
        folder.replace(name, data, mode=mode, durable=durable)


def replace_or_overwrite(root: Path, path: str, data: bytes) -> OSError | None:
    """Replace a file as ``replace_file`` does, or write into it where no new file can be made.

    Return why none can be made, as on a full disk: then somebody who reads at that moment may see a half
    version. Raise OSError if that fails too.
    """
    try:
        replace_file(root, path, data)
    except OSError as error:
        *folders, name = path.split("/")
        if error.errno in _NO_NEW_FILE:
            with open_folder(root, folders) as folder:
                if folder.overwrite(name, data):
                    return error
        raise
    return None


def _stat(root: Path, path: str) -> os.stat_result:
    *folders, name = path.split("/")
    with open_folder(root, folders) as folder:
        return folder.stat(name)


def folder_identity(folder: Path) -> tuple[int, int] | None:
    """Return the folder's device and inode; None if it is not there."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
