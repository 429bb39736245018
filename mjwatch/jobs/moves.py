"""What each event does to a job: the functions that the table in jobs/job.py points to. Pure.

Each takes the job, the event, the time (seconds since 1970) and the limits; it returns the job as it is after
that, and the effects to hand out once it is in the journal. jobs/attempts.py has those about sending.
"""

from __future__ import annotations

from dataclasses import replace

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.attempts import doubt
from mjwatch.jobs.moving import AGAIN, Limits, Moved, fail, note
from mjwatch.jobs.pacing import backoff
from mjwatch.jobs.reason import reason
from mjwatch.model import Job, Press, Refusal, RefusalClass, State

FETCH_AGAIN = (
    "The pictures are rendered and paid for: `mjwatch retry` fetches them again. Dropped into the inbox once"
    " more, the prompt would be rendered, and paid for, a second time."
)


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
    return note(job, now, words, state=State.SUBMITTED, interaction_id=event.interaction_id, due=due), ()


def held(job: Job, event: ev.HeldByBot, now: float, limits: Limits) -> Moved:
    """Midjourney has it wait for a slot."""
    due = now + limits.silence_timeout
    words = "Midjourney lets it wait for a free slot"
    return note(job, now, words, state=State.SUBMITTED, held_by_bot=True, due=due, tries=0, doubted=None), ()


def start(job: Job, event: ev.Started, now: float, limits: Limits) -> Moved:
    """The start message is here; a session that is resumed may tell of it once more."""
    if job.state is State.RUNNING and job.message_id == event.message_id:
        return progress(job, ev.Progressed(None, event.job_uuid, event.cancel), now, limits)
    # Where remix mode is off no form comes, and nothing on the wire tells so before.
    unasked = job.press is not None and job.press.words is not None and job.modal is None
    job = note(
        job,
        now,
        f"started, message {event.message_id}" + (", without its new words: no form came" if unasked else ""),
        state=State.RUNNING,
        message_id=event.message_id,
        interaction_id=event.interaction_id or job.interaction_id,
        job_uuid=event.job_uuid or (job.job_uuid if job.message_id in {None, event.message_id} else None),
        started=job.started or now,
        vanished=None,
        cancel_button=_button(job if job.message_id in {None, event.message_id} else None, event.cancel),
        held_by_bot=False,
        doubted=None,
        due=now + limits.silence_timeout,
        tries=0,
    )
    return job, ()


def _button(job: Job | None, offered: Press | None) -> Press | None:
    """The first that was offered is kept: a later part of the message may lack the message's flags."""
    known = None if job is None else job.cancel_button
    same = (
        known and offered and (known.message_id, known.custom_id) == (offered.message_id, offered.custom_id)
    )
    return known if same or offered is None else offered


def progress(job: Job, event: ev.Progressed, now: float, limits: Limits) -> Moved:
    """A sign of life."""
    job = replace(
        job,
        state=State.RUNNING,
        percent=job.percent if event.percent is None else event.percent,
        job_uuid=event.job_uuid or job.job_uuid,
        cancel_button=_button(job, event.cancel),
        started=job.started or now,
        doubted=None,
        due=now + limits.silence_timeout,
    )
    return job, ()


def vanish(job: Job, event: ev.Vanished, now: float, limits: Limits) -> Moved:
    """The start message is gone; a final may still come."""
    words = "its start message was deleted"
    return note(job, now, words, vanished=now, due=now + limits.vanish_grace), ()


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
    return fail(job, Refusal(RefusalClass.MODERATION, None, detail, advice=advice), now)


# ---------------------------------------------------------------------------------------------- the end


def finish(job: Job, event: ev.Finished, now: float, limits: Limits) -> Moved:
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
        doubted=None,
        cancelling=None,
        due=None,
        tries=0,
    )
    return job, (ef.Collect(job),)


def publish_done(job: Job, event: ev.Published, now: float, limits: Limits) -> Moved:
    """The pictures are in the outbox."""
    if event.failed:
        return job, ()  # the folder of a failure that a late result or a retry has overtaken
    job = note(job, now, "published", state=State.DONE, published=now, folder=event.folder, due=None, tries=0)
    news = ef.Notify(ef.News.DONE, now, job=job)
    return job, (news, ef.Spawn(job)) if job.prompt.then else (news,)


def publish_answer(job: Job, event: ev.Published, now: float, limits: Limits) -> Moved:
    """The page that says why there are none is in the outbox."""
    told = job.published is not None or job.state is State.CANCELLED  # a person knows what they cancelled
    why, _ = reason(job)
    job = note(job, now, "published", published=now, folder=event.folder, due=None, tries=0)
    return job, () if told else (ef.Notify(ef.News.FAILED, now, why, job),)


def not_saved(job: Job, event: ev.NotSaved, now: float, limits: Limits) -> Moved:
    """The pictures could not be saved; another try follows, unless it can't help."""
    if event.final:
        return fail(job, Refusal(RefusalClass.TRANSIENT, None, event.reason, advice=FETCH_AGAIN), now)
    return answer_not_saved(job, event, now, limits)


def answer_not_saved(job: Job, event: ev.NotSaved, now: float, limits: Limits) -> Moved:
    """The folder could not be published; another try follows."""
    wait = backoff(job.tries)
    words = f"not saved: {event.reason}{AGAIN}{wait:.0f} s"
    return note(job, now, words, due=now + wait, tries=job.tries + 1), ()


def collect_again(job: Job, event: ev.JobEvent, now: float, limits: Limits) -> Moved:
    """Fetch and save the pictures once more."""
    job = replace(job, due=None)
    return job, (ef.Collect(job),)


def collect_sooner(job: Job, event: ev.RetryAsked, now: float, limits: Limits) -> Moved:
    """A person wants the next try now."""
    # Without a due time it is being collected at this moment: a second Collect would race the first.
    return (job, ()) if job.due is None else collect_again(job, event, now, limits)


def answer_again(job: Job, event: ev.JobEvent, now: float, limits: Limits) -> Moved:
    """Publish the answer once more, if it is not published yet."""
    job = replace(job, due=None)
    return job, ((ef.Answer(job),) if job.published is None else ())


def retry(job: Job, event: ev.RetryAsked, now: float, limits: Limits) -> Moved:
    """Fetch again what was rendered already; render again only what was not."""
    job = note(
        *(job, now, "asked to retry"),
        published=None,
        tries=0,
        due=None,
        refusal=None,
        doubted=None,
        modal=None,
        cancelling=None,
    )
    if job.result is not None:
        job = replace(job, state=State.COLLECTING)
        return job, (ef.Collect(job),)
    return replace(job, state=State.QUEUED, finished=None), ()
