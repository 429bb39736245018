"""What a change of the wall clock means for the deadlines that are stored in it.

Deadlines in the journal are seconds since 1970, so that they are kept over a restart. While mjwatch runs,
they move with the clock; at a start, when nobody knows what happened to it, they are only capped. The daily
cap counts attempts of the last 24 hours, also of those that a clock ahead or behind has timed.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mjwatch.jobs.transitions import Timeouts
    from mjwatch.journal.writer import Journal
    from mjwatch.model import CancelRequest

log = logging.getLogger("mjwatch")

HOUR = 3600.0

CLOCK_JUMP = 10.0
"""Seconds. Smaller changes are the slow corrections of a clock that is synchronised."""

LONGEST_WAIT = 86_400.0
"""Seconds that a queued job can wait for its next try; nobody asks for more than a day."""

WAIT_INSTEAD = 300.0
"""Seconds that replace a longer wait."""


class ClockWatch:
    """Notices that the wall clock was set: it then differs more from the monotonic one than before."""

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._offset = self._now()

    def _now(self) -> float:
        return self._clock() - self._monotonic()

    def jump(self) -> float:
        """Return the seconds by which the clock was set, or 0.0. A suspend looks the same."""
        seconds = self._now() - self._offset
        if abs(seconds) >= CLOCK_JUMP:
            return seconds
        self._offset += seconds
        return 0.0

    def accept(self, seconds: float) -> None:
        """Note that the deadlines have moved by so much: ``jump`` returned it until now."""
        self._offset += seconds


class Deadlines:
    """Changes deadlines in the journal and in ``jobs``, the open jobs. Its methods raise JournalError.

    ``store_limits`` stores what else ends at a time of the wall clock; ``recall_sent`` takes over from the
    journal when prompts were sent.
    """

    def __init__(
        self,
        journal: Journal,
        jobs: dict[str, Job],
        watch: ClockWatch,
        timeouts: Timeouts,
        store_limits: Callable[[], None],
        recall_sent: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._jobs = jobs
        self._watch = watch
        self._timeouts = timeouts
        self._store_limits = store_limits
        self._recall_sent = recall_sent

    def cap(self, now: float) -> None:
        """Bring deadlines near that a clock which was wrong has left in the far future."""
        self._move_attempts(now)
        limit = max(HOUR, self._timeouts.start_timeout, self._timeouts.silence_timeout)
        jobs = {job.id: job for job in self._journal.delayed_jobs(after=now + HOUR)} | self._jobs
        self._store(jobs.values(), lambda job: with_capped_deadlines(job, now, limit))

    def follow_clock(self, now: float) -> None:
        """Move the deadlines with the wall clock where that was set."""
        jump = self._watch.jump()
        if jump:
            jobs = {job.id: job for job in self._journal.delayed_jobs()} | self._jobs
            self._store_limits()  # first, because these two may be done twice
            self._move_attempts(now, jump)
            self._store(jobs.values(), lambda job: with_moved_deadlines(job, jump))
            self._watch.accept(jump)
            log.info("the clock was set, or the machine was suspended; all deadlines move by %.0f s", jump)

    def _move_attempts(self, now: float, jump: float = 0.0) -> None:
        self._journal.follow_clock(now, jump)
        self._recall_sent()

    def _store(self, jobs: Iterable[Job], changed: Callable[[Job], Job]) -> None:
        moved = [after for before in jobs if (after := changed(before)) is not before]
        self._journal.update_all(moved)
        self._jobs.update({job.id: job for job in moved if job.id in self._jobs})


def is_postponed_by_file(job: Job) -> bool:
    """Return whether the job waits for the time in its prompt file, which means the wall clock."""
    return job.state is State.QUEUED and job.next_action_at == job.prompt.not_before


def with_moved_deadlines(job: Job, seconds: float) -> Job:
    """Return the job with its deadlines so many seconds later, all but the time in its prompt file.

    The times of a request to cancel move too, because the next request is judged by them.
    """
    if job.next_action_at is not None and not is_postponed_by_file(job):
        job = replace(job, next_action_at=job.next_action_at + seconds)
    request = job.cancel_request
    if request is not None:
        due = request.next_action_at + seconds if request.next_action_at else request.next_action_at
        asked, pressed = request.asked + seconds, request.pressed + seconds if request.pressed else 0.0
        request = replace(request, next_action_at=due, asked=asked, pressed=pressed)
        job = replace(job, cancel_request=request)
    return job


def with_capped_deadlines(job: Job, now: float, longest_limit: float) -> Job:
    """Return the job without deadlines that can only come from a clock that was wrong.

    ``longest_limit``: the most seconds that a job which was sent may take until something must be seen of it.
    """
    is_queued = job.state is State.QUEUED
    latest = now + (LONGEST_WAIT if is_queued else longest_limit)
    if job.next_action_at is not None and job.next_action_at > latest and not is_postponed_by_file(job):
        job = replace(job, next_action_at=now + WAIT_INSTEAD if is_queued else latest)
    request = None if job.cancel_request is None else _capped(job.cancel_request, now, latest)
    return job if request == job.cancel_request else replace(job, cancel_request=request)


def _capped(request: CancelRequest, now: float, latest: float) -> CancelRequest:
    due = request.next_action_at
    due = now + WAIT_INSTEAD if due is not None and due > latest else due
    asked, pressed = min(request.asked, now), min(request.pressed, now)
    return replace(request, next_action_at=due, asked=asked, pressed=pressed)
