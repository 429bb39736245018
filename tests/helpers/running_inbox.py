"""An inbox that runs in a test, and what it has put."""

from __future__ import annotations

import queue
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mjwatch.events import FileSettled, InboxScanned
from mjwatch.inbox.inbox import Inbox
from tests.helpers.patience import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mjwatch.inbox.ownership import Ownership

HANG = deadline(20.0)
"""Seconds after which a test is stuck."""

SETTLE, INCOMPLETE = 0.05, 0.3


class Running:
    """An inbox that runs, and what it has put."""

    def __init__(
        self, root: Path, *, keep: bool = False, ownership: Ownership | None = None, **times: float
    ) -> None:
        self.root = root
        self.events: queue.Queue[FileSettled | InboxScanned] = queue.Queue()
        times = {"settle": SETTLE, "settle_incomplete": INCOMPLETE, "scan_interval": 0.03, **times}
        self.last = InboxScanned(0)
        self.inbox = Inbox(root, self.events.put, keep=keep, ownership=ownership, **times)

    def settled(self) -> FileSettled:
        """The next file."""
        while True:
            event = self.events.get(timeout=HANG)
            if isinstance(event, FileSettled):
                return event

    def settled_names(self, count: int) -> list[str]:
        return sorted(self.settled().path for _ in range(count))

    def scans(self, count: int = 2) -> list[FileSettled | InboxScanned]:
        """Everything up to the so many-th scan from now that found nothing left to wait for; then, what is
        left alone is nobody's business: that is ``left``.
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
        """What is left alone in the inbox, and why."""
        self.scans()
        return {left.path: left.why for left in self.last.left}


@contextmanager
def running(
    root: Path, *, keep: bool = False, ownership: Ownership | None = None, **times: float
) -> Iterator[Running]:
    it = Running(root, keep=keep, ownership=ownership, **times)
    it.inbox.start()
    try:
        yield it
    finally:
        it.inbox.stop()
        assert not it.inbox.alive


def move_in(file: Path, text: str = "a cat\n") -> Path:
    """As careful programs do: written elsewhere, renamed in."""
    aside = file.parent.parent / f"aside-{file.name}"
    aside.write_text(text)
    return aside.rename(file)
