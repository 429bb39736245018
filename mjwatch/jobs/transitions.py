"""What each event does to a job: the functions that the table in jobs/state_machine.py points to. Pure.

Each takes the job, the event, the time (seconds since 1970) and the limits; it returns the job as it is after
that, and the effects to hand out once it is in the journal. jobs/transitions.py has those about sending.

What becomes of an attempt: uploads, the POST, its answer, the form that a button opens. Pure.

Functions that the table in jobs/state_machine.py points to; jobs/transitions.py has the others.

What all moves of a job share: what they take and give, the limits, and the line that each adds. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.timing import backoff
from mjwatch.jobs.status_text import reason
from mjwatch.model import ButtonPress, Job, Note, Refusal, RefusalClass, State

FETCH_AGAIN = (
    "The pictures are rendered and paid for: `mjwatch retry` fetches them again. Dropped into the inbox once"
    " more, the prompt would be rendered, and paid for, a second time."
)


# ---------------------------------------------------------------------------------------------- signs of life


def interaction(job: Job, event: ev.InteractionSeen, now: float, limits: Timeouts) -> Transition:
    """The gateway names the interaction that the nonce became."""
    if job.state in {State.SUBMITTING, State.SUBMITTED, State.RUNNING}:
        return replace(job, interaction_id=event.interaction_id), ()
    if job.state is State.QUEUED and job.interaction_id == event.interaction_id:
        return job, ()  # its refusal has come already: INTERACTION_SUCCESS may follow the bot's message
    job = replace(job, in_doubt_since=None)
    words = f"found: it became interaction {event.interaction_id}"
    due = now + limits.start_timeout
    return note(
        job, now, words, state=State.SUBMITTED, interaction_id=event.interaction_id, next_action_at=due
    ), ()


def held(job: Job, event: ev.QueuedByBot, now: float, limits: Timeouts) -> Transition:
    """Midjourney has it wait for a slot."""
    due = now + limits.silence_timeout
    words = "Midjourney lets it wait for a free slot"
    return note(
        job,
        now,
        words,
        state=State.SUBMITTED,
        queued_by_bot=True,
        next_action_at=due,
        failed_tries=0,
        in_doubt_since=None,
    ), ()


def start(job: Job, event: ev.Started, now: float, limits: Timeouts) -> Transition:
    """The start message is here; a session that is resumed may tell of it once more."""
    if job.state is State.RUNNING and job.message_id == event.message_id:
        return progress(job, ev.Progressed(None, event.job_uuid, event.cancel), now, limits)
    # Where remix mode is off no form comes, and nothing on the wire tells so before.
    unasked = job.button_press is not None and job.button_press.words is not None and job.modal is None
    job = note(
        job,
        now,
        f"started, message {event.message_id}" + (", without its new words: no form came" if unasked else ""),
        state=State.RUNNING,
        message_id=event.message_id,
        interaction_id=event.interaction_id or job.interaction_id,
        job_uuid=event.job_uuid or (job.job_uuid if job.message_id in {None, event.message_id} else None),
        started=job.started or now,
        start_deleted_at=None,
        cancel_button=_button(job if job.message_id in {None, event.message_id} else None, event.cancel),
        queued_by_bot=False,
        in_doubt_since=None,
        next_action_at=now + limits.silence_timeout,
        failed_tries=0,
    )
    return job, ()


def _button(job: Job | None, offered: ButtonPress | None) -> ButtonPress | None:
    """The first that was offered is kept: a later part of the message may lack the message's flags."""
    known = None if job is None else job.cancel_button
    same = (
        known and offered and (known.message_id, known.custom_id) == (offered.message_id, offered.custom_id)
    )
    return known if same or offered is None else offered


def progress(job: Job, event: ev.Progressed, now: float, limits: Timeouts) -> Transition:
    """A sign of life."""
    job = replace(
        job,
        state=State.RUNNING,
        percent=job.percent if event.percent is None else event.percent,
        job_uuid=event.job_uuid or job.job_uuid,
        cancel_button=_button(job, event.cancel),
        started=job.started or now,
        in_doubt_since=None,
        next_action_at=now + limits.silence_timeout,
    )
    return job, ()


def vanish(job: Job, event: ev.StartMessageDeleted, now: float, limits: Timeouts) -> Transition:
    """The start message is gone; a final may still come."""
    words = "its start message was deleted"
    return note(job, now, words, start_deleted_at=now, next_action_at=now + limits.vanish_grace), ()


def overdue_submitted(job: Job, event: ev.TimedOut, now: float, limits: Timeouts) -> Transition:
    """Submitted, and never started, or no form came for it."""
    return doubt(job, ev.OutcomeUnknown("Midjourney has not started it in time"), now, limits)


def overdue_running(job: Job, event: ev.TimedOut, now: float, limits: Timeouts) -> Transition:
    """Silent for too long, or its start message was deleted and no final came."""
    if job.start_deleted_at is None:
        return doubt(job, ev.OutcomeUnknown("no sign of life from Midjourney for too long"), now, limits)
    if event.result_held:
        return doubt(
            job, ev.OutcomeUnknown("a result is here that may be its own or another job's"), now, limits
        )
    detail = (
        "Midjourney deleted the job's message and sent no pictures. That is how it stops a job whose content"
        " it objects to, or which was cancelled in Discord."
    )
    advice = "Change the words or pictures, then drop the file into the inbox again."
    return fail(job, Refusal(RefusalClass.MODERATION, None, detail, advice=advice), now)


# ---------------------------------------------------------------------------------------------- the end


def finish(job: Job, event: ev.Finished, now: float, limits: Timeouts) -> Transition:
    """The result is here: from now on its pictures are owed."""
    result = event.result
    job = note(
        job,
        now,
        f"finished, message {result.message_id}, known by {result.matched_by}",
        state=State.COLLECTING,
        result=result,
        job_uuid=result.job_uuid or job.job_uuid,
        percent=100,
        finished=now,
        published=None,
        refusal=None,
        in_doubt_since=None,
        cancel_request=None,
        next_action_at=None,
        failed_tries=0,
    )
    return job, (ef.FetchResult(job),)


def publish_done(job: Job, event: ev.Published, now: float, limits: Timeouts) -> Transition:
    """The pictures are in the outbox."""
    if event.failed:
        return job, ()  # the folder of a failure that a late result or a retry has overtaken
    job = note(
        job,
        now,
        "published",
        state=State.DONE,
        published=now,
        folder=event.folder,
        next_action_at=None,
        failed_tries=0,
    )
    news = ef.SendNotification(ef.Notification.DONE, now, job=job)
    return job, (news, ef.CreateFollowUps(job)) if job.prompt.then else (news,)


def publish_answer(job: Job, event: ev.Published, now: float, limits: Timeouts) -> Transition:
    """The page that says why there are none is in the outbox."""
    told = job.published is not None or job.state is State.CANCELLED  # a person knows what they cancelled
    why, _ = reason(job)
    job = note(job, now, "published", published=now, folder=event.folder, next_action_at=None, failed_tries=0)
    return job, () if told else (ef.SendNotification(ef.Notification.FAILED, now, why, job),)


def not_saved(job: Job, event: ev.SaveFailed, now: float, limits: Timeouts) -> Transition:
    """The pictures could not be saved; another try follows, unless it can't help."""
    if event.final:
        return fail(job, Refusal(RefusalClass.TRANSIENT, None, event.reason, advice=FETCH_AGAIN), now)
    return answer_not_saved(job, event, now, limits)


def answer_not_saved(job: Job, event: ev.SaveFailed, now: float, limits: Timeouts) -> Transition:
    """The folder could not be published; another try follows."""
    wait = backoff(job.failed_tries)
    words = f"not saved: {event.reason}{AGAIN}{wait:.0f} s"
    return note(job, now, words, next_action_at=now + wait, failed_tries=job.failed_tries + 1), ()


def collect_again(job: Job, event: ev.JobEvent, now: float, limits: Timeouts) -> Transition:
    """Fetch and save the pictures once more."""
    job = replace(job, next_action_at=None)
    return job, (ef.FetchResult(job),)


def collect_sooner(job: Job, event: ev.RetryRequested, now: float, limits: Timeouts) -> Transition:
    """A person wants the next try now."""
    # Without a due time it is being collected at this moment: a second Collect would race the first.
    return (job, ()) if job.next_action_at is None else collect_again(job, event, now, limits)


def answer_again(job: Job, event: ev.JobEvent, now: float, limits: Timeouts) -> Transition:
    """Publish the answer once more, if it is not published yet."""
    job = replace(job, next_action_at=None)
    return job, ((ef.PublishFailure(job),) if job.published is None else ())


def retry(job: Job, event: ev.RetryRequested, now: float, limits: Timeouts) -> Transition:
    """Fetch again what was rendered already; render again only what was not."""
    job = note(
        *(job, now, "asked to retry"),
        published=None,
        failed_tries=0,
        next_action_at=None,
        refusal=None,
        in_doubt_since=None,
        modal=None,
        cancel_request=None,
    )
    if job.result is not None:
        job = replace(job, state=State.COLLECTING)
        return job, (ef.FetchResult(job),)
    return replace(job, state=State.QUEUED, finished=None), ()


POSTS_AT_MOST = 3
"""Tries at a message with pictures that may stand in the channel although its answer is not understood."""

FORMS_AT_MOST = 2
"""Forms that are filled in for one follow-up before it is given up."""


def choose(job: Job, event: ev.AttemptStarted, now: float, limits: Timeouts) -> Transition:
    """A new attempt begins; what the last one had learnt is forgotten."""
    job = note(
        job,
        now,
        f"submitting, nonce {event.nonce}",
        state=State.SUBMITTING,
        nonces=(*job.nonces, event.nonce),
        session_id=event.session_id,
        anchor=event.anchor,
        next_action_at=None,
        interaction_id=None,
        message_id=None,
        job_uuid=None,
        percent=None,
        queued_by_bot=False,
        start_deleted_at=None,
        in_doubt_since=None,
        cancel_button=None,
        cancel_request=None,
        refusal=None,
        submitted=now,
        started=None,
    )
    return job, (ef.Submit(job),)


def accept(job: Job, event: ev.Accepted, now: float, limits: Timeouts) -> Transition:
    """Discord has executed the command."""
    form = job.awaits_form
    due = now + (limits.form_timeout if form else limits.start_timeout)
    tries = job.failed_tries if form else 0
    return note(
        job,
        now,
        "submitted",
        state=State.SUBMITTED,
        next_action_at=due,
        failed_tries=tries,
        in_doubt_since=None,
    ), ()


def uploaded(job: Job, event: ev.Uploaded, now: float, limits: Timeouts) -> Transition:
    """Discord has its local images: it can be sent."""
    words = f"uploaded {', '.join(image.filename for image in event.images)}"
    return note(job, now, words, uploads=event.images, next_action_at=None, failed_tries=0), ()


def not_uploaded(job: Job, event: ev.UploadFailed, now: float, limits: Timeouts) -> Transition:
    """Another try follows, unless it can't help."""
    if event.refusal is not None:
        refused = ev.Refused(event.refusal, executed=False)
        return refuse(replace(job, state=State.SUBMITTING, interaction_id=None), refused, now, limits)
    if event.posted and job.failed_tries >= POSTS_AT_MOST:
        return fail(job, Refusal(RefusalClass.TRANSIENT, None, f"not uploaded: {event.reason}"), now)
    wait = backoff(job.failed_tries) if event.retry_after is None else event.retry_after
    words = f"not uploaded: {event.reason}{AGAIN}{wait:.0f} s"
    return note(job, now, words, next_action_at=now + wait, failed_tries=job.failed_tries + 1), ()


def open_form(job: Job, event: ev.ModalOpened, now: float, limits: Timeouts) -> Transition:
    """The button has opened a form: filling it in is an attempt of its own."""
    if job.button_press is None or job.started is not None:
        return job, ()
    if job.cancel_request is not None:
        return cancelled(job, now, "cancelled: the form that Midjourney opened for it is not sent")
    words = "Midjourney opened a form for it"
    return note(
        job,
        now,
        words,
        state=State.QUEUED,
        modal=event.modal,
        next_action_at=None,
        failed_tries=0,
        in_doubt_since=None,
    ), ()


def forget_form(job: Job, event: ev.Restarted, now: float, limits: Timeouts) -> Transition:
    """A form is good for minutes; after a stop the button is pressed once more."""
    return (replace(job, modal=None), ()) if job.modal is not None else (job, ())


def not_sent(job: Job, event: ev.NotSent, now: float, limits: Timeouts) -> Transition:
    """Back to the queue, unless its interaction shows that it was executed."""
    if job.interaction_id is not None:
        return accept(job, ev.Accepted(), now, limits)
    wait = backoff(job.failed_tries) if event.retry_after is None else event.retry_after
    words = f"not sent: {event.reason}{AGAIN}{wait:.0f} s"
    return back(job, now, words, wait)


def unanswered(job: Job, event: ev.OutcomeUnknown, now: float, limits: Timeouts) -> Transition:
    """In doubt, unless its interaction shows that it was executed."""
    if job.interaction_id is not None:
        return accept(job, ev.Accepted(), now, limits)
    if job.awaits_form:
        return _press_again(job, _no_form(event.reason), now)
    job, effects = doubt(job, event, now, limits)
    return (replace(job, in_doubt_since=now), ()) if job.state is State.IN_DOUBT else (job, effects)


def proven_unsent(job: Job, event: ev.ConfirmedNotExecuted, now: float, limits: Timeouts) -> Transition:
    """Back to the queue: it is shown that nothing was executed."""
    # Only the fate of the POST can be proven so; a job that was silent after its 204 was executed.
    if job.in_doubt_since is None:
        return job, ()
    words = "found out: it was not executed, so it is sent again"
    return back(replace(job, in_doubt_since=None), now, words)


def doubt(
    job: Job, event: ev.OutcomeUnknown | ev.InteractionFailed, now: float, limits: Timeouts
) -> Transition:
    """Whether it runs is not known."""
    if job.awaits_form:
        return _press_again(job, _no_form(event.reason), now)
    if job.cancel_request is not None:
        return cancelled(job, now, f"cancelled, in doubt whether it runs: {event.reason}")
    return note(job, now, f"in doubt: {event.reason}", state=State.IN_DOUBT, next_action_at=None), ()


def restarted_while_sending(job: Job, event: ev.Restarted, now: float, limits: Timeouts) -> Transition:
    """The program ended between the commit and the answer."""
    return unanswered(job, ev.OutcomeUnknown("mjwatch was stopped while it was being sent"), now, limits)


def refuse(job: Job, event: ev.Refused, now: float, limits: Timeouts) -> Transition:
    """Back to the queue where nothing ran and waiting or a person can help; else it has failed."""
    if not event.executed and (job.interaction_id is not None or job.state is not State.SUBMITTING):
        return accept(job, ev.Accepted(), now, limits) if job.state is State.SUBMITTING else (job, ())
    refusal = event.refusal
    passing = refusal.needs_human or refusal.kind in {RefusalClass.RETRY, RefusalClass.TRANSIENT}
    if job.modal is not None and not event.executed and not passing:
        return _press_again(job, refusal, now)
    waits = refusal.needs_human or refusal.kind is RefusalClass.RETRY
    if not event.executed:
        waits = waits or refusal.kind in {RefusalClass.STALE_VERSION, RefusalClass.TRANSIENT}
    # A job that had started is paid for; sending it again is a person's decision.
    if not waits or job.started is not None:
        return fail(job, refusal, now)
    # Where a person is needed the sending is paused: once told to go on, it shall go on.
    full = event.executed and not refusal.needs_human
    pause = limits.queue_full_pause if full else backoff(job.failed_tries)
    wait = pause if refusal.retry_after is None else refusal.retry_after
    words = f"put back: {refusal.title or refusal.detail}"
    return back(replace(job, modal=None), now, words, wait)


def _no_form(why: str) -> Refusal:
    detail = f"Midjourney's form for it did not come, so nothing was run: {why}"
    return Refusal(RefusalClass.TRANSIENT, None, detail)


def _press_again(job: Job, refusal: Refusal, now: float) -> Transition:
    """Nothing has run without a form that is filled in; the button opens another one, but not for ever."""
    if job.failed_tries >= FORMS_AT_MOST:
        return fail(job, refusal, now)
    wait = backoff(job.failed_tries)
    words = f"{refusal.title or refusal.detail}{AGAIN}{wait:.0f} s"
    return back(replace(job, modal=None, in_doubt_since=None), now, words, wait)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a job may stay silent, in seconds, before it is looked into."""

    start_timeout: float = 900.0
    silence_timeout: float = 3600.0
    vanish_grace: float = 60.0
    queue_full_pause: float = 60.0
    form_timeout: float = 60.0


DEFAULT_LIMITS = Timeouts()

Transition = tuple[Job, tuple[ef.Effect, ...]]
Handler = Callable[[Job, Any, float, Timeouts], Transition]

HISTORY_LENGTH = 60
"""Notes kept with a job; a job that is retried for days must not grow without bound."""

AGAIN = "; again in "
"""Stands between what went wrong and the seconds until the next try."""


def note(job: Job, now: float, words: str, **changes: Any) -> Job:
    """With one line more, in place of the last where only the waiting time differs: days of retries fit."""
    repeats = job.history and AGAIN in words and _cause(job.history[-1].event) == _cause(words)
    kept = job.history[:-1] if repeats else job.history
    history = (*kept, Note(now, words))[-HISTORY_LENGTH:]
    return replace(job, history=history, **changes)


def _cause(words: str) -> str:
    return words.partition(AGAIN)[0]


def stay(job: Job, event: ev.JobEvent, now: float, limits: Timeouts) -> Transition:
    """Nothing changes: a duplicate, or a latecomer."""
    return job, ()


def fail(job: Job, refusal: Refusal, now: float) -> Transition:
    """It has failed; its answer says why."""
    words = f"failed: {refusal.title or refusal.detail}"
    job = note(
        job,
        now,
        words,
        state=State.FAILED,
        refusal=refusal,
        next_action_at=None,
        failed_tries=0,
        finished=now,
    )
    return job, (ef.PublishFailure(job),)


def without_follow_ups(job: Job) -> Job:
    """Nothing is to be made from its pictures."""
    return replace(job, prompt=replace(job.prompt, then=()))


def cancelled(job: Job, now: float, words: str = "cancelled") -> Transition:
    """It has ended as a person wanted; its answer says so."""
    job = without_follow_ups(job)
    job = note(job, now, words, state=State.CANCELLED, next_action_at=None, failed_tries=0, finished=now)
    return job, (ef.PublishFailure(job),)


def back(job: Job, now: float, words: str, wait: float | None = None) -> Transition:
    """To the queue, for as many seconds at least; but what a person wants cancelled is not sent again."""
    if job.cancel_request is not None:
        return cancelled(note(job, now, words), now, "cancelled before it was sent again")
    due = None if wait is None else now + wait
    return note(
        job, now, words, state=State.QUEUED, next_action_at=due, failed_tries=job.failed_tries + 1
    ), ()
