"""Users of the system: which one the service runs as, and doing something with that user's rights."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Account:
    """A user with the ids of all its groups, the first one its own."""

    name: str
    uid: int
    groups: tuple[int, ...]


if sys.platform == "win32":

    def named_account(name: str) -> Account | None:
        """Return None: Windows has no such users."""
        return None

    def own_account() -> Account:
        """Return the user of this process, without ids."""
        return Account("this user", -1, ())

    @contextmanager
    def acting_as(account: Account) -> Iterator[None]:
        """Do nothing."""
        yield

else:
    import pwd

    def named_account(name: str) -> Account | None:
        """Return a user of the system; None if there is none of that name."""
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            return None
        groups = os.getgrouplist(name, found.pw_gid)
        return Account(name, found.pw_uid, tuple(dict.fromkeys([found.pw_gid, *groups])))

    def own_account() -> Account:
        """Return the user of this process; its number stands for a name that the system does not know."""
        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)
        return Account(name, uid, tuple(dict.fromkeys([os.getegid(), *os.getgroups()])))

    @contextmanager
    def acting_as(account: Account) -> Iterator[None]:
        """Let root have the rights of this user, in all threads; other users keep their own."""
        if os.geteuid() != 0 or account.uid == 0:
            yield
            return
        group, groups = os.getegid(), os.getgroups()
        os.setgroups(account.groups)
        os.setegid(account.groups[0])
        os.seteuid(account.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(group)
            os.setgroups(groups)
