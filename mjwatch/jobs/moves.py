"""What each event does to a job: the functions that the table in jobs/job.py points to. Pure.

Each takes the job, the event, the time (seconds since 1970) and the limits; it returns the job as it is after
that, and the effects to hand out once it is in the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mjwatch import events as ev
from mjwatch.jobs.pacing import backoff
from mjwatch.jobs.reason import reason
from mjwatch.model import Job, Note, Refusal, RefusalClass, State


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a job may stay silent, in seconds, before it is looked into."""

    start_timeout: float = 900.0
    silence_timeout: float = 3600.0
    vanish_grace: float = 60.0
    queue_full_pause: float = 60.0
    form_timeout: float = 60.0


DEFAULT_LIMITS = Limits()

Moved = tuple[Job, tuple[ev.Effect, ...]]
Handler = Callable[[Job, Any, float, Limits], Moved]

HISTORY_LENGTH = 60
"""Notes kept with a job; a job that is retried for days must not grow without bound."""

FORMS_AT_MOST = 2
"""Forms that are filled in for one follow-up before it is given up."""

_AGAIN = "; again in "

FETCH_AGAIN = (
    "The pictures are rendered and paid for: `mjwatch retry` fetches them again. Dropped into the inbox once"
    " more, the prompt would be rendered, and paid for, a second time."
)


def _note(job: Job, now: float, words: str, **changes: Any) -> Job:
    """With one line more, in place of the last where only the waiting time differs: days of retries fit."""
    repeats = job.history and _AGAIN in words and _cause(job.history[-1].event) == _cause(words)
    kept = job.history[:-1] if repeats else job.history
    history = (*kept, Note(now, words))[-HISTORY_LENGTH:]
    return replace(job, history=history, **changes)


def _cause(words: str) -> str:
    return words.partition(_AGAIN)[0]


def stay(job: Job, event: ev.JobEvent, now: float, limits: Limits) -> Moved:
    """Nothing changes: a duplicate, or a latecomer."""
    return job, ()


# ---------------------------------------------------------------------------------------------- sending


def choose(job: Job, event: ev.Chosen, now: float, limits: Limits) -> Moved:
    """A new attempt begins; what the last one had learnt is forgotten."""
    job = _note(
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
        refusal=None,
        submitted=now,
        started=None,
    )
    return job, (ev.Submit(job),)


def accept(job: Job, event: ev.Accepted, now: float, limits: Limits) -> Moved:
    """Discord has executed the command."""
    form = awaits_form(job)
    due = now + (limits.form_timeout if form else limits.start_timeout)
    tries = job.tries if form else 0
    return _note(job, now, "submitted", state=State.SUBMITTED, due=due, tries=tries, doubted=None), ()


def awaits_form(job: Job) -> bool:
    """Whether its button was pressed for a form, without which nothing runs."""
    opens = job.press is not None and job.press.form
    return opens and job.modal is None and job.started is None


def uploaded(job: Job, event: ev.Uploaded, now: float, limits: Limits) -> Moved:
    """Discord has its local images: it can be sent."""
    words = f"uploaded {', '.join(image.filename for image in event.images)}"
    return _note(job, now, words, uploads=event.images, due=None, tries=0), ()


def not_uploaded(job: Job, event: ev.NotUploaded, now: float, limits: Limits) -> Moved:
    """Another try follows, unless it can't help."""
    if event.refusal is not None:
        refused = ev.Refused(event.refusal, executed=False)
        return refuse(replace(job, state=State.SUBMITTING, interaction_id=None), refused, now, limits)
    wait = backoff(job.tries) if event.retry_after is None else event.retry_after
    words = f"not uploaded: {event.reason}{_AGAIN}{wait:.0f} s"
    return _note(job, now, words, due=now + wait, tries=job.tries + 1), ()


def open_form(job: Job, event: ev.ModalOpened, now: float, limits: Limits) -> Moved:
    """The button has opened a form: filling it in is an attempt of its own."""
    if job.press is None or job.started is not None:
        return job, ()
    words = "Midjourney opened a form for it"
    return _note(job, now, words, state=State.QUEUED, modal=event.modal, due=None, tries=0, doubted=None), ()


def not_sent(job: Job, event: ev.NotSent, now: float, limits: Limits) -> Moved:
    """Back to the queue, unless its interaction shows that it was executed."""
    if job.interaction_id is not None:
        return accept(job, ev.Accepted(), now, limits)
    wait = backoff(job.tries) if event.retry_after is None else event.retry_after
    words = f"not sent: {event.reason}{_AGAIN}{wait:.0f} s"
    return _note(job, now, words, state=State.QUEUED, due=now + wait, tries=job.tries + 1), ()


def unanswered(job: Job, event: ev.Unanswered, now: float, limits: Limits) -> Moved:
    """In doubt, unless its interaction shows that it was executed."""
    if job.interaction_id is not None:
        return accept(job, ev.Accepted(), now, limits)
    if awaits_form(job):
        return _press_again(job, _no_form(event.reason), now)
    return replace(doubt(job, event, now, limits)[0], doubted=now), ()


def proven_unsent(job: Job, event: ev.ProvenUnsent, now: float, limits: Limits) -> Moved:
    """Back to the queue: it is shown that nothing was executed."""
    # Only the fate of the POST can be proven so; a job that was silent after its 204 was executed.
    if job.doubted is None:
        return job, ()
    words = "found out: it was not executed, so it is sent again"
    return _note(job, now, words, state=State.QUEUED, due=None, doubted=None, tries=job.tries + 1), ()


def doubt(job: Job, event: ev.Unanswered | ev.InteractionFailed, now: float, limits: Limits) -> Moved:
    """Whether it runs is not known."""
    if awaits_form(job):
        return _press_again(job, _no_form(event.reason), now)
    return _note(job, now, f"in doubt: {event.reason}", state=State.IN_DOUBT, due=None), ()


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
        return _fail(job, refusal, now)
    # Where a person is needed the sending is paused: once told to go on, it shall go on.
    full = event.executed and not refusal.needs_human
    pause = limits.queue_full_pause if full else backoff(job.tries)
    wait = pause if refusal.retry_after is None else refusal.retry_after
    words = f"put back: {refusal.title or refusal.detail}"
    job = replace(job, state=State.QUEUED, modal=None)
    return _note(job, now, words, due=now + wait, tries=job.tries + 1), ()


def _no_form(why: str) -> Refusal:
    detail = f"Midjourney's form for it did not come, so nothing was run: {why}"
    return Refusal(RefusalClass.TRANSIENT, None, detail)


def _press_again(job: Job, refusal: Refusal, now: float) -> Moved:
    """Nothing has run without a form that is filled in; the button opens another one, but not for ever."""
    if job.tries >= FORMS_AT_MOST:
        return _fail(job, refusal, now)
    wait = backoff(job.tries)
    words = f"{refusal.title or refusal.detail}{_AGAIN}{wait:.0f} s"
    job = replace(job, state=State.QUEUED, modal=None, doubted=None)
    return _note(job, now, words, due=now + wait, tries=job.tries + 1), ()


def _fail(job: Job, refusal: Refusal, now: float) -> Moved:
    words = f"failed: {refusal.title or refusal.detail}"
    job = _note(job, now, words, state=State.FAILED, refusal=refusal, due=None, tries=0, finished=now)
    return job, (ev.Answer(job),)


# ---------------------------------------------------------------------------------------------- signs of life


def interaction(job: Job, event: ev.InteractionSeen, now: float, limits: Limits) -> Moved:
    """The gateway names the interaction that the nonce became."""
    if job.state in {State.SUBMITTING, State.SUBMITTED, State.RUNNING}:
        return replace(job, interaction_id=event.interaction_id), ()
    if job.state is State.QUEUED and job.interaction_id == event.interaction_id:
        return job, ()  # its refusal has come already: INTERACTION_SUCCESS may follow the bot's message
    job = replace(job, doubted=None)
    words = f"found: it became interaction {event.interaction_id}"
    due = now + limits.start_timeout
    return _note(job, now, words, state=State.SUBMITTED, interaction_id=event.interaction_id, due=due), ()


def held(job: Job, event: ev.HeldByBot, now: float, limits: Limits) -> Moved:
    """Midjourney has it wait for a slot."""
    due = now + limits.silence_timeout
    words = "Midjourney lets it wait for a free slot"
    return _note(job, now, words, state=State.SUBMITTED, held_by_bot=True, due=due, tries=0, doubted=None), ()


def start(job: Job, event: ev.Started, now: float, limits: Limits) -> Moved:
    """The start message is here."""
    job = _note(
        job,
        now,
        f"started, message {event.message_id}",
        state=State.RUNNING,
        message_id=event.message_id,
        interaction_id=event.interaction_id or job.interaction_id,
        job_uuid=event.job_uuid or (job.job_uuid if job.message_id in {None, event.message_id} else None),
        started=job.started or now,
        vanished=None,
        held_by_bot=False,
        doubted=None,
        due=now + limits.silence_timeout,
        tries=0,
    )
    return job, ()


def progress(job: Job, event: ev.Progressed, now: float, limits: Limits) -> Moved:
    """A sign of life."""
    job = replace(
        job,
        state=State.RUNNING,
        percent=job.percent if event.percent is None else event.percent,
        job_uuid=event.job_uuid or job.job_uuid,
        started=job.started or now,
        doubted=None,
        due=now + limits.silence_timeout,
    )
    return job, ()


def vanish(job: Job, event: ev.Vanished, now: float, limits: Limits) -> Moved:
    """The start message is gone; a final may still come."""
    words = "its start message was deleted"
    return _note(job, now, words, vanished=now, due=now + limits.vanish_grace), ()


def overdue_submitted(job: Job, event: ev.Overdue, now: float, limits: Limits) -> Moved:
    """Submitted, and never started, or no form came for it."""
    return doubt(job, ev.Unanswered("Midjourney has not started it in time"), now, limits)


def overdue_running(job: Job, event: ev.Overdue, now: float, limits: Limits) -> Moved:
    """Silent for too long, or its start message was deleted and no final came."""
    if job.vanished is None:
        return doubt(job, ev.Unanswered("no sign of life from Midjourney for too long"), now, limits)
    if event.result_held:
        return doubt(job, ev.Unanswered("a result is here that may be its own or another job's"), now, limits)
    detail = (
        "Midjourney deleted the job's message and sent no pictures. That is how it stops a job whose content"
        " it objects to, or which was cancelled in Discord."
    )
    advice = "Change the words or pictures, then drop the file into the inbox again."
    return _fail(job, Refusal(RefusalClass.MODERATION, None, detail, advice=advice), now)


# ---------------------------------------------------------------------------------------------- the end


def finish(job: Job, event: ev.Finished, now: float, limits: Limits) -> Moved:
    """The result is here: from now on its pictures are owed."""
    result = event.result
    job = _note(
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
        doubted=None,
        due=None,
        tries=0,
    )
    return job, (ev.Collect(job),)


def publish_done(job: Job, event: ev.Published, now: float, limits: Limits) -> Moved:
    """The pictures are in the outbox."""
    if event.failed:
        return job, ()  # the folder of a failure that a late result or a retry has overtaken
    job = _note(
        job, now, "published", state=State.DONE, published=now, folder=event.folder, due=None, tries=0
    )
    news = ev.Notify(ev.News.DONE, now, job=job)
    return job, (news, ev.Spawn(job)) if job.prompt.then else (news,)


def publish_answer(job: Job, event: ev.Published, now: float, limits: Limits) -> Moved:
    """The page that says why there are none is in the outbox."""
    told = job.published is not None or job.state is State.CANCELLED  # a person knows what they cancelled
    why, _ = reason(job)
    job = _note(job, now, "published", published=now, folder=event.folder, due=None, tries=0)
    return job, () if told else (ev.Notify(ev.News.FAILED, now, why, job),)


def not_saved(job: Job, event: ev.NotSaved, now: float, limits: Limits) -> Moved:
    """The pictures could not be saved; another try follows, unless it can't help."""
    if event.final:
        return _fail(job, Refusal(RefusalClass.TRANSIENT, None, event.reason, advice=FETCH_AGAIN), now)
    return answer_not_saved(job, event, now, limits)


def answer_not_saved(job: Job, event: ev.NotSaved, now: float, limits: Limits) -> Moved:
    """The folder could not be published; another try follows."""
    wait = backoff(job.tries)
    words = f"not saved: {event.reason}{_AGAIN}{wait:.0f} s"
    return _note(job, now, words, due=now + wait, tries=job.tries + 1), ()


def collect_again(job: Job, event: ev.JobEvent, now: float, limits: Limits) -> Moved:
    """Fetch and save the pictures once more."""
    job = replace(job, due=None)
    return job, (ev.Collect(job),)


def collect_sooner(job: Job, event: ev.RetryAsked, now: float, limits: Limits) -> Moved:
    """A person wants the next try now."""
    # Without a due time it is being collected at this moment: a second Collect would race the first.
    return (job, ()) if job.due is None else collect_again(job, event, now, limits)


def answer_again(job: Job, event: ev.JobEvent, now: float, limits: Limits) -> Moved:
    """Publish the answer once more, if it is not published yet."""
    job = replace(job, due=None)
    return job, ((ev.Answer(job),) if job.published is None else ())


def cancel(job: Job, event: ev.CancelAsked, now: float, limits: Limits) -> Moved:
    """It is not sent, or a person gives it up."""
    job = _without_follow_ups(job)
    job = _note(job, now, "cancelled", state=State.CANCELLED, due=None, tries=0, finished=now)
    return job, (ev.Answer(job),)


def _without_follow_ups(job: Job) -> Job:
    return replace(job, prompt=replace(job.prompt, then=()))


def cancel_too_late(job: Job, event: ev.CancelAsked, now: float, limits: Limits) -> Moved:
    """It is sent already; only its follow-ups are not."""
    job = _without_follow_ups(job)
    return _note(job, now, "asked to cancel; it is already sent, so its pictures will be published"), ()


def retry(job: Job, event: ev.RetryAsked, now: float, limits: Limits) -> Moved:
    """Fetch again what was rendered already; render again only what was not."""
    job = _note(
        job, now, "asked to retry", published=None, tries=0, due=None, refusal=None, doubted=None, modal=None
    )
    if job.result is not None:
        job = replace(job, state=State.COLLECTING)
        return job, (ev.Collect(job),)
    return replace(job, state=State.QUEUED, finished=None), ()
