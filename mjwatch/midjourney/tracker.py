"""From what the gateway and the channel's history say to events for jobs."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from mjwatch import events as ev
from mjwatch.discord.json_values import id_of, object_of, snowflake_of
from mjwatch.discord.protocol import MIDJOURNEY_APPLICATION_ID
from mjwatch.midjourney.interactions import INTERACTION_EVENTS, read_interaction
from mjwatch.midjourney.job_events import JobEvents, finished, job_events
from mjwatch.midjourney.matching.by_looks import (
    StartsByLooks,
    has_rival,
    rests_on_looks,
    without_starts,
    wrong_starts,
)
from mjwatch.midjourney.matching.evidence import FINALS, expected_of, not_newer
from mjwatch.midjourney.matching.foreign_jobs import (
    ENDED_JOB,
    WAITING,
    ForeignJob,
    ForeignJobs,
    UnmatchedMessage,
    UnmatchedMessages,
)
from mjwatch.midjourney.matching.held_results import HeldResult, HeldResults, contradicts
from mjwatch.midjourney.matching.known_results import KnownResults
from mjwatch.midjourney.matching.matcher import Match, fits, match, match_history, may_be_mine
from mjwatch.midjourney.matching.news import ShownMessages
from mjwatch.midjourney.parsing.messages import BOTS, read_message
from mjwatch.midjourney.parsing.parsed_message import MessageKind, ParsedMessage
from mjwatch.midjourney.parsing.refusals import LONG_PROMPT
from mjwatch.midjourney.passive_updates import PASSIVE_EVENTS, last_message
from mjwatch.midjourney.press_answers import PressAnswers

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from mjwatch.model import Job

MESSAGE_EVENTS = frozenset({"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK"})
CLOSED_PROMPTS = 200
_KEPT_KINDS = FINALS | {MessageKind.STARTED, MessageKind.PROGRESS}


class MessageTracker:
    """Tracks the messages of one channel.

    ``owner_of(job_uuid=, message_id=, start_id=)`` returns the id of a job, also of a closed one.
    ``application_id``: the application that jobs are sent to, if it is neither Midjourney's nor niji's own.
    ``guild_id``: the guild of the channel; None in direct messages.
    """

    def __init__(
        self,
        channel_id: str,
        owner_of: Callable[..., str | None],
        application_id: str | None = None,
        guild_id: str | None = None,
    ) -> None:
        self._channel_id = channel_id
        self._bots = BOTS if application_id is None else BOTS | {application_id}
        self.foreign_jobs = ForeignJobs()
        self.unmatched = UnmatchedMessages()
        self.shown = ShownMessages()
        address = f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}"
        self.held = HeldResults(owner_of, self.foreign_jobs, address)
        self._results = KnownResults(owner_of, self.foreign_jobs)
        self.looks = StartsByLooks(self.foreign_jobs, self._results)
        self._press_answers = PressAnswers()
        self.me: str | None = None
        self.newest: str | None = None
        self.closed_prompts: deque[str] = deque(maxlen=CLOSED_PROMPTS)
        """The prompts of the last jobs of ours that were closed: a notice may still quote them."""
        self.unowned_finals = 0
        """How many finals of this account have come that are no job's of ours."""
        self.references_seen = False
        """Whether a final has replied to its own start message: then ids distinguish equal prompts."""
        self.on_notice: Callable[[str, str], None] = lambda job_id, text: None
        """Called with the job's id and the text of a message that changes nothing for the job."""
        self._gap_after: str | None = None
        self.has_unheard = False
        """Whether a message has changed whose creation was not heard: then the history is read."""
        self.has_gap = False
        """Whether messages were missed that no replay repeats, and whose history is unread."""
        self.caught_up = True
        """False while a gap's history is unread: then only ids decide, and ambiguous messages are kept."""

    def wanted(self, name: str, data: Mapping[str, Any]) -> bool:
        """Return whether this dispatch concerns us; all others need not leave the gateway's thread."""
        if name in INTERACTION_EVENTS or name in PASSIVE_EVENTS:
            return True
        return name in MESSAGE_EVENTS and id_of(data.get("channel_id")) == self._channel_id

    def dispatch(self, event: ev.GatewayDispatch, jobs: Mapping[str, Job]) -> JobEvents:
        """Return what this dispatch means for which job."""
        if event.name in INTERACTION_EVENTS:
            return read_interaction(event, jobs.values())
        if event.name in PASSIVE_EVENTS:
            return []
        pairs: JobEvents = []
        for message in self._parse_dispatch(event, jobs):
            if self._is_unheard(message) and not self._is_named(message, jobs):
                self.begin_gap()
                self.has_unheard = True
                self.looks.note_moved(message, jobs, self.me)
            if event.name in {"MESSAGE_CREATE", "MESSAGE_UPDATE"}:
                self.note_newest(message.message_id)
            pairs += self._assign(message, event.seq, jobs)
        return pairs

    def _parse(
        self, event: str, payload: Mapping[str, Any], jobs: Mapping[str, Job] | None = None
    ) -> ParsedMessage:
        """Return the parsed message. A final without its pictures is only a part, and counts as a notice."""
        message = read_message(event, payload, self._bots, self._prompts(jobs or {}))
        is_part = message.kind in FINALS and not message.images
        return replace(message, kind=MessageKind.NOTICE) if is_part else message

    def _prompts(self, jobs: Mapping[str, Job]) -> Iterator[str]:
        """Yield what a notice may quote. Of prompts that need not be its own, a short one may be its text."""
        yield from (job.prompt.text for job in jobs.values())
        others = chain(self.closed_prompts, self.foreign_jobs.prompts())
        yield from (prompt for prompt in others if len(prompt.partition(" --")[0]) >= LONG_PROMPT)

    def _parse_dispatch(self, event: ev.GatewayDispatch, jobs: Mapping[str, Job]) -> list[ParsedMessage]:
        """Return the dispatch as one message, or as one per deleted message.

        Each deletion is matched separately.
        """
        message = self._parse(event.name, event.data, jobs)
        if message.kind is MessageKind.DELETED:
            return [replace(message, message_id=id_, deleted_ids=(id_,)) for id_ in message.deleted_ids]
        if event.name != "MESSAGE_UPDATE" or not _is_start(snowflake_of(event.data.get("id")), jobs.values()):
            return [message]
        if message.kind is MessageKind.BUTTON_USED:
            return [self._parse("REST", event.data, jobs)]  # a job that ends in the message in which it began
        if message.kind is MessageKind.OTHER and not object_of(event.data.get("author")):
            # A part of a start message of ours, too small to show whose it is.
            return [self._parse(event.name, {**event.data, "webhook_id": MIDJOURNEY_APPLICATION_ID})]
        return [message]

    def note_newest(self, message_id: str | None) -> None:
        """Remember the newest message of the channel ("0": none), which is the anchor of the next attempt."""
        if message_id is None or not message_id.isdecimal():
            return
        if self.newest is None or int(message_id) > int(self.newest):
            self.newest = message_id

    def _is_unheard(self, message: ParsedMessage) -> bool:
        """Return whether a message has changed whose creation was not heard, though no gap can hide it."""
        if message.event != "MESSAGE_UPDATE" or self.has_gap or self.newest is None:
            return False
        return message.message_id is not None and not not_newer(message.message_id, self.newest)

    def _is_named(self, message: ParsedMessage, jobs: Mapping[str, Job]) -> bool:
        found = match(message, jobs.values(), self.foreign_jobs, self.me, ids_only=True)
        return isinstance(found, Match)

    def missed_something(self, event: ev.GatewayDispatch) -> bool:
        """Return whether a passive update shows a newer message in the channel than any that arrived."""
        return int(last_message(event, self._channel_id) or 0) > int(self.newest or 0)

    def _reread(self, messages: Mapping[str, Mapping[str, Any] | None], jobs: Mapping[str, Job]) -> JobEvents:
        """Return what happened to start messages, which were read again after a gap.

        A missing one was deleted only if another one shows that the history can be read at all.
        """
        pairs: JobEvents = []
        readable = any(message is not None for message in messages.values())
        for message_id, message in messages.items():
            if message is not None:
                pairs += self._assign(self._parse("REST", message, jobs), None, jobs)
            elif readable:
                deletion = {"id": message_id, "channel_id": self._channel_id}
                pairs += self._assign(self._parse("MESSAGE_DELETE", deletion), None, jobs)
        return pairs

    def history(
        self,
        messages: Sequence[Mapping[str, Any]],
        jobs: Mapping[str, Job],
        by_text: Container[str] | None = None,
        reread: Mapping[str, Mapping[str, Any] | None] | None = None,
    ) -> JobEvents:
        """Return what a part of the channel's history, read after a gap, means for which job.

        ``by_text``: the ids of the jobs that may be found by their prompt; None means all. ``reread``: the
        start messages that were read again.
        """
        parsed = [self._results.completed(self._parse("REST", message, jobs), jobs) for message in messages]
        unowned, late = self._without_closed(parsed, jobs)
        heard = [kept.message for kept in self.unmatched]
        heard = [message for message in heard if message.kind in FINALS or message.nonce is None]
        shown = [message for message in (*unowned, *heard) if message.kind in _KEPT_KINDS]
        disputed = dict.fromkeys(
            job_id for message in shown for job_id in self.looks.disputed_by(message, jobs, self.me)
        )
        jobs = without_starts(jobs, disputed)
        found = match_history(
            unowned,
            list(jobs.values()),
            self.foreign_jobs,
            self.me,
            by_text=by_text,
            newest=self.known_until(),
        )
        for message in found.ambiguous:
            if message.kind not in FINALS:
                self.unmatched.add(message, None)
        for message in parsed:
            self.note_newest(message.message_id)
        matched = {message.message_id for _, message in found.matched}
        for message in unowned:
            if message.message_id not in matched and may_be_mine(message, self.me):
                self.unowned_finals += message.kind in FINALS
                self.held.hold(message, jobs.values(), by_ids=True)
        events: JobEvents = []
        for match_, message in found.matched:
            if match_.by_looks or self._is_settled(match_, message, jobs):
                events += self._events(match_, message, jobs)
            else:
                self.unmatched.add(message, None)
        return late + _disputes(disputed) + events + self._reread(reread or {}, jobs)

    def _without_closed(
        self, messages: Iterable[ParsedMessage], jobs: Mapping[str, Job]
    ) -> tuple[list[ParsedMessage], JobEvents]:
        """Return the messages that are of no closed job, and the events of results that closed jobs lack."""
        unowned: list[ParsedMessage] = []
        late: JobEvents = []
        for message in messages:
            owner = self._results.closed_owner(message, jobs)
            if owner is None:
                unowned.append(message)
            elif self.held.owner(message.message_id or "") is None:
                late.append((owner, finished(message, "job uuid")))
        return unowned, late

    def next_matched(self, jobs: Mapping[str, Job]) -> tuple[UnmatchedMessage | HeldResult, JobEvents] | None:
        """Return the first unmatched message whose job is known by now, and its events, or None.

        It stays until ``release`` is called, because its events may fail to be committed.
        """
        for unmatched in self.unmatched:
            pairs = self._find(unmatched.message, jobs)
            if pairs is not None:
                return unmatched, pairs
        for held in self.held:
            pairs = self._settled(held, jobs)
            if pairs is not None:
                return held, pairs
        return None

    def release(self, kept: UnmatchedMessage | HeldResult) -> None:
        """Forget a message whose job is known and that is committed."""
        if isinstance(kept, HeldResult):
            self.held.remove(kept.message_id)
        else:
            self.unmatched.remove(kept)

    # ---- results that are held until it is clear whose they are, or until a person says so

    def hold_unmatched(self, jobs: Mapping[str, Job], *, by_ids: bool = False) -> None:
        """Hold the unmatched results, unless a history that is still unread may show whose they are.

        ``by_ids``: that history lacks them, so that it can't be read, and only ids settle them.
        """
        for unmatched in self.unmatched if self.caught_up or by_ids else ():
            if self.held.hold(unmatched.message, jobs.values(), by_ids=by_ids):
                self.unmatched.remove(unmatched)

    def _settled(self, held: HeldResult, jobs: Mapping[str, Job]) -> JobEvents | None:
        """Return the events of a held result, none if it is no job's of ours, or None while it is held."""
        message = held.message
        if self.held.owner(held.message_id) is not None:
            return []
        may_own = [id_ for id_ in held.candidates if id_ not in jobs or not contradicts(message, jobs[id_])]
        if not may_own:  # all have results or ids of their own, so that this one is a foreign job's
            self.foreign_jobs.dismiss(message)
            return []
        owner = self._results.closed_owner(message, jobs)
        if owner is not None:
            return [(owner, finished(message, "job uuid"))]
        found = match(message, jobs.values(), self.foreign_jobs, self.me, ids_only=True)
        if found is None and self.foreign_jobs.has_final(message):
            return []
        fitting = [id_ for id_ in may_own if id_ in jobs and fits(message, jobs[id_])]
        if found is None and len(may_own) == len(fitting) == 1 and not held.by_ids:
            found = match(message, jobs.values(), self.foreign_jobs, self.me)
        if isinstance(found, Match) and self._is_settled(found, message, jobs):
            return self._events(found, message, jobs)
        return None

    def read(self, payload: Mapping[str, Any], jobs: Mapping[str, Job]) -> ParsedMessage:
        """Return a message of the channel that a person names, as the history has it."""
        return self._results.completed(self._parse("REST", payload), jobs)

    def by_person(self, message: ParsedMessage, job: Job) -> ev.Finished | str:
        """Return the event for the job to which a person assigns this message, or why that can't be."""
        if self.me is not None and not may_be_mine(message, self.me):
            return "it is the result of another account"
        return self.held.objection(message, job) or finished(message, "person")

    def new_session(self) -> None:
        """Start a new session: there is a gap before it, and its dispatches are counted from one."""
        self.begin_gap()
        self.unmatched.new_session()

    def begin_gap(self, *, replayed: bool = False) -> None:
        """Note that messages newer than the newest known one may be missing.

        ``replayed``: none are, if the session is resumed.
        """
        self._gap_after = self.known_until()
        self.caught_up, self.has_gap = False, not replayed

    def end_gap(self) -> None:
        """Note that the history of the gap has been read."""
        self.caught_up = True
        self.has_gap = False

    def known_until(self) -> str | None:
        """Return the message up to which all are known: newer ones may be known too while a gap is unread."""
        return self.newest if self.caught_up else self._gap_after

    def remember_attempt(self, job: Job) -> None:
        """Remember an attempt that ended without a result but may run: no other job may take its pictures."""
        expected = expected_of(job)
        if FINALS.isdisjoint(expected.finals):
            return
        self.foreign_jobs.add(
            ForeignJob(
                job.message_id or f"{ENDED_JOB}{job.nonce}",
                job.prompt.text,
                job.job_uuid,
                since=job.message_id or job.interaction_id or (job.anchor if job.anchor != "0" else None),
                pressed=job.button_press.message_id if job.button_press else None,
                picture=expected.picture,
                queued=job.queued_by_bot and job.message_id is None,
                owner=job.id,
            )
        )

    def _assign(self, message: ParsedMessage, seq: int | None, jobs: Mapping[str, Job]) -> JobEvents:
        message = self._results.completed(message, jobs)
        pairs = self._press_answers.read(message, jobs)
        if pairs is None and message.kind in FINALS:
            disputed = self.looks.disputed_by(message, jobs, self.me)
            if disputed:
                self.unmatched.add(message, seq)
                return _disputes(disputed)
        if pairs is None:
            pairs = self._find(message, jobs)
        if pairs is None:
            if message.message_id not in self.held:
                self.unmatched.add(message, seq)
            pairs = []
        is_told = any(isinstance(event, ev.Refused | ev.CancelPressed) for _, event in pairs)
        needs_human = message.error is not None and message.error.needs_human
        if message.error is not None and needs_human and not is_told and may_be_mine(message, self.me):
            return [*pairs, (None, ev.Refused(message.error))]
        return pairs

    def _find(self, message: ParsedMessage, jobs: Mapping[str, Job]) -> JobEvents | None:
        """Return the events of this message, none if it is about no job, or None if it must be kept."""
        owner = self._results.closed_owner(message, jobs)
        if owner is not None:
            self.foreign_jobs.end_by_ids(message)
            return [(owner, finished(message, "job uuid"))]
        owner = self._results.ended_before_start(message, jobs)
        if owner is not None and message.message_id is not None:
            # It may not be the attempt that its job has ended with: no other job takes its result.
            self.foreign_jobs.note(message)
            return [(owner, ev.Started(message.message_id, message.interaction_id, message.job_uuid))]
        found = match(message, jobs.values(), self.foreign_jobs, self.me, ids_only=not self.caught_up)
        if isinstance(found, Match) and self._is_settled(found, message, jobs):
            return self._events(found, message, jobs)
        if not may_be_mine(message, self.me):
            return []
        is_named = message.nonce is not None and message.kind in {MessageKind.STARTED, MessageKind.QUEUED}
        if found is not None or not (self.caught_up or is_named):
            return None if message.kind in _KEPT_KINDS else []
        return self._of_no_job(message, jobs)

    def _of_no_job(self, message: ParsedMessage, jobs: Mapping[str, Job]) -> JobEvents | None:
        """Return what a message means that no job of ours can take; None if it is kept all the same."""
        self.unowned_finals += message.kind in FINALS
        # An interaction names no owner where that of our attempt was not heard; somebody else's nonce does.
        has_owner = message.kind is not MessageKind.STARTED or message.nonce is not None
        disputed = [] if has_owner else self.looks.disputed_by(message, jobs, self.me)
        # The start of a job of ours has a name, unless that was lost on the way.
        may_be_ours = disputed or any(fits(message, job) for job in jobs.values())
        if may_be_ours and message.kind is MessageKind.PROGRESS:
            return None  # its start was missed
        self.foreign_jobs.note(message, jobs.values(), uncertain=bool(may_be_ours))
        return _disputes([*disputed, *wrong_starts(message, jobs.values())])

    def _is_settled(self, found: Match, message: ParsedMessage, jobs: Mapping[str, Job]) -> bool:
        """Return whether nothing that is known, or still unread, may show another owner of this message."""
        job = jobs[found.job_id]
        if not found.by_looks:
            return self.caught_up or not rests_on_looks(found, message, job)
        if self.looks.may_have_missed_start(message, job):
            return False
        return not has_rival(message, job, (kept.message for kept in (*self.unmatched, *self.held)))

    def _events(self, found: Match, message: ParsedMessage, jobs: Mapping[str, Job]) -> JobEvents:
        job = jobs[found.job_id]
        if message.kind in FINALS and message.reply_to is not None and message.reply_to == job.message_id:
            self.references_seen = True
        moved_to = self.looks.moved_to(job) if message.kind is MessageKind.DELETED else None
        if moved_to is not None:
            return [(job.id, ev.Started(moved_to, by_looks=True))]
        events = list(job_events(message, job, found))
        if job.start_by_looks and any(isinstance(event, ev.Started) for event in events):
            self.looks.disprove(job, message, found)
        is_running = any(isinstance(event, ev.Started | ev.Progressed) for event in events)
        if is_running and not found.by_looks:
            self.foreign_jobs.forget_uncertain(message.message_id)
        if is_running and message.event == "REST" and not self.shown.has_news(message, job):
            return []  # read again, unchanged: no sign of life
        if is_running:
            self.shown.note(message, job.id)
        pairs: JobEvents = [(job.id, event) for event in events]
        is_progress = any(isinstance(event, ev.Progressed) for event in events)
        if not is_progress and message.kind is MessageKind.NOTICE and message.text:
            self.on_notice(job.id, message.text)
        return pairs


def _is_start(message_id: str | None, jobs: Iterable[Job]) -> bool:
    return message_id is not None and any(
        job.message_id == message_id and job.state in WAITING for job in jobs
    )


def _disputes(job_ids: Iterable[str]) -> JobEvents:
    return [(job_id, ev.StartDisputed()) for job_id in job_ids]
