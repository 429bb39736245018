"""Probe what a folder allows (writing, renaming, watching), and whether it is on a network file system.

Probes leave nothing behind. On a network file system other machines can change files without an event here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import secrets
import shutil
from pathlib import Path

INOTIFY = Path("/proc/sys/fs/inotify")

_COUNTED_AT_MOST = 100_000


def writable(folder: Path) -> str | None:
    """Return None if files can be made, renamed and removed here, or the folder can be made; else why not."""
    try:
        if not folder.exists():
            return _can_be_made(folder)
        if not folder.is_dir():
            return "it is not a folder"
        _write_rename_remove(folder)
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def renames_into(source: Path, target: Path) -> bool | None:
    """Return whether a folder can be renamed from one folder into the other; None if it can't be tried.

    A real rename is the only sure test: one file system may be mounted twice, or be layered.
    """
    before, after = source / _probe_name(), target / _probe_name()
    try:
        before.mkdir()
    except OSError:
        return None
    try:
        before.rename(after)
    except OSError as error:
        before.rmdir()
        return False if error.errno == errno.EXDEV else None
    after.rmdir()
    return True


def count_folders(folder: Path) -> int:
    """Return the number of folders, this one included: each needs its own watch. Count at most 100,000."""
    count = 0
    for _ in os.walk(folder):
        count += 1
        if count >= _COUNTED_AT_MOST:
            break
    return count


def inotify_limit(name: str, root: Path = INOTIFY) -> int | None:
    """Return a limit of the kernel such as ``max_user_watches``; None if there is no inotify."""
    try:
        return int((root / name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def inotify_obstacle() -> str | None:
    """Return why the kernel allows no further watcher, or None; the instances of a user are limited."""
    start = getattr(ctypes.CDLL(None, use_errno=True), "inotify_init1", None) if os.name == "posix" else None
    if start is None:
        return None
    descriptor = start(0)
    if descriptor < 0:
        return os.strerror(ctypes.get_errno())
    os.close(descriptor)
    return None


def free_space(folder: Path) -> int | None:
    """Return the bytes that this user may still write on the folder's disk; None if unknown.

    The folder itself may not exist yet.
    """
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        return shutil.disk_usage(existing).free
    except OSError:
        return None


def _write_rename_remove(folder: Path) -> None:
    before, after = folder / _probe_name(), folder / _probe_name()
    before.touch(exist_ok=False)
    try:
        before.rename(after)
    except OSError:
        before.unlink()
        raise
    after.unlink()


def _can_be_made(folder: Path) -> str | None:
    parent = next((parent for parent in folder.parents if parent.exists()), folder)
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return None
    return f"it does not exist, and nothing can be made in {parent}"


def _probe_name() -> str:
    # The inbox ignores names that begin with "_".
    return f"_mjwatch-probe-{secrets.token_hex(6)}.tmp"


MOUNTS = Path("/proc/self/mountinfo")
"""The mounts of this process (Linux, proc_pid_mountinfo(5))."""

_REMOTE = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre", "gpfs"),
        *("gfs2", "ocfs2", "orangefs", "pvfs2", "coda", "9p", "virtiofs", "vboxsf", "prl_fs", "vmhgfs"),
        *("drvfs", "acfs"),
        "fuse",  # without a subtype it may be anything
    }
)
_LOCAL_FUSE = frozenset(
    f"fuse.{name}"
    for name in ("mergerfs", "encfs", "gocryptfs", "cryfs", "bindfs", "lxcfs", "unionfs", "ntfs-3g", "portal")
)
_OCTAL = re.compile(r"\\([0-7]{3})")


def remote_type(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the network file system that holds the folder, or is mounted below it, or None.

    If the system does not list its mounts, all file systems count as local.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        folder = folder.resolve()
    except OSError:
        return None
    nearest: Path | None = None
    found = None
    for mount, kind in map(_mount_and_type, lines):
        if mount is None:
            continue
        if mount != folder and mount.is_relative_to(folder):
            if _is_remote(kind):
                return kind
        elif folder.is_relative_to(mount) and (nearest is None or mount.is_relative_to(nearest)):
            nearest, found = mount, kind  # a later mount at the same path hides the earlier one
    return found if found is not None and _is_remote(found) else None


def _mount_and_type(line: str) -> tuple[Path | None, str]:
    before, _, after = line.partition(" - ")
    fields, kinds = before.split(" "), after.split(" ")
    if len(fields) < 5 or not kinds[0]:
        return None, ""
    return Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])), kinds[0]


def _is_remote(kind: str) -> bool:
    return kind in _REMOTE or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)
