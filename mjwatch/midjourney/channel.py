"""The channel as the gateway and the history show it, and what that means for the jobs. Pure.

``monotonic`` is in seconds of a monotonic clock. Only the time limits of jobs, which are stored, are
wall-clock times (``now``, seconds since 1970).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.json_values import id_of, list_of, object_of, text_of
from mjwatch.discord.stream_position import SilenceProof, StreamPosition
from mjwatch.midjourney.tracker import MessageTracker
from mjwatch.model import ENDED, IN_FLIGHT, Job, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mjwatch.midjourney.job_events import JobEvents
    from mjwatch.midjourney.matching.held_results import HeldResult

GRACE_PERIOD = 60.0
"""Seconds that Midjourney has, once it can be heard again, to show what became of an overdue job."""

_NOT_RUN_EVENTS = (ev.NotSent, ev.ConfirmedNotExecuted, ev.Refused, ev.ModalOpened)
"""Events that show of a job that had not started that nothing has run."""


class Channel:
    """Joins the session's position, the messages' tracker and the proof of silence.

    Holds the logic that needs several of them; callers use the parts directly otherwise.
    """

    def __init__(
        self,
        channel_id: str,
        owner_of: Callable[..., str | None],
        quiet_time: float,
        application_id: str | None = None,
        guild_id: str | None = None,
    ) -> None:
        """``quiet_time`` as in SilenceProof, all else as in MessageTracker."""
        self.tracker = MessageTracker(channel_id, owner_of, application_id, guild_id)
        self.stream = StreamPosition()
        self.silence = SilenceProof(quiet_time)
        self._stored_foreign_jobs = self.tracker.foreign_jobs.version
        self._stored_held = self.tracker.held.version
        self._stored_gap = self._gap
        # Overdue jobs, by the time limit for which the history is to be read, and for which it has been.
        self._lookups: dict[str, float | None] = {}
        self._lookups_done: dict[str, float | None] = {}
        # By job in doubt: the attempt for which history was already searched, so that it is not read again.
        # What came later was heard, or is newer than the newest known message.
        self._searched: dict[str, str | None] = {}
        # Whether the last reading of the history showed nothing at all, as where it may not be read, and
        # whether a message that the gateway left out was never read either.
        self._shows_nothing = True
        self._lacks_messages = False

    # ---- what the journal keeps of it

    def load(
        self,
        position: object,
        newest: str | None,
        foreign_jobs: object = None,
        held: object = None,
        gap: object = None,
    ) -> None:
        """Start from what ``position`` gave to the journal; what happened since is unknown."""
        self.tracker.foreign_jobs.load(foreign_jobs)
        self.tracker.held.load(held)
        self.tracker.looks.in_gap = set(map(text_of, list_of(object_of(gap).get("nonces"))))
        self.stream.load(position)
        self.tracker.me = self.stream.user_id
        self.tracker.newest = newest
        self.tracker.begin_gap(replayed=not object_of(gap).get("is_unread"))
        self.position_stored()

    def position(self) -> dict[str, Any]:
        """Return for the journal from where a later start must read so that nothing is lost.

        The foreign jobs, the held results and the gap come with it if they have changed. Call
        ``position_stored`` once it is committed.
        """
        newest = self.tracker.known_until()
        if self.tracker.unmatched.messages:
            newest = self.tracker.unmatched.safe_newest(newest)
        position: dict[str, Any] = {"gateway": self.stream.stored(), "newest": newest}
        if self.tracker.foreign_jobs.version != self._stored_foreign_jobs:
            position["strangers"] = self.tracker.foreign_jobs.stored()
        if self.tracker.held.version != self._stored_held:
            position["held"] = self.tracker.held.stored()
        if self._gap != self._stored_gap:
            position["gap"] = self._gap
        return position

    @property
    def _gap(self) -> dict[str, Any]:
        """What a later start must know of gaps: a resumed session does not repeat what was missed in one."""
        return {"is_unread": self.tracker.has_gap, "nonces": sorted(self.tracker.looks.in_gap)}

    @property
    def is_unstored(self) -> bool:
        """Whether the journal does not have the foreign jobs, the held results or the gap as they are.

        No job of ours may change for hours, and a session that ends meanwhile tells of them no more.
        """
        versions = self.tracker.foreign_jobs.version, self.tracker.held.version
        # That a gap is over may be stored with the next step: until then a later start is only more careful.
        is_gap_unstored = self._gap != self._stored_gap and any(self._gap.values())
        return is_gap_unstored or versions != (self._stored_foreign_jobs, self._stored_held)

    def position_stored(self) -> None:
        """Note that the journal has committed the present position."""
        self._stored_foreign_jobs = self.tracker.foreign_jobs.version
        self._stored_held = self.tracker.held.version
        self._stored_gap = self._gap

    # ---- the gateway

    def ready(self, event: ev.GatewayReady, monotonic: float) -> None:
        """Begin a new session: there is a gap before it."""
        self.stream.ready(event, monotonic)
        self.tracker.me = self.stream.user_id
        self.tracker.new_session()
        self.silence.interrupted()

    def lost(self, *, session_lost: bool = False) -> None:
        """Note that the connection is gone, and the session too if ``session_lost``."""
        self.silence.interrupted()
        self.stream.lost()
        if session_lost:
            self.stream.forget_session()

    def dispatch_handled(self, event: ev.GatewayDispatch, monotonic: float) -> bool:
        """Note that all that follows from the dispatch is committed.

        Return True if it shows that messages of the channel don't reach us.
        """
        self.stream.handled(self.tracker.unmatched.safe_seq(event.seq))
        missed = self.tracker.missed_something(event)
        if missed:
            self.tracker.begin_gap()
        if missed or self.tracker.has_unheard:
            self.tracker.has_unheard = False
            self.stream.missed_something(monotonic)
            self._lacks_messages = True
        return missed

    # ---- the life of a job

    def attempt_ends(self, job: Job, after: Job, event: ev.JobEvent) -> None:
        """Note that the event is about to end an attempt: if it may run, no other job may take its pictures.

        Call this before the step is committed, so that ``position`` has it.
        """
        was_sent = job.state in IN_FLIGHT or job.state is State.IN_DOUBT
        if not was_sent or after.result is not None:
            return
        is_sent_again = isinstance(event, ev.RetryRequested) and after.state is State.QUEUED
        if is_sent_again or (after.state in ENDED and _may_run(job, after, event)):
            self.tracker.remember_attempt(job)

    def results_for_person(self, jobs: Mapping[str, Job]) -> list[HeldResult]:
        """Return the held results that a person must settle: no job that is still at work can do it."""
        working = {job.id for job in jobs.values() if job.state in IN_FLIGHT}
        return [held for held in self.tracker.held if working.isdisjoint(held.candidates)]

    def job_closed(self, job: Job) -> None:
        """Forget a job that has its answer, but for its prompt: nothing more is looked up for it."""
        self.tracker.closed_prompts.append(job.prompt.text)
        for known in (self._lookups, self._lookups_done, self._searched):
            known.pop(job.id, None)
        self.tracker.shown.forget(job.id)

    def tells_apart(self, job: Job) -> bool:
        """Return whether ids tell this job's result from those of its duplicates.

        They don't if they come from a start that may be another job's.
        """
        if job.start_by_looks:
            return False
        # What a pressed button makes replies to the message with the button, not to its own start message.
        by_reply = self.tracker.references_seen and job.message_id is not None and job.button_press is None
        return job.job_uuid is not None or by_reply

    # ---- the history

    def history_request(self, jobs: Mapping[str, Job], monotonic: float) -> ef.ReadHistory | None:
        """Return a request for all messages that may be unknown; None if the history need not be read now.

        They are those newer than the newest known one, and than the oldest attempt that is looked for.
        """
        if not self.stream.begin_history(monotonic):
            return None
        if self.stream.cursor is not None:
            return ef.ReadHistory(self.stream.cursor)
        looked_for = [job for job in jobs.values() if job.state in IN_FLIGHT or self._is_unsearched(job)]
        ids = [known for known in (self.tracker.known_until(), *(job.anchor for job in looked_for)) if known]
        starts = tuple(job.message_id for job in looked_for if job.message_id is not None)
        return ef.ReadHistory(min(ids, key=int, default=None), starts)

    def _is_unsearched(self, job: Job) -> bool:
        searched = job.id in self._searched and self._searched[job.id] == job.nonce
        return job.state is State.IN_DOUBT and not searched

    def history(self, event: ev.HistoryRead, jobs: Mapping[str, Job]) -> JobEvents:
        """Return what the history means for which job; call ``history_handled`` once that is committed."""
        by_text = self._found_by_text(event, jobs)
        if not event.messages and event.complete and self.stream.cursor is None:
            self.tracker.hold_unmatched(jobs, by_ids=True)
        found = self.tracker.history(event.messages, jobs, by_text, event.reread)
        if event.complete and self.tracker.has_gap:
            self.tracker.looks.gap_ends(job for job in jobs.values() if job.id not in by_text)
        if event.messages:  # an empty page may be a missing right to read
            doubtful = (job for job in jobs.values() if job.state is State.IN_DOUBT and job.id in by_text)
            self._searched |= {job.id: job.nonce for job in doubtful}
        self.tracker.note_newest(event.newest)
        return found

    def history_handled(self, event: ev.HistoryRead, monotonic: float) -> None:
        """Note that all that follows from this part of the history is committed."""
        is_part = self.stream.cursor is not None or not event.complete
        self._shows_nothing = not (is_part or event.messages or any(event.reread.values()))
        self._lacks_messages = self._lacks_messages and self._shows_nothing
        self.stream.history_read(monotonic, upto=event.newest, complete=event.complete)
        if event.complete:
            self._lookups_done.update(self._lookups)
            self.tracker.end_gap()

    def history_failed(self, monotonic: float) -> float:
        """Return the seconds until the next try to read the history."""
        self._shows_nothing = True
        self._lookups_done.update(self._lookups)
        return self.stream.history_failed(monotonic)

    def _found_by_text(self, event: ev.HistoryRead, jobs: Mapping[str, Job]) -> set[str]:
        """Return the jobs that may be found by their prompt.

        Empty while only part of the history is read. A job whose session is not lost is found by ids, now or
        after a replay, which also names the jobs of others; only if it is overdue, that was not enough. While
        its start message is still there, its result may be yet to come.
        """
        if not event.complete or self.stream.cursor is not None:
            return set()
        at_work = {message_id for message_id, message in event.reread.items() if message is not None}
        at_work |= {message_id for message in event.messages if (message_id := id_of(message.get("id")))}
        lost = (job for job in jobs.values() if self._has_lost_session(job) and job.message_id not in at_work)
        return {job.id for job in lost} | (self._lookups.keys() & jobs.keys())

    def _has_lost_session(self, job: Job) -> bool:
        is_lost = not self.stream.is_present(job.session_id, job.session_generation)
        return is_lost and job.state is not State.SUBMITTING

    # ---- jobs in doubt

    def begin_probe(self, jobs: Iterable[Job], monotonic: float) -> bool:
        """Return whether to probe the gateway now, to prove that a doubtful POST was not executed.

        ``jobs``: those in doubt.
        """
        doubtful = [job for job in jobs if job.in_doubt_since is not None and self._is_live(job)]
        self.silence.watch([job.id for job in doubtful], monotonic)
        return self.silence.begin_probe(monotonic)

    def alive(self, event: ev.GatewayAlive, jobs: Mapping[str, Job], monotonic: float) -> JobEvents:
        """Return what the gateway's answer proves: what was silent until here was not executed."""
        silent = [jobs[job_id] for job_id in self.silence.proven(monotonic) if job_id in jobs]
        proven = [job for job in silent if job.session_id == event.session_id and self._is_live(job)]
        return [(job.id, ev.ConfirmedNotExecuted()) for job in proven]

    def _is_live(self, job: Job) -> bool:
        return self.stream.is_live(job.session_id, job.session_generation)

    def waits_for_person(self, job: Job) -> bool:
        """Return whether neither the history nor its session's silence can settle this doubt any more."""
        settles_itself = not self.stream.is_open or (job.in_doubt_since is not None and self._is_live(job))
        return job.state is State.IN_DOUBT and not settles_itself

    # ---- time limits

    def time_limit(self, job: Job, now: float, monotonic: float) -> float:
        """Return when ``overdue`` is to be called for this job.

        Midjourney can be late only while it is heard.
        """
        if job.next_action_at is None or job.state is State.QUEUED:
            return math.inf
        if job.state not in IN_FLIGHT:
            return job.next_action_at
        limit = job.next_action_at
        is_looked_up = self._lookups.get(job.id) == limit and self._lookups_done.get(job.id) != limit
        if not self.stream.is_open or is_looked_up:
            return math.inf
        return max(limit, now + self.stream.open_since + GRACE_PERIOD - monotonic)

    def overdue(self, job: Job, monotonic: float) -> ev.TimedOut | None:
        """Return the event for a job whose time limit is over; None: the history is read first."""
        if job.state in IN_FLIGHT and self._lookups_done.get(job.id) != job.next_action_at:
            self._lookups[job.id] = job.next_action_at
            self.stream.job_overdue(monotonic)
            return None
        is_held = self.tracker.unmatched.has_result_for(job) or self.tracker.held.may_be_of(job)
        has_gap = self._lacks_messages or self._has_lost_session(job)
        is_missed = (has_gap and self._shows_nothing) or self.tracker.foreign_jobs.may_continue(job)
        return ev.TimedOut(result_held=is_held, result_missed=is_missed)


def _may_run(job: Job, ended: Job, event: ev.JobEvent) -> bool:
    if isinstance(event, ev.Refused) and event.refusal.stopped:
        return False
    if ended.started is not None:
        return True
    return ended.state is State.CANCELLED and not (isinstance(event, _NOT_RUN_EVENTS) or job.awaits_form)
