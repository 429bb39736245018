"""Decides when a file in the inbox is complete. Pure: identities, bytes and the time come in.

A file is complete when it has been quiet for a while: the same device, inode, size, mtime and ctime for so
many seconds of our own clock since we first saw them so. The file's own times are never compared with now,
for sync tools carry over the sender's. What looks unfinished gets a longer while, then it is taken as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.inbox.filenames import natural, says_ready

if TYPE_CHECKING:
    from collections.abc import Container

    from mjwatch.model import Identity

EMPTY_PATIENCE = 6.0
"""An empty file, or one whose mtime is 1970 (an rsync that was cut off leaves that), waits this many times
as long as one that merely looks unfinished."""

LONG = 60.0
"""Seconds after which a person may wonder what a file waits for."""

AGAIN = 0.05
"""Seconds until a file that changed while it was read is looked at again, if it has no longer wait anyway."""


@dataclass(slots=True)
class _FileSight:
    """One look of a file: since when it looks so, and when it may be read.

    ``first``: since when there is a file of that name. ``grown``: it looked unfinished, and had its longer
    while. ``held``: it could not be read. ``why``: what it waits for, in words.
    """

    identity: Identity
    first: float
    since: float
    due: float
    grown: bool = False
    held: bool = False
    why: str = "it is not complete"


class Settling:
    """Watches over all files that are not complete yet. All times are seconds of one monotonic clock."""

    def __init__(self, settle: float, settle_incomplete: float) -> None:
        self._settle = settle
        self._incomplete = settle_incomplete
        self._sights: dict[str, _FileSight] = {}
        self.least = 0.0
        """Seconds that every file must be quiet for, where its changes come to us late."""

    @property
    def quiet(self) -> float:
        """Seconds that a file must have been quiet."""
        return max(self._settle, self.least)

    @property
    def patience(self) -> float:
        """Seconds that are given to what may yet come: the content of an empty file, a missing picture."""
        return max(self._incomplete, self.least) * EMPTY_PATIENCE

    def see(self, path: str, identity: Identity, now: float) -> bool:
        """A scan found this file, looking so; whether that is new."""
        sight = self._sights.get(path)
        if sight is not None and sight.identity == identity:
            return False
        first = now if sight is None else sight.first
        self._sights[path] = _FileSight(identity, first, now, now + self._first_wait(path, identity))
        return True

    def _first_wait(self, path: str, identity: Identity) -> float:
        if _is_suspicious(identity):
            return self.patience
        return 0.0 if _arrived_whole(path) else self.quiet

    def keep_only(self, paths: Container[str]) -> None:
        """Forget all files but these: they are gone."""
        self._sights = {path: sight for path, sight in self._sights.items() if path in paths}

    def due(self, now: float) -> list[tuple[str, Identity]]:
        """Files that have been quiet for long enough to be read: first seen first, then by natural order."""
        found = [(path, sight) for path, sight in self._sights.items() if now >= sight.due]
        found.sort(key=lambda pair: (pair[1].first, natural(pair[0])))
        return [(path, sight.identity) for path, sight in found]

    def changed(self, path: str, now: float) -> None:
        """It changed while it was read: begin again."""
        sight = self._sights[path]
        sight.since = now
        sight.due = now + max(self._first_wait(path, sight.identity), AGAIN)

    def unreadable(self, path: str, why: str, now: float) -> None:
        """It can't be read: try again after a long while, or when it looks different."""
        sight = self._sights[path]
        sight.since, sight.due, sight.held, sight.why = now, now + max(self.patience, AGAIN), True, why

    def unfinished(self, path: str) -> bool:
        """Its content looks unfinished: whether to wait longer. False: it had its longer while, take it.

        A file that arrived whole by a rename does not wait: what it holds is what was meant.
        """
        sight = self._sights[path]
        if sight.grown or _arrived_whole(path) or _is_suspicious(sight.identity):
            return False
        sight.grown = True
        later = sight.since + max(self._incomplete, self.least)
        if later <= sight.due:
            return False
        sight.due = later
        return True

    def put_off(self, path: str, until: float, why: str) -> None:
        """It is complete, but must wait for something else."""
        self._sights[path].due, self._sights[path].why = until, why

    def taken(self, path: str) -> None:
        """It was handed on, or is gone; nothing is left to watch over."""
        self._sights.pop(path, None)

    def next_due(self) -> float | None:
        """When the next file may be read."""
        return min((sight.due for sight in self._sights.values()), default=None)

    def stuck(self, now: float) -> list[tuple[str, str]]:
        """Files that can't be read, or have been waited for long and still are, and why."""
        return [
            (path, sight.why)
            for path, sight in self._sights.items()
            if sight.held or (now - sight.first > LONG and now < sight.due)
        ]

    def beside(self, folder: str) -> list[str]:
        """The files in this folder itself, a prefix of paths."""
        return [path for path in self._sights if path.startswith(folder) and "/" not in path[len(folder) :]]

    def look_of(self, path: str) -> Identity | None:
        """How this file looks, if it is watched over."""
        sight = self._sights.get(path)
        return None if sight is None else sight.identity

    def __len__(self) -> int:
        """How many files may still be taken; one that can't be read is told of, and not waited for."""
        return sum(not sight.held for sight in self._sights.values())


def _is_suspicious(identity: Identity) -> bool:
    """Whether it is empty or of 1970, so that more is to be expected."""
    _, _, size, mtime_ns, _ = identity
    return size == 0 or 0 <= mtime_ns < 1_000_000_000


def _arrived_whole(path: str) -> bool:
    return says_ready(path.rpartition("/")[2])
