"""Who may steer the service: those who may write to its state folder."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from mjwatch.errors import DaemonError

if TYPE_CHECKING:
    from pathlib import Path


def require_rights(state: Path, journal: Path) -> None:
    """Raise DaemonError, naming who has the right, where this user may not write to the state folder."""
    try:
        found = journal.exists()
    except OSError:
        raise _no_right(state) from None
    if not found and _is_hidden(state):
        raise _no_right(state)
    for path, needed in ((state, os.R_OK | os.W_OK | os.X_OK), (journal, os.R_OK | os.W_OK)):
        if found and not os.access(path, needed):
            raise _no_right(state)


def make_for_steerers(path: Path) -> None:
    """Make a file of the state folder, where it is not there, for all who may write to that folder.

    Raises OSError.
    """
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return
    path.chmod(path.parent.stat().st_mode & 0o666)


def _is_hidden(folder: Path) -> bool:
    """Whether something may be there that this user can't see."""
    try:
        return folder.exists() and not os.access(folder, os.X_OK)
    except OSError:
        return True


def _no_right(state: Path) -> DaemonError:
    who = owners(state)
    message = (
        f"this user may not steer: the state folder {state} {f'belongs to {who}' if who else 'is closed'}"
    )
    return DaemonError(message, "run it as that user" if who else "run it as the user of the service")


def owners(folder: Path) -> str:
    """Which user, and group if it has the right too, may write there; empty where that can't be seen."""
    try:
        found = folder.stat()
    except OSError:
        return ""
    user, group = _names(found.st_uid, found.st_gid)
    shared = found.st_mode & stat.S_IWGRP and found.st_mode & stat.S_IXGRP
    return f'user "{user}"' + (f' or group "{group}"' if shared else "")


if sys.platform == "win32":

    def _names(user: int, group: int) -> tuple[str, str]:
        return str(user), str(group)

else:
    import grp
    import pwd

    def _names(user: int, group: int) -> tuple[str, str]:
        """The names of these ids; the ids themselves where they have none."""
        try:
            user_name = pwd.getpwuid(user).pw_name
        except KeyError:
            user_name = str(user)
        try:
            return user_name, grp.getgrgid(group).gr_name
        except KeyError:
            return user_name, str(group)
