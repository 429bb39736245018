"""The open jobs: an event for a job becomes a step, the step is committed, then its effects are performed."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs import state_machine
from mjwatch.jobs.followups import children_of
from mjwatch.jobs.limits import attempt_counts
from mjwatch.jobs.status_text import reason
from mjwatch.midjourney.matching.evidence import duplicate_key
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mjwatch.engine.scheduler import Scheduler
    from mjwatch.engine.service_state import ServiceState
    from mjwatch.jobs.transitions import Timeouts
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel
    from mjwatch.midjourney.job_events import JobEvents

log = logging.getLogger("mjwatch")

_WARNING_STATES = frozenset({State.FAILED, State.REJECTED, State.IN_DOUBT})
"""States in which a job is logged at a level that administrators look for."""


PROGRESS_DELAY = 1.0
"""Seconds until the journal gets a job's mere progress, unless it is stored with a later step before."""


class JobTable:
    """The open jobs with at least one attempt, and every change of a job. Only the loop's thread calls it.

    ``perform``, the clocks and ``new_id`` as in Engine; ``on_change`` is called with every job that has
    changed.
    """

    def __init__(
        self,
        journal: Journal,
        channel: Channel,
        service: ServiceState,
        scheduler: Scheduler,
        perform: Callable[[ef.Effect], None],
        *,
        timeouts: Timeouts,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
        on_change: Callable[[Job], None],
    ) -> None:
        self._journal = journal
        self._channel = channel
        self._service = service
        self._scheduler = scheduler
        self._perform = perform
        self._timeouts = timeouts
        self._clock = clock
        self._monotonic = monotonic
        self._new_id = new_id
        self._on_change = on_change
        self.open: dict[str, Job] = {}
        self._unstored: set[str] = set()
        self._store_at = math.inf

    def load(self) -> None:
        """Take up the open jobs from the journal; a probe or a held result may have ended with its job."""
        self.open.update({job.id: job for job in self._journal.live_jobs()})
        self._service.limits = self._service.limits.with_probe_among(self.open)
        self._drop_finished_candidates()

    def _drop_finished_candidates(self) -> None:
        """Note which jobs have got their result since the held results were stored."""
        held = self._channel.tracker.held
        for job_id in {job_id for result in held for job_id in result.candidates}:
            job = self.job(job_id)
            if job is not None and job.result is not None:
                held.job_finished(job_id)

    def in_doubt(self) -> list[Job]:
        """Return the open jobs that are in doubt."""
        return [job for job in self.open.values() if job.state is State.IN_DOUBT]

    def job(self, job_id: str) -> Job | None:
        """Return the job as it is now, open or closed."""
        return self.open.get(job_id) or self._journal.job(job_id)

    def add(self, jobs: list[Job], effects: list[ef.Effect]) -> None:
        """Take up new jobs, which are committed, and have the effects performed."""
        for job in jobs:
            if job.state is State.QUEUED:
                self._note_delay(job)
                self._on_change(job)
            else:
                _log_rejected(job)
                self._track(job)
        for effect in effects:
            self._perform(effect)

    def step(self, job_id: str, event: ev.JobEvent) -> None:
        """Feed an event to a job, commit the step, and have its effects performed. Raises JournalError."""
        job = self.job(job_id)
        if job is None:
            name = type(event).__name__
            message = "an event for job %s, which is not in the journal: %s"
            log.warning(message, job_id, name, extra={"job": job_id})
            return
        try:
            moved, effects = state_machine.step(job, event, self._clock(), self._timeouts)
        except state_machine.IllegalEventError as error:
            log.error("%s; it was ignored", error, extra={"job": job.id})
            return
        if isinstance(event, ev.Refused | ev.UploadFailed | ev.CancelPressed):
            self._service.pause_if_needed(event.refusal)
        children = self._follow_ups(effects)
        limits = self._service.limits.after(job, moved, event, self._monotonic())
        if moved is not job:
            self._channel.attempt_ends(job, moved, event)
            counts = attempt_counts(job, moved, event)
            facts = self._service.limits_to_store(limits)
            if _is_mere_progress(job, moved) and not (facts or children):
                self._store_later(moved)
            else:
                self._commit(moved, event, children, facts, counts)
            if counts is not None and moved.submitted is not None:
                self._scheduler.attempt_counts(moved.submitted, counts=counts)
            self._service.set_limits(limits)
            if isinstance(event, ev.Finished):
                self._channel.tracker.held.job_finished(job.id)
            self._track(moved)
        else:
            self._service.keep_limits(limits)
        self._note_trouble(moved, event)
        for effect in effects:
            if not isinstance(effect, ef.CreateFollowUps):
                self._perform(effect)
        _log_step(job, moved)
        self.add(children, failures(children))

    def _note_trouble(self, job: Job, event: ev.JobEvent) -> None:
        """Note what keeps the job's folder from the outbox, or that nothing does any more."""
        if isinstance(event, ev.SaveFailed):
            is_tried_again = job.next_action_at is not None
            self._service.troubles.note(f"job {job.id}", event.trouble if is_tried_again else None)
        elif isinstance(event, ev.Published) or not job.open:
            self._service.troubles.note(f"job {job.id}", None)

    def _follow_ups(self, effects: Iterable[ef.Effect]) -> list[Job]:
        """Return the jobs of the follow-ups that are due now; they are committed with the present step."""
        parents = [effect.job for effect in effects if isinstance(effect, ef.CreateFollowUps)]
        return [child for parent in parents for child in children_of(parent, self._clock(), self._new_id)]

    def _commit(
        self,
        job: Job,
        event: ev.JobEvent,
        children: Sequence[Job],
        limits: Mapping[str, Any],
        counts: bool | None,
    ) -> None:
        attempt_at = job.submitted if isinstance(event, ev.AttemptStarted) else None
        with_keys = [(child, duplicate_key(child)) for child in children]
        meta = {**self._channel.position(), **limits}
        self._journal.update(job, attempt_at=attempt_at, meta=meta, children=with_keys, attempt_counts=counts)
        self._unstored.discard(job.id)
        self._channel.position_stored()

    def _store_later(self, job: Job) -> None:
        if not self._unstored:
            self._store_at = self._monotonic() + PROGRESS_DELAY
        self._unstored.add(job.id)

    @property
    def next_time(self) -> float:
        """When ``store_progress`` is due, in seconds of ``monotonic``; infinity: nothing is to be stored."""
        return self._store_at if self._unstored else math.inf

    def store_progress(self) -> None:
        """Store the progress that no other step has stored. Raises JournalError."""
        self._journal.update_all([self.open[job_id] for job_id in self._unstored if job_id in self.open])
        self._unstored.clear()

    def _track(self, job: Job) -> None:
        """Remember a job that has changed; forget it if nothing is left to do for it."""
        self._note_delay(job)
        if job.open:
            self.open[job.id] = job
        else:
            self.open.pop(job.id, None)
            self._channel.job_closed(job)
        if job.prompt.command == "info":
            pause = self._scheduler.info_changed(job, self._clock())
            if pause is not None:
                self._service.begin_pause(pause)
        self._on_change(job)

    def _note_delay(self, job: Job) -> None:
        """Have the scheduler look for queued jobs that wait for a time, if this one does."""
        if job.state is State.QUEUED and job.next_action_at is not None:
            self._scheduler.has_delayed_jobs = True

    def step_all(self, job_events: JobEvents) -> None:
        """Feed each event to its job; a refusal that is of no job is the service's."""
        for job_id, event in job_events:
            if job_id is not None:
                self.step(job_id, event)
            elif isinstance(event, ev.Refused):
                self._service.refused(event.refusal)

    def match_again(self) -> None:
        """See whose the unmatched messages are by now; each is released once that is committed.

        A result that stays unmatched is held.
        """
        tracker = self._channel.tracker
        while (found := tracker.next_matched(self.open)) is not None:
            message, job_events = found
            self.step_all(job_events)
            tracker.release(message)
        tracker.hold_unmatched(self.open)


def _is_mere_progress(job: Job, moved: Job) -> bool:
    """Return whether a job that runs has only another percentage and time limit; no promise depends on them.

    A job makes several such steps, and to commit each would wait for the disk as often.
    """
    if moved.state is not State.RUNNING or moved.state is not job.state or job.percent is None:
        return False
    return replace(job, percent=moved.percent, next_action_at=moved.next_action_at) == moved


def failures(jobs: Sequence[Job]) -> list[ef.Effect]:
    """Return the effects for new jobs that can't be sent: they have their answer at once."""
    return [ef.PublishFailure(job) for job in jobs if job.state is not State.QUEUED]


def _log_rejected(job: Job) -> None:
    """Log why a new job can't be sent, with the name of its prompt file."""
    name = job.source.path if job.source else "a prompt"
    log.warning("%s %s is rejected: %s", job.id, name, reason(job)[0], extra={"job": job.id})


def _log_step(job: Job, moved: Job) -> None:
    """Log one line for each step of a job's life, with its id for those who look for one job's lines."""
    if moved.history != job.history:
        text = moved.history[-1].text
    elif moved.state is not job.state:
        text = moved.state
    else:
        return
    is_warning = moved.state in _WARNING_STATES and moved.state is not job.state
    level = logging.WARNING if is_warning else logging.INFO
    log.log(level, "%s %s", moved.id, text, extra={"job": moved.id})
