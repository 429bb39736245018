"""When a person is needed: each cause is told once, also over restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch.effects import Notification, SendNotification
from mjwatch.jobs.status_text import IN_DOUBT
from mjwatch.model import Job, Pause, PauseKind, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mjwatch.journal.writer import Journal


@dataclass(frozen=True, slots=True)
class Notified:
    """What was told and still holds: why sending is paused, and which attempts are in doubt."""

    pause: str | None = None
    doubts: frozenset[str] = frozenset()

    @classmethod
    def stored(cls, value: Any) -> Notified:
        """What ``to_store`` gave to the journal; nothing where it gave nothing."""
        return cls(value["pause"], frozenset(value["doubts"])) if value else cls()

    def to_store(self) -> dict[str, Any]:
        """For the journal."""
        return {"pause": self.pause, "doubts": sorted(self.doubts)}


class Notifications:
    """What was told stands in the journal before it is told; ``perform`` takes an effect."""

    def __init__(self, journal: Journal, perform: Callable[[SendNotification], None]) -> None:
        self._journal = journal
        self._perform = perform
        self._told = Notified()

    def load(self) -> None:
        """Take up what an earlier start has told."""
        self._told = Notified.stored(self._journal.recall("told"))

    def tell(
        self, pause: Pause | None, jobs: Iterable[Job], waits: Callable[[Job], bool], now: float
    ) -> None:
        """Tell what is new, as ``needs_person`` has it. Raises JournalError, with nothing told."""
        told, news = needs_person(self._told, pause, jobs, waits, now)
        if told == self._told:
            return
        self._journal.remember({"told": told.to_store()})
        self._told = told
        for one in news:
            self._perform(one)


def needs_person(
    told: Notified, pause: Pause | None, jobs: Iterable[Job], waits: Callable[[Job], bool], now: float
) -> tuple[Notified, list[SendNotification]]:
    """What is to be told now, and what will have been told then.

    ``pause`` is one that lasts until a person acts; ``waits`` says of a job in doubt whether it does too. A
    cause that has gone and comes again is told again; a pause that a person asked for is no news to them.
    """
    news = []
    if pause is not None and pause.kind is not PauseKind.PERSON and pause.reason != told.pause:
        news.append(SendNotification(Notification.NEEDS_PERSON, now, pause.reason))
    doubtful = {_attempt(job): job for job in jobs if job.state is State.IN_DOUBT}
    waiting = {attempt: job for attempt, job in doubtful.items() if waits(job)}
    for attempt, job in waiting.items():
        if attempt not in told.doubts:
            news.append(SendNotification(Notification.NEEDS_PERSON, now, IN_DOUBT, job))
    # A doubt stays told while it lasts, also when it is unclear for a while whether it settles itself.
    doubts = frozenset(waiting) | (told.doubts & frozenset(doubtful))
    return Notified(None if pause is None else pause.reason, doubts), news


def _attempt(job: Job) -> str:
    return f"{job.id} {job.nonce}"
