"""Keeps the gallery up to date beside the daemon's work, on a thread that nothing waits for."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING

from mjwatch.errors import MjwatchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from mjwatch.gallery.gallery import Gallery

log = logging.getLogger("mjwatch.gallery")

QUEUE = 256
"""Folders that may wait; of more than that the thread learns by looking through the outbox."""

BATCH = 16
"""Folders that are entered at once."""

RETRY = 60.0
"""Seconds after which a gallery that could not be written is tried again."""

NICE = 10
"""The thumbnails of a large outbox take minutes; the pictures that people wait for go first."""


class GalleryUpdater:
    """One thread, "gallery". Its calls may come from any thread, and return at once."""

    def __init__(self, gallery: Gallery, *, mend_first: bool = True, retry: float = RETRY) -> None:
        """``mend_first``: look through the outbox for what an earlier run left out. ``retry`` in seconds."""
        self._gallery = gallery
        self._retry = retry
        self._changed = threading.Condition()
        self._fresh: deque[str] = deque()
        self._made: dict[str, bytes] = {}
        self._behind = mend_first
        self._stopping = False
        # What follows is the thread's own.
        self._backlog: deque[str] = deque()
        self._installed = self._untidy = False
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="gallery", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, patience: float) -> None:
        """End after what was published so far, or after so many seconds; the next start adds the rest."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(patience)

    def published(self, folder: str, thumbnail: bytes | None = None) -> None:
        """A job's folder has appeared in the outbox, or was replaced; its ``thumbnail``, if that is made."""
        with self._changed:
            if len(self._fresh) < QUEUE:
                self._fresh.append(folder)
                if thumbnail is not None:
                    self._made[folder] = thumbnail
            else:
                self._behind = True
            self._changed.notify()

    def tell(self, status: Mapping[str, Any]) -> None:
        """Show the state of the service; in the caller's thread. Raises OSError, OutboxError."""
        self._gallery.tell(status)

    def _run(self) -> None:
        _give_way()
        while self._wait():
            try:
                self._turn()
            except (OSError, MjwatchError) as error:
                self._fail(error)
            except Exception:  # a thread's top: a fault in the gallery must not end the gallery
                log.exception("the gallery failed in an unforeseen way")
            else:
                self._failing = False

    def _wait(self) -> bool:
        """Wait until there is something to do; False if it is to end."""
        with self._changed:
            while not (self._fresh or self._stopping or self._behind or self._has_own_work()):
                self._changed.wait()
            return bool(self._fresh) or not self._stopping

    def _has_own_work(self) -> bool:
        return bool(self._backlog) or self._untidy or not self._installed

    def _turn(self) -> None:
        """One piece of work: what was published before what an earlier run left out."""
        if not self._installed:
            self._gallery.install()
            self._installed = True
        with self._changed:
            fresh = [self._fresh.popleft() for _ in range(min(BATCH, len(self._fresh)))]
            made = {folder: self._made.pop(folder) for folder in fresh if folder in self._made}
            behind, self._behind = self._behind, self._behind and bool(fresh)
        if fresh:
            self._gallery.add(fresh, made)
        elif behind:
            self._backlog = deque(self._gallery.hint())
            self._untidy = True
        elif self._backlog:
            self._gallery.add([self._backlog.popleft() for _ in range(min(BATCH, len(self._backlog)))])
        elif self._untidy:
            self._gallery.tidy()
            self._untidy = False

    def _fail(self, error: Exception) -> None:
        """Nothing hangs on the gallery: it is told once, and looked through again in a while."""
        if not self._failing:
            log.warning("the gallery can't be written, and is tried again later: %s", error)
        self._failing = True
        with self._changed:
            self._behind = True
            self._fresh.clear()
            self._made.clear()
            self._changed.wait_for(lambda: self._stopping, self._retry)


def _give_way() -> None:
    """Let this thread have less of the processor than the others, where a thread may have its own share."""
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        except OSError as error:
            log.debug("the gallery's thread keeps its priority: %s", error.strerror)
