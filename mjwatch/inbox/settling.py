"""Decide when a file in the inbox is complete. Pure: identities, bytes and the time come in.

A file is complete when it has been quiet for a while: its device, inode, size, mtime and ctime have been the
same for so many seconds of this machine's clock. The file's own times are never compared with now, because
sync tools carry over the sender's times. A file that looks unfinished gets a longer wait; then it is taken as
it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mjwatch.inbox.filenames import is_marked_ready, natural_key

if TYPE_CHECKING:
    from collections.abc import Container

    from mjwatch.model import Identity

EMPTY_PATIENCE = 6.0
"""An empty file, or one whose mtime is in 1970 (an interrupted rsync leaves such a file), waits this many
times as long as a file that merely looks unfinished."""

LONG_WAIT = 60.0
"""Seconds after which a person may ask what a file waits for."""

REREAD_DELAY = 0.05
"""Seconds until a file that changed while it was read is read again, unless a longer wait applies."""


@dataclass(slots=True)
class SettlingFile:
    """One file that is not complete yet.

    ``first_seen``: since when there is a file of that name. ``since``: since when it looks as it does.
    ``due``: when it may be read. ``is_ready``: its name says that it arrived whole. ``is_extended``: it
    looked unfinished and was given its longer wait. ``why``: what it waits for, as text.
    """

    identity: Identity
    first_seen: float
    since: float
    due: float
    is_ready: bool
    is_extended: bool = False
    is_unreadable: bool = False
    why: str = "it is not complete"


class SettlingStatus(NamedTuple):
    """All settling files in figures.

    ``waiting``: how many may still be taken; an unreadable file is reported and not waited for. ``stalled``:
    files that can't be read or have waited for long, and why. ``next_due``: when the next file may be read.
    """

    waiting: int
    stalled: list[tuple[str, str]]
    next_due: float | None


class Settling:
    """All files that are not complete yet. All times are seconds of one monotonic clock.

    ``quiet``: seconds that a file must have been quiet. ``patience``: seconds to wait for what may yet come,
    such as the content of an empty file or a missing picture.
    """

    def __init__(self, settle: float, settle_incomplete: float) -> None:
        self._settle = settle
        self._settle_incomplete = settle_incomplete
        self._files: dict[str, SettlingFile] = {}
        self.set_least_quiet(0.0)

    def set_least_quiet(self, seconds: float) -> None:
        """Require every file to be quiet for at least so many seconds, where changes show late."""
        self.quiet = max(self._settle, seconds)
        self._longer_quiet = max(self._settle_incomplete, seconds)
        self.patience = self._longer_quiet * EMPTY_PATIENCE

    def observe(self, path: str, identity: Identity, now: float) -> SettlingFile | None:
        """Note how this file looks. Return it if it is new or has changed, else None."""
        before = self._files.get(path)
        if before is not None and before.identity == identity:
            return None
        is_ready = is_marked_ready(path.rpartition("/")[2]) if before is None else before.is_ready
        first_seen = now if before is None else before.first_seen
        file = self._files[path] = SettlingFile(identity, first_seen, now, now, is_ready)
        file.due += self._first_wait(file)
        return file

    def _first_wait(self, file: SettlingFile) -> float:
        if _expects_more(file.identity):
            return self.patience
        return 0.0 if file.is_ready else self.quiet

    def keep_only(self, paths: Container[str]) -> None:
        """Forget all files but these: the others are gone."""
        self._files = {path: file for path, file in self._files.items() if path in paths}

    def due(self, now: float) -> list[tuple[str, Identity]]:
        """Return the files that may be read now: in the order they were first seen, then in natural order."""
        found = [(path, file) for path, file in self._files.items() if now >= file.due]
        if len(found) > 1:
            found.sort(key=lambda pair: (pair[1].first_seen, natural_key(pair[0])))
        return [(path, file.identity) for path, file in found]

    def restart(self, path: str, now: float) -> None:
        """Begin the wait of a file again, because it changed while it was read."""
        file = self._files[path]
        file.since = now
        file.due = now + max(self._first_wait(file), REREAD_DELAY)

    def mark_unreadable(self, path: str, why: str, now: float) -> None:
        """Try a file that can't be read again after a long wait, or when it looks different."""
        file = self._files[path]
        file.since, file.due, file.is_unreadable, file.why = (
            now,
            now + max(self.patience, REREAD_DELAY),
            True,
            why,
        )

    def extend_wait(self, path: str) -> bool:
        """Give a file whose content looks unfinished its longer wait. Return False if it is to be taken now.

        A file that arrived whole by a rename does not wait: what it holds is what was meant.
        """
        file = self._files[path]
        if file.is_extended or file.is_ready or _expects_more(file.identity):
            return False
        file.is_extended = True
        later = file.since + self._longer_quiet
        if later <= file.due:
            return False
        file.due = later
        return True

    def postpone(self, path: str, until: float, why: str) -> None:
        """Let a complete file wait for something else."""
        self._files[path].due, self._files[path].why = until, why

    def forget(self, path: str) -> None:
        """Drop a file that was handed over or is gone."""
        self._files.pop(path, None)

    def status(self, now: float) -> SettlingStatus:
        """Return how many files wait, which of them a person must know about, and when the next is due."""
        waiting, stalled, next_due = 0, [], None
        for path, file in self._files.items():
            waiting += not file.is_unreadable
            if file.is_unreadable or (now - file.first_seen > LONG_WAIT and now < file.due):
                stalled.append((path, file.why))
            if next_due is None or file.due < next_due:
                next_due = file.due
        return SettlingStatus(waiting, stalled, next_due)

    def files_in(self, folder: str) -> list[str]:
        """Return the paths of the files in this folder itself, which is given as a prefix of paths."""
        return [path for path in self._files if path.startswith(folder) and "/" not in path[len(folder) :]]

    def last_identity(self, path: str) -> Identity | None:
        """Return how this file looked last; None if it is not settling."""
        file = self._files.get(path)
        return None if file is None else file.identity


def _expects_more(identity: Identity) -> bool:
    """Return whether the file is empty or from 1970, so that more content is to be expected."""
    _, _, size, mtime_ns, _ = identity
    return size == 0 or 0 <= mtime_ns < 1_000_000_000
