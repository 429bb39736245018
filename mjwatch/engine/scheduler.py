"""Which job is sent next: one POST at a time, in order, at the pace, and no prompt beside its duplicate.

Keeps a reserve of the subscription's fast hours: asks for them from time to time, pauses when few are left.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.engine import service_state
from mjwatch.errors import JournalError
from mjwatch.jobs.cancellation import has_unanswered_press, job_to_cancel, press_due
from mjwatch.jobs.pacing import Pace, Throttle, kept_attempts
from mjwatch.midjourney.matching.evidence import duplicate_key
from mjwatch.midjourney.parsing.parsed_message import Mode, read_info
from mjwatch.model import IN_FLIGHT, Job, Pause, PauseKind, Prompt, State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel

UPLOAD_LIFETIME = 3600.0
"""Seconds for which an upload is used. Its link is good for a day (recorded 2024 to 2026)."""

HOURS_CHECK_JOBS = 20
"""Jobs sent until the fast hours are asked for again. A job takes about a minute of them, a video eight."""

HOURS_CHECK_INTERVAL = 6 * 3600.0
"""Seconds until the fast hours are asked for again."""

QUESTION_PRIORITY = 1 << 40
"""The priority of the question for the fast hours: above all that a prompt file can name."""

_SPENDING = frozenset({"imagine", "blend"})

NextStep = tuple[Job, ev.AttemptStarted | ev.CancelStarted | ev.PromptSubmitted | ef.UploadImages]
"""A job and what is to be done: send it, have it cancelled, ask for the fast hours first, or upload."""


class Scheduler:
    """Chooses what is sent next.

    ``new_nonce`` and ``new_id`` never give one twice; ``rng`` gives a number in 0 to 1. ``jobs`` are always
    the open jobs with at least one attempt.
    """

    def __init__(
        self,
        journal: Journal,
        channel: Channel,
        pace: Pace,
        *,
        min_fast_hours: float,
        new_nonce: Callable[[], str],
        new_id: Callable[[], str],
        rng: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._channel = channel
        self._pace = pace
        self._new_nonce = new_nonce
        self._rng = rng
        self._throttle = Throttle(pace)
        self._fast_hours = FastHours(min_fast_hours, new_id)
        self._uploading: str | None = None
        self.only: frozenset[str] | None = None
        """If set, no other queued jobs than these are sent."""
        self.has_delayed_jobs = True
        """Whether a queued job may wait for a time; set whenever such a job is committed."""

    def load(self) -> None:
        """Take over from the journal what was sent last."""
        self._throttle.recall(self._journal.last_attempts(kept_attempts(self._pace)))

    def allow(self, job_id: str) -> None:
        """Let this job be sent too, where only some may be."""
        if self.only is not None:
            self.only |= {job_id}

    def disallow(self, job_ids: Collection[str]) -> None:
        """Let these jobs not be sent any more, where only some may be."""
        if self.only is not None:
            self.only -= set(job_ids)

    # ---- what is next

    def next_step(
        self, jobs: Mapping[str, Job], now: float, *, may_send: bool = True, may_press: bool = True
    ) -> NextStep | None:
        """Return the job whose turn it is and what is to be done for it, or None. Raises JournalError.

        ``may_send`` and ``may_press``: whether limits allow prompts with their uploads, and Cancel Job.
        """
        in_flight = [job.state for job in jobs.values() if job.state in IN_FLIGHT]
        stream = self._channel.stream
        session_id = stream.session_id
        if session_id is None or self._waits_for_event(in_flight):
            return None
        if cancelling := [job for job in jobs.values() if job.cancel_request is not None]:
            if has_unanswered_press(cancelling):
                return None
            job = job_to_cancel(filter(self._is_allowed, cancelling), now)
            if job is not None and may_press and self._throttle.may_press(now):
                return job, ev.CancelStarted(self._new_nonce(), session_id)
        job = self._next_job(jobs, now, len(in_flight)) if may_send else None
        if job is None:
            return None
        if _needs_upload(job, now):
            self._uploading = job.id
            return job, ef.UploadImages(job)
        if self._fast_hours.must_be_known(job, now):
            question = self._fast_hours.question()
            return None if question is None else (job, question)
        anchor = self._channel.tracker.newest
        return job, ev.AttemptStarted(self._new_nonce(), session_id, anchor, stream.generation)

    def _waits_for_event(self, in_flight: Collection[State]) -> bool:
        """Return whether nothing can be sent before an event comes: one POST is in flight at a time."""
        return (
            not self._channel.stream.is_open or self._uploading is not None or State.SUBMITTING in in_flight
        )

    def _next_job(self, jobs: Mapping[str, Job], now: float, in_flight: int) -> Job | None:
        for job in jobs.values():
            if _has_form(job, now) and self._is_allowed(job):
                return job  # a form can't be filled in much later
        least_priority = self._pace.least_priority(now)
        if least_priority == math.inf or not self._throttle.may_send(now, in_flight, _being_saved(jobs)):
            return None
        return self._journal.next_queued(
            now, self.blocked_keys(jobs), only=self.only, least_priority=least_priority
        )

    def any_queued(self, jobs: Mapping[str, Job], now: float) -> bool:
        """Return whether a job is left to send that no file, other job or time of the day postpones."""
        if any(_has_form(job) for job in jobs.values()):
            return True
        return self._journal.any_queued(now, self.blocked_keys(jobs), self._pace.least_priority(now))

    def quiet_until(self, job: Job, now: float) -> float | None:
        """Return until when the hours in ``[pace] run_between`` hold this job; None if they don't."""
        return self._pace.quiet_until(now, job.prompt.priority)

    def _is_allowed(self, job: Job) -> bool:
        return self.only is None or job.id in self.only

    def blocked_keys(self, jobs: Mapping[str, Job]) -> set[str]:
        """Return the duplicate keys of sent jobs whose results could not be told from a duplicate's."""
        return {
            duplicate_key(job)
            for job in jobs.values()
            if (_was_sent(job) or _has_form(job)) and not self._channel.tells_apart(job)
        }

    def next_time(self, jobs: Mapping[str, Job], now: float) -> float:
        """Return the next time at which sending may become possible without an event; infinity if none.

        Free slots are not considered.
        """
        if self._waits_for_event([job.state for job in jobs.values()]):
            return math.inf
        times = [self._throttle.next_time(now), self._pace.hours.opens_at(now)]
        if cancelling := [job for job in jobs.values() if job.cancel_request is not None]:
            press_at = min(map(press_due, filter(self._is_allowed, cancelling)), default=math.inf)
            times.append(max(press_at, self._throttle.next_press(now)))
        if self.has_delayed_jobs:
            times.append(self._delayed_until(now))
        return min((time for time in times if time > now), default=math.inf)

    def _delayed_until(self, now: float) -> float:
        """Return when the next of the queued jobs that wait for a time may be sent; infinity: none does."""
        try:
            until = self._journal.next_queued_due(now)
            if until is None:  # a job whose time has passed counts too, because the clock may be set back
                self.has_delayed_jobs = self._journal.next_queued_due(-math.inf) is not None
        except JournalError:
            return now + service_state.JOURNAL_RETRY_DELAY
        return math.inf if until is None else until

    # ---- what has become of it

    def sent(self, now: float) -> None:
        """Note that an attempt at this time is committed."""
        self._throttle.sent(now, self._rng())
        self._fast_hours.jobs_sent += 1

    def attempt_counts(self, at: float, *, counts: bool) -> None:
        """Note that the attempt at this time counts after all, or that it does not: it was not executed."""
        change = self._throttle.executed if counts else self._throttle.not_executed
        change(at)

    def cancel_sent(self, now: float) -> None:
        """Note that a Cancel Job is pressed."""
        self._throttle.pressed(now, self._rng())

    def question_accepted(self, question: ev.PromptSubmitted) -> None:
        """Note that the question for the fast hours is committed as a job of its own."""
        self._fast_hours.asked_by = question.job_id
        self.allow(question.job_id)

    def info_changed(self, job: Job, now: float) -> Pause | None:
        """Return the pause that the answer to an /info asks for, because few fast hours are left."""
        return self._fast_hours.info_changed(job, now)

    @property
    def fast_hours_left(self) -> float | None:
        """Return the fast hours that were left at the last answer to an /info since the start, or None."""
        return self._fast_hours.left

    def upload_ended(self, job_id: str) -> None:
        """Note that a job's images are uploaded, or could not be."""
        if job_id == self._uploading:
            self._uploading = None


def _being_saved(jobs: Mapping[str, Job]) -> int:
    """Return how many jobs are being saved, without those that wait for a retry or were made elsewhere."""
    saved = (job for job in jobs.values() if job.state is State.COLLECTING and job.next_action_at is None)
    return sum(not job.made_elsewhere for job in saved)


def _was_sent(job: Job) -> bool:
    return job.state in IN_FLIGHT or job.state is State.IN_DOUBT


def _has_form(job: Job, now: float = math.inf) -> bool:
    """Return whether a form is to be filled in for the job, by this time."""
    is_due = job.next_action_at is None or job.next_action_at <= now
    return job.state is State.QUEUED and job.modal is not None and is_due


def _needs_upload(job: Job, now: float) -> bool:
    if not job.prompt.images:
        return False
    return not job.uploads or any(not 0 <= now - image.at <= UPLOAD_LIFETIME for image in job.uploads)


class FastHours:
    """Decides when the fast hours are asked for, and whether enough are left.

    ``minimum`` in hours; 0 asks nothing and pauses nothing.
    """

    def __init__(self, minimum: float, new_id: Callable[[], str]) -> None:
        self._minimum = minimum
        self._new_id = new_id
        self.asked_by: str | None = None
        """The job that asks for them at the moment."""
        self.known_at: float | None = None
        self.left: float | None = None
        """Hours that were left when an answer named them."""
        self.jobs_sent = 0
        """Jobs sent since they were known."""

    def must_be_known(self, job: Job, now: float) -> bool:
        """Return whether this job must wait until the hours are known."""
        spends = job.prompt.command in _SPENDING and job.modal is None  # a form's press has passed already
        if self._minimum <= 0 or not spends:
            return False
        known = self.known_at is not None and 0 <= now - self.known_at < HOURS_CHECK_INTERVAL
        return not known or self.jobs_sent >= HOURS_CHECK_JOBS

    def question(self) -> ev.PromptSubmitted | None:
        """Return the question for the hours; None while it is being asked."""
        if self.asked_by is not None:
            return None
        prompt = Prompt("", command="info", priority=QUESTION_PRIORITY)
        return ev.PromptSubmitted(self._new_id(), prompt, "info.txt")

    def info_changed(self, job: Job, now: float) -> Pause | None:
        """Return a pause if the job has brought the answer, and too few hours are left.

        It may be the job that asks here, or a person's; it may also have ended without an answer.
        """
        has_no_answer = not job.open or job.state in {State.IN_DOUBT, State.FAILED}
        if job.result is None and not has_no_answer:
            return None
        if job.id == self.asked_by:
            self.asked_by = None
            self.known_at, self.jobs_sent = now, 0  # also without an answer: asking again would not help
        info = read_info((job.result.text if job.result else None) or "")
        left = info.fast_hours_left
        self.left = self.left if left is None else left
        if left is None or info.mode is Mode.RELAXED:
            return None
        self.known_at, self.jobs_sent = now, 0
        if left >= self._minimum:
            return None
        reason = f"{left:.2f} fast hours are left, fewer than [pace] min_fast_hours = {self._minimum:g}"
        return Pause(reason, PauseKind.PLAN)
