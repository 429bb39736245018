"""Pick up settled files: read each twice alike, gather what it refers to, and hand it to the engine.

A file that was handed over is in flight until the engine reports what became of it. Until it is in the
journal it is held in memory, so only a limited number is in flight at a time, however many files have come.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from mjwatch.errors import PromptFileError
from mjwatch.events import FileSettled
from mjwatch.filesystem.files import identify, read_alike, read_unchanged
from mjwatch.inbox import filenames
from mjwatch.inbox.reading import read_settled
from mjwatch.inbox.references import ReferenceFinder
from mjwatch.inbox.settling import REREAD_DELAY
from mjwatch.model import References
from mjwatch.prompts.promptfile import MAX_BYTES, looks_incomplete
from mjwatch.prompts.source_text import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping
    from pathlib import Path

    from mjwatch.inbox.filenames import CompanionManifest
    from mjwatch.inbox.reading import ReadingGuard
    from mjwatch.inbox.references import ReferenceScan
    from mjwatch.inbox.settling import Settling
    from mjwatch.inbox.watcher import ChangeHints
    from mjwatch.model import Identity

PAGE_BYTES = 256 * 1024
"""No page for people is longer."""

MOST_FILES = 500
MOST_BYTES = 64 * 1024 * 1024
"""So much may be in flight at a time; a single file always may."""

NAME_LIFETIME = 600.0
"""Seconds for which the names of files that are gone are remembered: their companions may come late."""


class InFlightStatus(NamedTuple):
    """All files that were handed over, in figures.

    ``in_flight``: how many the engine has not dealt with yet; they may still be kept for a while.
    ``kept``: files that stay in the inbox although they were handed over, and why. ``deferred``: how many
    stay for a time only, without a reason to report. ``next_retry``: when the next of these is new again.
    """

    in_flight: int
    is_full: bool
    kept: list[tuple[str, str]]
    deferred: int
    next_retry: float | None


class InFlightFiles:
    """The files that were handed to the engine, by path; any thread may use this."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._identities: dict[str, Identity] = {}
        self._sizes: dict[str, int] = {}
        self._total_size = 0
        self._remembered: dict[str, tuple[float, Identity]] = {}
        self._retry_at: dict[str, float] = {}
        self._kept: dict[str, str] = {}
        self._to_remove: dict[str, tuple[int, ...]] = {}
        self._unremoved: dict[str, tuple[int, ...]] = {}

    def add(self, path: str, identity: Identity, size: int) -> None:
        """Note that a file is handed over now; it takes ``size`` bytes of memory."""
        with self._lock:
            self._identities[path] = identity
            self._total_size += size - self._sizes.get(path, 0)
            self._sizes[path] = size
            self._remembered[path] = (self._monotonic(), identity)
            self._kept.pop(path, None)
            self._retry_at.pop(path, None)

    def ignore(self, path: str, identity: Identity) -> None:
        """Treat this file as handled until its identity changes."""
        with self._lock:
            self._identities[path] = identity

    def begin_removal(self, path: str, identity: tuple[int, ...]) -> None:
        """Treat this file as handled, whatever its ctime, until ``end_removal``.

        A removal that fails changes the ctime, and a scan meanwhile may not see the file at all.
        """
        with self._lock:
            self._to_remove[path] = identity

    def removal_failed(self, path: str, identity: tuple[int, ...]) -> None:
        """Note that the removal has begun, but is to be tried again."""
        with self._lock:
            self._unremoved[path] = identity

    def end_removal(self, path: str, identity: tuple[int, ...]) -> None:
        """Note that this file is gone, or that another one has its place."""
        with self._lock:
            for table in (self._to_remove, self._unremoved):
                if table.get(path) == identity:
                    del table[path]

    def unremoved(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return the files whose removal is to be tried again, with their identities."""
        with self._lock:
            return list(self._unremoved.items())

    def release(self, path: str) -> bool:
        """Note that the engine has dealt with a file. Return whether that makes room for others."""
        with self._lock:
            was_full = self._is_full()
            self._total_size -= self._sizes.pop(path, 0)
            return was_full

    def keep(self, path: str, why: str | None, seconds: float | None = None) -> None:
        """Let a file stay in the inbox, reported if there is a ``why``; after ``seconds`` it is new again."""
        with self._lock:
            if why is not None:
                self._kept[path] = why
            if seconds is not None:
                self._retry_at[path] = self._monotonic() + seconds

    def is_handled(self, path: str, identity: Identity) -> bool:
        """Return whether the file was handed over, or is to be ignored, and still looks so."""
        if self._identities.get(path) == identity:
            return True
        removed = self._to_remove.get(path)
        return removed is not None and removed[:4] == identity[:4]

    def last_identity(self, path: str) -> Identity | None:
        """Return how a file of that name looked when it was handed over; it may be gone, but not for long."""
        with self._lock:
            identity = self._identities.get(path)
            if identity is None and path in self._remembered:
                identity = self._remembered[path][1]
            return identity

    def files_in(self, folder: str) -> list[str]:
        """Return the paths that ``last_identity`` knows in this folder itself, given as a prefix of paths."""
        with self._lock:
            names = {*self._identities, *self._remembered}
        return [path for path in names if path.startswith(folder) and "/" not in path[len(folder) :]]

    @property
    def is_full(self) -> bool:
        """Whether no more files should be handed over at the moment."""
        with self._lock:
            return self._is_full()

    def _is_full(self) -> bool:
        return len(self._sizes) >= MOST_FILES or self._total_size >= MOST_BYTES

    def forget_absent(self, present: Container[str]) -> None:
        """Forget the files that are gone from the inbox, and those that have stayed for their time."""
        now = self._monotonic()
        with self._lock:
            forgotten = {path for path, at in self._retry_at.items() if at <= now}
            forgotten |= {path for path in self._identities if path not in present}
            forgotten -= self._to_remove.keys()  # for a moment a removal moves the file aside
            for path in forgotten:
                for table in (self._identities, self._retry_at, self._kept):
                    table.pop(path, None)
            for path in [path for path, (at, _) in self._remembered.items() if now - at > NAME_LIFETIME]:
                del self._remembered[path]

    def status(self) -> InFlightStatus:
        """Return how many files are in flight, which stay in the inbox, and when the next is new again."""
        with self._lock:
            return InFlightStatus(
                len(self._sizes),
                self._is_full(),
                sorted(self._kept.items()),
                len(self._retry_at.keys() - self._kept.keys()),
                min(self._retry_at.values(), default=None),
            )


class FilePickup:
    """The pickup of one inbox, in its one thread. ``now`` is in seconds of the clock that settling uses."""

    def __init__(
        self,
        root: Path,
        emit: Callable[[FileSettled], None],
        *,
        settling: Settling,
        in_flight: InFlightFiles,
        hints: ChangeHints,
        guard: ReadingGuard,
        max_jobs: int,
    ) -> None:
        self._root = root
        self._emit = emit
        self._settling = settling
        self._in_flight = in_flight
        self._hints = hints
        self._guard = guard
        self._max_jobs = max_jobs
        self._references = ReferenceFinder(root, guard.run)
        self.holds_contents = False
        """Whether ``release_contents`` has something to release."""

    def notice(self, path: str, identity: Identity, now: float) -> None:
        """Take note of a file found by a scan, with this identity."""
        if self._in_flight.is_handled(path, identity):
            self._settling.forget(path)  # a scan during a failed removal may have seen it with another ctime
            return
        is_manifest = _is_manifest(path)
        file = self._settling.observe(path, identity, now)
        if file is None or (file.is_ready and not is_manifest):
            return  # a file that is marked ready is due at once, and what it refers to is found then
        try:
            data = read_unchanged(self._root, path, identity, MAX_BYTES)
        except OSError:
            data = None  # reported when the file is due
        if is_manifest:
            if data is None or not filenames.may_be_manifest(data):
                self._settling.forget(path)
                self._in_flight.ignore(path, identity)
        elif data is not None:
            with suppress(PromptFileError), self._guard.reading(data):  # reported when the file is due
                self._find_references(path, data, now)  # from now on what the file refers to settles too

    def pick_up(self, path: str, identity: Identity, now: float) -> None:
        """Hand over a file that has been quiet, unless there is a reason to wait longer."""
        try:
            data = read_alike(self._root, path, identity, MAX_BYTES)
        except FileNotFoundError:
            self._settling.forget(path)
            return
        except OSError as error:
            self._settling.mark_unreadable(path, f"it can't be read: {error.strerror}", now)
            return
        if data is None:
            self._settling.restart(path, now)
            self._hints.add(path)  # so that its new look is noticed
            return
        try:
            with self._guard.reading(data):
                file = self._read(path, data, identity, now)
        except PromptFileError as error:  # the reading takes too long, or has ended the process before
            file = FileSettled(path, data, identity[3] / 1e9, identity, error=error)
        if file is not None:
            self._hand_over(file, identity)

    def _read(self, path: str, data: bytes, identity: Identity, now: float) -> FileSettled | None:
        """Return the file with its prompts; None if it must wait. Raise PromptFileError as the guard does."""
        is_manifest = _is_manifest(path)
        is_unfinished = self._guard.run(len(data), lambda: _is_unfinished(data, path, is_manifest))
        if is_unfinished and self._settling.extend_wait(path):
            return None
        if is_manifest:
            return self._read_manifest(path, data, identity)
        return self._read_prompt_file(path, data, identity, now)

    def release_contents(self, now: float) -> None:
        """Release the contents that were read for one round of pickups."""
        self.holds_contents = False
        self._references.release_contents(now)

    def _find_references(self, path: str, data: bytes, now: float) -> ReferenceScan:
        found = self._references.find(path, data, now)
        self.holds_contents |= bool(found.defaults or found.wildcards or found.pictures or found.missing)
        return found

    def _read_prompt_file(self, path: str, data: bytes, identity: Identity, now: float) -> FileSettled | None:
        found = self._find_references(path, data, now)
        wait = self._references.remaining_wait(found, now, self._settling.quiet, self._settling.patience)
        if wait > 0:
            awaited = ", ".join([*found.missing, *found.unreadable]) or "what it refers to"
            self._settling.postpone(path, now + wait, f"it waits for {awaited}")
            return None
        references = self._references.read(found)
        if references is None:
            self._settling.postpone(path, now + REREAD_DELAY, "it waits for a picture")
            return None
        size = len(data) + _size(references.defaults, references.wildcards)
        return self._guard.run(size, lambda: read_settled(path, data, identity, references, self._max_jobs))

    def _read_manifest(self, path: str, data: bytes, identity: Identity) -> FileSettled | None:
        manifest = filenames.read_companions(data)
        prompt_file = None if manifest is None else self._prompt_file_of(path, identity, manifest)
        if manifest is not None and prompt_file is not None:
            pages, mtime = self._pages_of(path, manifest), identity[3] / 1e9
            return FileSettled(path, data, mtime, identity, belongs_to=prompt_file, companions=pages)
        if manifest and _came_as_folder(path, manifest) and self._settling.extend_wait(path):
            return None
        return read_settled(path, data, identity, References(), self._max_jobs)

    def _prompt_file_of(self, path: str, identity: Identity, manifest: CompanionManifest) -> str | None:
        """Return the prompt file that the manifest came with.

        That is the one it names, or the only one in a folder that is named like an outbox folder. A file
        with that name may be unrelated, so both must have arrived together or lie in a folder named after
        the job.
        """
        if manifest.is_request:
            return None
        folder, is_whole = _folder(path), _came_as_folder(path, manifest)
        for other in (folder + name for name in manifest.prompt_files):
            seen = self._settling.last_identity(other) or self._in_flight.last_identity(other)
            if seen is not None and (is_whole or filenames.came_together(seen, identity)):
                return other
        nearby = {*self._settling.files_in(folder), *self._in_flight.files_in(folder)}
        prompts = [other for other in nearby if not _is_manifest(other)]
        return prompts[0] if len(prompts) == 1 and is_whole else None

    def _pages_of(self, path: str, manifest: CompanionManifest) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Return the pages that came with the manifest and are still as mjwatch wrote them."""
        found = []
        for name, digest in manifest.pages.items():
            page = _folder(path) + name
            try:
                identity = identify(self._root, page)
                data = identity and read_unchanged(self._root, page, identity, PAGE_BYTES)
            except OSError:
                continue
            if identity is not None and data and sha256(data) == digest:
                found.append((page, identity))
        return tuple(found)

    def _hand_over(self, file: FileSettled, identity: Identity) -> None:
        self._guard.forget(file.data)
        self._in_flight.add(file.path, identity, len(file.data) + sum(map(len, file.images.values())))
        self._settling.forget(file.path)
        self._emit(file)


def _is_manifest(path: str) -> bool:
    """Return whether a file that may be a request is a manifest, and not a prompt file."""
    return path.lower().endswith(filenames.MANIFEST_SUFFIX)


def _is_unfinished(data: bytes, path: str, is_manifest: bool) -> bool:
    return not filenames.is_whole_json(data) if is_manifest else looks_incomplete(data, path)


def _came_as_folder(path: str, manifest: CompanionManifest) -> bool:
    """Return whether the manifest lies in a folder that is named like its folder of the outbox."""
    folder = _folder(path)[:-1]
    return bool(manifest.job) and folder.endswith(f"-{manifest.job}")


def _folder(path: str) -> str:
    head, slash, _ = path.rpartition("/")
    return head + slash


def _size(defaults: Iterable[tuple[str, bytes]], wildcards: Mapping[str, bytes]) -> int:
    return sum(len(data) for _, data in defaults) + sum(map(len, wildcards.values()))
