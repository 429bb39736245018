"""Work in a folder without following links: the folder is held open, and names are looked up in it.

Others may share the inbox and the outbox, and can exchange a folder or a file for a link at any moment.
Therefore a path is opened one folder after the other, and every operation gets the open folder and a plain
name (openat(2), renameat(2) and so on): no link can come between a check and its use. The folders that a
person has configured may be links themselves; nothing below them may.

Modes follow the umask. The group, and access control lists, are those that a folder passes on to what is made
in it.

Where the system has no such calls (Windows), each operation first checks all folders on the way. Between that
check and the operation somebody who may write there can still exchange a folder.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_HAS_DIR_FD = {
    os.open,
    os.stat,
    os.chmod,
    os.mkdir,
    os.rename,
    os.unlink,
    os.rmdir,
    os.link,
} <= os.supports_dir_fd

_ROOT = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
_INNER = _ROOT | getattr(os, "O_NOFOLLOW", 0)
_LISTED = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # or a pipe would wait for its writer
    | getattr(os, "O_BINARY", 0)
)
_UPDATE = (_READ & ~os.O_RDONLY) | os.O_RDWR | os.O_CREAT
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

_BLOCK = 512
"""Bytes of what ``st_blocks`` counts (stat(2)), whatever the file system's own blocks are."""

_ALL = 0o777
_PRIVATE = 0o700

_NO_NAMES = frozenset({"", ".", ".."})
_SEPARATORS = frozenset("\0/\\:" if os.name == "nt" else "\0/")

_KINDS = {
    stat.S_IFLNK: "a link, and links are not followed",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


class UnexpectedFileError(OSError):
    """Something else lies at a name than what mjwatch puts there: a link, a pipe, too large a file."""


class Folder:
    """An open folder; use ``with`` to close it. All methods raise OSError.

    The names that its methods take are plain names of what lies in the folder itself.
    """

    def __init__(self, path: Path, root: Path, descriptor: int | None) -> None:
        """``root`` is the configured folder. Without a ``descriptor`` every operation checks the way."""
        self.path = path
        self._root = root
        self._descriptor = descriptor

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; only once."""
        if self._descriptor is not None:
            os.close(self._descriptor)

    # ---- what lies in it

    def stat(self, name: str) -> os.stat_result:
        """Return what lies at this name, a link itself."""
        return os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False)

    def exists(self, name: str) -> bool:
        """Return whether anything lies at this name."""
        try:
            self.stat(name)
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def entries(self) -> Iterator[Iterator[os.DirEntry[str]]]:
        """Yield what lies in the folder; each entry can be used as long as the ``with`` block lasts."""
        if self._descriptor is None:
            self._check_way()
            with os.scandir(self.path) as entries:
                yield entries
            return
        descriptor = os.open(".", _LISTED, dir_fd=self._descriptor)
        try:
            with os.scandir(descriptor) as entries:
                yield entries
        finally:
            os.close(descriptor)

    def names(self) -> list[str]:
        """Return the names of all that lies in the folder."""
        with self.entries() as entries:
            return [entry.name for entry in entries]

    def folders(self) -> list[str]:
        """Return the names of the folders in it, without links."""
        with self.entries() as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]

    def open(self, name: str) -> Folder:
        """Return a folder that lies in this one. Raise UnexpectedFileError for a link or a file."""
        path = self._at(name)
        if self._descriptor is None:
            inner = Folder(self.path / name, self._root, None)
            inner._check_way()
            return inner
        try:
            return Folder(self.path / name, self._root, os.open(path, _INNER, dir_fd=self._descriptor))
        except OSError as error:
            raise self._explained(name, stat.S_IFDIR, error) from error

    def make(self, name: str, mode: int = _ALL) -> Folder:
        """Return a folder that lies in this one; make it if it is missing, durably."""
        with suppress(FileNotFoundError):
            return self.open(name)
        try:
            inner = self.create_folder(name, mode)
        except FileExistsError:  # another process made it just now
            return self.open(name)
        try:
            self.sync()
        except BaseException:
            inner.close()
            raise
        return inner

    def create_folder(self, name: str, mode: int = _ALL) -> Folder:
        """Return a new folder in this one; its name is durable only after ``sync``.

        ``mode``: what it may be at most; the umask takes its part away.
        """
        os.mkdir(self._at(name), mode, dir_fd=self._descriptor)
        return self.open(name)

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """Yield a descriptor of the regular file at this name; never wait for a pipe, never open a device."""
        self._check_regular(name, self.stat(name))
        descriptor = os.open(self._at(name), _READ, dir_fd=self._descriptor)
        try:
            self._check_regular(name, os.fstat(descriptor))
            yield descriptor
        finally:
            os.close(descriptor)

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file of at most ``limit`` bytes. Raise UnexpectedFileError otherwise."""
        with self.opened(name) as descriptor:
            if os.fstat(descriptor).st_size <= limit:  # before a huge file without content is read
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    data = file.read(limit + 1)
                if len(data) <= limit:
                    return data
        raise UnexpectedFileError(errno.EFBIG, f"{self.path / name} is larger than {limit:,} bytes")

    # ---- changes

    def chmod(self, mode: int) -> None:
        """Change the mode of the folder itself."""
        if self._descriptor is None:
            self._check_way()
        os.chmod("." if self._descriptor is not None else self.path, mode, dir_fd=self._descriptor)

    def open_for_update(self, name: str) -> int:
        """Return a descriptor to read and write the file at this name, which is created for us alone."""
        descriptor = os.open(self._at(name), _UPDATE, 0o600, dir_fd=self._descriptor)
        try:
            self._check_regular(name, os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def create(self, name: str, data: bytes, mode: int | None = None, *, durable: bool = True) -> None:
        """Write a new file; its content and mode are durable (unless told), its name only after ``sync``.

        ``mode``: the file has exactly this one, whatever the umask is.
        """
        descriptor = os.open(self._at(name), _CREATE, 0o666, dir_fd=self._descriptor)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if mode is not None and os.name != "nt":
                os.fchmod(descriptor, mode)
            if durable:
                os.fsync(descriptor)

    def replace(
        self,
        name: str,
        data: bytes,
        staged: str | None = None,
        mode: int | None = None,
        *,
        durable: bool = True,
    ) -> None:
        """Replace the file by a new version, or create it; it is whole at every moment, and durable.

        If it fails, nothing has changed. ``staged`` is the name of the new version while it is written;
        ``mode`` as in ``create``. Not ``durable``: a power cut soon afterwards may leave the old version, or
        an empty file.
        """
        # Syncthing and most other tools ignore names like this, so that no half version is synced.
        staged = staged or f"~syncthing~{name}.tmp"
        with suppress(FileNotFoundError):
            self.unlink(staged)
        try:
            self.create(staged, data, mode, durable=durable)
            os.replace(
                self._at(staged), self._at(name), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor
            )
        except OSError as error:
            with suppress(OSError):
                self.unlink(staged)
            raise self._explained(name, stat.S_IFREG, error) from error
        if durable:
            self.sync()

    def overwrite(self, name: str, data: bytes) -> bool:
        """Write into a file without another name, if its blocks on the disk suffice; return whether so."""
        with suppress(FileNotFoundError):
            self._check_regular(name, self.stat(name))
            with os.fdopen(self.open_for_update(name), "r+b") as file:
                found = os.fstat(file.fileno())
                if found.st_nlink != 1 or len(data) > getattr(found, "st_blocks", 0) * _BLOCK:
                    return False
                file.write(data)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            return True
        return False

    def move(self, name: str, target: Folder, new_name: str) -> None:
        """Move a file or a folder, within a file system."""
        os.rename(
            self._at(name),
            target._at(new_name),
            src_dir_fd=self._descriptor,
            dst_dir_fd=target._descriptor,
        )

    def rename_without_replacing(self, name: str, new_name: str) -> bool:
        """Give a regular file another name; return False, with nothing changed, if that is taken."""
        try:
            os.link(  # fails if the name is taken, which a rename does not
                self._at(name),
                self._at(new_name),
                src_dir_fd=self._descriptor,
                dst_dir_fd=self._descriptor,
                follow_symlinks=False,
            )
        except FileExistsError:
            return False
        except (OSError, NotImplementedError):  # a file system without hard links
            if self.exists(new_name):
                return False
            self.move(name, self, new_name)
        else:
            with suppress(OSError):  # it has its new name; an error now would say that it was not renamed
                self.unlink(name)
        return True

    def unlink(self, name: str) -> None:
        """Remove a file, or a link itself."""
        try:
            os.unlink(self._at(name), dir_fd=self._descriptor)
        except (IsADirectoryError, PermissionError) as error:
            raise self._explained(name, stat.S_IFREG, error) from error

    def remove_tree(self, name: str) -> None:
        """Remove a folder with all that is in it, or a file; links are removed, not followed."""
        if stat.S_ISDIR(self.stat(name).st_mode):
            shutil.rmtree(self._at(name), dir_fd=self._descriptor)
        else:
            self.unlink(name)

    def sync(self) -> None:
        """Make the names in the folder durable."""
        if os.name == "nt":  # Windows can't open a folder; its renames are durable with the volume's log
            return
        descriptor = os.open(
            "." if self._descriptor is not None else self.path, _LISTED, dir_fd=self._descriptor
        )
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    # ---- names

    def _at(self, name: str) -> str:
        """Return how the system finds this name; without a descriptor, after a check of the way to it."""
        if name in _NO_NAMES or not _SEPARATORS.isdisjoint(name):
            raise OSError(errno.EINVAL, f"{name!r} is not a valid file name")
        if self._descriptor is not None:
            return name
        self._check_way()
        return str(self.path / name)

    def _check_way(self) -> None:
        path = self.path
        while path != self._root:
            found = path.lstat()
            if _kind(found) != stat.S_IFDIR:
                raise _unexpected(path, found)
            path = path.parent

    def _check_regular(self, name: str, found: os.stat_result) -> None:
        if _kind(found) != stat.S_IFREG:
            raise _unexpected(self.path / name, found)

    def _explained(self, name: str, expected: int, error: OSError) -> OSError:
        """Return an error that says what is in the way, if something else than the expected kind is."""
        try:
            found = self.stat(name)
        except OSError:
            return error
        return error if _kind(found) == expected else _unexpected(self.path / name, found)


def open_folder(root: Path, names: Sequence[str] = (), *, make: bool = False) -> Folder:
    """Return the folder that is reached from ``root`` by these names, one in the other, without a link.

    ``root`` itself may be a link. ``make``: make what is missing below the root.
    """
    folder = Folder(root, root, os.open(root, _ROOT) if _HAS_DIR_FD else None)
    for name in names:
        with folder:
            folder = folder.make(name) if make else folder.open(name)
    return folder


def durable_folder(folder: Path, mode: int = _ALL) -> None:
    """Make a configured folder and its missing parents, each durable in its own parent."""
    if folder.is_dir():
        return
    durable_folder(folder.parent)
    with open_folder(folder.parent) as parent:
        parent.make(folder.name, mode).close()


def private_folder(folder: Path) -> None:
    """Make a folder as ``durable_folder`` does, but for this user alone, whatever the umask is."""
    durable_folder(folder, _PRIVATE)


def describe_kind(found: os.stat_result) -> str | None:
    """Return what this is, if it is no regular file."""
    kind = _kind(found)
    return None if kind == stat.S_IFREG else _KINDS.get(kind, "no file")


def _kind(found: os.stat_result) -> int:
    """Return the kind of file; a junction of Windows counts as a link."""
    is_junction = getattr(found, "st_reparse_tag", 0) == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)
    return stat.S_IFLNK if is_junction else stat.S_IFMT(found.st_mode)


def _unexpected(path: Path, found: os.stat_result) -> UnexpectedFileError:
    kind = _kind(found)
    number = {stat.S_IFLNK: errno.ELOOP, stat.S_IFDIR: errno.EISDIR, stat.S_IFREG: errno.ENOTDIR}
    return UnexpectedFileError(
        number.get(kind, errno.EINVAL), f"{path} is {_KINDS.get(kind, 'no file')}: remove it"
    )
