"""What a person's request does to jobs and to the sending, and the message that answers it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mjwatch import events as ev
from mjwatch.errors import JournalError
from mjwatch.jobs.status_text import clock, reason
from mjwatch.journal.requests import Outcome, Request
from mjwatch.journal.serialization import load_prompt
from mjwatch.model import IN_FLIGHT, Job, State
from mjwatch.trouble import resume_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.discord.stream_position import StreamPosition
    from mjwatch.engine.channel_import import ChannelImport
    from mjwatch.engine.held_results import HeldResultKeeper
    from mjwatch.engine.service_state import ServiceState
    from mjwatch.journal.writer import Journal

log = logging.getLogger("mjwatch")

SHOW_HINT = "`mjwatch show {}` shows its state"

_NO_RETRY_NEEDED = {
    State.QUEUED: "is in the queue already",
    State.SUBMITTING: "is being sent already",
    State.SUBMITTED: "is at work already",
    State.RUNNING: "is at work already",
    State.COLLECTING: "its pictures are being fetched",
}
_CANNOT_RETRY = {
    State.DONE: "is done; to run it again, put its prompt file into the inbox again",
    State.REJECTED: "can't be read as a prompt; correct the file and put it into the inbox again",
}
_CANCELLED = {
    State.QUEUED: "cancelled before it was sent",
    State.IN_DOUBT: "cancelled; if Midjourney still runs it, its pictures are published",
    State.CANCELLED: "is cancelled already",
}
_STOPPING = "if it is done before, its pictures are published"
_SENT = (
    "is sent already, so it is paid for; mjwatch cancels it if Midjourney offers a Cancel button; otherwise"
    " its pictures are published"
)
_GIVEN_UP = "given up, because Midjourney was silent; if its pictures come, they are published"
_SECOND_REQUEST = "; if it stays silent, `mjwatch cancel` once more, after ten minutes, gives it up"
_RENDERED = "is rendered already, so it is paid for, and its pictures will be published"


class RequestHandler:
    """Carries out requests in the loop's own thread.

    ``step`` feeds an event to a job and commits it; ``accept`` accepts a prompt, unless it did so before.
    """

    def __init__(
        self,
        journal: Journal,
        service: ServiceState,
        stream: StreamPosition,
        job: Callable[[str], Job | None],
        step: Callable[[str, ev.JobEvent], None],
        accept: Callable[[ev.PromptSubmitted], None],
        results: HeldResultKeeper,
        imports: ChannelImport,
    ) -> None:
        self._journal = journal
        self._service = service
        self._stream = stream
        self._job = job
        self._step = step
        self._accept = accept
        self._results = results
        self._imports = imports

    def answer_all(self, clock: Callable[[], float]) -> None:
        """Carry out and answer all requests; what was done before a crash but not answered is done once more.

        ``clock`` gives seconds since 1970. Raises JournalError.
        """
        for request in self._journal.open_requests():
            self._journal.answer(request.id, self._perform_safely(request), clock())

    def _perform_safely(self, request: Request) -> list[Outcome]:
        try:
            return self.perform(request)
        except JournalError:
            raise
        except Exception as error:  # what nobody foresaw in one request must not block all others
            log.exception("the request to %s could not be carried out", request.verb)
            return [Outcome(None, False, f"the request could not be carried out: {type(error).__name__}")]

    def perform(self, request: Request) -> list[Outcome]:
        """Carry out one request and return its outcomes, also of what can't be done. Raises JournalError."""
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
            case "assign":
                message, payload = str(arguments.get("message")), arguments.get("payload")
                return [self._assign(job_id, message, payload) for job_id in _jobs(arguments)]
            case "dismiss":
                return [self._results.dismiss(str(arguments.get("message")))]
            case "import" | "import stop" | "import files":
                return self._import(request.verb, arguments)
            case "give":
                file = arguments.get("file")
                return [self._submit(*pair, file) for pair in _jobs(arguments).items()]
            case _:
                return [Outcome(None, False, f"this mjwatch does not know the request {request.verb}")]

    def _import(self, verb: str, arguments: Mapping[str, Any]) -> list[Outcome]:
        if verb == "import files":
            return self._imports.take_files(
                _jobs(arguments), lambda job_id: self._step(job_id, ev.RetryRequested())
            )
        if verb == "import stop":
            return [self._imports.stop()]
        until = arguments.get("until")
        return [self._imports.begin(str(arguments.get("since")), None if until is None else str(until))]

    def _pause(self, reason: object) -> Outcome:
        pause = self._service.pause_by_request(str(reason) if reason else None)
        return Outcome(None, True, f"{pause.reason}; nothing more is sent until `mjwatch resume`")

    def _resume(self) -> Outcome:
        before, is_probed = self._service.pause, self._service.limits.sending.is_open
        obstacle = self._service.resume()
        if before is None:
            is_tried = is_probed and self._service.has_queued()
            return Outcome(None, True, "was not paused" + ("; a prompt is tried now" if is_tried else ""))
        if obstacle is None:
            return Outcome(None, True, f"resumed; it was paused: {before.reason}")
        message = f"still paused: {obstacle.reason}; {resume_hint(obstacle)}"
        return Outcome(None, False, message, needs_person=True)

    def _retry(self, job_id: str, attempts: object) -> Outcome:
        """``attempts``: how many the person knew of; after a later one the request is out of date."""
        job = self._job(job_id)
        if job is None:
            return _unknown(job_id)
        if job.state in _CANNOT_RETRY:
            return Outcome(job_id, False, _CANNOT_RETRY[job.state])
        if attempts != len(job.nonces) and job.state not in _NO_RETRY_NEEDED:
            return Outcome(job_id, False, f"was sent again meanwhile; {SHOW_HINT.format(job_id)}")
        self._step(job_id, ev.RetryRequested())
        return Outcome(job_id, True, self._retry_message(job, self._job(job_id) or job))

    def _retry_message(self, before: Job, after: Job) -> str:
        if before.state in _NO_RETRY_NEEDED or after.state is not State.QUEUED:
            return _NO_RETRY_NEEDED[after.state] + _when_silent(after)
        doubt = "; if it has run before, it runs twice" if before.state is State.IN_DOUBT else ""
        return f"queued again{doubt}{self._pause_note()}"

    def _submit(self, job_id: str, submission: Mapping[str, Any], file: int | None) -> Outcome:
        """``submission``: ``prompt`` as the journal keeps it; ``path`` and ``notes`` as in the event."""
        prompt = load_prompt(submission["prompt"])
        notes = tuple(submission.get("notes", ()))
        self._accept(ev.PromptSubmitted(job_id, prompt, submission.get("path"), file, notes))
        job = self._job(job_id)
        if job is None:
            return _unknown(job_id)
        if job.state is not State.REJECTED:
            return Outcome(job_id, True, _queued(job, prompt.action))
        return Outcome(job_id, False, reason(job)[0])

    def _cancel(self, job_id: str) -> Outcome:
        job = self._job(job_id)
        if job is None:
            return _unknown(job_id)
        log.info("%s cancellation requested", job_id, extra={"job": job_id})
        self._step(job_id, ev.CancelRequested())
        after = self._job(job_id) or job
        if job.state in _CANCELLED:
            return Outcome(job_id, True, _CANCELLED[job.state])
        if job.state in IN_FLIGHT:
            return self._cancel_in_flight(after)
        is_rendered = job.state is State.COLLECTING
        return Outcome(job_id, False, _RENDERED if is_rendered else f"is {job.state} already")

    def _cancel_in_flight(self, job: Job) -> Outcome:
        """``job``: as the request has left it."""
        if job.state is State.CANCELLED:
            return Outcome(job.id, True, _GIVEN_UP)
        if job.cancel_button is not None and job.start_deleted_at is None:
            return Outcome(job.id, True, self._cancel_message(job) + _SECOND_REQUEST)
        return Outcome(job.id, False, _SENT + _SECOND_REQUEST)

    def _cancel_message(self, job: Job) -> str:
        request = job.cancel_request
        if request is None or request.next_action_at is None:
            return (
                f"Midjourney's Cancel Job was pressed for it already, and has not stopped it yet; {_STOPPING}"
            )
        when = "" if self._stream.is_open else " as soon as Discord can be reached"
        return f"Midjourney's Cancel Job is pressed for it{when}{self._pause_note()}; {_STOPPING}"

    def _assign(self, job_id: str, message_id: str, payload: Mapping[str, Any] | None) -> Outcome:
        job = self._job(job_id)
        return _unknown(job_id) if job is None else self._results.assign(job, message_id, payload)

    def _pause_note(self) -> str:
        pause = self._service.pause
        return f"; it waits, {pause.reason} ({resume_hint(pause)})" if pause is not None else ""


def _queued(job: Job, asked: str | None) -> str:
    """Return what is queued for the follow-up that was asked for, which another one may have to precede."""
    if asked is None or not job.prompt.then or job.prompt.action == asked:
        return "queued"
    first, then = job.prompt.action, ", ".join(job.prompt.then)
    return f"queued: this job is {first}, which {then} needs first; {then} follows as a job of its own"


def _when_silent(job: Job) -> str:
    """Return what becomes of a job at work of which nothing more is heard."""
    if job.state not in {State.SUBMITTED, State.RUNNING} or job.next_action_at is None:
        return ""
    limit = clock(job.next_action_at, job.next_action_at)
    return f"; if Midjourney stays silent, it is in doubt at {limit}, and `mjwatch retry` can send it again"


def _jobs(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    jobs = arguments.get("jobs")
    return jobs if isinstance(jobs, dict) else {}


def _unknown(job_id: str) -> Outcome:
    return Outcome(job_id, False, "is not in the journal")
