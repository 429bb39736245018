"""The inbox: finds prompt files, waits until they are complete, hands them on, and removes what was taken.

The scan is the truth; watchdog's events only say when to scan sooner.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from mjwatch.events import FileSettled, InboxScanned
from mjwatch.folders.settling import Identity, Settling, is_prompt_name
from mjwatch.prompts.promptfile import looks_incomplete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger("mjwatch.inbox")

MAX_BYTES = 64 * 1024
GATHER = 0.02
"""Seconds to gather events before a scan, so that a burst of them costs one."""

POLL = 5.0
"""Seconds between scans where the folder can't be watched."""

ASIDE_PREFIX = ".~mjwatch-"

_QUIET_EVENTS = frozenset({"opened", "closed_no_write"})


class _Bell(FileSystemEventHandler):
    """Rings for every change in the inbox that is not just somebody reading."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in _QUIET_EVENTS:
            self._ring()


class Inbox:
    """One thread, "inbox", that scans and settles; ``put`` gets what settled and word of every scan."""

    def __init__(
        self,
        root: Path,
        put: Callable[[FileSettled | InboxScanned], None],
        *,
        settle: float,
        settle_incomplete: float,
        scan_interval: float,
    ) -> None:
        self._root = root
        self._put = put
        self._interval = scan_interval
        self._settling = Settling(settle, settle_incomplete)
        self._handed: dict[str, Identity] = {}
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
        self._observer = Observer()
        self._watched = False

    def start(self) -> None:
        """Begin to watch and scan. The folder is made where it is missing."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._observer.schedule(_Bell(self._changed.set), str(self._root), recursive=True)
        try:
            self._observer.start()
            self._watched = True
        except OSError as error:
            log.warning("the inbox can't be watched (%s); it is scanned every %.0f s", error, POLL)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and the watch; files that have not settled stay where they are."""
        self._stop.set()
        self._changed.set()
        self._thread.join(timeout=10)
        if self._watched:
            self._observer.stop()
            self._observer.join(timeout=10)

    @property
    def alive(self) -> bool:
        """Whether it still scans."""
        return self._thread.is_alive()

    def remove(self, path: str, identity: tuple[int, ...]) -> bool:
        """Take out an accepted file if it is still the one that was read; a newer one is put back.

        False where it could not be removed (no right to): then it is remembered and not taken again.
        """
        full = self._root / path
        aside = full.with_name(f"{ASIDE_PREFIX}{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            full.rename(aside)
        except FileNotFoundError:
            return True
        except OSError as error:
            log.warning("%s was taken but can't be removed: %s", path, error.strerror)
            return False
        if _identity(aside.lstat())[:4] == identity[:4]:  # a rename changes the ctime
            aside.unlink()
            return True
        if full.exists():
            log.warning("%s changed again and again; the older copy is kept as %s", path, aside.name)
        else:
            aside.rename(full)
            self._changed.set()
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            self._changed.clear()
            try:
                self._scan()
            except OSError as error:
                log.error("the inbox %s can't be read: %s", self._root, error.strerror)
            self._changed.wait(self._wait())
            if self._changed.is_set():
                self._stop.wait(GATHER)

    def _wait(self) -> float:
        interval = self._interval if self._watched else min(POLL, self._interval)
        due = self._settling.next_due()
        return interval if due is None else min(interval, max(0.0, due - time.monotonic()))

    def _scan(self) -> None:
        """One full look at the folder, then everything that is due."""
        now = time.monotonic()
        present: dict[str, Identity] = {}
        for path, identity in self._files():
            present[path] = identity
            if self._handed.get(path) != identity:
                self._settling.see(path, identity, now)
        self._settling.keep_only(present)
        self._handed = {p: i for p, i in self._handed.items() if p in present}
        for path, identity in self._settling.due(now):
            self._take(path, identity)
        self._put(InboxScanned(len(self._settling)))

    def _files(self) -> Iterator[tuple[str, Identity]]:
        folders = [self._root]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError:
                # A subfolder may vanish; a root that can't be read must not look like an empty inbox.
                if folder == self._root:
                    raise
                continue
            for entry in found:
                if entry.name[0] not in "._~#@" and entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif is_prompt_name(entry.name) and (identity := _regular(entry)) is not None:
                    yield Path(entry.path).relative_to(self._root).as_posix(), identity

    def _take(self, path: str, identity: Identity) -> None:
        """Read it twice alike and hand it on; anything else means: not yet."""
        now = time.monotonic()
        try:
            data = _read(self._root / path, identity)
            same = data is not None and data == _read(self._root / path, identity)
        except OSError as error:
            log.warning("%s can't be read: %s", path, error.strerror)
            self._settling.changed(path, now)
            return
        if data is None or not same:
            self._settling.changed(path, now)
            return
        if looks_incomplete(data, path) and self._settling.unfinished(path):
            return
        self._settling.taken(path)
        self._handed[path] = identity
        self._put(FileSettled(path, data, identity[3] / 1e9, identity))


def _identity(found: os.stat_result) -> Identity:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _regular(entry: os.DirEntry[str]) -> Identity | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return _identity(found) if stat.S_ISREG(found.st_mode) else None


def _read(path: Path, identity: Identity) -> bytes | None:
    """The whole file if it is, before and after, the one that was seen; else None. Never follows a link."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    try:
        if _identity(os.fstat(descriptor)) != identity:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
        same = _identity(os.fstat(descriptor)) == identity
    finally:
        os.close(descriptor)
    return data if same else None
