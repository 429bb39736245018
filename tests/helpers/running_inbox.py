"""Run an inbox in a test, and collect what it emits."""

from __future__ import annotations

import queue
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mjwatch.events import FileSettled, InboxScanned
from mjwatch.inbox.inbox import Inbox
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mjwatch.inbox.ownership import Ownership
    from mjwatch.trouble import Trouble

HANG = deadline(20.0)
"""Seconds after which a test counts as hanging."""

SETTLE, INCOMPLETE = 0.05, 0.3


class Running:
    """A running inbox, and what it has emitted."""

    def __init__(
        self, root: Path, *, keep: bool = False, ownership: Ownership | None = None, **options: Any
    ) -> None:
        self.root = root
        self.events: queue.Queue[FileSettled | InboxScanned] = queue.Queue()
        options = {"settle": SETTLE, "settle_incomplete": INCOMPLETE, "scan_interval": 0.03, **options}
        self.last = InboxScanned(0)
        self._skipped = 0.0
        self.inbox = Inbox(
            root, self.events.put, keep=keep, ownership=ownership, monotonic=self._monotonic, **options
        )

    def _monotonic(self) -> float:
        return time.monotonic() + self._skipped

    def skip(self, seconds: float) -> None:
        """Set the inbox's clock ahead, so that a wait which is long for a test ends at the next scan."""
        self._skipped += seconds

    def settled(self) -> FileSettled:
        """Return the next settled file."""
        while True:
            event = self.events.get(timeout=HANG)
            if isinstance(event, FileSettled):
                return event

    def trouble(self) -> Trouble:
        """Return the next trouble."""
        while True:
            event = self.events.get(timeout=HANG)
            if isinstance(event, InboxScanned) and event.trouble is not None:
                return event.trouble

    def settled_names(self, count: int) -> list[str]:
        return sorted(self.settled().path for _ in range(count))

    def scans(self, count: int = 2) -> list[FileSettled | InboxScanned]:
        """Return all events up to the ``count``-th scan from now without waiting files.

        The ignored files are removed from the scans: see ``left``.
        """
        while not self.events.empty():
            self.events.get_nowait()
        seen: list[FileSettled | InboxScanned] = []
        while count:
            event = self.events.get(timeout=HANG)
            if isinstance(event, InboxScanned):
                count -= event.waiting == 0
                self.last = event
                event = InboxScanned(event.waiting)
            seen.append(event)
        return seen

    def left(self) -> dict[str, str]:
        """Return the files that are left in the inbox, and why."""
        self.scans()
        return {ignored.path: ignored.why for ignored in self.last.ignored}


@contextmanager
def running(
    root: Path, *, keep: bool = False, ownership: Ownership | None = None, **options: Any
) -> Iterator[Running]:
    inbox = Running(root, keep=keep, ownership=ownership, **options)
    inbox.inbox.start()
    try:
        yield inbox
    finally:
        inbox.inbox.stop(HANG)
        assert not inbox.inbox.alive


def move_in(file: Path, text: str = "a cat\n") -> Path:
    """Write a file elsewhere and rename it into the inbox, as careful programs do."""
    aside = file.parent.parent / f"aside-{file.name}"
    aside.write_text(text)
    return aside.rename(file)
