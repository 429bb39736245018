"""The troubles of the service while they last: each is logged and notified once, and so is its end."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mjwatch.effects import Notification, SendNotification
from mjwatch.errors import JournalError
from mjwatch.trouble import Trouble, TroubleKind, journal_trouble, worst_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mjwatch.journal.writer import Journal

log = logging.getLogger("mjwatch")

GRACE_PERIOD = 60.0
"""Seconds that a trouble must last to be news, if it may pass by itself or comes again and again."""

RELAPSE_PERIOD = 600.0
"""Seconds after its last report in which a trouble that comes again is news only if it lasts."""

CONFIRM_PERIOD = 60.0
"""Seconds after a start in which a trouble of the last run shows whether it is still there."""

JOURNAL_INTERVAL = 5.0
"""Seconds between two tries to write a journal that has failed and that nothing else waits for."""

_Identity = tuple[str, ...]


class Troubles:
    """What is wrong now. Only the loop's thread changes it; any thread may read ``current``.

    A trouble is reported (``report``) by one log line at a level that administrators look for, one
    notification, and, when it is gone, one log line and one notification more.
    """

    def __init__(
        self,
        journal: Journal,
        perform: Callable[[SendNotification], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """``clock`` gives seconds since 1970."""
        self._journal = journal
        self._perform = perform
        self._clock = clock
        self._monotonic = monotonic
        self.current: tuple[Trouble, ...] = ()
        """What is wrong, the worst first, each since its beginning."""
        self._by_source: dict[str, Trouble] = {}
        self._began: dict[_Identity, float] = {}
        self._reported: dict[_Identity, Trouble] = {}
        self._reported_at: dict[_Identity, float] = {}
        self._unconfirmed: frozenset[_Identity] = frozenset()
        self._loaded_at = self._tried_at = -math.inf
        self._stored: dict[str, Any] = self._to_store()

    def load(self) -> None:
        """Start from what the last run reported: what is still there is not notified again."""
        self._stored = self._journal.recall("troubles") or self._stored
        reported = [Trouble.stored(value) for value in self._stored["reported"]]
        self._reported = {trouble.identity: trouble for trouble in reported}
        self._unconfirmed = frozenset(self._reported)
        self._loaded_at = self._monotonic()

    def _to_store(self) -> dict[str, Any]:
        """Return as JSON can hold it: what is wrong now, and what was reported."""
        troubles = {"current": self.current, "reported": self._reported.values()}
        return {name: [trouble.to_store() for trouble in found] for name, found in troubles.items()}

    def note(self, source: str, trouble: Trouble | None) -> None:
        """Note what this source has found: a trouble, or that all is well."""
        if trouble is None and source not in self._by_source:
            return
        if trouble is None:
            del self._by_source[source]
        else:
            since = self._beginning(trouble, self._by_source.get(source))
            self._by_source[source] = replace(trouble, since=since)
        self.current = tuple(worst_first(self._by_source.values()))
        present = {trouble.identity for trouble in self.current}
        self._began = {key: at for key, at in self._began.items() if key in present}
        for key in present:
            self._began.setdefault(key, self._monotonic())

    def _beginning(self, trouble: Trouble, before: Trouble | None) -> float:
        """Return since when there is this trouble; one of the last run has lasted all the time."""
        for known in (before, self._reported.get(trouble.identity)):
            if known is not None and known.identity == trouble.identity and known.since is not None:
                return known.since
        return self._clock()

    def has(self, kind: TroubleKind) -> bool:
        """Return whether something of this kind is wrong."""
        return any(trouble.kind is kind for trouble in self.current)

    # ---- reports

    def next_time(self) -> float:
        """Return when a report is due (``monotonic``); infinity if none will be without a change."""
        times = [self._due(key) for key in self._began if self._is_news(key)]
        if self._unconfirmed:
            times.append(self._loaded_at + CONFIRM_PERIOD)
        if self.has(TroubleKind.JOURNAL):
            times.append(self._tried_at + JOURNAL_INTERVAL)
        return min(times, default=math.inf)

    def _due(self, key: _Identity) -> float:
        trouble = next(trouble for trouble in self.current if trouble.identity == key)
        is_relapse = self._began[key] < self._reported_at.get(key, -math.inf) + RELAPSE_PERIOD
        may_pass = trouble.is_passing or (is_relapse and trouble.kind is not TroubleKind.PAUSED)
        return self._began[key] + (GRACE_PERIOD if may_pass else 0.0)

    def _is_news(self, key: _Identity) -> bool:
        return key not in self._reported or key in self._unconfirmed

    def _gone(self) -> list[Trouble]:
        """Return what was reported and is over. What the last run reported gets time to show."""
        if self._monotonic() >= self._loaded_at + CONFIRM_PERIOD:
            self._unconfirmed = frozenset()
        present = self._unconfirmed.union(self._began)
        return [trouble for key, trouble in self._reported.items() if key not in present]

    def report(self, *, journal_fails: bool) -> None:
        """Report what has begun and what has ended since the last call, and have the journal keep it.

        ``journal_fails``: something else waits for the journal. If it fails here, that is a trouble too.
        """
        for notification in self._changes():
            self._perform(notification)
        may_work = self.has(TroubleKind.JOURNAL) and not journal_fails
        facts = self._to_store()
        if facts == self._stored and not may_work:
            return
        self._tried_at = self._monotonic()
        try:
            self._journal.remember({"troubles": facts})
        except JournalError as error:
            self.note("journal", journal_trouble(error))
        else:
            self._stored = facts
            if may_work:
                self.note("journal", None)

    def _changes(self) -> list[SendNotification]:
        """Log what has begun and what has ended, and return the notifications of it."""
        now = self._monotonic()
        begun = [t for t in self.current if self._is_news(t.identity) and self._due(t.identity) <= now]
        ended = self._gone()
        news = [*self._log_begun(begun), *self._log_ended(ended)]
        self._reported_at = {
            key: at
            for key, at in self._reported_at.items()
            if key in self._began or now < at + RELAPSE_PERIOD
        }
        for trouble in begun:
            self._reported[trouble.identity] = trouble
            self._reported_at[trouble.identity] = now
        for trouble in ended:
            del self._reported[trouble.identity]
        self._unconfirmed -= {trouble.identity for trouble in begun}
        return news

    def _log_begun(self, begun: Iterable[Trouble]) -> Iterator[SendNotification]:
        for trouble in begun:
            log.log(logging.ERROR if trouble.stops_work else logging.WARNING, "%s", trouble)
            # A pause is notified as what a person is needed for.
            is_known = trouble.wanted or trouble.kind is TroubleKind.PAUSED
            if not is_known and trouble.identity not in self._unconfirmed:
                yield self._news(Notification.TROUBLE, trouble)

    def _log_ended(self, ended: Iterable[Trouble]) -> Iterator[SendNotification]:
        for trouble in ended:
            lasted = max(0.0, self._clock() - (trouble.since or self._clock()))
            log.info("resolved after %.0f s: %s", lasted, trouble.sentence)
            if not trouble.wanted:
                yield self._news(Notification.RESOLVED, trouble)

    def _news(self, news: Notification, trouble: Trouble) -> SendNotification:
        return SendNotification(news, self._clock(), trouble.sentence, trouble=trouble)
