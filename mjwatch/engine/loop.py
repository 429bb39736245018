"""The main loop: one queue, one owner of all jobs. Event in, step, commit to the journal, effects out.

Whoever learns something (inbox, gateway, workers, signals) puts an event into the queue. Only the thread that
runs ``run`` touches jobs, so that jobs need no locks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.engine import service_state
from mjwatch.engine.acceptance import Acceptance
from mjwatch.engine.channel_import import ChannelImport
from mjwatch.engine.clock import ClockWatch, Deadlines
from mjwatch.engine.commands import RequestHandler
from mjwatch.engine.held_results import HeldResultKeeper
from mjwatch.engine.job_table import JobTable, failures
from mjwatch.engine.scheduler import Scheduler
from mjwatch.engine.service_state import ServiceState
from mjwatch.engine.timetable import Timetable
from mjwatch.errors import JournalError
from mjwatch.jobs.limits import DRAIN_PROBES
from mjwatch.model import Job, State
from mjwatch.trouble import clock_trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.engine.queue import EventQueue
    from mjwatch.jobs.pacing import Pace
    from mjwatch.jobs.transitions import Timeouts
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel

log = logging.getLogger("mjwatch")

FAULT_DELAY = 3600.0
"""Seconds for which a prompt file is left in the inbox that a fault in mjwatch kept from being accepted."""


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
        queue: EventQueue,
        perform: Callable[[ef.Effect], None],
        *,
        pace: Pace,
        timeouts: Timeouts,
        min_fast_hours: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        rng: Callable[[], float],
        new_nonce: Callable[[], str],
        new_id: Callable[[], str],
        in_inbox: Callable[[str], bool] | None = None,
        collect_by_hand: bool = False,
    ) -> None:
        self._journal = journal
        self._channel = channel
        self._queue = queue
        self._perform = perform
        self._clock = clock
        self._monotonic = monotonic
        self.service = ServiceState(journal, channel, perform, clock, monotonic)
        self.scheduler = Scheduler(
            journal, channel, pace, min_fast_hours=min_fast_hours, new_nonce=new_nonce, new_id=new_id, rng=rng
        )
        self._table = JobTable(
            journal,
            channel,
            self.service,
            self.scheduler,
            perform,
            timeouts=timeouts,
            clock=clock,
            monotonic=monotonic,
            new_id=new_id,
            on_change=lambda job: self.on_change(job),
        )
        self.job = self._table.job
        """Return the job with this id as it is now, open or closed, or None."""
        self._deadlines = Deadlines(
            journal,
            self._table.open,
            ClockWatch(clock, monotonic),
            timeouts,
            self.service.store_limits,
            self.scheduler.load,
        )
        self._acceptance = Acceptance(journal, new_id, in_inbox)
        self.imports = ChannelImport(
            journal,
            channel,
            self.service,
            self._table.add,
            perform,
            pace=pace,
            clock=clock,
            monotonic=monotonic,
            rng=rng,
            collect_by_hand=collect_by_hand,
        )
        self._held_results = HeldResultKeeper(channel, self.service, self._table)
        self._requests = RequestHandler(
            journal,
            self.service,
            channel.stream,
            self.job,
            self._table.step,
            self._accept_prompt,
            self._held_results,
            self.imports,
        )
        self._timetable = Timetable(
            channel,
            self.service,
            self.scheduler,
            self._table,
            self._deadlines,
            self.imports,
            perform,
            self._accept_prompt,
            clock=clock,
            monotonic=monotonic,
        )
        channel.tracker.on_notice = _log_notice
        self.put = queue.put
        """Hand in an event; from any thread."""
        self.on_turn: Callable[[], None] = lambda: None
        """Called before each turn, from the loop's own thread: the loop is alive."""
        self.on_change: Callable[[Job], None] = lambda job: None
        """Called with every job that has changed, from the loop's own thread."""
        self.on_event: Callable[[], None] = lambda: None
        """Called after each event, from the loop's own thread: the state may look different now."""
        self.stopping = False
        self._to_restart: list[str] | None = None
        """The open jobs that do not know yet that the program was restarted; None once the work has begun."""

    # ---- the loop

    def load(self, *, patient: bool = False) -> None:
        """Load what the journal holds: every open job gets the event that the program was restarted.

        Then what a person asked for meanwhile is done and answered. Raises JournalError. ``patient``: where
        the journal can be read but not written, as on a full disk, the loop does the rest once it can be.
        """
        self._channel.load(*map(self._journal.recall, ("gateway", "newest", "strangers", "held", "gap")))
        self.service.load()
        self.scheduler.load()
        self._table.load()
        self._to_restart = list(self._table.open)
        try:
            self._begin()
        except JournalError as error:
            if not patient:
                raise
            self.service.turn_failed(error)

    def _begin(self) -> None:
        """Do what a start has to write, unless that is done: nothing else may happen before it."""
        if self._to_restart is None:
            return
        self.imports.load()
        self._deadlines.cap(self._clock())
        while self._to_restart:
            self._table.step(self._to_restart[0], ev.Restarted())
            del self._to_restart[0]
        self._requests.answer_all(self._clock)
        self._to_restart = None

    def run(self, finished: Callable[[], bool] = lambda: False) -> None:
        """Handle events until asked to stop, or until ``finished`` returns True between two events."""
        while not self.stopping:
            self.on_turn()
            if self._is_finished(finished):
                return
            self._turn_safely()
            event = self._queue.take(self._wait())
            if event is not None:
                self._handle_safely(event)
            self._report()  # also of what the event has brought before this ends
            if event is not None:
                self.on_event()

    def _is_finished(self, finished: Callable[[], bool]) -> bool:
        try:
            return finished()
        except JournalError as error:
            self.service.journal_failed(error)
            return False

    def finish(self) -> None:
        """Handle what came in last, once all others have stopped, and store the position in the stream."""
        try:
            while (event := self._queue.take(0.0)) is not None:
                self._handle(event)
            self._table.store_progress()
            self.service.store_position()
        except JournalError as error:
            log.error("%s", error)

    # ---- how it stands, for those who run it

    @property
    def paused(self) -> str | None:
        """Why nothing is sent, if that is so."""
        return None if self.service.pause is None else self.service.pause.reason

    @property
    def idle(self) -> bool:
        """Whether no event waits to be handled."""
        return self._queue.empty

    def settled(self) -> bool:
        """Return whether every file's jobs have ended or wait for a person."""
        if not self.service.inbox_done or not self._queue.empty:
            return False
        return self._sent_wait_for_person() and not self.scheduler.any_queued(self._table.open, self._clock())

    def _sent_wait_for_person(self) -> bool:
        """Return whether every job that was sent waits for a person."""
        sent = (job for job in self._table.open.values() if job.state is not State.QUEUED)
        return all(map(self._channel.waits_for_person, sent))

    def all_imported(self) -> bool:
        """Return whether no import is running, and all that was made elsewhere is saved or has failed."""
        return not self.imports.is_reading and not self.saves_imported

    @property
    def saves_imported(self) -> bool:
        """Whether a picture that was made elsewhere waits to be saved."""
        return any(job.made_elsewhere for job in self._table.open.values())

    def blocked(self) -> bool:
        """Return whether a run that is to end by itself must not wait any longer.

        What was in the inbox is accepted, and sending waits for a person, or probe after probe has failed.
        """
        if not self.service.inbox_done or not self._queue.empty:
            return False
        gate = self.service.limits.sending
        has_failed = gate.is_open and gate.trips > DRAIN_PROBES
        return self.service.needs_resume or (has_failed and self._sent_wait_for_person())

    def needs_person(self) -> bool:
        """Return whether anything waits for a person: the sending, the inbox or a job."""
        has_doubt = bool(self._table.in_doubt() or self._channel.results_for_person(self._table.open))
        is_out = self.service.limits.sending.is_open and self.service.has_queued()
        cannot_send = self.service.pause is not None or is_out
        return has_doubt or cannot_send or self.service.inbox_is_closed

    # ---- one event

    def _handle_safely(self, event: ev.LoopEvent) -> None:
        """Handle it; if the journal can't commit, it stays the first in the queue and all else waits."""
        try:
            self._handle(event)
        except JournalError as error:
            self.service.event_failed(event, error)
            self._queue.put_back(event)
            self.service.report()
            self.on_event()
            delay = service_state.JOURNAL_RETRY_DELAY
            self.stopping = self._queue.sleep(delay, ev.StopRequested) or self.stopping
            return
        except Exception:  # the loop's top: one event that nobody foresaw must not end the service
            log.exception("%s could not be handled; it is skipped", type(event).__name__)
            if isinstance(event, ev.FileSettled):
                reason = "a fault in mjwatch kept it from being taken"
                self._perform(ef.DeferFile(event.path, reason, FAULT_DELAY))
        if event is self.service.failed_event:
            self.service.event_handled()

    def _report(self) -> None:
        """Notify a person of what they are needed for, and report troubles, after both are committed."""
        self.service.notify_person(self._table.open)
        self.service.report()

    def _handle(self, event: ev.LoopEvent) -> None:
        if not isinstance(event, ev.StopRequested):
            self._begin()
        match event:
            case ev.ForJob():
                self._handle_job_event(event)
            case ev.GatewayDispatch():
                self._handle_dispatch(event)
            case ev.GatewayReady() | ev.GatewayResumed() | ev.GatewayDown() | ev.GatewayRejected():
                self.service.connection_changed(event, self._clock())
            case ev.GatewayAlive():
                self._table.step_all(self._channel.alive(event, self._table.open, self._monotonic()))
            case ev.RequestsPending():
                self._requests.answer_all(self._clock)
            case ev.FileSettled():
                jobs, effects = self._acceptance.file(event, self._clock())
                self._table.add(jobs, effects)
            case ev.PromptSubmitted():
                self._accept_prompt(event)
            case ev.HistoryRead():
                self._handle_history(event)
            case _:
                self._handle_other(event)

    def _handle_other(
        self,
        event: ev.InboxScanned
        | ev.OutboxTried
        | ev.ClockCompared
        | ev.HistoryReadFailed
        | ev.PageRead
        | ev.PageReadFailed
        | ev.StopRequested,
    ) -> None:
        match event:
            case ev.OutboxTried():
                self.service.troubles.note(event.part, event.trouble)
            case ev.ClockCompared():
                self.service.troubles.note("clock", clock_trouble(event.ahead))
            case ev.InboxScanned():
                self.service.inbox_scanned(event)
            case ev.HistoryReadFailed():
                self.service.history_failed(event)
            case ev.PageRead():
                self.imports.page_read(event, self._table.open)
            case ev.PageReadFailed():
                self.imports.page_failed(event)
            case ev.StopRequested():
                self.stopping = True

    # ---- jobs

    def _handle_job_event(self, event: ev.ForJob) -> None:
        job = self.job(event.job_id)
        if job is not None and event.nonce not in {None, job.nonce}:
            name = type(event.event).__name__
            log.warning("%s: %s came for an attempt that is over", job.id, name, extra={"job": job.id})
        else:
            self._table.step(event.job_id, event.event)
        if isinstance(event.event, ev.Uploaded | ev.UploadFailed):
            self.scheduler.upload_ended(event.job_id)  # once it is committed: not to upload it again

    def _accept_prompt(self, event: ev.PromptSubmitted) -> None:
        jobs = self._acceptance.prompt(event, self._clock())
        self._table.add(jobs, failures(jobs))

    # ---- the gateway and the history

    def _handle_dispatch(self, event: ev.GatewayDispatch) -> None:
        unmatched = self._channel.tracker.unmatched.messages
        known, unowned = len(unmatched), self._channel.tracker.unowned_finals
        job_events = self._channel.tracker.dispatch(event, self._table.open)
        self._table.step_all(job_events)
        if job_events or unmatched:  # what ends a foreign job makes others clear, too
            self._table.match_again()
        if len(self._channel.tracker.unmatched.messages) > known:
            log.info("a message may belong to one of several jobs; it is kept until that is clear")
        if self._channel.dispatch_handled(event, self._monotonic()):
            log.warning("gateway: messages of the channel don't reach us; subscribing, reading the history")
            self._perform(ef.Subscribe())
        self._held_results.keep()
        self.imports.noticed(unowned)

    def _handle_history(self, event: ev.HistoryRead) -> None:
        self._table.step_all(self._channel.history(event, self._table.open))
        self._channel.history_handled(event, self._monotonic())
        self.service.keep_limits(self.service.limits.reading_succeeded())
        self._table.match_again()
        self._held_results.keep()

    # ---- what time brings

    def _turn_safely(self) -> None:
        retry_at = self.service.turn_retry_at
        if retry_at is not None and self._monotonic() < retry_at:
            return
        try:
            self._begin()
            self._timetable.turn()
        except JournalError as error:
            self.service.turn_failed(error)
        else:
            if retry_at is not None:
                self.service.turn_done()

    def _wait(self) -> float:
        """Return the seconds until the next turn, if nothing happens before."""
        if self.service.turn_retry_at is not None:
            return max(0.0, self.service.turn_retry_at - self._monotonic())
        return self._timetable.next_wait()


def _log_notice(job_id: str, text: str) -> None:
    log.info("%s Midjourney says: %s", job_id, text, extra={"job": job_id})
