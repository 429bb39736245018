"""How a job is cancelled: unsent by us, once it is sent by Midjourney's own button, if there is one. Pure.

Functions that the table in jobs/job.py points to. A job that is sent is never given up for a person's word
alone: it stays until Midjourney has stopped it or sends its pictures, which are paid for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.attempts import refuse
from mjwatch.jobs.moves import overdue_running
from mjwatch.jobs.moving import Limits, Moved, cancelled, note, without_follow_ups
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Iterable

STOPPED = "cancelled: Midjourney has stopped it"


def to_press(jobs: Iterable[Job]) -> Job | None:
    """The first job whose Cancel Job is to be pressed."""
    return next((job for job in jobs if _is_to_press(job)), None)


def _is_to_press(job: Job) -> bool:
    wanted = job.cancel_asked is not None and job.cancel_pressed is None
    return job.state is State.RUNNING and wanted and job.cancel_button is not None


def cancel(job: Job, event: ev.CancelAsked, now: float, limits: Limits) -> Moved:
    """It is not sent, or a person gives it up."""
    return cancelled(job, now)


def ask(job: Job, event: ev.CancelAsked, now: float, limits: Limits) -> Moved:
    """It is sent: only its follow-ups are not, and Midjourney may offer to stop it."""
    if job.cancel_pressed is not None:
        return job, ()
    if job.cancel_button is None:
        words = (
            "asked to cancel; it is already sent, so its pictures will be published unless it can be stopped"
        )
    else:
        words = "asked to cancel"
    return note(without_follow_ups(job), now, words, cancel_asked=now), ()


def ask_too_late(job: Job, event: ev.CancelAsked, now: float, limits: Limits) -> Moved:
    """It is rendered; only its follow-ups are not sent."""
    words = "asked to cancel; it is already rendered, so its pictures will be published"
    return note(without_follow_ups(job), now, words), ()


def choose(job: Job, event: ev.CancelChosen, now: float, limits: Limits) -> Moved:
    """Press its Cancel Job, unless it is no longer to be pressed."""
    if not _is_to_press(job):
        return job, ()
    job = note(job, now, "pressing Midjourney's Cancel Job", cancel_pressed=now)
    return job, (ef.PressCancel(job, event.nonce, event.session_id),)


def pressed(job: Job, event: ev.CancelPressed, now: float, limits: Limits) -> Moved:
    """Where the press failed a person may ask for it again; what it does is seen in the job's message."""
    if event.failure is None:
        return job, ()
    words = f"Cancel Job could not be pressed: {event.failure}; its pictures will be published"
    return note(job, now, words, cancel_asked=None, cancel_pressed=None), ()


def restarted(job: Job, event: ev.Restarted, now: float, limits: Limits) -> Moved:
    """Whether the press went out is not known; once more does no harm."""
    return (job if job.cancel_pressed is None else replace(job, cancel_pressed=None)), ()


def refused(job: Job, event: ev.Refused, now: float, limits: Limits) -> Moved:
    """It was stopped, or is refused: where a person wanted it stopped, that has come true."""
    stopped = event.refusal.cls is None and not event.refusal.needs_human
    if job.cancel_asked is not None and stopped:
        return cancelled(job, now, STOPPED)
    return refuse(job, event, now, limits)


def overdue(job: Job, event: ev.Overdue, now: float, limits: Limits) -> Moved:
    """Its start message was deleted and no final came, which is how it may be stopped; or it is silent."""
    if job.cancel_asked is not None and job.vanished is not None and not event.result_held:
        return cancelled(job, now, STOPPED)
    return overdue_running(job, event, now, limits)
