"""What each event until the result does to a job: functions for the table in jobs/state_machine.py. Pure.

Each function takes the job, the event, the time (seconds since 1970) and the timeouts. It returns the job
as it is after the event, and the effects to carry out once that job is in the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.timing import backoff
from mjwatch.model import ButtonPress, Job, Note, Refusal, RefusalClass, State

HISTORY_LENGTH = 60
"""The notes kept with a job; the history of a job that is retried for days must not grow without limit."""

TRIES_OF_UPLOAD_MESSAGE = 3
"""Tries with a message of pictures, which may be in the channel although the answer was not understood."""

TRIES_OF_FORM = 2
"""Forms that are filled in for one follow-up before it fails."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a job may be silent, in seconds, before something is done about it."""

    start_timeout: float = 900.0
    silence_timeout: float = 3600.0
    deletion_grace: float = 60.0
    queue_full_pause: float = 60.0
    form_timeout: float = 60.0


DEFAULT_TIMEOUTS = Timeouts()

Transition = tuple[Job, tuple[ef.Effect, ...]]
Handler = Callable[[Job, Any, float, Timeouts], Transition]


# ---- shared by all transitions


def note(job: Job, now: float, event: str, retry_in: float | None = None, **changes: Any) -> Job:
    """Return the job with one more line of history and with these changes.

    If the last line is about a failed try with the same cause, the new line replaces it, so that days of
    retries fit into the history.
    """
    last = job.history[-1] if job.history else None
    repeats = last is not None and None not in (retry_in, last.retry_in) and last.event == event
    history = (*(job.history[:-1] if repeats else job.history), Note(now, event, retry_in))
    return replace(job, history=history[-HISTORY_LENGTH:], **changes)


def ignore(job: Job, event: ev.JobEvent, now: float, timeouts: Timeouts) -> Transition:
    """Change nothing: the event is a duplicate or comes late."""
    return job, ()


def fail(job: Job, refusal: Refusal, now: float) -> Transition:
    """End the job as failed; its page in the outbox says why."""
    event = f"failed: {refusal.title or refusal.detail}"
    job = replace(job, state=State.FAILED, refusal=refusal, next_action_at=None, failed_tries=0)
    job = note(job, now, event, finished=now)
    return job, (ef.PublishFailure(job),)


def without_follow_ups(job: Job) -> Job:
    """Return the job without its follow-ups."""
    return replace(job, prompt=replace(job.prompt, then=()))


def cancelled(job: Job, now: float, event: str = "cancelled") -> Transition:
    """End the job as cancelled, as a person requested; its page in the outbox says so."""
    job = replace(without_follow_ups(job), state=State.CANCELLED, next_action_at=None, failed_tries=0)
    job = note(job, now, event, finished=now)
    return job, (ef.PublishFailure(job),)


def requeue(
    job: Job, now: float, event: str, wait: float | None = None, *, is_retry: bool = True
) -> Transition:
    """Return the job to the queue for at least ``wait`` seconds, unless its cancellation was requested.

    ``is_retry``: the history says that it is tried again after that time.
    """
    retry_in = wait if is_retry else None
    if job.cancel_request is not None:
        return cancelled(note(job, now, event, retry_in), now, "cancelled before it was sent again")
    due = None if wait is None else now + wait
    job = replace(job, state=State.QUEUED, next_action_at=due, failed_tries=job.failed_tries + 1)
    return note(job, now, event, retry_in), ()


# ---- from the queue to Midjourney: uploads, the POST, its answer, the form that a button opens


def upload_done(job: Job, event: ev.Uploaded, now: float, timeouts: Timeouts) -> Transition:
    """Keep the uploads: the job can be sent."""
    text = f"uploaded {', '.join(image.filename for image in event.images)}"
    return note(job, now, text, uploads=event.images, next_action_at=None, failed_tries=0), ()


def upload_failed(job: Job, event: ev.UploadFailed, now: float, timeouts: Timeouts) -> Transition:
    """Try the upload again later, unless another try can't help."""
    if event.refusal is not None:
        refused = ev.Refused(event.refusal, executed=False)
        return refuse(replace(job, state=State.SUBMITTING, interaction_id=None), refused, now, timeouts)
    text = f"not uploaded: {event.reason}"
    if event.posted and job.failed_tries >= TRIES_OF_UPLOAD_MESSAGE:
        return fail(job, Refusal(RefusalClass.TRANSIENT, None, text), now)
    wait = backoff(job.failed_tries) if event.retry_after is None else event.retry_after
    return note(job, now, text, wait, next_action_at=now + wait, failed_tries=job.failed_tries + 1), ()


def start_attempt(job: Job, event: ev.AttemptStarted, now: float, timeouts: Timeouts) -> Transition:
    """Begin a new attempt and forget what was known about the last one."""
    job = note(
        job,
        now,
        f"submitting, nonce {event.nonce}",
        state=State.SUBMITTING,
        nonces=(*job.nonces, event.nonce),
        session_id=event.session_id,
        session_generation=event.session_generation,
        anchor=event.anchor,
        next_action_at=None,
        interaction_id=None,
        message_id=None,
        job_uuid=None,
        percent=None,
        queued_by_bot=False,
        start_by_looks=False,
        start_deleted_at=None,
        in_doubt_since=None,
        cancel_button=None,
        cancel_request=None,
        refusal=None,
        submitted=now,
        started=None,
    )
    return job, (ef.Submit(job),)


def accept(job: Job, event: ev.Accepted, now: float, timeouts: Timeouts) -> Transition:
    """Discord executed the command: wait for the start message or for the form."""
    form = job.awaits_form
    due = now + (timeouts.form_timeout if form else timeouts.start_timeout)
    tries = job.failed_tries if form else 0
    job = replace(job, state=State.SUBMITTED, next_action_at=due, failed_tries=tries, in_doubt_since=None)
    return note(job, now, "submitted"), ()


def open_form(job: Job, event: ev.ModalOpened, now: float, timeouts: Timeouts) -> Transition:
    """Queue the job to fill in the form that its button opened; this is a separate attempt."""
    if job.button_press is None or job.started is not None:
        return job, ()
    if job.cancel_request is not None:
        return cancelled(job, now, "cancelled: the form that Midjourney opened is not sent")
    job = replace(job, state=State.QUEUED, next_action_at=None, failed_tries=0, in_doubt_since=None)
    return note(job, now, "Midjourney opened a form", modal=event.modal), ()


def forget_form(job: Job, event: ev.Restarted, now: float, timeouts: Timeouts) -> Transition:
    """Forget an open form, which is valid for minutes only; after a restart the button is pressed again."""
    return (replace(job, modal=None), ()) if job.modal is not None else (job, ())


def not_sent(job: Job, event: ev.NotSent, now: float, timeouts: Timeouts) -> Transition:
    """Return the job to the queue, unless its interaction shows that it was executed."""
    if job.interaction_id is not None:
        return accept(job, ev.Accepted(), now, timeouts)
    wait = backoff(job.failed_tries) if event.retry_after is None else event.retry_after
    return requeue(job, now, f"not sent: {event.reason}", wait)


def outcome_unknown(job: Job, event: ev.OutcomeUnknown, now: float, timeouts: Timeouts) -> Transition:
    """Put the job in doubt, unless its interaction shows that it was executed."""
    if job.interaction_id is not None:
        return accept(job, ev.Accepted(), now, timeouts)
    if job.awaits_form:
        return _press_again(job, _no_form(event.reason), now)
    job, effects = doubt(job, event, now, timeouts)
    return (replace(job, in_doubt_since=now), ()) if job.state is State.IN_DOUBT else (job, effects)


def confirmed_not_executed(
    job: Job, event: ev.ConfirmedNotExecuted, now: float, timeouts: Timeouts
) -> Transition:
    """Return the job to the queue: it is proven that nothing was executed."""
    # Only the outcome of the POST can be proven like this; a job that was silent after its 204 was executed.
    if job.in_doubt_since is None:
        return job, ()
    text = "confirmed: it was not executed, so it is sent again"
    return requeue(replace(job, in_doubt_since=None), now, text)


def doubt(
    job: Job, event: ev.OutcomeUnknown | ev.InteractionFailed, now: float, timeouts: Timeouts
) -> Transition:
    """Put the job in doubt: nobody knows whether it runs."""
    if job.awaits_form:
        return _press_again(job, _no_form(event.reason), now)
    if job.cancel_request is not None:
        return cancelled(job, now, f"cancelled; it is not known whether it runs: {event.reason}")
    job = replace(job, state=State.IN_DOUBT, next_action_at=None, doubt=event.reason)
    return note(job, now, f"in doubt: {event.reason}"), ()


def was_executed(job: Job, event: ev.InteractionFailed, now: float, timeouts: Timeouts) -> Transition:
    """Put a job in doubt for good that seemed not to be executed, or whose silence was to prove that."""
    is_doubted = job.state is State.IN_DOUBT and job.in_doubt_since is None
    if is_doubted or job.awaits_form:  # nothing runs without a form
        return job, ()
    return doubt(replace(job, in_doubt_since=None), event, now, timeouts)


def restarted_while_sending(job: Job, event: ev.Restarted, now: float, timeouts: Timeouts) -> Transition:
    """Treat the POST as unanswered: the program ended between the commit and the answer."""
    return outcome_unknown(job, ev.OutcomeUnknown("mjwatch stopped while it was being sent"), now, timeouts)


def refuse(job: Job, event: ev.Refused, now: float, timeouts: Timeouts) -> Transition:
    """Return the job to the queue if nothing ran and waiting or a person can help; otherwise fail it."""
    if not event.executed and (job.interaction_id is not None or job.state is not State.SUBMITTING):
        return accept(job, ev.Accepted(), now, timeouts) if job.state is State.SUBMITTING else (job, ())
    refusal = event.refusal
    passes = refusal.needs_human or refusal.kind in {RefusalClass.RETRY, RefusalClass.TRANSIENT}
    if job.modal is not None and not event.executed and not passes:
        return _press_again(job, refusal, now)
    waits = refusal.needs_human or refusal.kind is RefusalClass.RETRY
    if not event.executed:
        waits = waits or refusal.kind in {RefusalClass.STALE_VERSION, RefusalClass.TRANSIENT}
    # A job that had started is paid for; only a person may decide to send it again.
    if not waits or job.started is not None:
        return fail(job, refusal, now)
    text = f"queued again: {refusal.title or refusal.detail}"
    if refusal.scope is not None:  # all jobs wait for the limit, so this one is not put off beyond it
        put_back, effects = requeue(replace(job, modal=None), now, text)
        return replace(put_back, failed_tries=job.failed_tries), effects
    # If a person is needed, sending is paused: once it is resumed, this job must not wait any longer.
    queue_is_full = event.executed and not refusal.needs_human
    pause = timeouts.queue_full_pause if queue_is_full else backoff(job.failed_tries)
    wait = pause if refusal.retry_after is None else refusal.retry_after
    return requeue(replace(job, modal=None), now, text, wait, is_retry=False)


def _no_form(cause: str) -> Refusal:
    detail = f"Midjourney's form did not appear, so nothing was run: {cause}"
    return Refusal(RefusalClass.TRANSIENT, None, detail)


def _press_again(job: Job, refusal: Refusal, now: float) -> Transition:
    """Queue the job to press its button again, up to a limit: without a form that is sent nothing has run."""
    if job.failed_tries >= TRIES_OF_FORM:
        return fail(job, refusal, now)
    job = replace(job, modal=None, in_doubt_since=None)
    return requeue(job, now, refusal.title or refusal.detail, backoff(job.failed_tries))


# ---- at Midjourney: signs of life, and silence


def interaction_seen(job: Job, event: ev.InteractionSeen, now: float, timeouts: Timeouts) -> Transition:
    """Adopt the interaction that the gateway reports for the nonce."""
    if job.state is not State.IN_DOUBT and job.interaction_id == event.interaction_id:
        return job, ()  # INTERACTION_SUCCESS repeats it, at times after a message that refused the job
    if job.state in {State.SUBMITTING, State.SUBMITTED, State.RUNNING}:
        return replace(job, interaction_id=event.interaction_id), ()
    due = now + timeouts.start_timeout
    job = replace(job, state=State.SUBMITTED, next_action_at=due, in_doubt_since=None)
    text = f"found: the attempt became interaction {event.interaction_id}"
    return note(job, now, text, interaction_id=event.interaction_id), ()


def queued_by_bot(job: Job, event: ev.QueuedByBot, now: float, timeouts: Timeouts) -> Transition:
    """Midjourney lets the job wait for a free slot."""
    due = now + timeouts.silence_timeout
    job = replace(job, state=State.SUBMITTED, next_action_at=due, failed_tries=0, in_doubt_since=None)
    return note(job, now, "Midjourney queued it until a slot is free", queued_by_bot=True), ()


def start(job: Job, event: ev.Started, now: float, timeouts: Timeouts) -> Transition:
    """The start message is here. A resumed session may report it again."""
    if job.state is State.RUNNING and job.message_id == event.message_id:
        return progress(job, ev.Progressed(None, event.job_uuid, event.cancel), now, timeouts)
    # If remix mode is off, no form appears, and nothing on the wire shows that before.
    no_form = job.button_press is not None and job.button_press.words is not None and job.modal is None
    is_same = job.message_id in {None, event.message_id}
    job = note(
        job,
        now,
        f"started, message {event.message_id}"
        + (", without its new prompt: no form appeared" if no_form else ""),
        state=State.RUNNING,
        message_id=event.message_id,
        interaction_id=job.interaction_id if event.by_looks else event.interaction_id or job.interaction_id,
        job_uuid=event.job_uuid or (job.job_uuid if is_same else None),
        started=job.started or now,
        start_deleted_at=None,
        cancel_button=_cancel_button(job if is_same else None, event.cancel),
        queued_by_bot=False,
        start_by_looks=event.by_looks,
        in_doubt_since=None,
        next_action_at=now + timeouts.silence_timeout,
        failed_tries=0,
    )
    return job, ()


def started_after_end(job: Job, event: ev.Started, now: float, timeouts: Timeouts) -> Transition:
    """Remember the start message of an ended job: its result replies to it, and is still published."""
    if job.message_id is not None or event.by_looks:
        return job, ()
    job = replace(
        job,
        message_id=event.message_id,
        interaction_id=event.interaction_id or job.interaction_id,
        job_uuid=event.job_uuid or job.job_uuid,
    )
    return note(job, now, f"started all the same, message {event.message_id}"), ()


def start_disputed(job: Job, event: ev.StartDisputed, now: float, timeouts: Timeouts) -> Transition:
    """Forget a start message that may be another job's: wait for what shows which one is this job's."""
    if not job.start_by_looks and job.start_deleted_at is None:
        return job, ()
    job = replace(
        job,
        message_id=None,
        job_uuid=None,
        percent=None,
        cancel_button=None,
        start_deleted_at=None,
        queued_by_bot=True,
        start_by_looks=False,
    )
    text = "another job that looks the same has started: it is not known which of the two is this one"
    if job.state is State.RUNNING:
        job = replace(job, state=State.SUBMITTED, next_action_at=now + timeouts.silence_timeout)
    return note(job, now, text), ()


def _cancel_button(job: Job | None, offered: ButtonPress | None) -> ButtonPress | None:
    """Return the button to keep: of equal ones the first, as later parts of a message may lack the flags."""
    known = None if job is None else job.cancel_button
    if known is None or offered is None:
        return known or offered
    is_same = (known.message_id, known.custom_id) == (offered.message_id, offered.custom_id)
    return known if is_same else offered


def progress(job: Job, event: ev.Progressed, now: float, timeouts: Timeouts) -> Transition:
    """The job runs: the time limit for silence starts again."""
    job = replace(
        job,
        state=State.RUNNING,
        percent=job.percent if event.percent is None else event.percent,
        job_uuid=event.job_uuid or job.job_uuid,
        cancel_button=_cancel_button(job, event.cancel),
        started=job.started or now,
        in_doubt_since=None,
        next_action_at=now + timeouts.silence_timeout,
    )
    return job, ()


def start_deleted(job: Job, event: ev.StartMessageDeleted, now: float, timeouts: Timeouts) -> Transition:
    """The start message was deleted; a final message may still come."""
    due = now + timeouts.deletion_grace
    return note(job, now, "its start message was deleted", start_deleted_at=now, next_action_at=due), ()


def submitted_too_long(job: Job, event: ev.TimedOut, now: float, timeouts: Timeouts) -> Transition:
    """The job was submitted, but it did not start, or no form appeared."""
    return doubt(job, ev.OutcomeUnknown("Midjourney did not start it in time"), now, timeouts)


def running_too_long(job: Job, event: ev.TimedOut, now: float, timeouts: Timeouts) -> Transition:
    """The job was silent for too long, or its start message was deleted and no final message came."""
    if job.start_deleted_at is None:
        return doubt(job, ev.OutcomeUnknown("Midjourney was silent for too long"), now, timeouts)
    if event.result_held:
        cause = "there is a result that may belong to this job or to another one"
        return doubt(job, ev.OutcomeUnknown(cause), now, timeouts)
    if job.start_by_looks:  # then nothing shows that the deleted message was this job's
        job = replace(job, message_id=None, job_uuid=None, percent=None, cancel_button=None)
        job = replace(job, start_by_looks=False, start_deleted_at=None)
        cause = "a message that looked like its own was deleted"
        return doubt(job, ev.OutcomeUnknown(cause), now, timeouts)
    if event.result_missed:
        cause = "its message was deleted, and its result may have come while Discord was not heard"
        return doubt(job, ev.OutcomeUnknown(cause), now, timeouts)
    detail = (
        "Midjourney deleted the job's message and sent no pictures. Midjourney does this if it objects to"
        " the content of a job, or if the job is cancelled in Discord."
    )
    advice = "Change the text or the pictures, then drop the file into the inbox again."
    return fail(job, Refusal(RefusalClass.MODERATION, None, detail, advice=advice), now)
