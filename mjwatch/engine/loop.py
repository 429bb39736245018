"""The loop: one queue, one owner of all jobs. Event in, step, journal, effects out.

Whoever learns something (watcher, gateway, workers, signals) puts an event into the queue with ``put``. Only
the thread that runs ``run`` touches jobs, so that jobs need no locks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.engine import journal_retry
from mjwatch.engine.acceptance import Acceptance
from mjwatch.engine.commands import RequestHandler
from mjwatch.engine.health import GatewayHealth, InboxBacklog
from mjwatch.engine.journal_retry import JournalRetry
from mjwatch.engine.notifications import Notifications
from mjwatch.engine.pauses import Pauses
from mjwatch.engine.queue import EventQueue
from mjwatch.engine.scheduler import FastHours, Scheduler
from mjwatch.errors import JournalError
from mjwatch.jobs.followups import children_of
from mjwatch.jobs.state_machine import IllegalEventError, step
from mjwatch.midjourney.matching.evidence import duplicate_key
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mjwatch.discord.payloads import ResumeState
    from mjwatch.jobs.pacing import Pace
    from mjwatch.jobs.transitions import Timeouts
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel
    from mjwatch.midjourney.tracker import JobEvents

log = logging.getLogger("mjwatch")

_WORTH_A_LOOK = frozenset({State.FAILED, State.REJECTED, State.IN_DOUBT})
"""States in which a job is told of at a level that administrators look for."""

LONGEST_WAIT = 60.0

FAULT = 3600.0
"""Seconds for which a prompt file is left that could not be handled for a fault of ours."""


class Engine:
    """Owns all jobs from their acceptance to their folder in the outbox.

    ``perform`` takes an effect and returns at once; what came of it arrives as an event. ``clock`` gives
    seconds since 1970, ``monotonic`` seconds that no change of the clock touches, ``rng`` a number from 0 to
    1; ``new_nonce`` and ``new_id`` never give one twice.
    """

    def __init__(
        self,
        journal: Journal,
        channel: Channel,
        perform: Callable[[ef.Effect], None],
        *,
        pace: Pace,
        limits: Timeouts,
        max_jobs_per_file: int,
        min_fast_hours: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        rng: Callable[[], float],
        new_nonce: Callable[[], str],
        new_id: Callable[[], str],
        in_inbox: Callable[[str], bool] | None = None,
    ) -> None:
        self._journal = journal
        self._channel = channel
        self._perform = perform
        self._limits = limits
        self._clock = clock
        self._monotonic = monotonic
        self._new_id = new_id
        self._acceptance = Acceptance(journal, new_id, max_jobs_per_file, in_inbox)
        self._tray = EventQueue(monotonic)
        self._jobs: dict[str, Job] = {}
        self.sending = Scheduler(journal, channel, pace, new_nonce, rng)
        self.pausing = Pauses(journal)
        self._hours = FastHours(self.pausing, min_fast_hours, new_id)
        self._steering = RequestHandler(
            journal, self.pausing, self.job, self._step, self._take, lambda: channel.open
        )
        self._notices = Notifications(journal, perform)
        self._faltering = JournalRetry(monotonic)
        self.reach = GatewayHealth(journal, channel, self.pausing)
        self.inflow = InboxBacklog(journal)
        channel.on_notice(lambda job_id, words: log.info("%s Midjourney says: %s", job_id, words))
        self.on_change: Callable[[Job], None] = lambda job: None
        """Told of every job that has moved, from the loop's own thread."""
        self.on_event: Callable[[], None] = lambda: None
        """Told after each event, from the loop's own thread: something may look different now."""
        self.stopping = False

    # ---- the outside

    def put(self, event: ev.LoopEvent) -> None:
        """Hand in an event; from any thread."""
        self._tray.put(event)

    def resume_state(self) -> ResumeState | None:
        """Where the gateway's session of an earlier start can be resumed."""
        return self._channel.resume_state()

    def forget_session(self) -> None:
        """The gateway's session was ended for good: the next start begins a new one."""
        self._channel.forget_session()

    @property
    def paused(self) -> str | None:
        """Why nothing is sent, if that is so."""
        return None if self.pausing.now is None else self.pausing.now.reason

    def load(self) -> None:
        """Take up what the journal holds: every open job is told that the program was restarted.

        Then what a person asked for meanwhile is done and answered.
        """
        now = self._clock()
        self._channel.load(*map(self._journal.recall, ("gateway", "newest", "strangers")))
        self.pausing.load()
        self._notices.load()
        self.reach.load()
        self.sending.load(now)
        self._jobs = {job.id: job for job in self._journal.live_jobs()}
        for job_id in list(self._jobs):
            self._step(job_id, ev.Restarted())
        self._steering.answer_all(self._clock)

    def run(self, finished: Callable[[], bool] = lambda: False) -> None:
        """Handle events until asked to stop, or until ``finished`` says so between two events."""
        while not self.stopping and not self._is_finished(finished):
            self._turn_safely()
            event = self._tray.take(self._wait())
            if event is not None:
                self._handle_safely(event)
            self._tell_person()  # also of what the event has brought before this ends
            if event is not None:
                self.on_event()

    def _is_finished(self, finished: Callable[[], bool]) -> bool:
        try:
            return finished()
        except JournalError as error:
            self._faltering.complain(error)
            return False

    def finish(self) -> None:
        """Take in what came in last, once all others have stopped, and remember the place in the stream."""
        try:
            while (event := self._tray.take(0.0)) is not None:
                self._handle(event)
            self.reach.remember_place()
        except JournalError as error:
            log.error("%s", error)

    def settled(self) -> bool:
        """Whether all that was in the inbox has its answer, or waits for a person's word."""
        if not self.inflow.ended or not self._tray.empty:
            return False
        sent = [job for job in self._jobs.values() if job.state is not State.QUEUED]
        if not all(self._channel.waits_for_person(job) for job in sent):
            return False
        return not self._journal.any_queued(self._clock(), self.sending.blocked_keys(self._jobs))

    def stuck(self) -> bool:
        """Whether nothing more is sent before a person acts, and what was in the inbox is taken in."""
        return self.pausing.stuck and self.inflow.ended and self._tray.empty

    @property
    def idle(self) -> bool:
        """Whether no event waits to be handled."""
        return self._tray.empty

    @property
    def journal_fails(self) -> bool:
        """Whether the journal can't be written at the moment, so that nothing is done."""
        return self._faltering.now

    def needs_person(self) -> bool:
        """Whether anything waits for a person: the sending, the inbox or a job."""
        doubt = any(job.state is State.IN_DOUBT for job in self._jobs.values())
        return doubt or self.paused is not None or self.inflow.trouble is not None

    def job(self, job_id: str) -> Job | None:
        """The job as it stands, open or closed."""
        return self._jobs.get(job_id) or self._journal.job(job_id)

    # ---- one event

    def _handle_safely(self, event: ev.LoopEvent) -> None:
        """Handle it; if the journal can't commit, it stays the first in the queue and all else waits."""
        try:
            self._handle(event)
        except JournalError as error:
            self._faltering.event_failed(event, error)
            self._tray.put_back(event)
            self.stopping = self._tray.sleep(journal_retry.JOURNAL_PAUSE, ev.StopRequested) or self.stopping
            return
        except Exception:  # the loop's top: one event that nobody foresaw must not end the service
            log.exception("%s could not be handled; it is passed over", type(event).__name__)
            if isinstance(event, ev.FileSettled):
                self._perform(ef.DeferFile(event.path, "a fault in mjwatch kept it from being taken", FAULT))
        self._faltering.event_done(event)

    def _tell_person(self) -> None:
        """Have each cause for which a person is needed told once, as soon as it stands in the journal."""
        pause = self.pausing.now if self.pausing.stuck else None
        try:
            self._notices.tell(pause, self._jobs.values(), self._channel.waits_for_person, self._clock())
        except JournalError as error:
            self._faltering.complain(error)

    def _handle(self, event: ev.LoopEvent) -> None:
        match event:
            case ev.ForJob():
                self._for_job(event)
            case ev.GatewayDispatch():
                self._dispatch(event)
            case ev.GatewayReady() | ev.GatewayResumed() | ev.GatewayDown() | ev.GatewayRejected():
                self.reach.gateway(event, self._clock())
            case ev.GatewayAlive():
                self._step_all(self._channel.alive(event, self._jobs, self._monotonic()))
            case ev.RequestsPending():
                self._steering.answer_all(self._clock)
            case ev.FileSettled():
                jobs, effects = self._acceptance.file(event, self._clock())
                self._welcome(jobs, effects)
            case ev.PromptSubmitted():
                self._take(event)
            case _:
                self._handle_other(event)

    def _handle_other(
        self, event: ev.InboxScanned | ev.HistoryRead | ev.HistoryReadFailed | ev.StopRequested
    ) -> None:
        match event:
            case ev.InboxScanned():
                self.inflow.scanned(event)
            case ev.HistoryRead():
                self._history_read(event)
            case ev.HistoryReadFailed():
                self.reach.history_unread(event, self._clock())
            case ev.StopRequested():
                self.stopping = True

    # ---- jobs

    def _for_job(self, event: ev.ForJob) -> None:
        job = self.job(event.job_id)
        if job is not None and event.nonce not in {None, job.nonce}:
            log.warning("%s: %s came for an attempt that is over", job.id, type(event.event).__name__)
        else:
            self._step(event.job_id, event.event)
        self.sending.heard(event.job_id, event.event)  # once it is committed: not to upload it again

    def _take(self, given: ev.PromptSubmitted) -> None:
        jobs = self._acceptance.prompt(given, self._clock())
        self._welcome(jobs, _answers(jobs))

    def _welcome(self, jobs: list[Job], effects: list[ef.Effect]) -> None:
        for job in jobs:
            if job.state is State.QUEUED:
                self.on_change(job)
            else:
                self._keep(job)
        for effect in effects:
            self._perform(effect)

    def _step(self, job_id: str, event: ev.JobEvent) -> None:
        job = self.job(job_id)
        if job is None:
            log.warning("an event for job %s, which is not in the journal: %s", job_id, type(event).__name__)
            return
        try:
            moved, effects = step(job, event, self._clock(), self._limits)
        except IllegalEventError as error:
            log.error("%s; it was ignored", error)
            return
        if isinstance(event, ev.Refused | ev.UploadFailed | ev.CancelPressed):
            self.pausing.refused(event.refusal)
        children = self._spawned(effects)
        if moved is not job:
            self._channel.ends(job, moved, event)
            self._commit(moved, event, children)
            self._keep(moved)
        for effect in effects:
            if not isinstance(effect, ef.CreateFollowUps):
                self._perform(effect)
        _log_move(job, moved)
        self._welcome(children, _answers(children))

    def _spawned(self, effects: Iterable[ef.Effect]) -> list[Job]:
        """The jobs of the follow-ups that are due now; they are committed with the step that they follow."""
        parents = [effect.job for effect in effects if isinstance(effect, ef.CreateFollowUps)]
        return [child for parent in parents for child in children_of(parent, self._clock(), self._new_id)]

    def _commit(self, job: Job, event: ev.JobEvent, children: Sequence[Job]) -> None:
        attempt_at = self._clock() if isinstance(event, ev.AttemptStarted) else None
        place = self._channel.place()
        with_keys = [(child, duplicate_key(child)) for child in children]
        self._journal.update(job, attempt_at=attempt_at, meta=place, children=with_keys)
        self._channel.kept(place)

    def _keep(self, job: Job) -> None:
        if job.open:
            self._jobs[job.id] = job
        else:
            self._jobs.pop(job.id, None)
            self._channel.closed(job)
        self._hours.heard(job, self._clock())
        self.on_change(job)

    def _follow(self, pairs: JobEvents) -> None:
        self._step_all(pairs)
        if pairs or self._channel.holds:  # what ends a stranger's job makes others clear, too
            self._look_again()

    def _step_all(self, pairs: JobEvents) -> None:
        for job_id, event in pairs:
            if job_id is not None:
                self._step(job_id, event)
            elif isinstance(event, ev.Refused):
                self.pausing.refused(event.refusal)

    def _look_again(self) -> None:
        """See whose the held messages are by now; each is let go once that is committed."""
        while (found := self._channel.held_again(self._jobs)) is not None:
            held, pairs = found
            self._step_all(pairs)
            self._channel.release(held)

    # ---- the gateway and the history

    def _dispatch(self, event: ev.GatewayDispatch) -> None:
        held = self._channel.holds
        self._follow(self._channel.dispatch(event, self._jobs))
        if self._channel.holds > held:
            log.info("a message may be one of several jobs'; it is held until that is clear")
        if self._channel.handled(event, self._clock()):
            log.warning("gateway: messages of the channel don't reach us; subscribing, reading the history")
            self._perform(ef.Subscribe())

    def _history_read(self, event: ev.HistoryRead) -> None:
        self._step_all(self._channel.history(event, self._jobs))
        self._channel.history_handled(event, self._clock())
        self._look_again()

    # ---- what time brings

    def _turn_safely(self) -> None:
        if self._faltering.turn_waits():
            return
        try:
            self._turn(self._clock())
        except JournalError as error:
            self._faltering.turn_failed(error)
        else:
            self._faltering.turn_done()

    def _turn(self, now: float) -> None:
        for job in [job for job in self._jobs.values() if self._channel.limit(job) <= now]:
            overdue = self._channel.overdue(job, now)
            if overdue is not None:
                self._step(job.id, overdue)
        if self._channel.wants_probe(self._jobs, self._monotonic()):
            self._perform(ef.Probe())
        request = self._channel.history_request(self._jobs, now)
        if request is not None:
            self._perform(request)
        if self.paused is None:
            self._send_next(now)

    def _send_next(self, now: float) -> None:
        match self.sending.next_step(self._jobs, now):
            case job, ev.AttemptStarted() if self._hours.waits(job, now):
                question = self._hours.question(job, now)
                if question is not None:
                    self._take(question)
                    self._hours.asked(question.job_id)
                    self.sending.allow(question.job_id)
                    self._send_next(now)
            case job, ev.AttemptStarted() as chosen:
                self._jobs[job.id] = job
                self._step(job.id, chosen)
                self.sending.sent(job, now)
                self._hours.sent()
            case job, ev.CancelStarted() as chosen:
                self._step(job.id, chosen)
                self.sending.pressed(now)
            case _, ef.UploadImages() as upload:
                self._perform(upload)
            case None:
                pass

    def _wait(self) -> float:
        """Seconds until time itself brings something."""
        now, monotonic = self._clock(), self._monotonic()
        if (pause := self._faltering.turn_waits()) is not None:
            return pause
        times = [self._channel.limit(job) for job in self._jobs.values()]
        sending = self.sending.next_time(now), self.sending.press_time(self._jobs, now)
        times += [time for time in (*sending, self._queued_due(now)) if time > now]
        wait = min([time - now for time in times], default=LONGEST_WAIT)
        return min(max(0.0, min(wait, self._channel.next_wait(now, monotonic))), LONGEST_WAIT)

    def _queued_due(self, now: float) -> float:
        try:
            return self._journal.next_queued_due(now) or 0.0
        except JournalError:
            return now + journal_retry.JOURNAL_PAUSE


def _answers(jobs: Sequence[Job]) -> list[ef.Effect]:
    """What is to be done for new jobs: those that can't be sent have their answer at once."""
    return [ef.PublishFailure(job) for job in jobs if job.state is not State.QUEUED]


def _log_move(job: Job, moved: Job) -> None:
    """One line for each step of a job's life, with its id for those who look for one job's lines."""
    if moved.history != job.history:
        words = moved.history[-1].text
    elif moved.state is not job.state:
        words = moved.state
    else:
        return
    level = logging.WARNING if moved.state in _WORTH_A_LOOK and moved.state is not job.state else logging.INFO
    log.log(level, "%s %s", moved.id, words)
