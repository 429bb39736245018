"""What a message of the bot means for its job, as events. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch import events as ev
from mjwatch.midjourney.buttons import cancel_button_of
from mjwatch.midjourney.matching.evidence import FINALS, expected_of
from mjwatch.midjourney.parsing.parsed_message import MessageKind
from mjwatch.model import Result, ResultKind, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mjwatch.midjourney.matching.matcher import Match
    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage
    from mjwatch.model import Job, Refusal

JobEvents = list[tuple[str | None, ev.JobEvent]]
"""Events with the id of their job; None for a refusal that concerns the account and no job of ours."""

_RESULTS = {
    MessageKind.RESULT: ResultKind.GRID,
    MessageKind.SINGLE: ResultKind.SINGLE,
    MessageKind.VIDEO: ResultKind.VIDEO,
}


def job_events(message: ParsedMessage, job: Job, found: Match) -> Iterable[ev.JobEvent]:
    """Yield what a message means for the job that it belongs to."""
    # While it is unknown whether the present attempt runs, the start of an earlier one does not show that.
    is_earlier = job.state is State.IN_DOUBT and not _of_present_attempt(message, job)
    by_looks = found.by_looks or is_earlier
    match message.kind:
        case MessageKind.STARTED if message.message_id:
            cancel = cancel_button_of(message)
            yield ev.Started(message.message_id, message.interaction_id, message.job_uuid, cancel, by_looks)
        case MessageKind.PROGRESS:
            if message.message_id and message.message_id != job.message_id:
                yield ev.Started(
                    message.message_id, message.interaction_id, message.job_uuid, by_looks=by_looks
                )
            yield ev.Progressed(message.percent, message.job_uuid, cancel_button_of(message))
        case MessageKind.QUEUED if _of_present_attempt(message, job):
            yield ev.QueuedByBot()
        case MessageKind.REFUSED if message.error is not None and _of_present_attempt(message, job):
            yield from _refused(message.error, job, found)
        case MessageKind.DELETED:
            yield ev.StartMessageDeleted()
        case kind if kind in FINALS or (kind in expected_of(job).finals and message.text):
            yield finished(message, found.by)
        case MessageKind.NOTICE if message.job_uuid and message.message_id == job.message_id:
            yield ev.Progressed(None, message.job_uuid, cancel_button_of(message))  # a part of the progress
        case MessageKind.NOTICE if message.interaction_id and message.nonce == job.nonce:
            yield ev.InteractionSeen(message.interaction_id)
        case _:
            pass


def _refused(refusal: Refusal, job: Job, found: Match) -> Iterable[ev.JobEvent]:
    """Yield a doubt for a refusal without ids: what it refuses may be what somebody pressed or typed.

    Unless the job waits for its start, other signs decide: the answer to its POST, or its session's silence.
    """
    if not found.by_looks:
        yield ev.Refused(refusal)
    elif job.state is State.SUBMITTED:
        said = refusal.title or refusal.detail
        yield ev.InteractionFailed(f"a refusal that names no interaction may be about it: {said}", refusal)


def _of_present_attempt(message: ParsedMessage, job: Job) -> bool:
    """Return False for a late refusal of an earlier attempt, which says nothing about the present one."""
    pressed = job.cancel_request.nonce if job.cancel_request is not None else None
    return message.nonce in {None, job.nonce, pressed}


def finished(message: ParsedMessage, by: str) -> ev.Finished:
    """Return the event of a final message; ``by``: the evidence that it is the job's."""
    result = Result(
        message_id=message.message_id or "",
        matched_by=by,
        job_uuid=message.job_uuid,
        echoed=message.prompt,
        pictures=message.images,
        buttons=message.buttons,
        kind=_RESULTS.get(message.kind, ResultKind.TEXT),
        text=message.text,
        flags=message.flags,
    )
    return ev.Finished(result)
