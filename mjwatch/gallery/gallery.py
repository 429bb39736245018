"""The gallery beside the pictures: ``index.html`` and ``_gallery/`` in an outbox, in step with its folders.

``Gallery`` puts it together, ``Chunks`` are the data files that the page loads, ``Thumbnails`` its small
pictures, and ``scan_outbox`` finds the folders of jobs: those that hold a manifest, wherever they lie.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from mjwatch.errors import OutboxError, PictureError
from mjwatch.filesystem.files import read_file, replace_file, replace_or_overwrite
from mjwatch.filesystem.folder import UnexpectedFileError, durable_folder, open_folder, private_folder
from mjwatch.gallery.entry import (
    chunk_lines,
    chunk_script,
    entry_of,
    index_script,
    is_unfiled_info,
    literal,
    printable_path,
    read_entry,
    read_index,
    status_script,
)
from mjwatch.gallery.page import install
from mjwatch.outbox.manifest import FILE_NAME, LARGEST_MANIFEST, parse_manifest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from mjwatch.filesystem.folder import Folder
    from mjwatch.gallery.entry import Entry


log = logging.getLogger("mjwatch.gallery")

GALLERY_FOLDER = "_gallery"
_THUMBNAILS = f"{GALLERY_FOLDER}/thumbs"
_CHUNK_NAME = re.compile(r"jobs-[0-9]{4,}\.js")
STATUS = "status.js"
INDEX = "index.js"
LOCK_FILE = "gallery.lock"
LOCK_TIMEOUT = 30.0
"""Seconds to wait for another process that is writing the gallery."""

CHUNK_ENTRIES = 250
"""Entries in a file. It then has 150 kB, little beside a job's pictures; each file costs a browser time."""

LARGEST_PART = 64 * 1024 * 1024
"""Bytes of a data file or a thumbnail; none comes near."""

LARGEST_PICTURE = 128 * 1024 * 1024
"""Bytes of a file that is read for its thumbnail; no picture of Midjourney comes near."""

_NOT_SHOWN = (FileNotFoundError, PermissionError, UnexpectedFileError)
"""Errors that one file has; after others, such as those of a failing disk, the gallery is written later."""

NO_THUMBNAILS: Mapping[str, bytes] = MappingProxyType({})


class Gallery:
    """One outbox's gallery. Its files are whole at every moment; ``repair`` finds what a crash left out.

    ``check`` raises OutboxError while the outbox must not be written. All methods raise OSError and
    OutboxError if a file can't be written.
    """

    def __init__(self, outbox: Path, state: Path, check: Callable[[], None] = lambda: None) -> None:
        """``state`` holds the lock, so that a daemon and a rebuild by hand take turns."""
        self._outbox = outbox
        self._chunks = Chunks(outbox)
        self._thumbnails = Thumbnails(outbox)
        self._lock_file = state / LOCK_FILE
        self._check = check

    @property
    def page(self) -> Path:
        """The file that a browser opens."""
        return self._outbox / "index.html"

    def install(self) -> None:
        """Write the page and what it loads, unless this version's files are there."""
        with self._locked():
            install(self._outbox, GALLERY_FOLDER)
            with open_folder(self._outbox, [GALLERY_FOLDER], make=True) as folder:
                # A browser logs an error for a missing file.
                if not folder.exists(INDEX):
                    folder.replace(INDEX, index_script(0))
                with suppress(FileExistsError):  # another thread may just be replacing it
                    folder.create(STATUS, status_script(None))

    def show_status(self, status: Mapping[str, Any]) -> None:
        """Show the state of the service, as ``status.json`` has it."""
        self._check()
        replace_or_overwrite(self._outbox, f"{GALLERY_FOLDER}/{STATUS}", status_script(status))

    def add(self, folders: Iterable[str], thumbnails: Mapping[str, bytes] = NO_THUMBNAILS) -> None:
        """Add the jobs of these folders, by their paths in the outbox; other folders are left out.

        ``thumbnails``: those that exist already, by folder.
        """
        with self._locked():
            found = [self._entry(folder, thumbnails.get(folder)) for folder in folders]
            entries = [entry for entry in found if entry is not None]
            self._chunks.append([literal(entry) for entry in entries])

    def repair(self) -> list[str]:
        """Remove the jobs that are gone; return the folders that are yet to be added, the oldest first."""
        with self._locked():
            found, thumbnails = scan_outbox(self._outbox), self._thumbnails.ids()
            stamps = {printable_path(folder): stamp for folder, stamp in found.stamps.items()}

            kept: dict[str, Entry] = {}

            def stays(entry: Entry) -> bool:
                folder = entry["folder"]
                if folder in kept or ("thumb" in entry and entry["id"] not in thumbnails):
                    return False
                if is_unfiled_info(entry):  # an older version's
                    return False
                is_gone = folder not in stamps and found.covers(folder)
                if is_gone or (folder in stamps and stamps[folder] != entry["stamp"]):
                    return False
                kept[folder] = entry
                return True

            chunks = [[entry for entry in chunk if stays(entry)] for chunk in self._entries()]
            self._chunks.replace([[literal(entry) for entry in chunk] for chunk in chunks])
        missing = [folder for folder in found.stamps if printable_path(folder) not in kept]
        return sorted(missing, key=lambda folder: (found.stamps[folder], folder))

    def tidy(self) -> None:
        """Remove the thumbnails of jobs that are gone; call this when no job is missing any more."""
        with self._locked():
            self._thumbnails.keep_only({entry["id"] for chunk in self._entries() for entry in chunk})

    def clear(self) -> None:
        """Remove all jobs, so that ``repair`` finds them missing; their thumbnails stay."""
        with self._locked():
            self._chunks.replace([])

    def _entries(self) -> Iterator[list[Entry]]:
        """Yield what each chunk holds; an empty list for a damaged one."""
        for number in range(1, self._chunks.count() + 1):
            try:
                yield [read_entry(line) for line in self._chunks.read(number)]
            except (FileNotFoundError, UnexpectedFileError, ValueError) as error:
                log.info(
                    "jobs-%04d.js of the gallery is damaged (%s); mjwatch writes it again", number, error
                )
                yield []

    def _entry(self, folder: str, thumbnail: bytes | None) -> Entry | None:
        """Return the folder's entry, with its thumbnail stored; None if it holds no manifest or is gone."""
        try:
            with open_folder(self._outbox, folder.split("/")) as inner:
                facts, data = inner.stat(FILE_NAME), inner.read(FILE_NAME, LARGEST_MANIFEST)
                is_favourite = any(map(is_favourite_mark, inner.names()))
            manifest = parse_manifest(data, self._outbox / folder / FILE_NAME)
        except (*_NOT_SHOWN, OutboxError) as error:
            log.info("the gallery does not show %s: %s", folder, error)
            return None
        stamp = stamp_of(facts, is_favourite=is_favourite)
        entry = entry_of(manifest, printable_path(folder), stamp, is_favourite=is_favourite)
        size = self._thumbnails.size_for(entry, folder, thumbnail) if entry else None
        return entry if entry is None or size is None else entry | {"thumb": size}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._check()
        try:
            private_folder(self._lock_file.parent)
            durable_folder(self._outbox)
            with FileLock(self._lock_file, timeout=LOCK_TIMEOUT):
                yield
        except Timeout as error:
            raise OutboxError("another process is writing the gallery", "try again in a while") from error


class Chunks:
    """The files ``jobs-0001.js`` and so on in one folder, and ``index.js``, which says how many there are.

    A new entry changes only the last file. If a job has two entries, the page takes the last one.
    """

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox

    def count(self) -> int:
        """Return how many there are; 0 if the index is missing or damaged."""
        try:
            with open_folder(self._outbox, [GALLERY_FOLDER]) as folder:
                count = read_index(folder.read(INDEX, LARGEST_PART))
                return count if count <= len(folder.names()) else 0
        except (FileNotFoundError, UnexpectedFileError, ValueError):
            return 0

    def read(self, number: int) -> list[str]:
        """Return the literals of one chunk. Raise OSError, or ValueError if it is damaged."""
        return chunk_lines(self._content(number))

    def append(self, lines: Sequence[str]) -> None:
        """Add these jobs."""
        if not lines:
            return
        before = number = self.count()
        present = self._last(number)
        if present is None:
            number, present = number + 1, []
        rest = [*present, *lines]
        while rest:
            self._write(number, rest[:CHUNK_ENTRIES])
            rest = rest[CHUNK_ENTRIES:]
            number += 1 if rest else 0
        if number != before:
            self._write_index(number)

    def _last(self, number: int) -> list[str] | None:
        """Return what the last chunk holds; None if it is full or damaged."""
        try:
            lines = self.read(number)
        except (FileNotFoundError, UnexpectedFileError, ValueError):
            return None
        return lines if len(lines) < CHUNK_ENTRIES else None

    def replace(self, chunks: Sequence[Sequence[str]]) -> None:
        """Replace all chunks by these; files that already hold the right lines are not touched."""
        before = self.count()
        for number, lines in enumerate(chunks, 1):
            if not self._holds(number, lines):
                self._write(number, lines)
        if before != len(chunks):
            self._write_index(len(chunks))
        kept = {_chunk_name(number) for number in range(1, len(chunks) + 1)}
        with open_folder(self._outbox, [GALLERY_FOLDER], make=True) as folder:
            for name in folder.names():
                if _CHUNK_NAME.fullmatch(name) and name not in kept:
                    with suppress(FileNotFoundError, UnexpectedFileError):
                        folder.unlink(name)

    def _holds(self, number: int, lines: Sequence[str]) -> bool:
        try:
            return self._content(number) == chunk_script(number, lines)
        except (FileNotFoundError, UnexpectedFileError):
            return False

    def _content(self, number: int) -> bytes:
        return read_file(self._outbox, f"{GALLERY_FOLDER}/{_chunk_name(number)}", LARGEST_PART)

    def _write(self, number: int, lines: Sequence[str]) -> None:
        path = f"{GALLERY_FOLDER}/{_chunk_name(number)}"
        _write(self._outbox, path, chunk_script(number, lines))

    def _write_index(self, count: int) -> None:
        _write(self._outbox, f"{GALLERY_FOLDER}/{INDEX}", index_script(count))


def _write(outbox: Path, path: str, data: bytes) -> None:
    """Write a file of the gallery. Not durable: ``repair`` makes again what a power cut has emptied."""
    replace_file(outbox, path, data, durable=False)


def _chunk_name(number: int) -> str:
    return f"jobs-{number:04}.js"


class Thumbnails:
    """One WebP per job with pictures: ``7/7k3f9a2m.webp``, so that no folder has thousands of files."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox

    def ids(self) -> set[str]:
        """Return the jobs that have one. An empty file is none: a power cut can leave it."""
        found: set[str] = set()
        for folder in self._folders():
            with folder.entries() as entries:
                files = [entry for entry in entries if entry.name.endswith(".webp")]
                found |= {
                    file.name.removesuffix(".webp")
                    for file in files
                    if file.stat(follow_symlinks=False).st_size
                }
        return found

    def size_for(self, entry: Entry, job_folder: str, given: bytes | None = None) -> list[int] | None:
        """Return width and height of the job's thumbnail; None if it has none.

        Store the ``given`` thumbnail; without one make it, unless it is there already. ``job_folder`` is the
        path in the outbox.
        """
        from mjwatch.pictures.split import image_facts  # with Pillow, which an idle service does without

        try:
            data = self._stored(entry["id"], given) or self._make(entry, job_folder)
            facts = None if data is None else image_facts(data)
        except PictureError:
            return None  # a video
        return None if facts is None else [facts.width, facts.height]

    def _stored(self, job_id: str, given: bytes | None) -> bytes | None:
        if given is not None:
            _write(self._outbox, _thumbnail_path(job_id), given)
            return given
        try:
            return read_file(self._outbox, _thumbnail_path(job_id), LARGEST_PART) or None
        except (FileNotFoundError, UnexpectedFileError):
            return None  # writing it says what is in the way

    def _make(self, entry: Entry, job_folder: str) -> bytes | None:
        from mjwatch.pictures.split import thumbnail  # see size_for

        try:
            with open_folder(self._outbox, job_folder.split("/")) as folder:
                sources = [folder.read(name, LARGEST_PICTURE) for name in _sources(entry)]
        except _NOT_SHOWN:
            return None  # a picture that a person removed, or something else in its place
        if not sources:
            return None
        data = thumbnail(sources)
        _write(self._outbox, _thumbnail_path(entry["id"]), data)
        return data

    def keep_only(self, ids: Collection[str]) -> None:
        """Remove the thumbnails of other jobs, and half-written files that a crash left."""
        wanted = {_thumbnail_path(job_id) for job_id in ids}
        for folder in self._folders():
            for name in folder.names():
                if f"{_THUMBNAILS}/{folder.path.name}/{name}" not in wanted:
                    with suppress(FileNotFoundError, UnexpectedFileError):
                        folder.unlink(name)

    def _folders(self) -> Iterator[Folder]:
        """Yield the folders that hold the thumbnails, each open for one turn."""
        with suppress(FileNotFoundError), open_folder(self._outbox, _THUMBNAILS.split("/")) as thumbnails:
            for name in thumbnails.folders():
                with thumbnails.open(name) as folder:
                    yield folder


def _thumbnail_path(job_id: str) -> str:
    return f"{_THUMBNAILS}/{job_id[0]}/{job_id}.webp"


def _sources(entry: Entry) -> list[str]:
    """Return the files to make the thumbnail of: the grid, four pictures in its place, or the first one."""
    names: list[str] = [picture[0] for picture in entry.get("pictures", ())]
    if len(names) == 4:
        return [entry["grid"]] if "grid" in entry else names
    return names[:1]


@dataclass(slots=True)
class OutboxScan:
    """The folders of jobs in an outbox.

    ``stamps``: by the folder's path in the outbox with slashes, a text that changes when its manifest does.
    ``unreadable``: folders that could not be read, so that nothing is known of what lies below them.
    """

    stamps: dict[str, str] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def covers(self, folder: str) -> bool:
        """Return whether the scan can say that there is no such folder."""
        return not any(folder == path or folder.startswith(f"{path}/") for path in self.unreadable)


def scan_outbox(outbox: Path) -> OutboxScan:
    """Scan the whole outbox; links are not followed. Raise OSError if the outbox itself can't be read."""
    found = OutboxScan()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with (
                open_folder(outbox, folder.split("/") if folder else ()) as opened,
                opened.entries() as entries,
            ):
                inner = _scan_folder(found, folder, list(entries))
        except OSError as error:
            if not folder:
                raise
            if not isinstance(error, FileNotFoundError | UnexpectedFileError):  # it may have gone just now
                found.unreadable.add(folder)
            continue
        waiting += inner
    return found


def _scan_folder(found: OutboxScan, folder: str, entries: list[os.DirEntry[str]]) -> list[str]:
    """Note whether this is a job's folder, which holds no other; return the folders to scan next."""
    for entry in entries:
        if entry.name == FILE_NAME and folder and entry.is_file(follow_symlinks=False):
            is_favourite = any(is_favourite_mark(other.name) for other in entries)
            found.stamps[folder] = stamp_of(entry.stat(follow_symlinks=False), is_favourite=is_favourite)
            return []
    names = [
        entry.name
        for entry in entries
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
    ]
    return [f"{folder}/{name}" if folder else name for name in names if folder or name != GALLERY_FOLDER]


ENTRY_FORMAT = 2
"""Part of each stamp: a start after an update reads the manifests again if an entry has more than before."""

_FAVOURITE_MARK = re.compile(r"favou?rite(?:\.[a-z]{1,4})?", re.IGNORECASE)


def is_favourite_mark(name: str) -> bool:
    """Return whether a file of this name in a job's folder marks the job; editors add a suffix to it."""
    return _FAVOURITE_MARK.fullmatch(name) is not None


def stamp_of(manifest: os.stat_result, *, is_favourite: bool = False) -> str:
    """Return a text that changes when the file or the mark does; that of an earlier file sorts first."""
    mark = "-favourite" if is_favourite else ""
    return f"{manifest.st_mtime_ns:020}-{manifest.st_size}-{ENTRY_FORMAT}{mark}"
