"""Watch the inbox by the system's own change events, and notice when events can't arrive.

Events are hints, never the truth: they may be lost (the kernel's queue is bounded, and watchdog only logs an
overflow), or never come (network file systems, folders beyond the limit of watches). They wake the inbox
thread and say which files may have changed.
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

from mjwatch.filesystem.files import folder_identity
from mjwatch.filesystem.probe import remote_type
from mjwatch.inbox.filenames import OWNER_FILE, is_request_path, may_hold_prompts

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.api import BaseObserver


log = logging.getLogger("mjwatch.inbox")

RETRY_INTERVAL = 300.0
"""Seconds between two attempts to watch a folder that can't be watched."""

MOST_HINTS = 1000
"""With more changed files than this a full scan costs less than checking each."""

_WATCHDOG = "watchdog.observers.inotify_c"
_OPEN_FILES = Path("/proc/self/fd")
_EVENTS: list[type[FileSystemEvent]] = [
    *(DirCreatedEvent, DirMovedEvent, DirDeletedEvent, FileCreatedEvent, FileMovedEvent, FileClosedEvent),
    *(() if sys.platform == "linux" else (FileModifiedEvent,)),  # others don't report a file's closing
]


class ChangeHints(FileSystemEventHandler):
    """Collect which files may have changed for the thread that scans them; any thread may add."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._lock = threading.Lock()
        self._paths: set[str] = set()
        self._is_everything = True
        self._has_hints = threading.Event()

    def set_root(self, root: Path) -> None:
        """Expect events with paths below this folder from now on: the inbox may be reached by a link."""
        self._root = os.fspath(root)

    def add_everything(self) -> None:
        """Note that anything may have changed."""
        with self._lock:
            self._is_everything = True
        self._has_hints.set()

    def add(self, path: str) -> None:
        """Note that one file may have changed; ``path`` is relative to the inbox, with slashes."""
        with self._lock:
            self._paths.add(path)
            self._is_everything |= len(self._paths) > MOST_HINTS
        self._has_hints.set()

    def wait(self, seconds: float) -> None:
        """Wait until there are hints, or so long."""
        self._has_hints.wait(seconds)

    def take(self) -> set[str] | None:
        """Return the files that may have changed since the last call; None: any of them."""
        self._has_hints.clear()
        with self._lock:
            paths = None if self._is_everything else self._paths
            self._paths, self._is_everything = set(), False
        return paths

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note what an event of the system says."""
        try:
            self._note(event)
        except Exception:  # the top of a thread: an error that leaves it would end all events for good
            log.exception("mjwatch could not process an event of the file system")
            self.add_everything()

    def _note(self, event: FileSystemEvent) -> None:
        for raw in (event.src_path, event.dest_path):
            path = os.fsdecode(raw)
            name = PurePath(path).name
            if path == self._root or name == OWNER_FILE:
                self.add_everything()
            elif not name:
                continue  # an event without a second path
            elif event.is_directory:
                if event.event_type != "deleted" and may_hold_prompts(name):
                    self.add_everything()
            else:
                relative = path[len(self._root) + 1 :].replace(os.sep, "/")
                if is_request_path(relative):
                    self.add(relative)


class FolderWatcher:
    """Watch one folder with its subfolders, and add hints about what changes."""

    def __init__(self, root: Path, hints: ChangeHints) -> None:
        self._root = root
        self._hints = hints
        self._observer: BaseObserver | None = None
        self._watched: tuple[int, int] | None = None
        self._overflow = _OverflowHandler(hints.add_everything)
        self._tried_at = 0.0
        self._incomplete_checks = 0
        self._problem: str | None = None
        self.remote: str | None = None
        """The type of the network file system that the folder is on."""

    @property
    def is_complete(self) -> bool:
        """Whether events about all changes on this machine arrive."""
        return self._observer is not None and self._problem is None

    def start(self) -> None:
        """Begin to watch. A folder that can't be watched is logged, and ``check`` tries again."""
        logging.getLogger(_WATCHDOG).addHandler(self._overflow)
        self._check_remote()
        self._restart(0.0)

    def stop(self) -> None:
        """Stop watching."""
        logging.getLogger(_WATCHDOG).removeHandler(self._overflow)
        self._stop_observer()

    def check(self, folders: int, now: float) -> None:
        """Check that events about all changes in so many folders arrive, and fix that where possible.

        ``now`` is in seconds of a monotonic clock. Where a change may have been missed, a hint is added.
        """
        self._check_remote()
        if self._observer is None:
            if now - self._tried_at >= RETRY_INTERVAL:
                self._restart(now)
        elif not self._is_working():
            log.warning("the watch on the inbox ended, or the folder was exchanged; watching it again")
            self._restart(now)
            self._hints.add_everything()  # for changes before the new watch
        elif self._misses_folders(folders):
            self._watch_missing_folders(folders, now)
        else:
            self._incomplete_checks = 0
            self._set_problem(None)

    def _restart(self, now: float) -> None:
        """Watch the folder that lies there now."""
        self._stop_observer()
        self._tried_at = now
        self._watched = folder_identity(self._root)
        observer: BaseObserver | None = None
        try:
            folder = self._root.resolve()  # a watch on a link would be a watch on the link alone
            self._hints.set_root(folder)
            observer = Observer()
            observer.start()
            observer.schedule(self._hints, str(folder), recursive=True, event_filter=_EVENTS)
        except OSError as error:
            if observer is not None:
                _stop(observer)
            if isinstance(error, FileNotFoundError):  # it went just now, which does not last
                self._tried_at = -RETRY_INTERVAL
            else:
                self._set_problem(_reason(error))
        else:
            self._observer = observer

    def _check_remote(self) -> None:
        found = remote_type(self._root)
        if found is not None and found != self.remote:
            log.info("the inbox is on a network file system (%s); mjwatch scans it every few seconds", found)
        self.remote = found

    def _is_working(self) -> bool:
        """Return whether all of the watch's threads live, and it is on the folder that lies there now."""
        observer = self._observer
        if observer is None or not observer.is_alive():
            return False
        # The thread that reads the events; watchdog has no public name for it.
        source = getattr(observer, "_inotify_fd", None)
        threads = [*observer.emitters, *([] if source is None else [source])]
        alive = bool(observer.emitters) and all(thread.is_alive() for thread in threads)
        return alive and self._watched == folder_identity(self._root)

    def _misses_folders(self, folders: int) -> bool:
        """Return whether some folders are not watched: watchdog does not report it, but the kernel counts."""
        watches = count_watches()
        return watches is not None and watches < folders

    def _watch_missing_folders(self, folders: int, now: float) -> None:
        """Watch all folders again, unless a new one may have come just now; log it if that does not help."""
        self._incomplete_checks += 1
        if self._incomplete_checks >= 2 and (self._problem is None or now - self._tried_at >= RETRY_INTERVAL):
            self._restart(now)
            self._hints.add_everything()
            if self._observer is not None and self._misses_folders(folders):
                self._set_problem(
                    f"the limit fs.inotify.max_user_watches may be too low for {folders} folders"
                )

    def _set_problem(self, why: str | None) -> None:
        """Log the reason why events are missing when it comes and when it goes."""
        if why is not None and self._problem is None:
            log.warning("the inbox can't be watched (%s); mjwatch scans it every few seconds", why)
        elif why is None and self._problem is not None:
            log.info("the inbox is watched again")
        self._problem = why

    def _stop_observer(self) -> None:
        if self._observer is not None:
            _stop(self._observer)
            self._observer = None


class _OverflowHandler(logging.Handler):
    """Notice when watchdog logs that events were lost; log it as mjwatch's own warning."""

    def __init__(self, on_overflow: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._on_overflow = on_overflow

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            log.warning("so much happened in the inbox that events were lost; mjwatch scans all of it again")
            self._on_overflow()


def count_watches() -> int | None:
    """Return how many folders this process watches by inotify; None where the kernel does not say."""
    count = None
    try:
        for number in os.listdir(_OPEN_FILES):  # noqa: PTH208  saves thousands of Path objects
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
        return 0  # it was closed just now
    return lines.count("inotify wd:")


def _stop(observer: BaseObserver) -> None:
    observer.stop()
    if observer.ident is not None:
        observer.join(timeout=10)


def _reason(error: OSError) -> str:
    limits = {24: "fs.inotify.max_user_instances", 28: "fs.inotify.max_user_watches"}
    limit = limits.get(error.errno or 0)
    return f"the limit {limit} is reached" if limit else str(error)
