"""What lies in the inbox right now: every file that may be a request, how it looks, and what is left alone.

A folder is read again when its own times have moved: whatever comes, goes or is renamed in it moves them. So
an inbox full of other things costs little as long as nothing happens there.

What is left alone in the inbox although a person may wonder: counted, a few by name, told once.
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

from mjwatch.filesystem.files import identify, identity_of
from mjwatch.inbox import filenames
from mjwatch.model import IgnoredFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from mjwatch.model import Identity


SHOWN = 20
"""So many are known by name; of the others only the count."""


@dataclass(slots=True)
class IgnoredFiles:
    """A collection of them: how many for each reason, and the first few."""

    counts: Counter[str] = field(default_factory=Counter)
    first: list[IgnoredFile] = field(default_factory=list)

    def add(self, path: str, why: str) -> None:
        """One more."""
        self.counts[why] += 1
        if len(self.first) < SHOWN:
            self.first.append(IgnoredFile(path, why))

    def add_all(self, others: IgnoredFiles) -> None:
        """Those of another collection."""
        self.counts.update(others.counts)
        self.first += others.first[: SHOWN - len(self.first)]


class IgnoredFileLog:
    """Puts each leftover into the log when it is first seen; the many that have no name here as a number."""

    def __init__(self) -> None:
        self._told: frozenset[IgnoredFile] = frozenset()
        self._most = 0

    def tell(self, first: Iterable[IgnoredFile], counts: Mapping[str, int]) -> None:
        """Tell of what is new since the last time."""
        now = frozenset(first)
        for left in sorted(now - self._told, key=lambda left: left.path):
            log.warning("%s is left in the inbox: %s", left.path, left.why)
        total = sum(counts.values())
        if total > SHOWN and total > 2 * self._most:
            log.warning("%d files and folders are left in the inbox; `mjwatch status` has the reasons", total)
        self._told, self._most = now, max(self._most, total) if total > SHOWN else 0


GRANULE = 4.0
"""Seconds after which a folder's times have surely moved on, so that a change can't hide behind an equal one.

FAT keeps them to two seconds.
"""

UNREADABLE = "a folder that can't be read"


@dataclass(slots=True)
class _Page:
    """One folder as it was last read.

    ``stamp``: the folder's own identity then, and ``since`` when it was first seen so. ``sure``: it was read
    so long after that that any later change shows.
    """

    stamp: Identity
    since: float
    sure: bool
    empty: bool = True
    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    left: IgnoredFiles = field(default_factory=IgnoredFiles)


@dataclass(slots=True)
class InboxScan:
    """All that a full look has found; paths are relative to the inbox, with slashes.

    ``place``: device and inode of the inbox. ``empty``: there is nothing at all in it, of whatever kind.
    ``folders``: how many there are, with itself. ``unreadable``: those of which nothing is known.
    """

    files: dict[str, Identity] = field(default_factory=dict)
    left: IgnoredFiles = field(default_factory=IgnoredFiles)
    place: tuple[int, int] | None = None
    empty: bool = True
    folders: int = 0
    unreadable: tuple[str, ...] = ()


class InboxScanner:
    """Lists one inbox with its subfolders; links are neither followed nor listed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prefix = f"{os.fspath(root)}/"
        self._pages: dict[str, _Page] = {}

    def files(self) -> Iterator[str]:
        """The paths of all files that look like prompt files, for one who asks once. Raises OSError."""
        found = self.look(time.monotonic()).files
        yield from (path for path in found if filenames.is_prompt_name(path.rpartition("/")[2]))

    def look(self, now: float, *, anew: bool = False) -> InboxScan:
        """Look at the whole inbox; ``anew``: read every folder, whatever its times say.

        Raises OSError where the inbox itself can't be read, for that must not look like an empty one. A
        subfolder that can't be read is left out.
        """
        found = InboxScan()
        pages: dict[str, _Page] = {}
        unreadable = []
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                page = self._page(folder, now, anew)
            except OSError:
                if not folder:
                    raise
                unreadable.append(folder)
                found.left.add(folder, UNREADABLE)
                continue
            if page is not None:
                pages[folder] = page
                folders += [f"{folder}{name}/" for name in page.folders]
                self._add(folder, page, found)
        if identity_of(self._root.stat())[:2] != pages[""].stamp[:2]:
            # It went while we were looking, so that what is in it seemed to be gone.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._root))
        self._pages = pages
        found.unreadable = tuple(unreadable)
        found.place, found.empty, found.folders = pages[""].stamp[:2], pages[""].empty, len(pages)
        return found

    def look_at(self, path: str) -> Identity | None:
        """How the file at this path looks, if it may be a request and is there. Raises OSError."""
        *folders, name = path.split("/")
        if not all(map(filenames.may_hold_prompts, folders)) or not filenames.is_wanted(name):
            return None
        return identify(self._root, path)

    def _add(self, folder: str, page: _Page, found: InboxScan) -> None:
        found.left.add_all(page.left)
        for name in page.files:
            path = folder + name
            try:
                seen = os.stat(self._prefix + path, follow_symlinks=False)  # noqa: PTH116  one object less
            except OSError:
                continue  # it went while we were looking
            if stat.S_ISREG(seen.st_mode):
                found.files[path] = identity_of(seen)

    def _page(self, folder: str, now: float, anew: bool) -> _Page | None:
        """The folder, read anew if it may have changed; None if it is gone, or a link by now."""
        place = self._prefix + folder
        try:
            # The inbox itself may be a link: a person has put it there.
            seen = os.stat(place[:-1], follow_symlinks=not folder)  # noqa: PTH116
            if not stat.S_ISDIR(seen.st_mode) and folder:
                return None
            stamp, known = identity_of(seen), self._pages.get(folder)
            since = now if known is None or known.stamp != stamp else known.since
            sure = now - since >= GRANULE
            if known is not None and known.stamp == stamp and known.sure and not anew:
                return known
            page = _Page(stamp, since, sure)
            with os.scandir(place) as entries:
                for entry in entries:
                    _sort_out(entry, folder, page)
        except FileNotFoundError:
            if not folder:
                raise
            return None
        return page


def _sort_out(entry: os.DirEntry[str], folder: str, page: _Page) -> None:
    """Note what this is, if it is anything to us; called for everything that lies in the inbox."""
    name = entry.name
    page.empty = False
    if entry.is_dir(follow_symlinks=False):
        if filenames.may_hold_prompts(name):
            page.folders.append(name)
        elif filenames.is_set_aside(name):
            page.left.add(f"{folder}{name}/", filenames.UNDERSCORE)
    elif name[-5:].lower().endswith(filenames.SUFFIXES):
        _sort_out_request(entry, folder, page)
    elif entry.is_symlink() and entry.is_dir() and filenames.may_hold_prompts(name):
        page.left.add(folder + name, filenames.LINK)


def _sort_out_request(entry: os.DirEntry[str], folder: str, page: _Page) -> None:
    name = entry.name
    prompt = not name.lower().endswith(filenames.MANIFEST_SUFFIX)
    if not filenames.is_wanted(name):
        why = (
            filenames.LINK if name == filenames.DEFAULTS and entry.is_symlink() else filenames.why_left(name)
        )
    elif entry.is_file(follow_symlinks=False):
        page.files.append(name)
        return
    else:
        why = filenames.LINK if entry.is_symlink() else filenames.NO_FILE
    if why is not None and (prompt or why == filenames.CONFLICT):
        page.left.add(folder + name, why)


log = logging.getLogger("mjwatch.inbox")
