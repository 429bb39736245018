"""Groups, and the commands that give a user a missing right; texts for people.

In a user namespace (``PrivateUsers=`` of systemd) the kernel shows all foreign ids as one id that means
"unknown".
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from shlex import quote

UNKNOWN_GROUP = 65534
"""The kernel's overflow gid (proc_sys_kernel(5), ``overflowgid``)."""


def removal_hint(inbox: Path, path: str, error: OSError) -> str:
    """Return what makes a file of the inbox removable for this user; "" if nothing is known.

    ``error``: why it can't be removed.
    """
    file = inbox / path
    try:
        folder, root = file.parent.stat(), inbox.stat()
    except OSError:
        return ""
    if error.errno not in (errno.EACCES, errno.EPERM) or sys.platform == "win32":
        return ""
    if not os.access(file.parent, os.W_OK):
        return f"run `{_write_command(file.parent, folder, root)}`"
    if folder.st_mode & stat.S_ISVTX:
        return f"run `sudo chmod -t {quote(str(file.parent))}`"
    return f"run `sudo rm {quote(str(file))}`"


if sys.platform == "win32":

    def group_id(name: str) -> int | None:
        """Return None: Windows has no such groups."""
        return None

    def _write_command(folder: Path, found: os.stat_result, root: os.stat_result) -> str:
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

    def _write_command(folder: Path, found: os.stat_result, root: os.stat_result) -> str:
        """Return the command after which this user may write to a folder of the inbox ``root``."""
        path = quote(str(folder))
        if found.st_uid == os.geteuid():
            return f"chmod u+w {path}"
        known = {os.getegid(), *os.getgroups()} - {UNKNOWN_GROUP}
        command = f"sudo chmod g+w {path}"
        if found.st_gid == root.st_gid or found.st_gid in known:
            return command
        group = root.st_gid if root.st_gid in known else os.getegid()
        return f"sudo chgrp {_group_name(group)} {path} && {command}"

    def _group_name(group: int) -> str:
        try:
            return grp.getgrgid(group).gr_name
        except KeyError:
            return str(group)
