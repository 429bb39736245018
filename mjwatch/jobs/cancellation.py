"""The transitions for cancellation: before a job is sent by us, afterwards by Midjourney's own button. Pure.

The table in jobs/state_machine.py points to these functions. A job that was sent does not end because a
person requests it: it stays until Midjourney stops it or sends its pictures, which are paid for, or until
it is in doubt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.transitions import (
    Timeouts,
    Transition,
    cancelled,
    note,
    refuse,
    running_too_long,
    without_follow_ups,
)
from mjwatch.model import CancelRequest, Job, State

if TYPE_CHECKING:
    from collections.abc import Iterable

STOPPED = "cancelled: Midjourney stopped it"

PRESS_PATIENCE = 60.0
"""Seconds that Midjourney has to do what its button says, before a person may have it pressed again."""


GIVE_UP_AFTER = 600.0
"""Seconds of Midjourney's silence after which a second request gives up a job that was sent."""


def job_to_cancel(jobs: Iterable[Job], now: float) -> Job | None:
    """Return the first job whose Cancel Job button must be pressed now, or None."""
    return next((job for job in jobs if press_due(job) <= now), None)


def has_unanswered_press(jobs: Iterable[Job]) -> bool:
    """Return whether a press has no answer yet. Then nothing else is sent: the answer may cause a pause."""
    requests = (job.cancel_request for job in jobs if job.state is State.RUNNING)
    return any(request is not None and not request.answered for request in requests)


def press_due(job: Job) -> float:
    """Return when its Cancel Job button must be pressed, in seconds since 1970; infinity: not at all."""
    request = job.cancel_request
    if request is None or request.next_action_at is None or job.cancel_button is None:
        return float("inf")
    is_running = job.state is State.RUNNING and job.start_deleted_at is None
    return request.next_action_at if is_running else float("inf")


def cancel(job: Job, event: ev.CancelRequested, now: float, timeouts: Timeouts) -> Transition:
    """Cancel a job that was not sent, or that is in doubt and that a person gives up."""
    return cancelled(job, now)


def request_cancel(job: Job, event: ev.CancelRequested, now: float, timeouts: Timeouts) -> Transition:
    """Drop the follow-ups of a job that was sent, and press Midjourney's Cancel Job once it is offered.

    A second request gives up a job that stays silent, so that its slot is free.
    """
    if _is_given_up(job, now, timeouts):
        text = "cancelled: given up, because Midjourney was silent; if its pictures come, they are published"
        return cancelled(job, now, text)
    request = job.cancel_request or CancelRequest(asked=now, next_action_at=None)
    is_pending = request.next_action_at is not None or not request.answered
    if is_pending or now < request.pressed + PRESS_PATIENCE:
        return job, ()
    text = "cancellation requested"
    if job.cancel_button is None:
        text += "; it is already sent, so its pictures will be published unless it can be stopped"
    return note(without_follow_ups(job), now, text, cancel_request=replace(request, next_action_at=0.0)), ()


def _is_given_up(job: Job, now: float, timeouts: Timeouts) -> bool:
    """Return whether a person requests once more to cancel a job of which nothing is heard."""
    if job.cancel_request is None or job.next_action_at is None:
        return False
    if job.start_deleted_at is not None or job.awaits_form:
        return False  # it ends within a minute
    waits_for_start = job.state is State.SUBMITTED and not job.queued_by_bot
    patience = timeouts.start_timeout if waits_for_start else timeouts.silence_timeout
    silent_since = job.next_action_at - patience
    return now >= max(job.cancel_request.asked + PRESS_PATIENCE, silent_since + GIVE_UP_AFTER)


def cancel_too_late(job: Job, event: ev.CancelRequested, now: float, timeouts: Timeouts) -> Transition:
    """Drop the follow-ups of a job that is already rendered."""
    text = "cancellation requested; it is already rendered, so its pictures will be published"
    return note(without_follow_ups(job), now, text), ()


def start_press(job: Job, event: ev.CancelStarted, now: float, timeouts: Timeouts) -> Transition:
    """Press Cancel Job, unless that is not wanted any more."""
    if job.cancel_request is None or press_due(job) > now:
        return job, ()
    request = replace(job.cancel_request, next_action_at=None, nonce=event.nonce, pressed=now, answered=False)
    job = note(job, now, "pressing Midjourney's Cancel Job", cancel_request=request)
    return job, (ef.PressCancel(job, event.nonce, event.session_id),)


def press_answered(job: Job, event: ev.CancelPressed, now: float, timeouts: Timeouts) -> Transition:
    """Wait for the message that shows the effect of the press. Repeat a failed press if that can help."""
    if job.cancel_request is None:
        return job, ()
    request = replace(job.cancel_request, answered=True)
    if event.failure is None:
        return replace(job, cancel_request=request), ()
    if event.again is not None:
        request = replace(request, next_action_at=now + event.again)
    text = f"Cancel Job could not be pressed: {event.failure}"
    return note(job, now, text, event.again, cancel_request=request), ()


def restarted(job: Job, event: ev.Restarted, now: float, timeouts: Timeouts) -> Transition:
    """Press again if the last press has no answer: it may not have been sent, and a second does no harm."""
    request = job.cancel_request
    if request is None or request.answered:
        return job, ()
    return replace(job, cancel_request=replace(request, next_action_at=now, answered=True)), ()


def refused(job: Job, event: ev.Refused, now: float, timeouts: Timeouts) -> Transition:
    """End the job as cancelled if it was stopped as a person requested; otherwise treat it as refused."""
    if job.cancel_request is not None and event.refusal.stopped:
        return cancelled(job, now, STOPPED)
    return refuse(job, event, now, timeouts)


def timed_out(job: Job, event: ev.TimedOut, now: float, timeouts: Timeouts) -> Transition:
    """End the job as cancelled if its button was pressed and its start message deleted; else it is silent.

    Midjourney may stop a job by deleting its start message without sending a final message.
    """
    was_pressed = job.cancel_request is not None and job.cancel_request.nonce is not None
    if was_pressed and job.start_deleted_at is not None and not event.result_held:
        return cancelled(job, now, STOPPED)
    return running_too_long(job, event, now, timeouts)
