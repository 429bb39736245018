"""The gallery beside the pictures: ``index.html`` and ``_gallery/`` in an outbox, kept as the folders are.

The entries of all jobs on disk, in files of some hundreds; a new one changes only the last of them.

Which jobs' folders there are in an outbox: those that hold a manifest, wherever they lie.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from mjwatch.errors import OutboxError
from mjwatch.filesystem.files import durable_folder, durable_replace
from mjwatch.gallery.entry import (
    chunk_lines,
    chunk_script,
    entry_of,
    index_script,
    literal,
    read_entry,
    read_index,
    shown_path,
    status_script,
)
from mjwatch.gallery.page import install
from mjwatch.gallery.thumbnails import Thumbnails
from mjwatch.outbox.manifest import FILE_NAME, load_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from mjwatch.gallery.entry import Entry


log = logging.getLogger("mjwatch.gallery")

STATUS = "status.js"
LOCK_FILE = "gallery.lock"
PATIENCE = 30.0
"""Seconds to wait for another process that is writing the gallery."""

LARGEST_MANIFEST = 4 * 1024 * 1024
"""Bytes; one that is longer is none of ours."""


NONE_MADE: Mapping[str, bytes] = MappingProxyType({})


class Gallery:
    """One outbox's gallery. Its files are whole at every moment; what a crash left out, ``hint`` finds.

    ``check`` raises OutboxError where the outbox must not be written now. All methods raise OSError and
    OutboxError where something can't be written.
    """

    def __init__(self, outbox: Path, state: Path, check: Callable[[], None] = lambda: None) -> None:
        """``state`` holds the lock, so that a daemon and a rebuild by hand take turns."""
        self._outbox = outbox
        self._folder = outbox / OURS
        self._chunks = Chunks(self._folder)
        self._thumbs = Thumbnails(self._folder / "thumbs")
        self._lock_file = state / LOCK_FILE
        self._check = check

    @property
    def page(self) -> Path:
        """What a browser opens."""
        return self._outbox / "index.html"

    def install(self) -> None:
        """Write the page and what it loads, where this version's is not there."""
        with self._locked():
            install(self._outbox, self._folder)
            self._chunks.begin()
            if not (self._folder / STATUS).exists():
                durable_replace(self._folder / STATUS, status_script(None))

    def tell(self, status: Mapping[str, Any]) -> None:
        """Show the state of the service, as ``status.json`` has it."""
        self._check()
        durable_folder(self._folder)
        durable_replace(self._folder / STATUS, status_script(status))

    def add(self, folders: Iterable[str], made: Mapping[str, bytes] = NONE_MADE) -> None:
        """Enter the jobs of these folders, by their paths in the outbox; one that is no job's is left out.

        ``made``: thumbnails that are there already, by folder.
        """
        with self._locked():
            found = [self._entry(folder, made.get(folder)) for folder in folders]
            entries = [entry for entry in found if entry is not None]
            self._chunks.append([literal(entry) for entry in entries])

    def hint(self) -> list[str]:
        """Take out what is gone; the folders that are yet to be added, the oldest first."""
        with self._locked():
            found, thumbs = survey(self._outbox), self._thumbs.ids()
            stamps = {shown_path(folder): stamp for folder, stamp in found.stamps.items()}

            kept: dict[str, Entry] = {}

            def stays(entry: Entry) -> bool:
                folder = entry["folder"]
                if folder in kept or ("thumb" in entry and entry["id"] not in thumbs):
                    return False
                there = stamps.get(folder) == entry["stamp"] or not (folder in stamps or found.knows(folder))
                if there:
                    kept[folder] = entry
                return there

            chunks = [[entry for entry in chunk if stays(entry)] for chunk in self._entries()]
            self._chunks.replace([[literal(entry) for entry in chunk] for chunk in chunks])
        missing = [folder for folder in found.stamps if shown_path(folder) not in kept]
        return sorted(missing, key=lambda folder: (found.stamps[folder], folder))

    def tidy(self) -> None:
        """Remove the thumbnails of jobs that are gone; to be called when nothing is missing any more."""
        with self._locked():
            self._thumbs.drop_all_but({entry["id"] for chunk in self._entries() for entry in chunk})

    def forget(self) -> None:
        """Take all jobs out, so that mending finds them missing; their thumbnails stay."""
        with self._locked():
            self._chunks.replace([])

    def _entries(self) -> Iterator[list[Entry]]:
        """What the chunks hold; nothing for one that is damaged."""
        for number in range(1, self._chunks.count() + 1):
            try:
                yield [read_entry(line) for line in self._chunks.read(number)]
            except (FileNotFoundError, ValueError) as error:
                log.info("jobs-%04d.js of the gallery is damaged (%s), and is made anew", number, error)
                yield []

    def _entry(self, folder: str, made: bytes | None) -> Entry | None:
        """The folder's entry, with its thumbnail kept; None if it holds no manifest, or is gone by now."""
        path = self._outbox / folder
        try:
            facts = (path / FILE_NAME).stat()
            manifest = load_manifest(path / FILE_NAME) if facts.st_size <= LARGEST_MANIFEST else {}
        except (FileNotFoundError, NotADirectoryError, OutboxError) as error:
            log.info("%s is not shown in the gallery: %s", folder, error)
            return None
        entry = entry_of(manifest, shown_path(folder), stamp_of(facts))
        size = self._thumbs.size_for(entry, path, made) if entry else None
        return entry if entry is None or size is None else entry | {"thumb": size}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._check()
        try:
            self._lock_file.parent.mkdir(parents=True, exist_ok=True)
            durable_folder(self._folder)
            with FileLock(self._lock_file, timeout=PATIENCE):
                yield
        except Timeout as error:
            raise OutboxError("another process is writing the gallery", "try again in a while") from error


CHUNK = 250
"""Entries in a file. It has 150 kB then, little beside a job's pictures; and every file costs a browser."""

INDEX = "index.js"


class Chunks:
    """The files ``jobs-0001.js`` and so on in one folder, and ``index.js``, which says how many there are.

    A job that is entered twice is the later one: the page takes the last entry of each id.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self) -> None:
        """Make an index where there is none: a page that looks for a missing file complains."""
        if not (self._folder / INDEX).exists():
            self._write_index(0)

    def count(self) -> int:
        """How many there are; 0 where the index is missing or damaged."""
        try:
            return read_index((self._folder / INDEX).read_bytes())
        except (FileNotFoundError, ValueError):
            return 0

    def read(self, number: int) -> list[str]:
        """The literals of one chunk. Raises FileNotFoundError, or ValueError if it is damaged."""
        return chunk_lines(self._path(number).read_bytes())

    def append(self, lines: Sequence[str]) -> None:
        """Enter some more jobs."""
        if not lines:
            return
        before = number = self.count()
        present = self._last(number)
        if present is None:
            number, present = number + 1, []
        rest = [*present, *lines]
        while rest:
            self._write(number, rest[:CHUNK])
            rest = rest[CHUNK:]
            number += 1 if rest else 0
        if number != before:
            self._write_index(number)

    def _last(self, number: int) -> list[str] | None:
        """What the last chunk holds; None if it takes no more, also because it is damaged."""
        try:
            lines = self.read(number)
        except (FileNotFoundError, ValueError):
            return None
        return lines if len(lines) < CHUNK else None

    def replace(self, chunks: Sequence[Sequence[str]]) -> None:
        """Write these in the place of all; those that are so already are not touched."""
        before = self.count()
        for number, lines in enumerate(chunks, 1):
            if not self._holds(number, lines):
                self._write(number, lines)
        if before != len(chunks):
            self._write_index(len(chunks))
        for path in self._folder.glob("jobs-*.js"):
            if path not in {self._path(number) for number in range(1, len(chunks) + 1)}:
                path.unlink(missing_ok=True)

    def _holds(self, number: int, lines: Sequence[str]) -> bool:
        try:
            return self._path(number).read_bytes() == chunk_script(number, lines)
        except FileNotFoundError:
            return False

    def _write(self, number: int, lines: Sequence[str]) -> None:
        durable_replace(self._path(number), chunk_script(number, lines))

    def _write_index(self, count: int) -> None:
        durable_replace(self._folder / INDEX, index_script(count))

    def _path(self, number: int) -> Path:
        return self._folder / f"jobs-{number:04}.js"


OURS = "_gallery"


@dataclass(slots=True)
class OutboxScan:
    """``stamps``: by the folder's path in the outbox with slashes, what changes when its manifest does.

    ``unreadable``: folders that could not be looked into; of what lies below them nothing is known.
    """

    stamps: dict[str, str] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def knows(self, folder: str) -> bool:
        """Whether it can say that there is no such folder."""
        return not any(folder == place or folder.startswith(f"{place}/") for place in self.unreadable)


def survey(outbox: Path) -> OutboxScan:
    """Look through the whole outbox; links are not followed. Raises OSError if it can't be read itself."""
    found = OutboxScan()
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


def _look(found: OutboxScan, folder: str, entries: list[os.DirEntry[str]]) -> list[str]:
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
