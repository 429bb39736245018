"""What lies in the inbox right now: every regular file with a prompt file's name, and how it looks."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING

from mjwatch.folders.settling import Identity, is_prompt_name, may_hold_prompts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger("mjwatch.inbox")


class Listing:
    """Lists one inbox with its subfolders; links are neither followed nor listed."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._unreadable: set[str] = set()

    def files(self) -> Iterator[tuple[str, Identity]]:
        """Paths relative to the inbox, with slashes, and identities, in a folder by name.

        Raises OSError where the inbox itself can't be read, for that must not look like an empty one. A
        subfolder that can't be read is left out, and told once.
        """
        folders = [""]
        while folders:
            folder = folders.pop()
            for entry in self._entries(folder):
                path = folder + entry.name
                if may_hold_prompts(entry.name) and entry.is_dir(follow_symlinks=False):
                    folders.append(path + "/")
                elif is_prompt_name(entry.name) and (identity := _regular(entry)) is not None:
                    yield path, identity

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(f"{self._root}/{folder}") as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            if not folder:
                raise
            return []  # it went while we were looking
        except OSError as error:
            if not folder:
                raise
            if folder not in self._unreadable:
                log.warning("the folder %s in the inbox can't be read: %s", folder, error.strerror)
            self._unreadable.add(folder)
            return []
        self._unreadable.discard(folder)
        return found


def identity_of(found: os.stat_result) -> Identity:
    """Device, inode, size, mtime and ctime."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _regular(entry: os.DirEntry[str]) -> Identity | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return identity_of(found) if stat.S_ISREG(found.st_mode) else None
