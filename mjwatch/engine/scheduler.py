"""Whose turn it is: one POST at a time, in order, at the pace, and no prompt beside its duplicate.

Keeps a reserve of the subscription's fast hours: asks for them now and then, pauses when few are left.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.events import PromptSubmitted
from mjwatch.jobs.cancellation import press_due, press_is_out, to_press
from mjwatch.jobs.pacing import DAY, Pace, Throttle
from mjwatch.midjourney.matching.evidence import duplicate_key
from mjwatch.midjourney.parsing.parsed_message import Mode, read_info
from mjwatch.model import IN_FLIGHT, Job, Pause, PauseKind, Prompt, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.engine.pauses import Pauses
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel
    from mjwatch.model import Job


UPLOADS_KEPT = 3600.0
"""Seconds for which an upload is used. Its link is good for a day (recorded 2024 to 2026)."""


class Scheduler:
    """Chooses what is sent next. ``new_nonce`` never gives one twice; ``rng`` gives a number in 0 to 1."""

    def __init__(
        self,
        journal: Journal,
        channel: Channel,
        pace: Pace,
        new_nonce: Callable[[], str],
        rng: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._channel = channel
        self._pace = pace
        self._new_nonce = new_nonce
        self._rng = rng
        self._throttle = Throttle(pace)
        self._uploading: str | None = None
        self.only: frozenset[str] | None = None
        """If set, no other queued jobs than these are sent."""

    def load(self, now: float) -> None:
        """Take up how many were sent in the last day."""
        self._throttle = Throttle(self._pace, self._journal.attempts_since(now - DAY))

    def allow(self, job_id: str) -> None:
        """Where only some may be sent, this one may too."""
        if self.only is not None:
            self.only |= {job_id}

    def next_step(
        self, jobs: Mapping[str, Job], now: float
    ) -> tuple[Job, ev.AttemptStarted | ev.CancelStarted | ef.UploadImages] | None:
        """The job whose turn it is and what is to be done with it; None: nobody's, at the moment.

        ``jobs``: those that are open and were ever sent. Raises JournalError.
        """
        session_id = self._channel.session_id
        if not self._channel.open or session_id is None or self._uploading is not None:
            return None
        in_flight = [job.state for job in jobs.values() if job.state in IN_FLIGHT]
        if State.SUBMITTING in in_flight or press_is_out(jobs.values()):
            return None
        stopping = to_press(filter(self._may, jobs.values()), now)
        if stopping is not None and self._throttle.may_press(now):
            return stopping, ev.CancelStarted(self._new_nonce(), session_id)
        form = next((job for job in jobs.values() if _has_form(job, now) and self._may(job)), None)
        if form is not None:
            job: Job | None = form  # it can't be filled in much later
        elif self._throttle.may_send(now, len(in_flight), _being_saved(jobs)):
            job = self._journal.next_queued(now, self.blocked_keys(jobs), only=self.only)
        else:
            return None
        if job is None:
            return None
        if _needs_upload(job, now):
            self._uploading = job.id
            return job, ef.UploadImages(job)
        return job, ev.AttemptStarted(self._new_nonce(), session_id, self._channel.newest)

    def _may(self, job: Job) -> bool:
        return self.only is None or job.id in self.only

    def sent(self, job: Job, now: float) -> None:
        """The chosen one's attempt is committed. To fill in a form is no submission of its own."""
        if job.modal is None:
            self._throttle.sent(now, self._rng())

    def pressed(self, now: float) -> None:
        """The chosen one's Cancel Job is pressed."""
        self._throttle.pressed(now, self._rng())

    def press_time(self, jobs: Mapping[str, Job], now: float) -> float:
        """When the next Cancel Job is to be pressed; infinity: none."""
        due = min(map(press_due, filter(self._may, jobs.values())), default=math.inf)
        return max(due, self._throttle.next_press(now))

    def heard(self, job_id: str, event: ev.JobEvent) -> None:
        """An upload may have ended."""
        if job_id == self._uploading and isinstance(event, ev.Uploaded | ev.UploadFailed):
            self._uploading = None

    def blocked_keys(self, jobs: Mapping[str, Job]) -> set[str]:
        """Return the duplicate keys of sent jobs whose results could not be told from a duplicate's."""
        return {
            duplicate_key(job)
            for job in jobs.values()
            if (_is_out(job) or _has_form(job)) and not self._channel.tells_apart(job)
        }

    def next_time(self, now: float) -> float:
        """The earliest time for the next submission, slots aside."""
        return self._throttle.next_time(now)


def _being_saved(jobs: Mapping[str, Job]) -> int:
    """How many are being saved now; what could not be saved waits for its next try, and holds up nothing."""
    return sum(job.state is State.COLLECTING and job.next_action_at is None for job in jobs.values())


def _is_out(job: Job) -> bool:
    return job.state in IN_FLIGHT or job.state is State.IN_DOUBT


def _has_form(job: Job, now: float = math.inf) -> bool:
    """Whether a form is to be filled in for it, by this time."""
    due = job.next_action_at is None or job.next_action_at <= now
    return job.state is State.QUEUED and job.modal is not None and due


def _needs_upload(job: Job, now: float) -> bool:
    if not job.prompt.images:
        return False
    return not job.uploads or any(not 0 <= now - image.at <= UPLOADS_KEPT for image in job.uploads)


SENDS = 20
"""Submissions after which it is asked again. A job takes about a minute of fast time, a video eight."""

AGE = 6 * 3600.0
"""Seconds after which it is asked again."""

_SPENDING = frozenset({"imagine", "blend"})

FIRST = 1 << 40
"""The priority of the question: before all that a prompt file can name."""


class FastHours:
    """Stands before the sending. ``minimum`` in hours; 0 asks nothing and pauses nothing."""

    def __init__(self, pausing: Pauses, minimum: float, new_id: Callable[[], str]) -> None:
        self._pausing = pausing
        self._minimum = minimum
        self._new_id = new_id
        self._asked: str | None = None
        self._known_at: float | None = None
        self._sent = 0

    def question(self, job: Job, now: float) -> PromptSubmitted | None:
        """What must be asked before this job may be sent; tell ``asked`` once that is committed."""
        if not self.waits(job, now) or self._asked is not None:
            return None
        return PromptSubmitted(self._new_id(), Prompt("", command="info", priority=FIRST), "info.txt")

    def asked(self, job_id: str) -> None:
        """The question is a job of its own now."""
        self._asked = job_id

    def waits(self, job: Job, now: float) -> bool:
        """Whether this job must wait until the hours are known."""
        spends = job.prompt.command in _SPENDING and job.modal is None  # a form's press has passed already
        if self._minimum <= 0 or not spends:
            return False
        fresh = self._known_at is not None and 0 <= now - self._known_at < AGE and self._sent < SENDS
        return not fresh

    def sent(self) -> None:
        """One more was submitted."""
        self._sent += 1

    def heard(self, job: Job, now: float) -> None:
        """A job has moved: it may be the answer, asked for here or by a person; or there will be none."""
        silent = not job.open or job.state in {State.IN_DOUBT, State.FAILED}
        if job.prompt.command != "info" or (job.result is None and not silent):
            return
        if job.id == self._asked:
            self._asked = None
            self._known_at, self._sent = now, 0  # also without an answer: it is no reason to ask on and on
        info = read_info((job.result.text if job.result else None) or "")
        left = info.fast_hours_left
        if left is None or info.mode is Mode.RELAXED:
            return
        self._known_at, self._sent = now, 0
        if left < self._minimum:
            words = f"{left:.2f} fast hours are left, fewer than [pace] min_fast_hours = {self._minimum:g}"
            self._pausing.begin(Pause(words, PauseKind.PLAN))
