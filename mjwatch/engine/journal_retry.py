"""A journal that can't commit, as on a full disk: what failed is done once more after a pause."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mjwatch.host.log import LogOnce

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.errors import JournalError
    from mjwatch.events import LoopEvent

log = logging.getLogger("mjwatch")

JOURNAL_PAUSE = 5.0
"""Seconds between two tries to commit when the journal can't be written."""

_BACK = "the journal can be written again"


class JournalRetry:
    """Knows what waits for the journal: an event, or the loop's turn. ``monotonic`` as for the loop."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._complaints = LogOnce(monotonic)
        self._event: LoopEvent | None = None
        self._turn_from: float | None = None

    @property
    def now(self) -> bool:
        """Whether something waits for it."""
        return self._event is not None or self._turn_from is not None

    def complain(self, error: JournalError) -> None:
        """Say so, but not every few seconds for as long as a disk is full."""
        if self._complaints.is_due(str(error)):
            log.error("%s; nothing is sent meanwhile, and it is tried every %.0f s", error, JOURNAL_PAUSE)

    def event_failed(self, event: LoopEvent, error: JournalError) -> None:
        """The event could not be handled; it is the next one again."""
        self.complain(error)
        self._event = event

    def event_done(self, event: LoopEvent) -> None:
        """The event was handled."""
        if event is self._event:
            self._event = None
            self._relieved()

    def turn_waits(self) -> float | None:
        """Seconds until the loop's turn may be tried again; None where it did not fail."""
        return None if self._turn_from is None else max(0.0, self._turn_from - self._monotonic())

    def turn_failed(self, error: JournalError) -> None:
        """What time has brought could not be done."""
        self.complain(error)
        self._turn_from = self._monotonic() + JOURNAL_PAUSE

    def turn_done(self) -> None:
        """Now it could."""
        if self._turn_from is not None:
            self._turn_from = None
            self._relieved()

    def _relieved(self) -> None:
        if self._complaints.is_due(_BACK):
            log.info("%s", _BACK)
