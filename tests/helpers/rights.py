"""Umasks and groups in tests."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Use this umask, which belongs to the whole process."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    """Return the mode without the bit that passes on the group, which a folder of a test may inherit."""
    return stat.S_IMODE(path.stat().st_mode) & ~stat.S_ISGID


def foreign_groups() -> tuple[int, ...]:
    """Return groups other than this process's own that it may give to its files; root may give any."""
    return (61001, 61002) if os.geteuid() == 0 else tuple(set(os.getgroups()) - {os.getegid()})


def share(folder: Path, group: int) -> None:
    """Let a folder pass on this group to everything that is made in it."""
    os.chown(folder, -1, group)
    folder.chmod(folder.stat().st_mode | stat.S_ISGID | stat.S_IRWXG)
