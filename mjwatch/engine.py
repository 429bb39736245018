"""The loop: one queue, one owner of all jobs. Event in, step, journal, effects out.

Whoever learns something (watcher, gateway, workers, signals) puts an event into the queue with ``put``. Only
the thread that runs ``run`` touches jobs, so that jobs need no locks.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch import events as ev
from mjwatch.errors import JournalError
from mjwatch.jobs.acceptance import Acceptance
from mjwatch.jobs.complaints import Complaints
from mjwatch.jobs.followups import children_of
from mjwatch.jobs.hours import FastHours
from mjwatch.jobs.intray import InTray
from mjwatch.jobs.job import IllegalEventError, step
from mjwatch.jobs.notices import Notices
from mjwatch.jobs.pausing import Pausing, pause_for
from mjwatch.jobs.sending import Sending
from mjwatch.jobs.steering import Steering
from mjwatch.midjourney.twins import twin_of
from mjwatch.model import Job, Pause, PauseKind, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mjwatch.discord.payloads import ResumeState
    from mjwatch.jobs.journal import Journal
    from mjwatch.jobs.moving import Limits
    from mjwatch.jobs.pacing import Pace
    from mjwatch.midjourney.channel import Channel
    from mjwatch.midjourney.following import JobEvents

log = logging.getLogger("mjwatch")

JOURNAL_PAUSE = 5.0
"""Seconds between two tries to commit when the journal can't be written."""

LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why Discord can't be used at the moment, and when it is tried again (seconds since 1970)."""

    reason: str
    next_try: float


class Engine:
    """Owns all jobs from their acceptance to their folder in the outbox.

    ``perform`` takes an effect and returns at once; what came of it arrives as an event. ``clock`` gives
    seconds since 1970, ``ticks`` seconds that no change of the clock touches, ``chance`` a number from 0 to
    1; ``new_nonce`` and ``new_id`` never give one twice.
    """

    def __init__(
        self,
        journal: Journal,
        channel: Channel,
        perform: Callable[[ev.Effect], None],
        *,
        pace: Pace,
        limits: Limits,
        max_jobs_per_file: int,
        min_fast_hours: float,
        clock: Callable[[], float],
        ticks: Callable[[], float],
        chance: Callable[[], float],
        new_nonce: Callable[[], str],
        new_id: Callable[[], str],
        in_inbox: Callable[[str], bool] | None = None,
    ) -> None:
        self._journal = journal
        self._channel = channel
        self._perform = perform
        self._limits = limits
        self._clock = clock
        self._ticks = ticks
        self._new_id = new_id
        self._acceptance = Acceptance(journal, new_id, max_jobs_per_file, in_inbox)
        self._tray = InTray(ticks)
        self._jobs: dict[str, Job] = {}
        self.sending = Sending(journal, channel, pace, new_nonce, chance)
        self.pausing = Pausing(journal)
        self._hours = FastHours(self.pausing, min_fast_hours, new_id)
        self._steering = Steering(self.pausing, self.job, self._step, self._take)
        self._notices = Notices(journal, perform)
        self._complaints = Complaints(ticks)
        channel.on_notice(lambda job_id, words: log.info("%s Midjourney says: %s", job_id, words))
        self._journal_due: float | None = None
        self._waits_for_journal: ev.LoopEvent | None = None
        self.on_change: Callable[[Job], None] = lambda job: None
        """Told of every job that has moved, from the loop's own thread."""
        self.on_event: Callable[[], None] = lambda: None
        """Told after each event, from the loop's own thread: something may look different now."""
        self.stopping = False
        self.files_waiting: int | None = None
        self.inbox_trouble: str | None = None
        """Why nothing is taken from the inbox, if that is so."""
        self.trouble: Trouble | None = None
        self.on_trouble: Callable[[Trouble], None] = lambda trouble: None
        """Told of each try to use Discord that has failed, from the loop's own thread."""

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
        if self._journal.recall("trouble") is not None:
            self._journal.remember({"trouble": None})
        self.sending.load(now)
        self._jobs = {job.id: job for job in self._journal.live_jobs()}
        for job_id in list(self._jobs):
            self._step(job_id, ev.Restarted())
        self._steer()

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
            self._journal_fails(error)
            return False

    def finish(self) -> None:
        """Take in what came in last, once all others have stopped, and remember the place in the stream."""
        try:
            while (event := self._tray.take(0.0)) is not None:
                self._handle(event)
            self._remember_place()
        except JournalError as error:
            log.error("%s", error)

    def settled(self) -> bool:
        """Whether all that was in the inbox has its answer, or waits for a person's word."""
        if not self._inbox_is_done() or not self._tray.empty:
            return False
        sent = [job for job in self._jobs.values() if job.state is not State.QUEUED]
        if not all(self._channel.waits_for_person(job) for job in sent):
            return False
        return not self._journal.any_queued(self._clock(), self.sending.blocked_twins(self._jobs))

    def stuck(self) -> bool:
        """Whether nothing more is sent before a person acts, and what was in the inbox is taken in."""
        return self.pausing.stuck and self._inbox_is_done() and self._tray.empty

    def _inbox_is_done(self) -> bool:
        """Whether no more will come out of it; not before a person acts, where it is in trouble."""
        return self.files_waiting == 0 or self.inbox_trouble is not None

    @property
    def idle(self) -> bool:
        """Whether no event waits to be handled."""
        return self._tray.empty

    @property
    def journal_fails(self) -> bool:
        """Whether the journal can't be written at the moment, so that nothing is done."""
        return self._waits_for_journal is not None or self._journal_due is not None

    def needs_person(self) -> bool:
        """Whether anything waits for a person: the sending, the inbox or a job."""
        doubt = any(job.state is State.IN_DOUBT for job in self._jobs.values())
        return doubt or self.paused is not None or self.inbox_trouble is not None

    def job(self, job_id: str) -> Job | None:
        """The job as it stands, open or closed."""
        return self._jobs.get(job_id) or self._journal.job(job_id)

    # ---- one event

    def _handle_safely(self, event: ev.LoopEvent) -> None:
        """Handle it; if the journal can't commit, it stays the first in the queue and all else waits."""
        try:
            self._handle(event)
        except JournalError as error:
            self._journal_fails(error)
            self._waits_for_journal = event
            self._tray.put_back(event)
            self.stopping = self._tray.sleep(JOURNAL_PAUSE, ev.StopAsked) or self.stopping
            return
        except Exception:  # the loop's top: one event that nobody foresaw must not end the service
            log.exception("%s could not be handled; it is passed over", type(event).__name__)
        if event is self._waits_for_journal:
            self._waits_for_journal = None
            self._journal_works()

    def _journal_fails(self, error: JournalError) -> None:
        """Say so, but not every few seconds for as long as a disk is full."""
        if self._complaints.is_due(str(error)):
            log.error("%s; nothing is sent meanwhile, and it is tried every %.0f s", error, JOURNAL_PAUSE)

    def _journal_works(self) -> None:
        words = "the journal can be written again"
        if self._complaints.is_due(words):
            log.info("%s", words)

    def _tell_person(self) -> None:
        """Have each cause for which a person is needed told once, as soon as it stands in the journal."""
        pause = self.pausing.now if self.pausing.stuck else None
        try:
            self._notices.tell(pause, self._jobs.values(), self._channel.waits_for_person, self._clock())
        except JournalError as error:
            self._journal_fails(error)

    def _handle(self, event: ev.LoopEvent) -> None:
        match event:
            case ev.ForJob():
                self._for_job(event)
            case ev.GatewayDispatch():
                self._dispatch(event)
            case ev.GatewayReady() | ev.GatewayResumed() | ev.GatewayDown() | ev.GatewayStopped():
                self._gateway(event)
            case ev.GatewayAlive():
                self._step_all(self._channel.alive(event, self._jobs, self._ticks()))
            case ev.Poked():
                self._steer()
            case ev.FileSettled():
                jobs, effects = self._acceptance.file(event, self._clock())
                self._welcome(jobs, effects)
            case ev.PromptGiven():
                self._take(event)
            case _:
                self._handle_other(event)

    def _handle_other(
        self, event: ev.InboxScanned | ev.HistoryRead | ev.HistoryUnread | ev.StopAsked
    ) -> None:
        match event:
            case ev.InboxScanned():
                self._scanned(event)
            case ev.HistoryRead():
                self._history_read(event)
            case ev.HistoryUnread():
                self._history_unread(event)
            case ev.StopAsked():
                self.stopping = True

    def _scanned(self, event: ev.InboxScanned) -> None:
        self.inbox_trouble = event.trouble
        if event.trouble is None:
            self.files_waiting = event.waiting
        if event.facts() != (self._journal.recall("inbox") or ev.InboxScanned(0).facts()):
            self._journal.remember({"inbox": event.facts()})

    # ---- jobs

    def _for_job(self, event: ev.ForJob) -> None:
        self.sending.heard(event.job_id, event.event)
        job = self.job(event.job_id)
        if job is not None and event.nonce not in {None, job.nonce}:
            log.warning("%s: %s came for an attempt that is over", job.id, type(event.event).__name__)
            return
        self._step(event.job_id, event.event)

    def _take(self, given: ev.PromptGiven) -> None:
        jobs = self._acceptance.prompt(given, self._clock())
        self._welcome(jobs, _answers(jobs))

    def _welcome(self, jobs: list[Job], effects: list[ev.Effect]) -> None:
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
        if isinstance(event, ev.Refused | ev.NotUploaded) and event.refusal and event.refusal.needs_human:
            self.pausing.begin(pause_for(event.refusal))
        children = self._spawned(effects)
        if moved is not job:
            self._commit(moved, event, children)
            self._keep(moved)
            _log_move(job, moved)
        for effect in effects:
            if not isinstance(effect, ev.Spawn):
                self._perform(effect)
        self._welcome(children, _answers(children))

    def _spawned(self, effects: Iterable[ev.Effect]) -> list[Job]:
        """The jobs of the follow-ups that are due now; they are committed with the step that they follow."""
        parents = [effect.job for effect in effects if isinstance(effect, ev.Spawn)]
        return [child for parent in parents for child in children_of(parent, self._clock(), self._new_id)]

    def _commit(self, job: Job, event: ev.JobEvent, children: Sequence[Job]) -> None:
        attempt_at = self._clock() if isinstance(event, ev.Chosen) else None
        place = self._channel.place()
        twins = [(child, twin_of(child)) for child in children]
        self._journal.update(job, attempt_at=attempt_at, meta=place, children=twins)
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
                self.pausing.begin(pause_for(event.refusal))

    def _look_again(self) -> None:
        """See whose the held messages are by now; each is let go once that is committed."""
        while (found := self._channel.held_again(self._jobs)) is not None:
            held, pairs = found
            self._step_all(pairs)
            self._channel.release(held)

    def _steer(self) -> None:
        """Do what a person asks for; what was done before a crash but not answered is done once more."""
        for request in self._journal.open_requests():
            self._journal.answer(request.id, self._steering.perform(request), self._clock())

    # ---- the gateway and the history

    def _dispatch(self, event: ev.GatewayDispatch) -> None:
        held = self._channel.holds
        self._follow(self._channel.dispatch(event, self._jobs))
        if self._channel.holds > held:
            log.info("a message may be one of several jobs'; it is held until that is clear")
        if self._channel.handled(event, self._clock()):
            log.warning("gateway: messages of the channel don't reach us; subscribing, reading the history")
            self._perform(ev.Subscribe())

    def _gateway(
        self, event: ev.GatewayReady | ev.GatewayResumed | ev.GatewayDown | ev.GatewayStopped
    ) -> None:
        now = self._clock()
        match event:
            case ev.GatewayReady():
                self._channel.ready(event, now)
                self._tell_trouble(None)
                self._remember_place()
                log.info("gateway: ready as %s", event.user_name)
                self.pausing.let_in()
                if event.required_action:
                    words = f"Discord wants something of the account: {event.required_action}"
                    self.pausing.begin(Pause(words, PauseKind.ACCOUNT))
            case ev.GatewayResumed():
                self._channel.resumed(event, now)
                self._tell_trouble(None)
                log.info("gateway: session resumed")
                self.pausing.let_in()
            case ev.GatewayDown():
                self._channel.lost()
                self._tell_trouble(Trouble(event.reason, now + event.retry_in))
            case ev.GatewayStopped():
                self._channel.lost()
                self._tell_trouble(Trouble(event.reason, math.inf))
                self.pausing.refused_entry(event.reason, event.code)

    def _remember_place(self) -> None:
        place = self._channel.place()
        self._journal.remember(place)
        self._channel.kept(place)

    def _tell_trouble(self, trouble: Trouble | None) -> None:
        if trouble is None and self.trouble is None:
            return
        self._journal.remember({"trouble": None if trouble is None else trouble.reason})
        self.trouble = trouble
        if trouble is not None:
            self.on_trouble(trouble)

    def _history_read(self, event: ev.HistoryRead) -> None:
        self._step_all(self._channel.history(event, self._jobs))
        self._channel.history_handled(event, self._clock())
        self._look_again()

    def _history_unread(self, event: ev.HistoryUnread) -> None:
        if event.refusal is not None:
            self.pausing.begin(pause_for(event.refusal))
        wait = self._channel.history_unread(self._clock())
        log.warning("the channel's history can't be read: %s; again in %.0f s", event.reason, wait)

    # ---- what time brings

    def _turn_safely(self) -> None:
        failed_before, self._journal_due = self._journal_due, None
        if failed_before is not None and self._ticks() < failed_before:
            self._journal_due = failed_before
            return
        try:
            self._turn(self._clock())
        except JournalError as error:
            self._journal_fails(error)
            self._journal_due = self._ticks() + JOURNAL_PAUSE
        else:
            if failed_before is not None:
                self._journal_works()

    def _turn(self, now: float) -> None:
        for job in [job for job in self._jobs.values() if self._channel.limit(job) <= now]:
            overdue = self._channel.overdue(job, now)
            if overdue is not None:
                self._step(job.id, overdue)
        if self._channel.wants_probe(self._jobs, self._ticks()):
            self._perform(ev.Probe())
        request = self._channel.history_request(self._jobs, now)
        if request is not None:
            self._perform(request)
        if self.paused is None:
            self._send_next(now)

    def _send_next(self, now: float) -> None:
        match self.sending.next_step(self._jobs, now):
            case job, ev.Chosen() if self._hours.waits(job, now):
                question = self._hours.question(job, now)
                if question is not None:
                    self._take(question)
                    self.sending.let_pass(question.job_id)
                    self._send_next(now)
            case job, ev.Chosen() as chosen:
                self._jobs[job.id] = job
                self._step(job.id, chosen)
                self.sending.sent(job, now)
                self._hours.sent()
            case _, ev.Upload() as upload:
                self._perform(upload)
            case None:
                pass

    def _wait(self) -> float:
        """Seconds until time itself brings something."""
        now, ticks = self._clock(), self._ticks()
        if self._journal_due is not None:
            return min(max(0.0, self._journal_due - ticks), JOURNAL_PAUSE)
        times = [self._channel.limit(job) for job in self._jobs.values()]
        times += [time for time in (self.sending.next_time(now), self._queued_due(now)) if time > now]
        wait = min([time - now for time in times], default=LONGEST_WAIT)
        return min(max(0.0, min(wait, self._channel.next_wait(now, ticks))), LONGEST_WAIT)

    def _queued_due(self, now: float) -> float:
        try:
            return self._journal.next_queued_due(now) or 0.0
        except JournalError:
            return now + JOURNAL_PAUSE


def _answers(jobs: Sequence[Job]) -> list[ev.Effect]:
    """What is to be done for new jobs: those that can't be sent have their answer at once."""
    return [ev.Answer(job) for job in jobs if job.state is not State.QUEUED]


def _log_move(job: Job, moved: Job) -> None:
    """One line for each step of a job's life, with its id for those who look for one job's lines."""
    if moved.history != job.history:
        words = moved.history[-1].event
    elif moved.state is not job.state:
        words = moved.state
    else:
        return
    log.info("%s %s", moved.id, words, extra={"job": moved.id})
