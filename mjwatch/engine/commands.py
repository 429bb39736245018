"""What a person's request does to jobs and to the sending, and the words that answer it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mjwatch import events as ev
from mjwatch.errors import JournalError
from mjwatch.jobs.status_text import reason
from mjwatch.journal.requests import Outcome, Request
from mjwatch.journal.serialization import load_prompt
from mjwatch.model import IN_FLIGHT, Job, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.engine.pauses import Pauses
    from mjwatch.journal.writer import Journal

log = logging.getLogger("mjwatch")

LOOK = "`mjwatch show {}` tells what became of it"

_RETRIED = {
    State.QUEUED: "waits in the queue already",
    State.SUBMITTING: "is being sent already",
    State.SUBMITTED: "is at work already",
    State.RUNNING: "is at work already",
    State.COLLECTING: "its pictures are being fetched",
}
_NOT_RETRIED = {
    State.DONE: "is done; to have it once more, put its prompt file into the inbox again",
    State.REJECTED: "can't be read as a prompt; correct the file and put it into the inbox again",
}
_CANCELLED = {
    State.QUEUED: "cancelled before it was sent",
    State.IN_DOUBT: "cancelled; should Midjourney run it after all, its pictures are published all the same",
    State.CANCELLED: "is cancelled already",
}
_STOPPING = "if it is done before, its pictures are published"
_SENT = (
    "is sent already, so it is paid for; it is stopped if Midjourney offers to, else its pictures will be"
    " published"
)
_RENDERED = "is rendered already, so it is paid for, and its pictures will be published"


class RequestHandler:
    """Performs requests in the loop's own thread.

    ``step`` feeds an event to a job, and journals it; ``give`` takes in a prompt, unless it did so before;
    ``online`` says whether Discord can be reached.
    """

    def __init__(
        self,
        journal: Journal,
        pausing: Pauses,
        job: Callable[[str], Job | None],
        step: Callable[[str, ev.JobEvent], None],
        give: Callable[[ev.PromptSubmitted], None],
        online: Callable[[], bool],
    ) -> None:
        self._journal = journal
        self._pausing = pausing
        self._job = job
        self._step = step
        self._give = give
        self._online = online

    def answer_all(self, clock: Callable[[], float]) -> None:
        """Do what a person asks for; what was done before a crash but not answered is done once more.

        ``clock`` gives seconds since 1970. Raises JournalError.
        """
        for request in self._journal.open_requests():
            self._journal.answer(request.id, self._performed(request), clock())

    def _performed(self, request: Request) -> list[Outcome]:
        try:
            return self.perform(request)
        except JournalError:
            raise
        except Exception as error:  # what nobody foresaw in one request must not stand before all others
            log.exception("the request to %s could not be done", request.verb)
            return [Outcome(None, False, f"it could not be done: {type(error).__name__}")]

    def perform(self, request: Request) -> list[Outcome]:
        """Do what was asked for. What can't be done is an outcome too. Raises JournalError."""
        arguments = request.arguments
        match request.verb:
            case "pause":
                return [self._pause(arguments.get("reason"))]
            case "resume":
                return [self._resume()]
            case "retry":
                return [self._retry(*pair) for pair in _jobs(arguments).items()]
            case "cancel":
                return [self._cancel(job_id) for job_id in _jobs(arguments)]
            case "give":
                file = arguments.get("file")
                return [self._take(*pair, file) for pair in _jobs(arguments).items()]
            case _:
                return [Outcome(None, False, f"this mjwatch knows no request to {request.verb}")]

    def _pause(self, reason: object) -> Outcome:
        pause = self._pausing.ask(str(reason) if reason else None)
        return Outcome(None, True, f"{pause.reason}; nothing more is sent until `mjwatch resume`")

    def _resume(self) -> Outcome:
        before = self._pausing.now
        if before is None:
            return Outcome(None, True, "was not paused")
        obstacle = self._pausing.end()
        if obstacle is None:
            return Outcome(None, True, f"going on; it was paused: {before.reason}")
        words = f"still paused: {obstacle.reason}; mend that, then stop the service and start it again"
        return Outcome(None, False, words, needs_person=True)

    def _retry(self, job_id: str, attempts: object) -> Outcome:
        """``attempts``: how many the person knew of; a later one makes this word out of date."""
        job = self._job(job_id)
        if job is None:
            return _unknown(job_id)
        if job.state in _NOT_RETRIED:
            return Outcome(job_id, False, _NOT_RETRIED[job.state])
        if attempts != len(job.nonces) and job.state not in _RETRIED:
            return Outcome(job_id, False, f"was sent again meanwhile; {LOOK.format(job_id)}")
        log.info("%s a person asks to retry it", job_id)
        self._step(job_id, ev.RetryRequested())
        return Outcome(job_id, True, self._retried(job, self._job(job_id) or job))

    def _retried(self, before: Job, after: Job) -> str:
        if before.state in _RETRIED or after.state is not State.QUEUED:
            return _RETRIED[after.state]
        doubt = "; if it has run before, it runs twice" if before.state is State.IN_DOUBT else ""
        return f"queued again{doubt}{self._waits()}"

    def _take(self, job_id: str, wish: Mapping[str, Any], file: int | None) -> Outcome:
        """``wish``: a ``prompt`` as the journal keeps it, and ``path`` as in PromptGiven."""
        self._give(ev.PromptSubmitted(job_id, load_prompt(wish["prompt"]), wish.get("path"), file))
        job = self._job(job_id)
        if job is None:
            return _unknown(job_id)
        if job.state is not State.REJECTED:
            return Outcome(job_id, True, "queued")
        return Outcome(job_id, False, reason(job)[0])

    def _cancel(self, job_id: str) -> Outcome:
        job = self._job(job_id)
        if job is None:
            return _unknown(job_id)
        log.info("%s a person asks to cancel it", job_id)
        self._step(job_id, ev.CancelRequested())
        if job.state in _CANCELLED:
            return Outcome(job_id, True, _CANCELLED[job.state])
        if job.state in IN_FLIGHT and job.cancel_button is not None and job.start_deleted_at is None:
            return Outcome(job_id, True, self._pressing(self._job(job_id) or job))
        if job.state in IN_FLIGHT:
            return Outcome(job_id, False, _SENT)
        rendered = job.state is State.COLLECTING
        return Outcome(job_id, False, _RENDERED if rendered else f"is {job.state} already")

    def _pressing(self, job: Job) -> str:
        wish = job.cancel_request
        if wish is None or wish.next_action_at is None:
            return (
                f"Midjourney's Cancel Job was pressed for it already, and has not stopped it yet; {_STOPPING}"
            )
        when = "" if self._online() else " as soon as Discord can be reached"
        return f"Midjourney's Cancel Job is pressed for it{when}{self._waits()}; {_STOPPING}"

    def _waits(self) -> str:
        pause = self._pausing.now
        return f"; it waits, {pause.reason} (`mjwatch resume`)" if pause is not None else ""


def _jobs(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    jobs = arguments.get("jobs")
    return jobs if isinstance(jobs, dict) else {}


def _unknown(job_id: str) -> Outcome:
    return Outcome(job_id, False, "is not in the journal")
