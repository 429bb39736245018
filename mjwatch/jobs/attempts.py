"""What becomes of an attempt: uploads, the POST, its answer, the form that a button opens. Pure.

Functions that the table in jobs/job.py points to; jobs/moves.py has the others.
"""

from __future__ import annotations

from dataclasses import replace

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.moving import AGAIN, Limits, Moved, back, cancelled, fail, note
from mjwatch.jobs.pacing import backoff
from mjwatch.model import Job, Refusal, RefusalClass, State

POSTS_AT_MOST = 3
"""Tries at a message with pictures that may stand in the channel although its answer is not understood."""

FORMS_AT_MOST = 2
"""Forms that are filled in for one follow-up before it is given up."""


def choose(job: Job, event: ev.Chosen, now: float, limits: Limits) -> Moved:
    """A new attempt begins; what the last one had learnt is forgotten."""
    job = note(
        job,
        now,
        f"submitting, nonce {event.nonce}",
        state=State.SUBMITTING,
        nonces=(*job.nonces, event.nonce),
        session_id=event.session_id,
        anchor=event.anchor,
        due=None,
        interaction_id=None,
        message_id=None,
        job_uuid=None,
        percent=None,
        held_by_bot=False,
        vanished=None,
        doubted=None,
        cancel_button=None,
        cancelling=None,
        refusal=None,
        submitted=now,
        started=None,
    )
    return job, (ef.Submit(job),)


def accept(job: Job, event: ev.Accepted, now: float, limits: Limits) -> Moved:
    """Discord has executed the command."""
    form = awaits_form(job)
    due = now + (limits.form_timeout if form else limits.start_timeout)
    tries = job.tries if form else 0
    return note(job, now, "submitted", state=State.SUBMITTED, due=due, tries=tries, doubted=None), ()


def awaits_form(job: Job) -> bool:
    """Whether its button was pressed for a form, without which nothing runs."""
    opens = job.press is not None and job.press.form
    return opens and job.modal is None and job.started is None


def uploaded(job: Job, event: ev.Uploaded, now: float, limits: Limits) -> Moved:
    """Discord has its local images: it can be sent."""
    words = f"uploaded {', '.join(image.filename for image in event.images)}"
    return note(job, now, words, uploads=event.images, due=None, tries=0), ()


def not_uploaded(job: Job, event: ev.NotUploaded, now: float, limits: Limits) -> Moved:
    """Another try follows, unless it can't help."""
    if event.refusal is not None:
        refused = ev.Refused(event.refusal, executed=False)
        return refuse(replace(job, state=State.SUBMITTING, interaction_id=None), refused, now, limits)
    if event.posted and job.tries >= POSTS_AT_MOST:
        return fail(job, Refusal(RefusalClass.TRANSIENT, None, f"not uploaded: {event.reason}"), now)
    wait = backoff(job.tries) if event.retry_after is None else event.retry_after
    words = f"not uploaded: {event.reason}{AGAIN}{wait:.0f} s"
    return note(job, now, words, due=now + wait, tries=job.tries + 1), ()


def open_form(job: Job, event: ev.ModalOpened, now: float, limits: Limits) -> Moved:
    """The button has opened a form: filling it in is an attempt of its own."""
    if job.press is None or job.started is not None:
        return job, ()
    if job.cancelling is not None:
        return cancelled(job, now, "cancelled: the form that Midjourney opened for it is not sent")
    words = "Midjourney opened a form for it"
    return note(job, now, words, state=State.QUEUED, modal=event.modal, due=None, tries=0, doubted=None), ()


def forget_form(job: Job, event: ev.Restarted, now: float, limits: Limits) -> Moved:
    """A form is good for minutes; after a stop the button is pressed once more."""
    return (replace(job, modal=None), ()) if job.modal is not None else (job, ())


def not_sent(job: Job, event: ev.NotSent, now: float, limits: Limits) -> Moved:
    """Back to the queue, unless its interaction shows that it was executed."""
    if job.interaction_id is not None:
        return accept(job, ev.Accepted(), now, limits)
    wait = backoff(job.tries) if event.retry_after is None else event.retry_after
    words = f"not sent: {event.reason}{AGAIN}{wait:.0f} s"
    return back(job, now, words, wait)


def unanswered(job: Job, event: ev.Unanswered, now: float, limits: Limits) -> Moved:
    """In doubt, unless its interaction shows that it was executed."""
    if job.interaction_id is not None:
        return accept(job, ev.Accepted(), now, limits)
    if awaits_form(job):
        return _press_again(job, _no_form(event.reason), now)
    job, effects = doubt(job, event, now, limits)
    return (replace(job, doubted=now), ()) if job.state is State.IN_DOUBT else (job, effects)


def proven_unsent(job: Job, event: ev.ProvenUnsent, now: float, limits: Limits) -> Moved:
    """Back to the queue: it is shown that nothing was executed."""
    # Only the fate of the POST can be proven so; a job that was silent after its 204 was executed.
    if job.doubted is None:
        return job, ()
    words = "found out: it was not executed, so it is sent again"
    return back(replace(job, doubted=None), now, words)


def doubt(job: Job, event: ev.Unanswered | ev.InteractionFailed, now: float, limits: Limits) -> Moved:
    """Whether it runs is not known."""
    if awaits_form(job):
        return _press_again(job, _no_form(event.reason), now)
    if job.cancelling is not None:
        return cancelled(job, now, f"cancelled, in doubt whether it runs: {event.reason}")
    return note(job, now, f"in doubt: {event.reason}", state=State.IN_DOUBT, due=None), ()


def restarted_while_sending(job: Job, event: ev.Restarted, now: float, limits: Limits) -> Moved:
    """The program ended between the commit and the answer."""
    return unanswered(job, ev.Unanswered("mjwatch was stopped while it was being sent"), now, limits)


def refuse(job: Job, event: ev.Refused, now: float, limits: Limits) -> Moved:
    """Back to the queue where nothing ran and waiting or a person can help; else it has failed."""
    if not event.executed and (job.interaction_id is not None or job.state is not State.SUBMITTING):
        return accept(job, ev.Accepted(), now, limits) if job.state is State.SUBMITTING else (job, ())
    refusal = event.refusal
    passing = refusal.needs_human or refusal.cls in {RefusalClass.RETRY, RefusalClass.TRANSIENT}
    if job.modal is not None and not event.executed and not passing:
        return _press_again(job, refusal, now)
    waits = refusal.needs_human or refusal.cls is RefusalClass.RETRY
    if not event.executed:
        waits = waits or refusal.cls in {RefusalClass.STALE_VERSION, RefusalClass.TRANSIENT}
    # A job that had started is paid for; sending it again is a person's decision.
    if not waits or job.started is not None:
        return fail(job, refusal, now)
    # Where a person is needed the sending is paused: once told to go on, it shall go on.
    full = event.executed and not refusal.needs_human
    pause = limits.queue_full_pause if full else backoff(job.tries)
    wait = pause if refusal.retry_after is None else refusal.retry_after
    words = f"put back: {refusal.title or refusal.detail}"
    return back(replace(job, modal=None), now, words, wait)


def _no_form(why: str) -> Refusal:
    detail = f"Midjourney's form for it did not come, so nothing was run: {why}"
    return Refusal(RefusalClass.TRANSIENT, None, detail)


def _press_again(job: Job, refusal: Refusal, now: float) -> Moved:
    """Nothing has run without a form that is filled in; the button opens another one, but not for ever."""
    if job.tries >= FORMS_AT_MOST:
        return fail(job, refusal, now)
    wait = backoff(job.tries)
    words = f"{refusal.title or refusal.detail}{AGAIN}{wait:.0f} s"
    return back(replace(job, modal=None, doubted=None), now, words, wait)
