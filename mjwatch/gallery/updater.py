"""Keep the gallery up to date beside the daemon's work, on a thread that nothing waits for."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from mjwatch.errors import OutboxError, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from mjwatch.gallery.gallery import Gallery

log = logging.getLogger("mjwatch.gallery")

QUEUE = 256
"""Folders that may wait; if there are more, the thread scans the outbox for them."""

BATCH_SIZE = 16
"""Folders that are added at once."""

PAUSE = 1.0
"""Seconds between two additions of new folders, unless a whole batch waits: each writes a chunk again."""

RETRY_DELAY = 60.0
"""Seconds until the thread tries again after the gallery could not be written."""

NICE_LEVEL = 10
"""The thumbnails of a large outbox take minutes; the pictures that people wait for come first."""


class GalleryUpdater:
    """One thread, "gallery". Any thread may call its methods, which return at once."""

    def __init__(
        self,
        gallery: Gallery,
        *,
        repair_first: bool = True,
        pause: float = PAUSE,
        retry: float = RETRY_DELAY,
        tried: Callable[[OSError | OutboxError | None], None] = lambda error: None,
    ) -> None:
        """``repair_first``: scan for what an earlier run left out. ``pause`` and ``retry`` in seconds.

        ``tried`` gets the error when the gallery can't be written, and None when it can again.
        """
        self._gallery = gallery
        self._pause = pause
        self._tried = tried
        self._retry = retry
        self._changed = threading.Condition()
        self._published: deque[str] = deque()
        self._thumbnails: dict[str, bytes] = {}
        self._needs_repair = repair_first
        self._stopping = False
        # Only the thread itself uses what follows.
        self._backlog: deque[str] = deque()
        self._installed = self._needs_tidying = False
        self._obstacle: str | None = None
        self._next_addition = 0.0
        self._thread = threading.Thread(target=self._run, name="gallery", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Add what was published so far, then stop, at the latest after ``patience`` seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(patience)

    def published(self, folder: str, thumbnail: bytes | None = None) -> None:
        """Note that a job's folder was published or replaced, with its ``thumbnail`` if there is one."""
        with self._changed:
            if len(self._published) < QUEUE:
                self._published.append(folder)
                if thumbnail is not None:
                    self._thumbnails[folder] = thumbnail
            else:
                self._needs_repair = True
            self._changed.notify()

    def show_status(self, status: Mapping[str, Any]) -> None:
        """Show the state of the service; in the caller's thread. Raise OSError or OutboxError."""
        self._gallery.show_status(status)

    def _run(self) -> None:
        _lower_priority()
        while self._wait():
            try:
                self._turn()
            except (OSError, OutboxError) as error:
                self._fail(error)
            except Exception:  # the top of a thread: one error must not end the thread
                log.exception("mjwatch could not update the gallery because of an unexpected error")
                self._start_over_later()
            else:
                self._note(None)

    def _wait(self) -> bool:
        """Wait until there is something to do; return False if the thread must end."""
        with self._changed:
            while not (self._stopping or self._needs_repair or self._has_backlog() or self._has_batch()):
                left = self._next_addition - time.monotonic()
                if self._published and left <= 0:
                    break
                self._changed.wait(left if self._published else None)
            return bool(self._published) or not self._stopping

    def _has_batch(self) -> bool:
        return len(self._published) >= BATCH_SIZE

    def _has_backlog(self) -> bool:
        return bool(self._backlog) or self._needs_tidying or not self._installed

    def _turn(self) -> None:
        """Do one piece of work: what was just published comes before what an earlier run left out."""
        if not self._installed:
            self._gallery.install()
            self._installed = True
        with self._changed:
            published = [self._published.popleft() for _ in range(min(BATCH_SIZE, len(self._published)))]
            thumbnails = {
                folder: self._thumbnails.pop(folder) for folder in published if folder in self._thumbnails
            }
            needs_repair, self._needs_repair = self._needs_repair, self._needs_repair and bool(published)
        if published:
            self._gallery.add(published, thumbnails)
            self._next_addition = time.monotonic() + self._pause
        elif needs_repair:
            self._backlog = deque(self._gallery.repair())
            self._needs_tidying = True
        elif self._backlog:
            self._gallery.add([self._backlog.popleft() for _ in range(min(BATCH_SIZE, len(self._backlog)))])
        elif self._needs_tidying:
            self._gallery.tidy()
            self._needs_tidying = False

    def _fail(self, error: OSError | OutboxError) -> None:
        """Note the error, and repair the gallery in a while: nothing depends on it."""
        self._note(error)
        self._start_over_later()

    def _note(self, error: OSError | OutboxError | None) -> None:
        """Report whether the gallery can be written, if that has changed."""
        obstacle = None if error is None else reason_of(error)
        if obstacle != self._obstacle:
            self._obstacle = obstacle
            log.info("the gallery %s", f"can't be written: {obstacle}" if error else "can be written again")
            self._tried(error)

    def _start_over_later(self) -> None:
        with self._changed:
            self._needs_repair = True
            self._published.clear()
            self._thumbnails.clear()
            # A folder that could be published shows that the disk has room again.
            self._changed.wait_for(lambda: self._stopping or self._published, self._retry)


def _lower_priority() -> None:
    """Give this thread less of the processor than the others, where threads have their own priority."""
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE_LEVEL)
        except OSError as error:
            log.debug("the gallery's thread keeps its priority: %s", error.strerror)
