"""The loop: one queue, one owner of all jobs. Event in, step, journal, effects out.

Whoever learns something (watcher, gateway, workers, signals) puts an event into the queue with ``put``. Only
the thread that runs ``run`` touches jobs, so that jobs need no locks.
"""

from __future__ import annotations

import logging
import math
import queue
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch import events as ev
from mjwatch.discord.stream import Stream
from mjwatch.errors import JournalError
from mjwatch.jobs.intake import given_job, is_same_delivery, make_jobs, sha256
from mjwatch.jobs.job import IllegalEventError, Limits, step
from mjwatch.jobs.pacing import DAY, Pace, Throttle
from mjwatch.jobs.reader import TakenFile
from mjwatch.midjourney.echo import normalise
from mjwatch.model import IN_FLIGHT, Job, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.discord.payloads import ResumeState
    from mjwatch.jobs.journal import Journal
    from mjwatch.midjourney.following import Follower

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
    seconds since 1970, ``chance`` a number from 0 to 1; ``new_nonce`` and ``new_id`` never give one twice.
    """

    def __init__(
        self,
        journal: Journal,
        follower: Follower,
        perform: Callable[[ev.Effect], None],
        *,
        pace: Pace,
        limits: Limits,
        max_jobs_per_file: int,
        clock: Callable[[], float],
        chance: Callable[[], float],
        new_nonce: Callable[[], str],
        new_id: Callable[[], str],
    ) -> None:
        self._journal = journal
        self._follower = follower
        self._perform = perform
        self._pace = pace
        self._limits = limits
        self._max_jobs_per_file = max_jobs_per_file
        self._clock = clock
        self._chance = chance
        self._new_nonce = new_nonce
        self._new_id = new_id
        self._queue: queue.SimpleQueue[ev.LoopEvent] = queue.SimpleQueue()
        self._first: deque[ev.LoopEvent] = deque()  # taken out of the queue, but not handled yet
        self._jobs: dict[str, Job] = {}
        self._throttle = Throttle(pace)
        self._stream = Stream()
        self._journal_due: float | None = None
        self.on_change: Callable[[Job], None] = lambda job: None
        """Told of every job that has moved, from the loop's own thread."""
        self.only: str | None = None
        """If set, no other queued job than this one is sent."""
        self.stopping = False
        self.files_waiting: int | None = None
        self.paused: str | None = None
        self.trouble: Trouble | None = None
        self.on_trouble: Callable[[Trouble], None] = lambda trouble: None
        """Told of each try to use Discord that has failed, from the loop's own thread."""

    # ---- the outside

    def put(self, event: ev.LoopEvent) -> None:
        """Hand in an event; from any thread."""
        self._queue.put(event)

    def resume_state(self) -> ResumeState | None:
        """Where the gateway's session of an earlier start can be resumed."""
        return self._stream.resume_state()

    def forget_session(self) -> None:
        """The gateway's session was ended for good: the next start begins a new one."""
        self._stream.forget()

    def go_on(self) -> None:
        """A person says that what the sending was paused for is mended."""
        if self.paused is not None:
            log.info("going on; it was paused: %s", self.paused)
            self._journal.remember({"paused": None})
            self.paused = None

    def load(self) -> None:
        """Take up what the journal holds: every open job is told that the program was restarted."""
        now = self._clock()
        self._stream = Stream(self._journal.recall("gateway"))
        self._follower.me = self._stream.user_id
        self._follower.newest = self._journal.recall("newest")
        self.paused = self._journal.recall("paused")
        if self._journal.recall("trouble") is not None:
            self._journal.remember({"trouble": None})
        self._throttle = Throttle(self._pace, self._journal.attempts_since(now - DAY))
        self._jobs = {job.id: job for job in self._journal.live_jobs()}
        for job_id in list(self._jobs):
            self._step(job_id, ev.Restarted())

    def run(self, finished: Callable[[], bool] = lambda: False) -> None:
        """Handle events until asked to stop, or until ``finished`` says so between two events."""
        while not self.stopping and not finished():
            self._turn_safely()
            event = self._next(self._wait())
            if event is not None:
                self._handle_safely(event)

    def finish(self) -> None:
        """Take in what came in last, once all others have stopped, and remember the place in the stream."""
        try:
            while (event := self._next(0.0)) is not None:
                self._handle(event)
            self._journal.remember(self._meta())
        except JournalError as error:
            log.error("%s", error)

    def _next(self, patience: float) -> ev.LoopEvent | None:
        if self._first:
            return self._first.popleft()
        try:
            return self._queue.get(timeout=patience)
        except queue.Empty:
            return None

    def settled(self) -> bool:
        """Whether all that was in the inbox has its answer, or is in doubt as only a person can settle it."""
        if self.files_waiting != 0 or self._first or not self._queue.empty():
            return False
        return not self._journal.open_count(State.QUEUED) and all(
            job.state is State.IN_DOUBT and not self._may_be_found_out(job) for job in self._jobs.values()
        )

    def _may_be_found_out(self, job: Job) -> bool:
        """Whether the history that is still unread, or its session's silence, may settle this doubt."""
        return not self._stream.open or self._proof_time(job) is not None

    def job(self, job_id: str) -> Job | None:
        """The job as it stands, open or closed."""
        return self._jobs.get(job_id) or self._journal.job(job_id)

    # ---- one event

    def _handle_safely(self, event: ev.LoopEvent) -> None:
        """Handle it; if the journal can't commit, it stays the first in the queue and all else waits."""
        try:
            self._handle(event)
        except JournalError as error:
            log.error("%s; trying again in %.0f s", error, JOURNAL_PAUSE)
            self._pause_for_journal()
            self._first.appendleft(event)

    def _pause_for_journal(self) -> None:
        """Wait a while, but not longer than until somebody asks to stop; what arrives keeps its order."""
        end = self._clock() + JOURNAL_PAUSE
        while not self.stopping and (left := end - self._clock()) > 0:
            try:
                event = self._queue.get(timeout=left)
            except queue.Empty:
                return
            self.stopping = isinstance(event, ev.StopAsked)
            self._first.append(event)

    def _handle(self, event: ev.LoopEvent) -> None:
        match event:
            case ev.ForJob():
                self._step(event.job_id, event.event)
            case ev.GatewayDispatch():
                self._dispatch(event)
            case ev.GatewayReady() | ev.GatewayResumed() | ev.GatewayDown() | ev.GatewayStopped():
                self._gateway(event)
            case ev.FileSettled():
                self._accept_file(event)
            case ev.PromptGiven():
                self._accept_prompt(event)
            case _:
                self._handle_other(event)

    def _handle_other(
        self, event: ev.InboxScanned | ev.HistoryRead | ev.HistoryUnread | ev.NeedsPerson | ev.StopAsked
    ) -> None:
        match event:
            case ev.InboxScanned():
                self.files_waiting = event.waiting
            case ev.HistoryRead():
                self._history_read(event)
            case ev.HistoryUnread():
                self._history_unread(event)
            case ev.NeedsPerson():
                self._pause(event.reason)
            case ev.StopAsked():
                self.stopping = True

    # ---- jobs

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
        if isinstance(event, ev.Refused) and event.refusal.needs_human:
            self._pause(event.refusal.title or event.refusal.detail)
        if moved is not job:
            attempt_at = self._clock() if isinstance(event, ev.Chosen) else None
            self._journal.update(moved, attempt_at=attempt_at, meta=self._meta())
            self._keep(moved)
            if moved.history != job.history:
                log.info("%s %s", moved.id, moved.history[-1].event)
        for effect in effects:
            self._perform(effect)

    def _keep(self, job: Job) -> None:
        if job.open:
            self._jobs[job.id] = job
        else:
            self._jobs.pop(job.id, None)
        self.on_change(job)

    def _follow(self, pairs: list[tuple[str | None, ev.JobEvent]]) -> None:
        for job_id, event in pairs:
            if job_id is not None:
                self._step(job_id, event)
            elif isinstance(event, ev.Refused):
                self._pause(event.refusal.title or event.refusal.detail)
        if pairs:
            self._follow(self._follower.held_again(self._jobs))

    def _pause(self, reason: str) -> None:
        if self.paused is None:
            log.error("paused, nothing more is sent until a person has acted: %s", reason)
            self._journal.remember({"paused": reason})
            self.paused = reason

    # ---- the inbox

    def _accept_file(self, file: ev.FileSettled) -> None:
        now = self._clock()
        digest = sha256(file.data)
        if not is_same_delivery(file.mtime, self._journal.taken_mtimes(file.path, digest)):
            jobs = make_jobs(file, now, self._new_id, self._max_jobs_per_file)
            self._accept(TakenFile(file.path, digest, file.mtime, file.data), jobs, now)
            log.info("%s taken: %s", file.path, ", ".join(job.id for job in jobs))
        else:
            log.info("%s was delivered again unchanged; removed, not run", file.path)
        self._perform(ev.RemoveFile(file.path, file.identity))

    def _accept_prompt(self, given: ev.PromptGiven) -> None:
        now = self._clock()
        data = given.prompt.text.encode()
        job = given_job(given.job_id, given.prompt, given.path, now)
        if self._journal.job(job.id) is None:
            self._accept(TakenFile(given.path, sha256(data), now, data), [job], now)

    def _accept(self, file: TakenFile, jobs: list[Job], now: float) -> None:
        self._journal.accept(file, [(job, normalise(job.prompt.text)) for job in jobs], now)
        for job in jobs:
            if job.state is State.REJECTED:
                self._keep(job)
                self._perform(ev.Answer(job))
            else:
                self.on_change(job)

    # ---- the gateway and the history

    def _dispatch(self, event: ev.GatewayDispatch) -> None:
        self._follow(self._follower.dispatch(event, self._jobs))
        self._stream.saw(self._follower.safe_seq(event.seq))
        if self._follower.missed_something(event):
            log.warning("gateway: messages of the channel don't reach us; subscribing, reading the history")
            self._perform(ev.Subscribe())
            self._stream.missed_something(self._clock())

    def _gateway(
        self, event: ev.GatewayReady | ev.GatewayResumed | ev.GatewayDown | ev.GatewayStopped
    ) -> None:
        now = self._clock()
        match event:
            case ev.GatewayReady():
                self._follower.me = event.user_id
                self._stream.ready(event, now)
                self._tell_trouble(None)
                self._journal.remember(self._meta())
                log.info("gateway: ready as %s", event.user_name)
                if event.required_action:
                    self._pause(f"Discord wants something of the account: {event.required_action}")
            case ev.GatewayResumed():
                self._stream.resumed(event, now)
                self._tell_trouble(None)
                log.info("gateway: session resumed")
            case ev.GatewayDown():
                self._stream.lost()
                self._tell_trouble(Trouble(event.reason, now + event.retry_in))
            case ev.GatewayStopped():
                self._stream.lost()
                self._tell_trouble(Trouble(event.reason, math.inf))
                self._pause(event.reason)

    def _tell_trouble(self, trouble: Trouble | None) -> None:
        if trouble is None and self.trouble is None:
            return
        self.trouble = trouble
        self._journal.remember({"trouble": None if trouble is None else trouble.reason})
        if trouble is not None:
            self.on_trouble(trouble)

    def _read_history(self) -> None:
        """Ask for all that is newer than the last message seen, and than the oldest attempt in question."""
        open_jobs = [
            job for job in self._jobs.values() if job.state in IN_FLIGHT or job.state is State.IN_DOUBT
        ]
        places = [place for place in (self._follower.newest, *(job.anchor for job in open_jobs)) if place]
        starts = tuple(job.message_id for job in open_jobs if job.message_id is not None)
        self._perform(ev.ReadHistory(min(places, key=int, default=None), starts))

    def _history_read(self, event: ev.HistoryRead) -> None:
        self._follower.see(event.newest)
        self._follow(self._follower.history(event.messages, self._jobs))
        self._follow(self._follower.reread(event.reread, self._jobs))
        self._stream.history_read(self._clock(), complete=event.complete)

    def _history_unread(self, event: ev.HistoryUnread) -> None:
        wait = self._stream.history_unread(self._clock())
        log.warning("the channel's history can't be read: %s; again in %.0f s", event.reason, wait)

    def _meta(self) -> dict[str, Any]:
        return {"gateway": self._stream.place(), "newest": self._follower.newest}

    # ---- what time brings

    def _turn_safely(self) -> None:
        now = self._clock()
        if self._journal_due is not None and now < self._journal_due:
            return
        self._journal_due = None
        try:
            self._turn(now)
        except JournalError as error:
            log.error("%s; nothing is sent meanwhile", error)
            self._journal_due = now + JOURNAL_PAUSE

    def _turn(self, now: float) -> None:
        for job in [job for job in self._jobs.values() if job.due is not None and job.due <= now]:
            if job.state is not State.QUEUED:
                self._step(job.id, ev.Overdue())
        for job_id in [job.id for job in self._jobs.values() if (self._proof_time(job) or now + 1) <= now]:
            self._step(job_id, ev.ProvenUnsent())
        if self._stream.wants_history(now):
            self._read_history()
        if self._may_send(now):
            self._send_next(now)

    def _may_send(self, now: float) -> bool:
        """One POST at a time, gateway up, the channel's newest message known, a slot free, and the pace."""
        states = [job.state for job in self._jobs.values() if job.state in IN_FLIGHT]
        ready = self._stream.open and self.paused is None and State.SUBMITTING not in states
        return ready and self._throttle.may_send(now, len(states))

    def _send_next(self, now: float) -> None:
        job = self._journal.next_queued(now, self._blocked_twins(), only=self.only)
        session_id = self._stream.session_id
        if job is None or session_id is None:
            return
        self._jobs[job.id] = job
        chosen = ev.Chosen(self._new_nonce(), session_id, self._follower.newest)
        self._step(job.id, chosen)
        self._throttle.sent(now, self._chance())

    def _proof_time(self, job: Job) -> float | None:
        """When its session's silence will have shown that this doubtful POST was not executed."""
        if job.state is not State.IN_DOUBT or job.doubted is None:
            return None
        unbroken = self._stream.unbroken_since(job.session_id)
        return None if unbroken is None else max(unbroken, job.doubted) + self._limits.quiet_time

    def _blocked_twins(self) -> set[str]:
        """The prompts that must wait because an equal one is out and its pictures could not be told apart."""
        return {
            normalise(job.prompt.text)
            for job in self._jobs.values()
            if (job.state in IN_FLIGHT or job.state is State.IN_DOUBT)
            and job.job_uuid is None
            and not (self._follower.references_seen and job.message_id is not None)
        }

    def _wait(self) -> float:
        """Seconds until time itself brings something."""
        now = self._clock()
        times = [
            job.due for job in self._jobs.values() if job.due is not None and job.state is not State.QUEUED
        ]
        times += [time for job in self._jobs.values() if (time := self._proof_time(job)) is not None]
        times += [time for time in (self._stream.next_time(), self._journal_due) if time is not None]
        times += [time for time in (self._throttle.next_time(now), self._queued_due(now)) if time > now]
        return min(max(0.0, min(times, default=now + LONGEST_WAIT) - now), LONGEST_WAIT)

    def _queued_due(self, now: float) -> float:
        try:
            return self._journal.next_queued_due(now) or 0.0
        except JournalError:
            return now + JOURNAL_PAUSE
