"""Rings for the thread that looks after the inbox, and says which files may have changed."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import PurePath
from typing import TYPE_CHECKING

from watchdog.events import FileSystemEvent, FileSystemEventHandler

from mjwatch.folders.kinds import MARKER, is_wanted, may_hold_prompts

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("mjwatch.inbox")

MOST_HINTS = 1000
"""More changed files than this are looked for by a full look: that costs less."""


class Bell(FileSystemEventHandler):
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
