"""The inbox: finds prompt files, waits until they are complete, hands them on, and removes what was taken.

The scan is the truth; watchdog's events only say when to scan sooner.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import PurePath
from typing import TYPE_CHECKING

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from mjwatch.errors import ConfigError
from mjwatch.events import FileSettled, InboxScanned
from mjwatch.folders.listing import Listing, identity_of
from mjwatch.folders.removal import remove_taken, restore_aside
from mjwatch.folders.settling import Identity, Settling, is_prompt_name, may_hold_prompts
from mjwatch.prompts.promptfile import MAX_BYTES, looks_incomplete

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger("mjwatch.inbox")

BREATH, LONGEST_BREATH = 0.02, 1.0
"""Seconds between two scans: as long as the last one took, so that a burst of events takes half a core."""

POLL = 5.0
"""Seconds between scans where the folder can't be watched."""

_NOWHERE = (-1, -1)
"""No folder's device and inode."""

_LEAVING = frozenset({"opened", "closed_no_write", "deleted"})
"""Events after which nothing new can be there: somebody reads, or a name is gone."""


class _Bell(FileSystemEventHandler):
    """Rings when a prompt file may have come, or a folder that may hold some, or when the inbox went."""

    def __init__(self, root: Path, ring: Callable[[], None]) -> None:
        self._root = os.fspath(root)
        self._ring = ring

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type == "deleted" and os.fsdecode(event.src_path) == self._root:
            self._ring()
        if event.event_type in _LEAVING or (event.is_directory and event.event_type == "modified"):
            return
        name = PurePath(os.fsdecode(event.dest_path or event.src_path)).name
        if may_hold_prompts(name) if event.is_directory else is_prompt_name(name):
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
        self._listing = Listing(root)
        self._settling = Settling(settle, settle_incomplete)
        self._handed: dict[str, Identity] = {}
        self._failing = False
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
        self._observer = Observer()
        self._watched: tuple[int, int] | None = None

    def start(self) -> None:
        """Begin to watch and scan. The folder is made where it is missing. Raises ConfigError if it can't."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the inbox {self._root} can't be made: {error.strerror}") from error
        restore_aside(self._root)
        self._observer.start()
        self._watch()
        self._thread.start()

    def _watch(self) -> None:
        """Watch the folder that lies there now."""
        self._observer.unschedule_all()
        self._watched = _place(self._root)
        try:
            self._observer.schedule(_Bell(self._root, self._changed.set), str(self._root), recursive=True)
        except FileNotFoundError:
            self._watched = _NOWHERE  # it went just now; the scan that finds it again tries once more
        except OSError as error:
            self._watched = None
            log.warning("the inbox can't be watched (%s); it is scanned every %.0f s", error, POLL)

    def _is_watched(self) -> bool:
        """Whether the watch is alive, and on the folder that lies there now: one may be put in its place."""
        alive = all(emitter.is_alive() for emitter in self._observer.emitters)
        return alive and self._watched == _place(self._root)

    def stop(self) -> None:
        """End the thread and the watch; files that have not settled stay where they are."""
        self._stop.set()
        self._changed.set()
        self._thread.join(timeout=10)
        self._observer.stop()
        self._observer.join(timeout=10)

    @property
    def alive(self) -> bool:
        """Whether it still scans."""
        return self._thread.is_alive()

    def remove(self, path: str, identity: tuple[int, ...]) -> bool:
        """Take out an accepted file if it is still the one that was read; a newer one stays or is put back.

        False where it stays although it was taken: it can't be removed, or was too large to be read whole.
        Then it is told once, remembered, and not taken again as long as it looks the same. Any thread may
        call this.
        """
        if identity[2] > MAX_BYTES:
            log.warning("%s is too large and was not read whole; it is left in the inbox", path)
            return False
        try:
            if remove_taken(self._root / path, identity):
                return True
        except OSError as error:
            log.warning("%s was taken but can't be removed: %s", path, error.strerror)
            return False
        log.info("%s has changed since it was taken; the new one is a request of its own", path)
        self._changed.set()
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            self._changed.clear()
            began = time.monotonic()
            self._scan_safely()
            self._stop.wait(min(max(BREATH, time.monotonic() - began), LONGEST_BREATH))
            self._changed.wait(self._wait())

    def _scan_safely(self) -> None:
        try:
            self._scan()
        except OSError as error:
            if not self._failing:
                log.error("the inbox %s can't be read: %s", self._root, error.strerror)
            self._failing = True
        except Exception:  # a thread's top: one file that trips us must not end the watch over all others
            log.exception("the inbox could not be scanned in an unforeseen way")
        else:
            if self._failing:
                log.info("the inbox %s can be read again", self._root)
            self._failing = False
            if self._watched is not None and not self._is_watched():
                self._watch()
                self._changed.set()  # what came before the new watch

    def _wait(self) -> float:
        hears = self._watched is not None and not self._failing
        interval = self._interval if hears else min(POLL, self._interval)
        due = self._settling.next_due()
        return interval if due is None else min(interval, max(0.0, due - time.monotonic()))

    def _scan(self) -> None:
        """One full look at the folder, then everything that is due."""
        now = time.monotonic()
        present: dict[str, Identity] = {}
        for path, identity in self._listing.files():
            present[path] = identity
            if self._handed.get(path) != identity:
                self._settling.see(path, identity, now)
        self._settling.keep_only(present)
        self._handed = {p: i for p, i in self._handed.items() if p in present}
        for path, identity in self._settling.due(now):
            if self._stop.is_set():
                return
            self._take(path, identity)
        self._put(InboxScanned(len(self._settling)))

    def _take(self, path: str, identity: Identity) -> None:
        """Read it twice alike and hand it on; anything else means: not yet."""
        now = time.monotonic()
        try:
            data = _read(self._root / path, identity)
            same = data is not None and data == _read(self._root / path, identity)
        except FileNotFoundError:
            self._settling.taken(path)
        except OSError as error:
            if self._settling.unreadable(path, now):
                log.warning("%s can't be read and is left: %s", path, error.strerror)
        else:
            if data is None or not same:
                self._settling.changed(path, now)
            elif not (looks_incomplete(data, path) and self._settling.unfinished(path)):
                self._hand_on(path, data, identity)

    def _hand_on(self, path: str, data: bytes, identity: Identity) -> None:
        self._settling.taken(path)
        self._handed[path] = identity
        self._put(FileSettled(path, data, identity[3] / 1e9, identity))


def _place(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _read(path: Path, identity: Identity) -> bytes | None:
    """The file if it is, before and after, the one that was seen, else None. Never follows a link.

    Of a file that is too large for a prompt file comes only so much that it shows.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    try:
        if identity_of(os.fstat(descriptor)) != identity:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
        same = identity_of(os.fstat(descriptor)) == identity
    finally:
        os.close(descriptor)
    return data if same else None
