"""Imports what was made in the channel elsewhere: its history once, or all that comes, page by page.

What is read and how far is in the journal, in the same transaction as the jobs that come of it, so that a
kill at any moment loses and repeats nothing. Nothing is ever sent for it.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mjwatch import effects as ef
from mjwatch.discord.protocol import snowflake_ms
from mjwatch.discord.timing import backoff
from mjwatch.jobs.imported import FileGroup, channel_job, file_job
from mjwatch.jobs.pacing import DAY
from mjwatch.journal.requests import Outcome
from mjwatch.midjourney.elsewhere import ImportVerdict, PictureJudge
from mjwatch.midjourney.matching.evidence import duplicate_key
from mjwatch.model import IN_FLIGHT, Job, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch import events as ev
    from mjwatch.engine.service_state import ServiceState
    from mjwatch.jobs.pacing import Pace
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel
    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage

log = logging.getLogger("mjwatch")

IMPORT, BY_HAND = "import", "by_hand"
"""The two purposes for which pages are read; each is also the key of its state in the journal."""

FETCHED_AT_ONCE = 6
"""Imported pictures that are fetched at the same time: a result that somebody waits for waits for no more."""

NOTHING_SHOWN = (
    "Discord shows no newer message, but there is one: it was deleted, or the account may not read it"
)
"""Why an import ends early. Without the right to read the history, Discord answers with an empty page."""

SETTLING_TIME = 2.0
"""Seconds after a picture that was made by hand, in which the bot ends its work on the message."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of the channel's history, and how far. Messages are named by their ids.

    ``since`` and ``until`` are bounds that no message needs to have; ``after``: all up to it are read.
    ``is_active`` is False when all is read (``is_complete``) or a person has stopped it. ``read``: how many
    messages; ``found``: how many finished pictures of each verdict.
    """

    since: str = "0"
    until: str | None = None
    after: str = "0"
    is_active: bool = True
    is_complete: bool = False
    read: int = 0
    found: Mapping[str, int] = field(default_factory=dict)
    trouble: str | None = None

    @classmethod
    def stored(cls, value: Any) -> Reading | None:
        """Return what ``asdict`` gave to the journal; None where it gave nothing."""
        return cls(**value) if value else None


class ChannelImport:
    """Reads pages and turns what this account made elsewhere into jobs. Only the loop's thread calls it.

    ``add`` takes up jobs that are committed. ``collect_by_hand``: what is made in the channel from now on is
    collected, too.
    """

    def __init__(
        self,
        journal: Journal,
        channel: Channel,
        service: ServiceState,
        add: Callable[[list[Job], list[ef.Effect]], None],
        perform: Callable[[ef.Effect], None],
        *,
        pace: Pace,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        rng: Callable[[], float],
        collect_by_hand: bool,
    ) -> None:
        self._journal = journal
        self._channel = channel
        self._service = service
        self._add = add
        self._perform = perform
        self._pace = pace
        self._clock = clock
        self._monotonic = monotonic
        self._rng = rng
        self._collects = collect_by_hand
        self._judge = PictureJudge(channel.tracker, journal.has_result, journal.owner_of)
        self._import: Reading | None = None
        self._by_hand: Reading | None = None
        self._awaited: ef.ReadPage | None = None
        self._next_page_at = -math.inf
        self._failed_tries = 0
        self._to_fetch: deque[ef.FetchResult] = deque()
        # The situation in which what was made by hand was last looked for.
        self._seen_in: tuple[object, ...] | None = None
        # The first message that may be a job's: of the last look at all messages, and of the present one.
        self._first_unclear: int | None = None
        self._scan_unclear: int | None = None
        self.is_enabled = True
        """Whether pages are read at all: a process that runs a few jobs of its own leaves an import alone."""

    def load(self) -> None:
        """Go on where the last run ended. Where by-hand jobs are not collected, those until now are left."""
        self._import = Reading.stored(self._journal.recall(IMPORT))
        by_hand = Reading.stored(self._journal.recall(BY_HAND))
        if by_hand is not None and self._collects:
            self._by_hand = replace(by_hand, after=by_hand.since)
        elif by_hand is not None:
            self._journal.remember({BY_HAND: None})

    # ---- what a person asks for

    def begin(self, since: str, until: str | None) -> Outcome:
        """Begin to import these messages, or go on if that was begun before and has not ended."""
        if not self.is_enabled:
            message = "another command works without the service, and reads no history"
            return Outcome(None, False, f"{message}; import again when it has ended")
        begun = self._import
        if begun is not None and begun.is_active and (begun.since, begun.until) != (since, until):
            message = "another import is running; stop that first, with Ctrl-C where it shows its progress"
            return Outcome(None, False, f"{message} or `mjwatch import --stop`")
        goes_on = begun is not None and (begun.since, begun.until) == (since, until) and not begun.is_complete
        reading = (
            replace(begun, is_active=True, trouble=None)
            if begun and goes_on
            else Reading(since, until, after=since)
        )
        self._journal.remember({IMPORT: asdict(reading)})
        self._import = reading
        log.info("import of the channel's history %s", "continues" if goes_on else "begins")
        return Outcome(None, True, "continued" if goes_on else "begun")

    def stop(self) -> Outcome:
        """Read no further; what is found already is still fetched."""
        if self._import is None or not self._import.is_active:
            return Outcome(None, True, "no import is running")
        self._import = replace(self._import, is_active=False)
        self._journal.remember({IMPORT: asdict(self._import)})
        return Outcome(None, True, "stopped; `mjwatch import` continues it")

    def take_files(self, groups: Mapping[str, Any], retry: Callable[[str], None]) -> list[Outcome]:
        """Turn groups of staged pictures into jobs with these ids; ``retry`` saves a failed job once more."""
        outcomes, transitions = [], []
        for job_id, fields in groups.items():
            known = self._journal.job(job_id)
            if known is None:
                pictures = tuple(map(tuple, fields["pictures"]))
                transitions.append(
                    file_job(FileGroup(**{**fields, "pictures": pictures}), job_id, self._clock())
                )
            elif known.state is State.FAILED:
                retry(job_id)
            outcomes.append(Outcome(job_id, True, "imported" if known is None else "is here already"))
        jobs = [job for job, _ in transitions]
        self._journal.accept_imported([(job, duplicate_key(job)) for job in jobs], {})
        self._add(jobs, [effect for _, effects in transitions for effect in effects])
        return outcomes

    @property
    def is_reading(self) -> bool:
        """Whether an import that a person has asked for has not ended."""
        return self._import is not None and self._import.is_active

    # ---- the loop's turn

    def turn(self, jobs: Mapping[str, Job]) -> None:
        """Have some pictures fetched, and the next page read if it is time."""
        self._fetch_some(jobs)
        self._begin_by_hand()
        purpose = self._due(jobs)
        reading = {IMPORT: self._import, BY_HAND: self._by_hand}.get(purpose or "")
        if purpose is None or reading is None:
            return
        if purpose == BY_HAND:
            self._seen_in = self._situation(jobs)
        self._awaited = ef.ReadPage(purpose, reading.after)
        self._perform(self._awaited)

    def next_time(self, jobs: Mapping[str, Job]) -> float:
        """Return when ``turn`` is to be called (monotonic); infinity: when something has happened."""
        wants = self.is_reading or self._is_by_hand_due(jobs)
        return self._next_page_at if wants and self._can_read() else math.inf

    def noticed(self, before: int) -> None:
        """Note that a picture may have come that was made by hand; ``before``: the count of such pictures."""
        if self._collects and self._channel.tracker.unowned_finals != before:
            self._next_page_at = max(self._next_page_at, self._monotonic() + SETTLING_TIME)

    def _begin_by_hand(self) -> None:
        """Collect what is made by hand from now on, as soon as it is known what the channel has."""
        newest, caught_up = self._channel.tracker.newest, self._channel.tracker.caught_up
        if self._collects and self._by_hand is None and caught_up and newest is not None:
            reading = Reading(since=newest, after=newest)
            self._journal.remember({BY_HAND: asdict(reading)})
            self._by_hand = reading

    def _fetch_some(self, jobs: Mapping[str, Job]) -> None:
        if not self._to_fetch:
            return
        waiting = {effect.job.id for effect in self._to_fetch}
        elsewhere = (job for job in jobs.values() if job.made_elsewhere and job.state is State.COLLECTING)
        fetched = sum(job.next_action_at is None and job.id not in waiting for job in elsewhere)
        while self._to_fetch and fetched < FETCHED_AT_ONCE:
            self._perform(self._to_fetch.popleft())
            fetched += 1

    def _can_read(self) -> bool:
        """Return whether the channel is heard, all of it is known, and no page is awaited."""
        tracker = self._channel.tracker
        is_heard = self._channel.stream.is_open and tracker.caught_up and tracker.me is not None
        return self.is_enabled and is_heard and self._awaited is None and not self._to_fetch

    def _due(self, jobs: Mapping[str, Job]) -> str | None:
        """Return for what a page is to be read now."""
        if not self._can_read():
            return None
        monotonic = self._monotonic()
        if monotonic < self._next_page_at or not self._service.limits.may_read(monotonic):
            return None
        if self._is_by_hand_due(jobs):
            return BY_HAND
        return IMPORT if self.is_reading else None

    def _is_by_hand_due(self, jobs: Mapping[str, Job]) -> bool:
        if self._by_hand is None:
            return False
        # What a job may still get is looked at again when the jobs have changed; all else only if it is new.
        seen, count = self._seen_in, 2 if self._first_unclear is None else None
        return seen is None or seen[:count] != self._situation(jobs)[:count]

    def _situation(self, jobs: Mapping[str, Job]) -> tuple[object, ...]:
        """Return what must change before it is worth while to look again for what was made by hand."""
        tracker = self._channel.tracker
        sent = [job.id for job in jobs.values() if job.state in IN_FLIGHT or job.state is State.IN_DOUBT]
        return tracker.unowned_finals, tracker.held.version, tracker.foreign_jobs.version, sent

    # ---- pages

    def page_read(self, event: ev.PageRead, jobs: Mapping[str, Job]) -> None:
        """Turn what is new on this page into jobs, and note how far it is read."""
        reading = self._import if event.purpose == IMPORT else self._by_hand
        if reading is not None and reading.is_active and reading.after == event.after:
            page = _Page(self._judge, self._journal, self._clock())
            known, ended = self._bounded(event, reading)
            for message in known:
                page.take(self._channel.tracker.read(message, jobs), jobs)
            if event.purpose == IMPORT:
                advanced = _advanced(reading, page, known, ended=ended)
                if not event.messages and int(reading.after) < self._last_id(reading):
                    advanced = replace(advanced, is_complete=False, trouble=NOTHING_SHOWN)
                self._commit(IMPORT, advanced, page)
            else:
                self._scanned(reading, page, known, ended=ended)
        self._awaited, self._failed_tries = None, 0
        self._next_page_at = self._monotonic() + self._pace.delay + self._pace.jitter * self._rng()
        self._service.keep_limits(self._service.limits.reading_succeeded())

    def _scanned(self, reading: Reading, page: _Page, known: list[Mapping[str, Any]], *, ended: bool) -> None:
        """Note from where what is made by hand is looked for the next time.

        That is behind the last message, or before the first one that may be a job's; ``since`` changes only
        when all is read, so that a kill skips nothing.
        """
        unclear = next(iter(page.unclear), None) if self._scan_unclear is None else self._scan_unclear
        after = str(known[-1]["id"]) if known else reading.after
        if not ended:
            self._commit(BY_HAND, replace(reading, after=after), page)
            self._scan_unclear, self._seen_in = unclear, None  # there is more
            return
        since = after if unclear is None else str(unclear - 1)
        self._commit(BY_HAND, replace(reading, since=since, after=since), page)
        self._first_unclear, self._scan_unclear = unclear, None

    def _bounded(self, event: ev.PageRead, reading: Reading) -> tuple[list[Mapping[str, Any]], bool]:
        """Return the messages within the bounds, and whether no more follow.

        Those that the gateway has not shown yet are not judged: it may still tell whose they are.
        """
        last = self._last_id(reading)
        known = [message for message in event.messages if int(message["id"]) <= last]
        return known, event.complete or len(known) < len(event.messages)

    def _last_id(self, reading: Reading) -> int:
        """Return the id up to which messages are read."""
        bounds = (reading.until, self._channel.tracker.newest)
        return min((int(bound) for bound in bounds if bound is not None), default=0)

    def _commit(self, purpose: str, reading: Reading, page: _Page) -> None:
        with_keys = [(job, duplicate_key(job)) for job in page.jobs]
        self._journal.accept_imported(with_keys, {purpose: asdict(reading)})
        if purpose == IMPORT:
            self._import = reading
        else:
            self._by_hand = reading
        self._to_fetch.extend(page.effects)
        self._add(page.jobs, [])
        if page.jobs:
            ids = [job.id for job in page.jobs]
            log.info("found in the channel, made elsewhere: %s", ", ".join(ids), extra={"job": ids})
        if reading.is_complete:
            log.info("the channel's history is read; %s", found_text(reading.found))

    def page_failed(self, event: ev.PageReadFailed) -> None:
        """Try it again later."""
        self._service.pause_if_needed(event.refusal)
        self._awaited, self._seen_in, monotonic = None, None, self._monotonic()
        wait = backoff(self._failed_tries)
        if event.refusal is not None and event.refusal.scope is not None:
            self._service.keep_limits(self._service.limits.reading_limited(event.refusal, monotonic))
            wait = 0.0
        else:
            self._failed_tries += 1
            log.warning("a page of the channel can't be read: %s; again in %.0f s", event.reason, wait)
        self._next_page_at = monotonic + wait
        if self._import is not None and self._import.is_active:
            self._import = replace(self._import, trouble=event.reason)
            self._journal.remember({IMPORT: asdict(self._import)})


class _Page:
    """The finished pictures of one page, and the jobs of those that are new."""

    def __init__(self, judge: PictureJudge, journal: Journal, now: float) -> None:
        self._judge = judge
        self._journal = journal
        self._now = now
        self._uuids: set[str | None] = set()
        self._by_message: dict[str | None, str] = {}
        self.jobs: list[Job] = []
        self.effects: list[ef.FetchResult] = []
        self.found: dict[str, int] = {}
        self.unclear: list[int] = []
        """The messages that may still become clear: no job of Midjourney's takes a day."""

    def take(self, message: ParsedMessage, jobs: Mapping[str, Job]) -> None:
        """Count a message, and make a job of it if it is new."""
        verdict = self._judge.judge(message, jobs)
        if verdict is ImportVerdict.NEW and message.job_uuid in self._uuids - {None}:
            verdict = ImportVerdict.KNOWN
        if verdict is None:
            return
        self.found[verdict] = self.found.get(verdict, 0) + 1
        message_id = message.message_id or "0"
        if verdict is ImportVerdict.UNCLEAR and self._now - snowflake_ms(message_id) / 1000 < DAY:
            self.unclear.append(int(message_id))
        if verdict is ImportVerdict.NEW:
            self._make_job(message)

    def _make_job(self, message: ParsedMessage) -> None:
        parent = self._by_message.get(message.reply_to)
        if parent is None and message.reply_to is not None:
            parent = self._journal.owner_of(message_id=message.reply_to)
        job, effects = channel_job(message, self._now, parent, self._is_taken)
        self.jobs.append(job)
        self.effects += [effect for effect in effects if isinstance(effect, ef.FetchResult)]
        self._uuids.add(message.job_uuid)
        self._by_message[message.message_id] = job.id

    def _is_taken(self, job_id: str) -> bool:
        return self._journal.job(job_id) is not None or any(job.id == job_id for job in self.jobs)


def _advanced(reading: Reading, page: _Page, known: list[Mapping[str, Any]], *, ended: bool) -> Reading:
    """Return how far an import is after this page."""
    return replace(
        reading,
        after=str(known[-1]["id"]) if known else reading.after,
        read=reading.read + len(known),
        found={
            verdict: reading.found.get(verdict, 0) + page.found.get(verdict, 0) for verdict in ImportVerdict
        },
        is_active=not ended,
        is_complete=ended,
        trouble=None,
    )


def found_text(found: Mapping[str, int], new: str = "imported") -> str:
    """Return in words what an import has found; ``new``: what is said of the new pictures."""
    parts = {
        ImportVerdict.NEW: f"{{}} {new}",
        ImportVerdict.KNOWN: "{} here already",
        ImportVerdict.OTHERS: "{} of other people",
        ImportVerdict.UNPROVEN: "{} that name nobody",
        ImportVerdict.UNCLEAR: "{} that may be of jobs that still wait",
    }
    named = [text.format(found[verdict]) for verdict, text in parts.items() if found.get(verdict)]
    return ", ".join(named) or "no finished picture"
