"""What the inbox still holds, as the last scan told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.events import InboxScanned

if TYPE_CHECKING:
    from mjwatch.jobs.journal import Journal


class Inflow:
    """Told of each scan.

    ``waiting``: prompt files that have not settled; None before the first scan. ``trouble``: why nothing is
    taken from it, if that is so.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.waiting: int | None = None
        self.trouble: str | None = None

    def scanned(self, event: InboxScanned) -> None:
        """A scan has ended; what it found is remembered for those who ask. Raises JournalError."""
        self.trouble = event.trouble
        if event.trouble is None:
            self.waiting = event.waiting + event.out
        if event.facts() != (self._journal.recall("inbox") or InboxScanned(0).facts()):
            self._journal.remember({"inbox": event.facts()})

    @property
    def ended(self) -> bool:
        """Whether no more will come out of it; not before a person acts, where it is in trouble."""
        return self.waiting == 0 or self.trouble is not None
