"""The system: the machine's id and name, this installation, memory, who may write to the state folder."""

from __future__ import annotations

import os
import pathlib
import shlex
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.errors import ConfigError, DaemonError
from mjwatch.filesystem.folder import open_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

# ---- the machine

ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
"""The files in which Linux keeps the machine's id (machine-id(5))."""


def host_name() -> str:
    """Return the machine's name."""
    import platform

    return platform.node() or "unnamed"


def machine_id(journal: str = "") -> str:
    """Return an id of this machine, hashed for this use alone as machine-id(5) asks.

    A machine without an id gets one from its name. In a container ``journal``, the journal's id, is used:
    each new container has another name, and all containers of an image may have the same id.
    """
    import hashlib

    own_id = (in_container() and journal) or next(filter(None, map(_read, ID_FILES)), host_name())
    return hashlib.sha256(f"mjwatch owner {own_id}".encode()).hexdigest()[:16]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


# ---- this installation

CONTAINER_FILES = (Path("/run/.containerenv"), Path("/.dockerenv"))
"""Files that Podman and Docker put into a container."""


def in_container(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this is a container of our image, or another that says so, as systemd expects it.

    See https://systemd.io/CONTAINER_INTERFACE. Podman sets the variable, too; Docker does not.
    """
    return bool(environ.get("container"))


def install_command(package: str) -> str:
    """Return what installs a missing package into this installation of mjwatch, as a person types it.

    Only the package itself is named: "mjwatch" on the public index need not be this program.
    """
    environment = Path(sys.prefix)
    if (environment / "pipx_metadata.json").is_file():
        return f"pipx inject mjwatch {package}"
    if (environment / "uv-receipt.toml").is_file():
        return shlex.join(["uv", "pip", "install", "--python", sys.executable, package])
    command = shlex.join([sys.executable, "-m", "pip", "install", package])
    if in_container() or any(file.exists() for file in CONTAINER_FILES):
        return f"{command} (in the image; what is installed into a container is lost with it)"
    return command


def require_library(module: str, package: str, setting: str) -> None:
    """Raise ConfigError with what installs the library, if a setting needs one that is not installed."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise ConfigError(
            f"{setting} needs {package}, which is not installed", f"install it: `{install_command(package)}`"
        )


# ---- memory

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""mallopt(3)."""

HEAPS = 2
"""More heaps would let more threads of C code allocate at the same moment; Python's threads take turns."""

LARGE_BLOCK = 1024 * 1024 + 64 * 1024
"""Bytes; a larger block of memory is mapped separately, and so returned to the system when it is freed.

libwebp takes a table of 1 MiB for each picture, however small: mapped each time, it costs 256 page faults.
"""

KEPT_FREE = 2 * LARGE_BLOCK
"""Bytes at the end of each heap that stay when they are free, so that the next table finds them."""


def return_memory_early() -> bool:
    """Make the C library return the memory of a picture to the system as soon as the picture is freed.

    Return whether that is possible, which it is with glibc. It holds for the rest of this process: each large
    block of memory is mapped separately. glibc does so from 128 kB on, but raises that limit with each large
    block that is freed, up to 32 MB. Grids and pictures would then share heaps, one for each thread, which
    hardly ever shrink: a service that needs 140 MB would grow to 330 MB. All threads share a few heaps:
    with a heap for each of fifteen threads, pieces in use kept 15 MB more after 2,500 prompts.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False  # another C library, such as musl, which does not have this problem
    settings = ((_M_MMAP_THRESHOLD, LARGE_BLOCK), (_M_TRIM_THRESHOLD, KEPT_FREE), (_M_ARENA_MAX, HEAPS))
    return all(mallopt(name, value) for name, value in settings)


class _SysWithoutInterning:
    """The module ``sys`` for another module, whose strings are not interned."""

    intern = staticmethod(str)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


def let_names_of_paths_be_freed(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Keep pathlib of Python 3.12 from interning the names in each path, for the rest of this process.

    Before one of its later releases an interned string is never freed there (issue 113993 of CPython): a
    service would grow with each file and each folder.
    """
    if version == (3, 12):
        setattr(pathlib, "sys", _SysWithoutInterning())  # noqa: B010 - it is no public name of the module


# ---- users


def require_write_access(state: Path, journal: Path) -> None:
    """Raise DaemonError if this user may not write to the state folder; the error names who may."""
    try:
        exists = journal.exists()
    except OSError:
        raise _no_access(state) from None
    if not exists and _is_hidden(state):
        raise _no_access(state)
    for path, needed in ((state, os.R_OK | os.W_OK | os.X_OK), (journal, os.R_OK | os.W_OK)):
        if exists and not os.access(path, needed):
            raise _no_access(state)


def create_shared_file(path: Path) -> None:
    """Create a file of the state folder, unless it exists, for all users who may write to that folder.

    Raise OSError if that fails.
    """
    with suppress(FileExistsError), open_folder(path.parent) as folder:
        folder.create(path.name, b"", path.parent.stat().st_mode & 0o666, durable=False)


def describe_owners(folder: Path) -> str:
    """Return which user, and which group if it may too, may write to the folder; "" if that can't be seen."""
    try:
        status = folder.stat()
    except OSError:
        return ""
    user, group = _names(status.st_uid, status.st_gid)
    is_shared = status.st_mode & stat.S_IWGRP and status.st_mode & stat.S_IXGRP
    return f'user "{user}"' + (f' or group "{group}"' if is_shared else "")


def _is_hidden(folder: Path) -> bool:
    """Return whether the folder may contain something that this user can't see."""
    try:
        return folder.exists() and not os.access(folder, os.X_OK)
    except OSError:
        return True


def _no_access(state: Path) -> DaemonError:
    owners = describe_owners(state)
    reason = f"belongs to {owners}" if owners else "is closed to this user"
    return DaemonError(
        f"this user may not control mjwatch: the state folder {state} {reason}",
        "run the command as that user" if owners else "run the command as the user of the service",
    )


if sys.platform == "win32":

    def _names(user: int, group: int) -> tuple[str, str]:
        return str(user), str(group)

else:
    import grp
    import pwd

    def _names(user: int, group: int) -> tuple[str, str]:
        """Return the names of these ids, or the ids themselves if they have no names."""
        try:
            user_name = pwd.getpwuid(user).pw_name
        except KeyError:
            user_name = str(user)
        try:
            return user_name, grp.getgrgid(group).gr_name
        except KeyError:
            return user_name, str(group)
