"""What a person is needed for: each cause is notified once, also over restarts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mjwatch.effects import Notification, SendNotification
from mjwatch.jobs.status_text import IN_DOUBT, RESULT_HELD
from mjwatch.model import PauseKind, State
from mjwatch.trouble import pause_trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel
    from mjwatch.model import Job, Pause


@dataclass(frozen=True, slots=True)
class Notified:
    """What a person was notified of and still holds: why sending is paused, which attempts are in doubt.

    ``results``: the messages of results that wait for a person to say whose they are.
    """

    pause: str | None = None
    doubts: frozenset[str] = frozenset()
    results: frozenset[str] = frozenset()

    @classmethod
    def stored(cls, value: Any) -> Notified:
        """Return what ``to_store`` gave to the journal; nothing where it gave nothing."""
        if not value:
            return cls()
        return cls(value["pause"], frozenset(value["doubts"]), frozenset(value.get("results", ())))

    def to_store(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {"pause": self.pause, "doubts": sorted(self.doubts), "results": sorted(self.results)}


class PersonNotifications:
    """Notifies a person once of each cause for which they are needed. Its methods raise JournalError."""

    def __init__(
        self, journal: Journal, channel: Channel, perform: Callable[[SendNotification], None]
    ) -> None:
        self._journal = journal
        self._channel = channel
        self._perform = perform
        self._notified = Notified()
        self.may_notify = True
        """Whether ``notify`` may have something to do, also where no job is in doubt."""

    def load(self) -> None:
        """Start from what the last run has notified a person of."""
        self._notified = Notified.stored(self._journal.recall("told"))

    def notify(
        self, pause: Pause | None, jobs: Iterable[Job], results: Mapping[str, str], now: float
    ) -> None:
        """Send what is new; it stands in the journal before it is sent.

        ``pause``: one that lasts until a person acts. ``results``: the links of the messages that wait for a
        person to say whose they are, by message id.
        """
        notified, news = needs_person(self._notified, pause, jobs, self._channel.waits_for_person, now)
        notified, more = held_news(notified, results, now)
        if notified != self._notified:
            self._journal.remember({"told": notified.to_store()})
        self._notified = notified
        self.may_notify = bool(notified.doubts or notified.results)
        for notification in (*news, *more):
            self._perform(notification)


def needs_person(
    notified: Notified, pause: Pause | None, jobs: Iterable[Job], waits: Callable[[Job], bool], now: float
) -> tuple[Notified, list[SendNotification]]:
    """Return the updated record of notifications, and those to send now.

    ``pause`` is one that lasts until a person acts; ``waits`` says whether a job in doubt does so too. A
    cause that has gone and comes again is a new one; a pause that a person asked for is no news to them.
    """
    notifications = []
    if pause is not None and pause.kind is not PauseKind.PERSON and pause.reason != notified.pause:
        trouble = pause_trouble(pause, now)
        notifications.append(
            SendNotification(Notification.NEEDS_PERSON, now, trouble.sentence, trouble=trouble)
        )
    doubtful = {f"{job.id} {job.nonce}": job for job in jobs if job.state is State.IN_DOUBT}
    waiting = {attempt: job for attempt, job in doubtful.items() if waits(job)}
    for attempt, job in waiting.items():
        if attempt not in notified.doubts:
            notifications.append(SendNotification(Notification.NEEDS_PERSON, now, IN_DOUBT, job))
    # Don't notify again about a doubt that has not ended, also when it may settle itself for a while.
    doubts = frozenset(waiting) | (notified.doubts & frozenset(doubtful))
    reason = None if pause is None else pause.reason
    return replace(notified, pause=reason, doubts=doubts), notifications


def held_news(
    notified: Notified, results: Mapping[str, str], now: float
) -> tuple[Notified, list[SendNotification]]:
    """Return the same for held results: ``results`` are the links of their messages, by message id."""
    links = [link for message_id, link in results.items() if message_id not in notified.results]
    news = [SendNotification(Notification.NEEDS_PERSON, now, RESULT_HELD.format(link=link)) for link in links]
    return replace(notified, results=frozenset(results)), news
