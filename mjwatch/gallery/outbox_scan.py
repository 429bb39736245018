"""Which jobs' folders there are in an outbox: those that hold a manifest, wherever they lie."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mjwatch.outbox.manifest import FILE_NAME

if TYPE_CHECKING:
    from pathlib import Path

OURS = "_gallery"


@dataclass(slots=True)
class Survey:
    """``stamps``: by the folder's path in the outbox with slashes, what changes when its manifest does.

    ``unreadable``: folders that could not be looked into; of what lies below them nothing is known.
    """

    stamps: dict[str, str] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def knows(self, folder: str) -> bool:
        """Whether it can say that there is no such folder."""
        return not any(folder == place or folder.startswith(f"{place}/") for place in self.unreadable)


def survey(outbox: Path) -> Survey:
    """Look through the whole outbox; links are not followed. Raises OSError if it can't be read itself."""
    found = Survey()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(outbox / folder) as entries:
                inner = _look(found, folder, list(entries))
        except OSError as error:
            if not folder:
                raise
            if not isinstance(error, FileNotFoundError):  # it may have gone just now
                found.unreadable.add(folder)
            continue
        waiting += inner
    return found


def _look(found: Survey, folder: str, entries: list[os.DirEntry[str]]) -> list[str]:
    """Note what this folder is; the folders to look into next. A job's folder holds no other job."""
    for entry in entries:
        if entry.name == FILE_NAME and folder and entry.is_file(follow_symlinks=False):
            found.stamps[folder] = stamp_of(entry.stat(follow_symlinks=False))
            return []
    names = [
        one.name for one in entries if one.is_dir(follow_symlinks=False) and not one.name.startswith(".")
    ]
    return [f"{folder}/{name}" if folder else name for name in names if folder or name != OURS]


def stamp_of(manifest: os.stat_result) -> str:
    """Changes when the file does; the earlier file's sorts before the later one's."""
    return f"{manifest.st_mtime_ns:020}-{manifest.st_size}"
