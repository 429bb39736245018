"""One channel as it is heard: the session's place, the history of gaps, whose messages are whose. Pure.

Wall-clock times (``now``) are seconds since 1970, ``monotonic`` seconds of a monotonic clock.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.stream_position import SilenceProof, StreamPosition
from mjwatch.midjourney.tracker import JobEvents, MessageTracker
from mjwatch.model import ENDED, IN_FLIGHT, Job, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.discord.payloads import ResumeState
    from mjwatch.midjourney.matching.foreign_jobs import UnmatchedMessage

GRACE = 60.0
"""Seconds that Midjourney has, once it can be heard again, to show what became of an overdue job."""


_UNSENT = (ev.NotSent, ev.ConfirmedNotExecuted, ev.Refused, ev.ModalOpened)
"""Events that show of a job that had not started that nothing has run."""


class Channel:
    """Told what the gateway and the history say; answers with events for jobs."""

    def __init__(
        self,
        channel_id: str,
        owner_of: Callable[..., str | None],
        quiet_time: float,
        application_id: str | None = None,
    ) -> None:
        """``owner_of`` and ``application_id`` as for Follower; ``quiet_time`` in seconds, as in Limits."""
        self._follower = MessageTracker(channel_id, owner_of, application_id)
        self._stream = StreamPosition()
        self._silence = SilenceProof(quiet_time)
        self.wanted = self._follower.wanted
        self._kept_strangers: object = None
        # Jobs that were overdue, by the due time for which the history was asked, and has answered.
        self._asked: dict[str, float | None] = {}
        self._answered: dict[str, float | None] = {}
        # Jobs in doubt for which the history was searched from their anchor on, by the attempt in doubt. What
        # came later was heard, or is newer than the newest known: it is not read again and again.
        self._searched: dict[str, str | None] = {}

    def on_notice(self, tell: Callable[[str, str], None]) -> None:
        """Have this told what Midjourney says to a job where that changes nothing: its id, and the words."""
        self._follower.on_notice = tell

    def load(self, place: object, newest: str | None, strangers: object = None) -> None:
        """Take up what ``place`` gave to the journal; what happened since is unknown."""
        self._follower.strangers.load(strangers)
        self._stream = StreamPosition(place)
        self._follower.me = self._stream.user_id
        self._follower.caught_up = False
        self._follower.newest = newest

    def place(self) -> dict[str, Any]:
        """For the journal: from where a later start must hear so that nothing is lost.

        The strangers known by then come with it if they have changed; tell ``kept`` once that is committed.
        """
        newest = self._follower.holding.safe_newest(self._follower.newest)
        place = {"gateway": self._stream.place(), "newest": newest}
        strangers = self._follower.strangers.stored()
        return place if strangers is self._kept_strangers else {**place, "strangers": strangers}

    def kept(self, place: dict[str, Any]) -> None:
        """The journal has committed this place."""
        self._kept_strangers = place.get("strangers", self._kept_strangers)

    def resume_state(self) -> ResumeState | None:
        """Where the gateway's session can be resumed."""
        return self._stream.resume_state()

    def forget_session(self) -> None:
        """The session was ended for good."""
        self._stream.forget()

    @property
    def open(self) -> bool:
        """Whether all that is said in the channel reaches us, and nothing before it is unread."""
        return self._stream.open

    @property
    def session_id(self) -> str | None:
        """The session that interactions are to be answered to."""
        return self._stream.session_id

    @property
    def newest(self) -> str | None:
        """The newest message that is known in the channel."""
        return self._follower.newest

    @property
    def holds(self) -> int:
        """How many messages are held because it is not clear whose they are."""
        return len(self._follower.holding)

    # ---- the gateway

    def ready(self, event: ev.GatewayReady, now: float) -> None:
        """A new session: there is a gap before it."""
        self._stream.ready(event, now)
        self._follower.me = self._stream.user_id
        self._follower.new_session()
        self._silence.interrupted()

    def resumed(self, event: ev.GatewayResumed, now: float) -> None:
        """The session goes on; what was missed has been replayed."""
        self._stream.resumed(event, now)

    def lost(self) -> None:
        """The connection is gone."""
        self._silence.interrupted()
        self._stream.lost()

    def dispatch(self, event: ev.GatewayDispatch, jobs: Mapping[str, Job]) -> JobEvents:
        """What this dispatch means for which job; tell ``handled`` once that is committed."""
        return self._follower.dispatch(event, jobs)

    def handled(self, event: ev.GatewayDispatch, now: float) -> bool:
        """The dispatch is done with. True: it shows that messages of the channel don't reach us."""
        self._stream.saw(self._follower.holding.safe_seq(event.seq))
        missed = self._follower.missed_something(event)
        if missed:
            self._stream.missed_something(now)
        return missed

    def held_again(self, jobs: Mapping[str, Job]) -> tuple[UnmatchedMessage, JobEvents] | None:
        """A held message of which it has become clear whose it is; ``release`` it once that is committed."""
        return self._follower.held_again(jobs)

    def release(self, held: UnmatchedMessage) -> None:
        """Let go of a held message."""
        self._follower.holding.release(held)

    def ends(self, job: Job, moved: Job, event: ev.JobEvent) -> None:
        """The event is about to end a job: if that may run all the same, none may take its pictures by looks.

        Told before that is committed, so that ``place`` has it.
        """
        was_out = job.state in IN_FLIGHT or job.state is State.IN_DOUBT
        if was_out and moved.state in ENDED and moved.result is None and _may_run(job, moved, event):
            self._follower.remember_ended(moved)

    def closed(self, job: Job) -> None:
        """A job has its answer: nothing more is looked up for it."""
        for known in (self._asked, self._answered, self._searched):
            known.pop(job.id, None)

    # ---- the history

    def history_request(self, jobs: Mapping[str, Job], now: float) -> ef.ReadHistory | None:
        """Ask for all that is newer than the last message seen, and than the oldest attempt in question."""
        if not self._stream.wants_history(now):
            return None
        if self._stream.cursor is not None:
            return ef.ReadHistory(self._stream.cursor)
        asked = [job for job in jobs.values() if job.state in IN_FLIGHT or self._is_to_be_found(job)]
        places = [place for place in (self.newest, *(job.anchor for job in asked)) if place]
        starts = tuple(job.message_id for job in asked if job.message_id is not None)
        return ef.ReadHistory(min(places, key=int, default=None), starts)

    def _is_to_be_found(self, job: Job) -> bool:
        searched = job.id in self._searched and self._searched[job.id] == job.nonce
        return job.state is State.IN_DOUBT and not searched

    def history(self, event: ev.HistoryRead, jobs: Mapping[str, Job]) -> JobEvents:
        """What the history means for which job; tell ``history_handled`` once that is committed."""
        by_text = self._by_text(event, jobs)
        found = self._follower.history(event.messages, jobs, by_text)
        if event.messages:  # an empty page may be a missing right to read
            doubtful = (job for job in jobs.values() if job.state is State.IN_DOUBT and job.id in by_text)
            self._searched |= {job.id: job.nonce for job in doubtful}
        self._follower.see(event.newest)
        return found + self._follower.reread(event.reread, jobs)

    def history_handled(self, event: ev.HistoryRead, now: float) -> None:
        """The stretch of history is done with."""
        self._stream.history_read(now, upto=event.newest, complete=event.complete)
        if event.complete:
            self._answered.update(self._asked)
        self._follower.caught_up = self._follower.caught_up or event.complete

    def history_unread(self, now: float) -> float:
        """It could not be read: the seconds until the next try."""
        self._answered.update(self._asked)
        return self._stream.history_unread(now)

    def _by_text(self, event: ev.HistoryRead, jobs: Mapping[str, Job]) -> set[str]:
        """Not in a part of the history, nor where the session itself will tell what became of the POST."""
        if not event.complete or self._stream.cursor is not None:
            return set()
        return {job.id for job in jobs.values() if job.in_doubt_since is None or not self._hears_of(job)}

    # ---- doubt and time

    def wants_probe(self, jobs: Mapping[str, Job], monotonic: float) -> bool:
        """Whether the gateway must show that it is there, to prove that a doubtful POST was not executed."""
        doubtful = [
            job for job in jobs.values() if job.state is State.IN_DOUBT and job.in_doubt_since is not None
        ]
        self._silence.watch([job.id for job in doubtful if self._hears_of(job)], monotonic)
        return self._silence.wants_probe(monotonic)

    def alive(self, event: ev.GatewayAlive, jobs: Mapping[str, Job], monotonic: float) -> JobEvents:
        """It has answered, behind all that it had said: what was silent until here was not executed."""
        silent = [jobs[job_id] for job_id in self._silence.proven(monotonic) if job_id in jobs]
        proven = [job for job in silent if job.session_id == event.session_id and self._hears_of(job)]
        return [(job.id, ev.ConfirmedNotExecuted()) for job in proven]

    def _hears_of(self, job: Job) -> bool:
        return self._stream.hears(job.session_id)

    def waits_for_person(self, job: Job) -> bool:
        """Whether neither an unread history nor its session's silence can settle this doubt any more."""
        settles_itself = not self.open or (job.in_doubt_since is not None and self._hears_of(job))
        return job.state is State.IN_DOUBT and not settles_itself

    def tells_apart(self, job: Job) -> bool:
        """Whether this job's result can be told by its ids from those of its duplicates."""
        # What a pressed button makes replies to the message with the button, not to its own start message.
        by_reply = self._follower.references_seen and job.message_id is not None and job.button_press is None
        return job.job_uuid is not None or by_reply

    def limit(self, job: Job) -> float:
        """When ``overdue`` must be fed to this job. Midjourney can be late only while we hear it."""
        if job.next_action_at is None or job.state is State.QUEUED:
            return math.inf
        if job.state not in IN_FLIGHT:
            return job.next_action_at
        is_being_looked_up = (
            self._asked.get(job.id) == job.next_action_at and self._answered.get(job.id) != job.next_action_at
        )
        if not self.open or is_being_looked_up:
            return math.inf
        return max(job.next_action_at, self._stream.open_since + GRACE)

    def overdue(self, job: Job, now: float) -> ev.TimedOut | None:
        """The event for a job whose time has come; None: it is looked up in the history first."""
        if job.state in IN_FLIGHT and self._answered.get(job.id) != job.next_action_at:
            self._asked[job.id] = job.next_action_at
            self._stream.look(now)
            return None
        return ev.TimedOut(result_held=self._follower.holding.has_result_for(job))

    def next_wait(self, now: float, monotonic: float) -> float:
        """Seconds until time itself wants the history or a probe."""
        history, silence = self._stream.next_time(), self._silence.next_time()
        waits = [history - now] if history is not None else []
        waits += [silence - monotonic] if silence is not None else []
        return min(waits, default=math.inf)


def _may_run(job: Job, moved: Job, event: ev.JobEvent) -> bool:
    if isinstance(event, ev.Refused) and event.refusal.stopped:
        return False
    if moved.started is not None:
        return True
    return moved.state is State.CANCELLED and not (isinstance(event, _UNSENT) or job.awaits_form)
