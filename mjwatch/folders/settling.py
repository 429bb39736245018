"""Decides when a file in the inbox is complete. Pure: identities, bytes and the time come in.

A file is complete when it has been quiet for a while: the same device, inode, size, mtime and ctime for so
many seconds of our own clock since we first saw them so. The file's own times are never compared with now,
for sync tools carry over the sender's. What looks unfinished gets a longer while, then it is taken as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

Identity = tuple[int, int, int, int, int]
"""Device, inode, size, mtime and ctime in nanoseconds."""

SUFFIXES = (".txt", ".toml")
EMPTY_PATIENCE = 6.0
"""An empty file, or one whose mtime is 1970 (an rsync that was cut off leaves that), waits this many times
as long as one that merely looks unfinished."""

AGAIN = 0.05
"""Seconds until a file that changed while it was read is looked at again, if it has no longer wait anyway."""

_FOREIGN_FOLDERS = frozenset({"$recycle.bin", "system volume information", "lost+found"})

_CONFLICT_COPIES = re.compile(
    r".*\.sync-conflict-\d{8}-\d{6}(-[A-Z2-7]{7})?\.(txt|toml)"  # Syncthing
    r"|.* \((.*)?(conflicted|conflicting) copy.*\)\.(txt|toml)"  # Dropbox, Nextcloud, maestral
    r"|.*_conflict-\d{8}-\d{6}\.(txt|toml)"  # ownCloud
    r"|.* \((selective sync|case|unicode encoding) conflict.*\)\.(txt|toml)"  # Dropbox
    r"|.* \(case clash from .*\)\.(txt|toml)"  # Nextcloud
    r"|.* \(conflict( #\d+)?_on_.*\)\.(txt|toml)"  # Unison
    r"|.*\.conflict\.(txt|toml)"  # Resilio
    r"|.*~\d{8}-\d{6}\.(txt|toml)",  # Syncthing's versions
    re.IGNORECASE | re.DOTALL,
)


def is_prompt_name(name: str) -> bool:
    """Whether a file of this name may be a prompt file; temp and conflict names of other tools are not."""
    if not name.lower().endswith(SUFFIXES) or name[0] in "._~#":
        return False
    return not is_conflict_copy(name)


def may_hold_prompts(folder: str) -> bool:
    """Whether a folder of this name is looked into; those of tools, systems and storage boxes are not."""
    return folder[:1] not in "._~#@" and folder.lower() not in _FOREIGN_FOLDERS


def is_conflict_copy(name: str) -> bool:
    """Whether a sync tool made this copy because two sides had changed the file; a person must look."""
    return _CONFLICT_COPIES.fullmatch(name) is not None


def says_ready(name: str) -> bool:
    """Whether the name itself says that the file arrived whole by a rename: ``cat.ready.txt``."""
    return "ready" in name.lower().split(".")[1:-1]


def without_marker(name: str) -> str:
    """The name without its ``.ready.`` marker."""
    first, *rest = name.split(".")
    marks = [part for part in rest[:-1] if part.lower() != "ready"]
    return ".".join([first, *marks, *rest[-1:]])


@dataclass(slots=True)
class _Sight:
    """One look of a file: since when it looks so, and how long it must; ``held``: it could not be read."""

    identity: Identity
    since: float
    patience: float
    held: bool = False


class Settling:
    """Watches over all files that are not complete yet. All times are seconds of one monotonic clock."""

    def __init__(self, settle: float, settle_incomplete: float) -> None:
        self._settle = settle
        self._incomplete = settle_incomplete
        self._sights: dict[str, _Sight] = {}

    def see(self, path: str, identity: Identity, now: float) -> None:
        """A scan found this file, looking so."""
        sight = self._sights.get(path)
        if sight is None or sight.identity != identity:
            self._sights[path] = _Sight(identity, now, self._first_patience(path, identity))

    def _first_patience(self, path: str, identity: Identity) -> float:
        _, _, size, mtime_ns, _ = identity
        if size == 0 or 0 <= mtime_ns < 1_000_000_000:
            return self._long
        return 0.0 if _arrived_whole(path) else self._settle

    @property
    def _long(self) -> float:
        return self._incomplete * EMPTY_PATIENCE

    def keep_only(self, paths: Container[str]) -> None:
        """Forget all files but these: they are gone."""
        self._sights = {path: sight for path, sight in self._sights.items() if path in paths}

    def due(self, now: float) -> list[tuple[str, Identity]]:
        """Files that have been quiet for long enough to be read."""
        return [(p, s.identity) for p, s in self._sights.items() if now >= s.since + s.patience]

    def changed(self, path: str, now: float) -> None:
        """It changed while it was read: begin again."""
        sight = self._sights[path]
        sight.since = now
        sight.patience = max(sight.patience, AGAIN)

    def unreadable(self, path: str, now: float) -> bool:
        """It can't be read: try again after a long while, or when it looks different. Whether that is new."""
        sight = self._sights[path]
        new = not sight.held
        sight.since, sight.patience, sight.held = now, max(self._long, AGAIN), True
        return new

    def unfinished(self, path: str) -> bool:
        """Its content looks unfinished: whether to wait longer. False: it had its longer while, take it.

        A file that arrived whole by a rename does not wait: what it holds is what was meant.
        """
        sight = self._sights[path]
        if sight.patience >= self._incomplete or _arrived_whole(path):
            return False
        sight.patience = self._incomplete
        return True

    def taken(self, path: str) -> None:
        """It was handed on, or is gone; nothing is left to watch over."""
        self._sights.pop(path, None)

    def next_due(self) -> float | None:
        """When the next file may be read."""
        return min((s.since + s.patience for s in self._sights.values()), default=None)

    def __len__(self) -> int:
        """How many files may still be taken; one that can't be read is told of, and not waited for."""
        return sum(not sight.held for sight in self._sights.values())


def _arrived_whole(path: str) -> bool:
    return says_ready(path.rpartition("/")[2])
