"""What time brings: time limits of jobs, probes, readings of the channel, and the next thing to send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.engine.channel_import import ChannelImport
    from mjwatch.engine.clock import Deadlines
    from mjwatch.engine.job_table import JobTable
    from mjwatch.engine.scheduler import Scheduler
    from mjwatch.engine.service_state import ServiceState
    from mjwatch.midjourney.channel import Channel

LONGEST_WAIT = 60.0
"""Seconds after which the loop takes a turn although nothing has happened."""


class Timetable:
    """Does what is due, and says when the next is. Only the loop's thread calls it.

    ``perform`` and the clocks as in Engine; ``accept`` accepts a prompt, unless it did so before.
    """

    def __init__(
        self,
        channel: Channel,
        service: ServiceState,
        scheduler: Scheduler,
        table: JobTable,
        deadlines: Deadlines,
        imports: ChannelImport,
        perform: Callable[[ef.Effect], None],
        accept: Callable[[ev.PromptSubmitted], None],
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._channel = channel
        self._service = service
        self._scheduler = scheduler
        self._table = table
        self._deadlines = deadlines
        self._imports = imports
        self._perform = perform
        self._accept = accept
        self._clock = clock
        self._monotonic = monotonic

    def turn(self) -> None:
        """Do all that is due now. Raises JournalError; what was not done then is due again."""
        now = self._clock()
        self._deadlines.follow_clock(now)
        monotonic = self._monotonic()
        if monotonic >= self._table.next_time:
            self._table.store_progress()
        self._step_overdue(now, monotonic)
        self._ask_discord(monotonic)
        self._imports.turn(self._table.open)
        if self._service.pause is None:
            self._send_next(now)

    def next_wait(self) -> float:
        """Return the seconds until ``turn`` has something to do, if nothing happens before."""
        now, monotonic = self._clock(), self._monotonic()
        stream, silence, limits = self._channel.stream, self._channel.silence, self._service.limits
        expected = [job for job in self._limited() if not self._is_postponed(job, monotonic)]
        waits = [self._channel.time_limit(job, now, monotonic) - now for job in expected]
        waits.append(self._scheduler.next_time(self._table.open, now) - now)
        waits.append(limits.next_time(monotonic) - monotonic)
        waits.append(self._table.next_time - monotonic)
        waits.append(self._service.troubles.next_time() - monotonic)
        if stream.history_due is not None and limits.may_read(monotonic):
            waits.append(stream.next_time() - monotonic)
        if silence.silent_since:
            waits.append(silence.next_time() - monotonic)
        if limits.may_read(monotonic):
            waits.append(self._imports.next_time(self._table.open) - monotonic)
        return min(max(0.0, min(waits)), LONGEST_WAIT)

    # ---- time limits

    def _limited(self) -> list[Job]:
        return [job for job in self._table.open.values() if job.next_action_at is not None]

    def _step_overdue(self, now: float, monotonic: float) -> None:
        """Step the jobs whose time limit is over."""
        for job in [job for job in self._limited() if self._channel.time_limit(job, now, monotonic) <= now]:
            if self._is_postponed(job, monotonic):
                continue
            overdue = self._channel.overdue(job, monotonic)
            if overdue is not None:
                self._table.step(job.id, overdue)

    def _is_postponed(self, job: Job, monotonic: float) -> bool:
        """Return whether what is due for this job must wait: for the bot's outage, or for another reading.

        After a limit on reading one request is the probe, and the others follow one after another until the
        history was read.
        """
        limits = self._service.limits
        is_retry = job.state is State.COLLECTING and limits.reading is not None
        return limits.sending.postpones(job, monotonic) or (is_retry and self._is_read(monotonic))

    def _is_read(self, monotonic: float) -> bool:
        """Return whether the history or pictures are being read, or the history is to be read now."""
        stream, jobs = self._channel.stream, self._table.open.values()
        fetched = (job.state is State.COLLECTING and job.next_action_at is None for job in jobs)
        return stream.is_reading or stream.next_time() <= monotonic or any(fetched)

    # ---- what Discord is asked for, and what it is sent

    def _ask_discord(self, monotonic: float) -> None:
        """Probe the gateway for jobs in doubt, and have the history read, if either is due."""
        doubtful = self._table.in_doubt()
        if (doubtful or self._channel.silence.silent_since) and self._channel.begin_probe(
            doubtful, monotonic
        ):
            self._perform(ef.Probe())
        if self._channel.stream.history_due is not None and self._service.limits.may_read(monotonic):
            request = self._channel.history_request(self._table.open, monotonic)
            if request is not None:
                self._perform(request)

    def _send_next(self, now: float) -> None:
        monotonic, gate, jobs = self._monotonic(), self._service.limits.sending, self._table.open
        may_send, may_press = gate.may_send(monotonic), gate.may_press(monotonic)
        match self._scheduler.next_step(jobs, now, may_send=may_send, may_press=may_press):
            case _, ev.PromptSubmitted() as question:
                self._accept(question)
                self._scheduler.question_accepted(question)
                self._send_next(now)
            case job, ev.AttemptStarted() as attempt:
                jobs[job.id] = job
                self._table.step(job.id, attempt)
                self._scheduler.sent(jobs[job.id].submitted or now)
            case job, ev.CancelStarted() as cancel:
                self._table.step(job.id, cancel)
                self._scheduler.cancel_sent(now)
            case _, ef.UploadImages() as upload:
                self._perform(upload)
            case None:
                pass
