"""How a job is cancelled: unsent by us, once it is sent by Midjourney's own button, if there is one. Pure.

The table in jobs/state_machine.py points to these functions. A job that is sent is not given up for a
person's word alone: it stays until Midjourney has stopped it or sends its pictures, which are paid for, or
until it is in doubt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.transitions import (
    AGAIN,
    Timeouts,
    Transition,
    cancelled,
    note,
    overdue_running,
    refuse,
    without_follow_ups,
)
from mjwatch.model import CancelRequest, Job, State

if TYPE_CHECKING:
    from collections.abc import Iterable

STOPPED = "cancelled: Midjourney has stopped it"

PRESS_PATIENCE = 60.0
"""Seconds that Midjourney has to do what its button says, before a person may have it pressed once more."""


def to_press(jobs: Iterable[Job], now: float) -> Job | None:
    """The first job whose Cancel Job is to be pressed now."""
    return next((job for job in jobs if press_due(job) <= now), None)


def press_is_out(jobs: Iterable[Job]) -> bool:
    """Whether a press is on its way: until its answer nothing else is sent, which may be a pause's cause."""
    at_work = (job.cancel_request for job in jobs if job.state is State.RUNNING)
    return any(wish is not None and not wish.answered for wish in at_work)


def press_due(job: Job) -> float:
    """When its Cancel Job is to be pressed, in seconds since 1970; infinity: not at all."""
    wish = job.cancel_request
    at_work = job.state is State.RUNNING and job.start_deleted_at is None and job.cancel_button is not None
    return float("inf") if wish is None or wish.next_action_at is None or not at_work else wish.next_action_at


def cancel(job: Job, event: ev.CancelRequested, now: float, limits: Timeouts) -> Transition:
    """It is not sent, or a person gives it up."""
    return cancelled(job, now)


def ask(job: Job, event: ev.CancelRequested, now: float, limits: Timeouts) -> Transition:
    """It is sent: only its follow-ups are not, and Midjourney may offer to stop it."""
    wish = job.cancel_request or CancelRequest(asked=now, next_action_at=None)
    if wish.next_action_at is not None or not wish.answered or now < wish.pressed + PRESS_PATIENCE:
        return job, ()
    words = "asked to cancel"
    if job.cancel_button is None:
        words += "; it is already sent, so its pictures will be published unless it can be stopped"
    return note(without_follow_ups(job), now, words, cancel_request=replace(wish, next_action_at=0.0)), ()


def ask_too_late(job: Job, event: ev.CancelRequested, now: float, limits: Timeouts) -> Transition:
    """It is rendered; only its follow-ups are not sent."""
    words = "asked to cancel; it is already rendered, so its pictures will be published"
    return note(without_follow_ups(job), now, words), ()


def choose(job: Job, event: ev.CancelStarted, now: float, limits: Timeouts) -> Transition:
    """Press its Cancel Job, unless it is no longer to be pressed."""
    if job.cancel_request is None or press_due(job) > now:
        return job, ()
    wish = replace(job.cancel_request, next_action_at=None, nonce=event.nonce, pressed=now, answered=False)
    job = note(job, now, "pressing Midjourney's Cancel Job", cancel_request=wish)
    return job, (ef.PressCancel(job, event.nonce, event.session_id),)


def pressed(job: Job, event: ev.CancelPressed, now: float, limits: Timeouts) -> Transition:
    """What the press does is seen in the job's message. Where it failed it is repeated, if that may help."""
    if job.cancel_request is None:
        return job, ()
    wish = replace(job.cancel_request, answered=True)
    if event.failure is None:
        return replace(job, cancel_request=wish), ()
    words = f"Cancel Job could not be pressed: {event.failure}"
    if event.again is None:
        return note(job, now, words, cancel_request=wish), ()
    wish = replace(wish, next_action_at=now + event.again)
    return note(job, now, f"{words}{AGAIN}{event.again:.0f} s", cancel_request=wish), ()


def restarted(job: Job, event: ev.Restarted, now: float, limits: Timeouts) -> Transition:
    """Whether a press without an answer went out is not known; once more does no harm."""
    wish = job.cancel_request
    if wish is None or wish.answered:
        return job, ()
    return replace(job, cancel_request=replace(wish, next_action_at=now, answered=True)), ()


def refused(job: Job, event: ev.Refused, now: float, limits: Timeouts) -> Transition:
    """It was stopped, or is refused: where a person wanted it stopped, that has come true."""
    if job.cancel_request is not None and event.refusal.stopped:
        return cancelled(job, now, STOPPED)
    return refuse(job, event, now, limits)


def overdue(job: Job, event: ev.TimedOut, now: float, limits: Timeouts) -> Transition:
    """Its start message was deleted and no final came, which is how it may be stopped; or it is silent."""
    was_pressed = job.cancel_request is not None and job.cancel_request.nonce is not None
    if was_pressed and job.start_deleted_at is not None and not event.result_held:
        return cancelled(job, now, STOPPED)
    return overdue_running(job, event, now, limits)
