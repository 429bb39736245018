"""Hears of changes in the inbox by the system's own notices, and knows when it can't hear.

Notices are hints, never the truth: they may be lost (the kernel's queue is bounded, and watchdog only logs
it), or never come (network file systems, folders beyond the limit of watches).

Rings for the thread that looks after the inbox, and says which files may have changed.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from mjwatch.filesystem.probe import remote_type
from mjwatch.inbox.filenames import MARKER, is_wanted, may_hold_prompts

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver


log = logging.getLogger("mjwatch.inbox")

TRY_AGAIN = 300.0
"""Seconds between two tries to watch a folder that can't be watched."""

_WATCHDOG = "watchdog.observers.inotify_c"
_OPEN_FILES = Path("/proc/self/fd")
_NOTICES: list[type[FileSystemEvent]] = [
    *(DirCreatedEvent, DirMovedEvent, DirDeletedEvent, FileCreatedEvent, FileMovedEvent, FileClosedEvent),
    *(() if sys.platform == "linux" else (FileModifiedEvent,)),  # others don't tell of a file's closing
]


class _Overflow(logging.Handler):
    """Hears watchdog say that notices were lost; it tells nobody else."""

    def __init__(self, ring: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._ring = ring

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            log.warning("so much happened in the inbox that notices were lost; all of it is looked at again")
            self._ring()


class FolderWatcher:
    """Watches one folder, with those below it, and rings."""

    def __init__(self, root: Path, bell: ChangeHints) -> None:
        self._root = root
        self._bell = bell
        self._observer: BaseObserver | None = None
        self._place: tuple[int, int] | None = None
        self._overflow = _Overflow(bell.ring)
        self._tried = 0.0
        self._short = 0
        self._deaf: str | None = None
        self.remote: str | None = None
        """The type of the network file system that the folder is on."""

    @property
    def hears(self) -> bool:
        """Whether it hears of all that happens on this machine."""
        return self._observer is not None and self._deaf is None

    def start(self) -> None:
        """Begin to watch; a folder that can't be watched is told of, and tried again by ``check``."""
        logging.getLogger(_WATCHDOG).addHandler(self._overflow)
        self._note_remote()
        self._renew(0.0)

    def stop(self) -> None:
        """End it."""
        logging.getLogger(_WATCHDOG).removeHandler(self._overflow)
        self._end()

    def check(self, folders: int, now: float) -> None:
        """See whether it still hears of all that happens in so many folders, and mend that where it can.

        ``now`` is in seconds of a monotonic clock. Rings where something may have been missed.
        """
        self._note_remote()
        if self._observer is None:
            if now - self._tried >= TRY_AGAIN:
                self._renew(now)
        elif not self._is_sound():
            log.warning("the watch over the inbox had ended, or that is another folder now; watched anew")
            self._renew(now)
            self._bell.ring()  # what came before the new watch
        elif self._is_short_of(folders):
            self._mend(folders, now)
        else:
            self._short = 0
            self._note_deaf(None)

    def _renew(self, now: float) -> None:
        """Watch the folder that lies there now."""
        self._end()
        self._tried = now
        self._place = place_of(self._root)
        observer: BaseObserver | None = None
        try:
            place = self._root.resolve()  # a watch on a link would be one on the link alone
            self._bell.listen_at(place)
            observer = Observer()
            observer.start()
            observer.schedule(self._bell, str(place), recursive=True, event_filter=_NOTICES)
        except OSError as error:
            if observer is not None:
                _end(observer)
            if isinstance(error, FileNotFoundError):  # it went just now: nothing that lasts
                self._tried = -TRY_AGAIN
            else:
                self._note_deaf(_words(error))
        else:
            self._observer = observer

    def _note_remote(self) -> None:
        found = remote_type(self._root)
        if found is not None and found != self.remote:
            log.info("the inbox is on a network file system (%s); it is looked at every few seconds", found)
        self.remote = found

    def _is_sound(self) -> bool:
        """Whether all threads of it live, and it is on the folder that lies there now."""
        observer = self._observer
        if observer is None or not observer.is_alive():
            return False
        # The thread that reads the notices; watchdog has no public word for it.
        source = getattr(observer, "_inotify_fd", None)
        threads = [*observer.emitters, *([] if source is None else [source])]
        alive = bool(observer.emitters) and all(thread.is_alive() for thread in threads)
        return alive and self._place == place_of(self._root)

    def _is_short_of(self, folders: int) -> bool:
        """Whether some of them are not watched: of that watchdog says nothing, but the kernel counts."""
        watches = watches_held()
        return watches is not None and watches < folders

    def _mend(self, folders: int, now: float) -> None:
        """Watch them all anew, unless one may have come this very moment; if that does not help, tell."""
        self._short += 1
        if self._short >= 2 and (self._deaf is None or now - self._tried >= TRY_AGAIN):
            self._renew(now)
            self._bell.ring()
            if self._observer is not None and self._is_short_of(folders):
                self._note_deaf(f"the limit fs.inotify.max_user_watches may be too low for {folders} folders")

    def _note_deaf(self, why: str | None) -> None:
        """What keeps it from hearing of all that happens, told when it comes and when it goes."""
        if why is not None and self._deaf is None:
            log.warning("the inbox can't be watched (%s); it is looked at every few seconds", why)
        elif why is None and self._deaf is not None:
            log.info("the inbox is watched again")
        self._deaf = why

    def _end(self) -> None:
        if self._observer is not None:
            _end(self._observer)
            self._observer = None


def watches_held() -> int | None:
    """How many folders this process watches by inotify, says the kernel; None where it says nothing."""
    count = None
    try:
        for number in os.listdir(_OPEN_FILES):  # noqa: PTH208  thousands of paths for nothing
            count = (count or 0) + _watches_of(number)
    except OSError:
        return None
    return count


def _watches_of(number: str) -> int:
    try:
        if os.readlink(_OPEN_FILES / number) != "anon_inode:inotify":  # noqa: PTH115
            return 0
        lines = (_OPEN_FILES.parent / "fdinfo" / number).read_text(encoding="ascii")
    except OSError:
        return 0  # closed just now
    return lines.count("inotify wd:")


def place_of(folder: Path) -> tuple[int, int] | None:
    """The folder's device and inode; None where it is not there."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _end(observer: BaseObserver) -> None:
    observer.stop()
    if observer.ident is not None:
        observer.join(timeout=10)


def _words(error: OSError) -> str:
    limits = {24: "fs.inotify.max_user_instances", 28: "fs.inotify.max_user_watches"}
    limit = limits.get(error.errno or 0)
    return f"the limit {limit} is reached" if limit else str(error)


MOST_HINTS = 1000
"""More changed files than this are looked for by a full look: that costs less."""


class ChangeHints(FileSystemEventHandler):
    """Collects which files may have changed for the one thread that looks at them; any thread may ring."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._lock = threading.Lock()
        self._hints: set[str] = set()
        self._everything = True
        self._rung = threading.Event()

    def listen_at(self, root: Path) -> None:
        """Notices come with paths below this folder from now on: the inbox may be reached by a link."""
        self._root = os.fspath(root)

    def ring(self) -> None:
        """Anything may have changed."""
        with self._lock:
            self._everything = True
        self._rung.set()

    def hint(self, path: str) -> None:
        """One file may have changed; ``path`` is relative to the inbox, with slashes."""
        with self._lock:
            self._hints.add(path)
            self._everything |= len(self._hints) > MOST_HINTS
        self._rung.set()

    def wait(self, seconds: float) -> None:
        """Wait until somebody rings, or so long."""
        self._rung.wait(seconds)

    def take(self) -> set[str] | None:
        """The files that may have changed since the last time; None: any of them."""
        self._rung.clear()
        with self._lock:
            hints = None if self._everything else self._hints
            self._hints, self._everything = set(), False
        return hints

    def on_any_event(self, event: FileSystemEvent) -> None:
        """A notice of the system's."""
        try:
            self._hear(event)
        except Exception:  # a thread's top: what is raised here would end all notices for good
            log.exception("a notice of the file system could not be understood")
            self.ring()

    def _hear(self, event: FileSystemEvent) -> None:
        for raw in (event.src_path, event.dest_path):
            path = os.fsdecode(raw)
            name = PurePath(path).name
            if path == self._root or name == MARKER:
                self.ring()
            elif not event.is_directory:
                if is_wanted(name or "."):
                    self.hint(path[len(self._root) + 1 :].replace(os.sep, "/"))
            elif name and may_hold_prompts(name) and event.event_type != "deleted":
                self.ring()
