"""Keeps a reserve of the subscription's fast hours: asks for them now and then, pauses when few are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.events import PromptGiven
from mjwatch.midjourney.parsing.parsed_message import Mode, read_info
from mjwatch.model import Pause, PauseKind, Prompt, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.engine.pauses import Pausing
    from mjwatch.model import Job

SENDS = 20
"""Submissions after which it is asked again. A job takes about a minute of fast time, a video eight."""

AGE = 6 * 3600.0
"""Seconds after which it is asked again."""

_SPENDING = frozenset({"imagine", "blend"})

FIRST = 1 << 40
"""The priority of the question: before all that a prompt file can name."""


class FastHours:
    """Stands before the sending. ``minimum`` in hours; 0 asks nothing and pauses nothing."""

    def __init__(self, pausing: Pausing, minimum: float, new_id: Callable[[], str]) -> None:
        self._pausing = pausing
        self._minimum = minimum
        self._new_id = new_id
        self._asked: str | None = None
        self._known_at: float | None = None
        self._sent = 0

    def question(self, job: Job, now: float) -> PromptGiven | None:
        """What must be asked before this job may be sent; tell ``asked`` once that is committed."""
        if not self.waits(job, now) or self._asked is not None:
            return None
        return PromptGiven(self._new_id(), Prompt("", command="info", priority=FIRST), "info.txt")

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
