"""Groups, and the commands that give a user a missing right; texts for people.

In a user namespace (``PrivateUsers=`` of systemd) the kernel shows all foreign ids as one id that means
"unknown".
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from shlex import quote
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UNKNOWN_GROUP = 65534
"""The kernel's overflow gid (proc_sys_kernel(5), ``overflowgid``)."""


def removal_hint(inbox: Path, path: str, error: OSError) -> str:
    """Return what makes a file of the inbox removable for this user; "" if nothing is known.

    ``error``: why it can't be removed.
    """
    file = inbox / path
    if error.errno not in (errno.EACCES, errno.EPERM) or sys.platform == "win32":
        return ""
    try:
        if not may_use(file.parent):
            return f"run `{write_command(file.parent, inbox)}`"
        if file.parent.stat().st_mode & stat.S_ISVTX:
            return f"run `sudo chmod -t {quote(str(file.parent))}`"
    except OSError:
        return ""
    return f"run `sudo rm {quote(str(file))}`"


def may_use(folder: Path) -> bool:
    """Return whether this user may list the folder, and make and remove files in it."""
    by_effective = os.access in os.supports_effective_ids
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=by_effective)


def pass_on_group(folder: Path, group: int) -> None:
    """Let a folder have this group, and pass it on to what is made in it. Raise OSError if that fails."""
    found = folder.stat()
    if found.st_gid not in (group, UNKNOWN_GROUP):
        os.chown(folder, -1, group)
    if not found.st_mode & stat.S_ISGID:
        folder.chmod(stat.S_IMODE(found.st_mode) | stat.S_ISGID)


def group_command(folder: Path, group: str) -> str:
    """Return the command that does what ``pass_on_group`` does, for a folder with all that is in it."""
    path = quote(str(folder))
    return f"sudo chgrp -R {group} {path} && sudo chmod -R g+rwX {path} && sudo chmod g+s {path}"


def passes_on_group(folder: Path, group: int) -> bool:
    """Return whether what is made in the folder has this group, as far as can be seen. Raise OSError."""
    found = folder.stat()
    return found.st_gid in (group, UNKNOWN_GROUP) and bool(found.st_mode & stat.S_ISGID)


if sys.platform == "win32":

    def group_id(name: str) -> int | None:
        """Return None: Windows has no such groups."""
        return None

    def write_command(folder: Path, inbox: Path) -> str:
        """Return "": there are no such modes."""
        return ""

    def command_for_all(inbox: Path) -> str:
        """Return "" as well."""
        return ""

else:
    import grp

    def group_id(name: str) -> int | None:
        """Return the id of a group, which may be given as a number; None if there is no such group."""
        if name.isdecimal():
            return int(name)
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            return None

    def write_command(folder: Path, inbox: Path) -> str:
        """Return the command after which this user may use a folder of the inbox. Raise OSError."""
        path, found, group = quote(str(folder)), folder.stat(), inbox.stat().st_gid
        if found.st_uid == os.geteuid():
            return f"chmod u+rwx {path}"
        command = f"sudo chmod g+rwx {path}"
        if found.st_gid in {group, *_own_groups()}:
            return command
        return f"sudo chgrp {_shared_group(group)} {path} && {command}"

    def command_for_all(inbox: Path) -> str:
        """Return the command after which this user may use all that is in the inbox. Raise OSError."""
        path, group = quote(str(inbox)), _shared_group(inbox.stat().st_gid)
        return f"sudo chgrp -R {group} {path} && sudo chmod -R ug+rwX {path}"

    def _shared_group(group: int) -> str:
        """Return the name of the inbox's group if this user is in it, else of the user's own group."""
        return _group_name(group if group in _own_groups() else os.getegid())

    def _own_groups() -> set[int]:
        return {os.getegid(), *os.getgroups()} - {UNKNOWN_GROUP}

    def _group_name(group: int) -> str:
        try:
            return grp.getgrgid(group).gr_name
        except KeyError:
            return str(group)
