"""Scan the inbox: every file that may be a request, how it looks, and what is ignored.

A folder is read again when its own times have changed: whatever comes, goes or is renamed in it changes them.
So an inbox full of other things costs little as long as nothing happens there. What is ignored although a
person may ask about it is counted, and the first few are logged by name, once.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mjwatch.filesystem.files import identity_of
from mjwatch.inbox import filenames
from mjwatch.model import IgnoredFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mjwatch.model import Identity

log = logging.getLogger("mjwatch.inbox")

MOST_NAMED_FILES = 20
"""So many ignored files are reported by name, and one for each reason; the others are only counted."""

TIMESTAMP_RESOLUTION = 4.0
"""Seconds after which a folder's times have surely moved on, so that equal times can't hide a change.

FAT keeps times to two seconds.
"""

UNREADABLE = "a folder that can't be read"


@dataclass(slots=True)
class IgnoredFiles:
    """Ignored files: how many for each reason, and the first few by name."""

    counts: Counter[str] = field(default_factory=Counter)
    first: list[IgnoredFile] = field(default_factory=list)

    def add(self, path: str, why: str) -> None:
        """Count an ignored file, and keep its path if it is one of the first."""
        self.counts[why] += 1
        self._name(IgnoredFile(path, why))

    def add_all(self, others: IgnoredFiles) -> None:
        """Add the files of another collection."""
        self.counts.update(others.counts)
        for file in others.first:
            self._name(file)

    def _name(self, file: IgnoredFile) -> None:
        """Keep the file's name if there is room, or if none is known that is ignored for the same reason."""
        if len(self.first) < MOST_NAMED_FILES or all(file.why != other.why for other in self.first):
            self.first.append(file)


class IgnoredFileLog:
    """Log each ignored file when it is first seen, and those beyond the first few as a number."""

    def __init__(self) -> None:
        self._logged: frozenset[IgnoredFile] = frozenset()
        self._most = 0

    def update(self, ignored: IgnoredFiles) -> None:
        """Log what is new since the last call."""
        first = frozenset(ignored.first)
        for file in sorted(first - self._logged, key=lambda file: file.path):
            log.warning("%s is left in the inbox: %s", file.path, file.why, extra={"file": file.path})
        total = sum(ignored.counts.values())
        if total > MOST_NAMED_FILES and total > 2 * self._most:
            log.warning("%d files and folders are left in the inbox; `mjwatch status` has the reasons", total)
        self._logged, self._most = first, max(self._most, total) if total > MOST_NAMED_FILES else 0


@dataclass(slots=True)
class _Folder:
    """One folder as it was last read.

    ``stamp``: the folder's own identity then, and ``since`` when it was first seen so. ``is_settled``: it was
    read so long after ``since`` that any later change shows in its times.
    """

    stamp: Identity
    since: float
    is_settled: bool
    is_empty: bool = True
    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    ignored: IgnoredFiles = field(default_factory=IgnoredFiles)


@dataclass(slots=True)
class InboxScan:
    """All that a full scan has found; paths are relative to the inbox, with slashes.

    ``root_identity``: device and inode of the inbox. ``is_empty``: there is nothing at all in it, of whatever
    kind. ``folders``: how many there are, the inbox included. ``unreadable``: folders of which nothing is
    known.
    """

    files: dict[str, Identity] = field(default_factory=dict)
    ignored: IgnoredFiles = field(default_factory=IgnoredFiles)
    root_identity: tuple[int, int] | None = None
    is_empty: bool = True
    folders: int = 0
    unreadable: tuple[str, ...] = ()


class InboxScanner:
    """List one inbox with its subfolders; links are neither followed nor listed.

    A folder that is exchanged for a link during the scan may show names for a moment. Whoever reads or
    removes a file opens each folder on the way without following links.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prefix = f"{os.fspath(root)}/"
        self._folders: dict[str, _Folder] = {}

    def files(self) -> Iterator[tuple[str, Identity]]:
        """Yield all files that look like prompt files, for a single use. Raise OSError."""
        found = self.scan(time.monotonic()).files.items()
        yield from (file for file in found if filenames.is_prompt_name(file[0].rpartition("/")[2]))

    def scan(self, now: float, *, reread: bool = False) -> InboxScan:
        """Scan the whole inbox; with ``reread`` read every folder, whatever its times say.

        Raise OSError if the inbox itself can't be read, because that must not look like an empty one. A
        subfolder that can't be read is left out.
        """
        found = InboxScan()
        read: dict[str, _Folder] = {}
        unreadable = []
        paths = [""]
        while paths:
            path = paths.pop()
            try:
                folder = self._read(path, now, reread)
            except OSError:
                if not path:
                    raise
                unreadable.append(path)
                found.ignored.add(path, UNREADABLE)
                continue
            if folder is not None:
                read[path] = folder
                paths += [f"{path}{name}/" for name in folder.folders]
                self._add(path, folder, found)
        root = read[""]
        if identity_of(self._root.stat())[:2] != root.stamp[:2]:
            # The inbox was exchanged during the scan, so that the files in it seemed to be gone.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._root))
        self._folders = read
        found.unreadable = tuple(unreadable)
        found.root_identity, found.is_empty, found.folders = root.stamp[:2], root.is_empty, len(read)
        return found

    def _add(self, path: str, folder: _Folder, found: InboxScan) -> None:
        found.ignored.add_all(folder.ignored)
        for name in folder.files:
            file = path + name
            try:
                seen = os.stat(self._prefix + file, follow_symlinks=False)  # noqa: PTH116  saves an object
            except OSError:
                continue  # it went during the scan
            if stat.S_ISREG(seen.st_mode):
                found.files[file] = identity_of(seen)

    def _read(self, path: str, now: float, reread: bool) -> _Folder | None:
        """Return the folder, read again if it may have changed; None if it is gone, or a link by now."""
        absolute = self._prefix + path
        try:
            # The inbox itself may be a link, because a person has put it there.
            seen = os.stat(absolute[:-1], follow_symlinks=not path)  # noqa: PTH116
            if not stat.S_ISDIR(seen.st_mode) and path:
                return None
            stamp, known = identity_of(seen), self._folders.get(path)
            is_same = known is not None and known.stamp == stamp
            if known is not None and is_same and known.is_settled and not reread:
                return known
            since = known.since if known is not None and is_same else now
            folder = _Folder(stamp, since, is_settled=now - since >= TIMESTAMP_RESOLUTION)
            with os.scandir(absolute) as entries:
                for entry in entries:
                    _classify(entry, path, folder)
        except FileNotFoundError:
            if not path:
                raise
            return None
        return folder


def _classify(entry: os.DirEntry[str], path: str, folder: _Folder) -> None:
    """Note what this is if it concerns mjwatch; called for everything that lies in the inbox."""
    name = entry.name
    folder.is_empty = False
    if entry.is_dir(follow_symlinks=False):
        if filenames.may_hold_prompts(name):
            folder.folders.append(name)
        elif (why := filenames.why_not_scanned(name)) is not None:
            folder.ignored.add(f"{path}{name}/", why)
    elif name[-5:].lower().endswith(filenames.SUFFIXES):
        _classify_request(entry, path, folder)
    elif entry.is_symlink() and entry.is_dir() and filenames.may_hold_prompts(name):
        folder.ignored.add(path + name, filenames.LINK)
    elif (why := filenames.why_unread(name)) is not None and entry.is_file(follow_symlinks=False):
        folder.ignored.add(path + name, why)


def _classify_request(entry: os.DirEntry[str], path: str, folder: _Folder) -> None:
    name = entry.name
    is_prompt = not name.lower().endswith(filenames.MANIFEST_SUFFIX)
    if not filenames.is_request_name(name):
        is_linked_defaults = name == filenames.DEFAULTS and entry.is_symlink()
        why = filenames.LINK if is_linked_defaults else filenames.why_ignored(name)
    elif entry.is_file(follow_symlinks=False):
        folder.files.append(name)
        return
    else:
        why = filenames.LINK if entry.is_symlink() else filenames.NOT_REGULAR
    if why is not None and (is_prompt or why == filenames.CONFLICT_COPY):
        folder.ignored.add(path + name, why)
