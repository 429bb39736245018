"""The gallery beside the pictures: ``index.html`` and ``_gallery/`` in an outbox, kept as the folders are."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from mjwatch.errors import OutboxError
from mjwatch.filesystem.durable import durable_folder, durable_replace
from mjwatch.gallery.chunks import Chunks
from mjwatch.gallery.entry import entry_of, shown_path
from mjwatch.gallery.js_data import literal, read_entry, status_script
from mjwatch.gallery.outbox_scan import OURS, stamp_of, survey
from mjwatch.gallery.page import install
from mjwatch.gallery.thumbnails import Thumbnails
from mjwatch.outbox.manifest import FILE_NAME, load_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
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
    """One outbox's gallery. Its files are whole at every moment; what a crash left out, ``mend`` finds.

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

    def mend(self) -> list[str]:
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
