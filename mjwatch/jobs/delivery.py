"""What each event from the result on does to a job: download, publish, retry. Pure.

The functions are like those in jobs/transitions.py.
"""

from __future__ import annotations

from dataclasses import replace

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.timing import backoff
from mjwatch.jobs.status_text import reason
from mjwatch.jobs.transitions import Timeouts, Transition, fail, note
from mjwatch.model import Job, Refusal, RefusalClass, State

FETCH_ADVICE = (
    "The pictures are rendered and paid for: `mjwatch retry` downloads them again. If you drop the prompt"
    " into the inbox again, it is rendered, and paid for, a second time."
)


def finish(job: Job, event: ev.Finished, now: float, timeouts: Timeouts) -> Transition:
    """The result is here: from now on its pictures must be delivered."""
    result = event.result
    job = note(
        job,
        now,
        f"finished, message {result.message_id}, matched by {result.matched_by}",
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


def take_over(job: Job, event: ev.Imported, now: float, timeouts: Timeouts) -> Transition:
    """The pictures were made elsewhere: they are fetched and published as if they had been asked for here."""
    result = event.result
    job = replace(job, state=State.COLLECTING, result=result, job_uuid=result.job_uuid, percent=100)
    job = note(job, now, "made elsewhere; imported", finished=event.made)
    return job, (ef.FetchResult(job),)


def publish_result(job: Job, event: ev.Published, now: float, timeouts: Timeouts) -> Transition:
    """The pictures are in the outbox: the job is done."""
    if event.failed:
        return job, ()  # the folder of a failure, which a late result or a retry has overtaken
    job = replace(job, state=State.DONE, next_action_at=None, failed_tries=0)
    job = note(job, now, "published", published=now, folder=event.folder)
    if job.made_elsewhere:  # it is no news, and an import may bring thousands
        return job, ()
    news = ef.SendNotification(ef.Notification.DONE, now, job=job)
    return job, (news, ef.CreateFollowUps(job)) if job.prompt.then else (news,)


def publish_failure(job: Job, event: ev.Published, now: float, timeouts: Timeouts) -> Transition:
    """The page that says why there are no pictures is in the outbox."""
    # A person knows what they cancelled, and what they made elsewhere.
    needs_no_news = job.published is not None or job.state is State.CANCELLED or job.made_elsewhere
    why, _ = reason(job)
    job = replace(job, next_action_at=None, failed_tries=0)
    job = note(job, now, "published", published=now, folder=event.folder)
    return job, () if needs_no_news else (ef.SendNotification(ef.Notification.FAILED, now, why, job),)


def save_failed(job: Job, event: ev.SaveFailed, now: float, timeouts: Timeouts) -> Transition:
    """The pictures could not be saved: try again later, unless another try can't help."""
    if event.final:
        return fail(job, Refusal(RefusalClass.TRANSIENT, None, event.reason, advice=FETCH_ADVICE), now)
    return failure_not_saved(job, event, now, timeouts)


def failure_not_saved(job: Job, event: ev.SaveFailed, now: float, timeouts: Timeouts) -> Transition:
    """The folder could not be published: try again later."""
    limit = None if event.refusal is None else event.refusal.retry_after
    wait, failed = (backoff(job.failed_tries), 1) if limit is None else (limit, 0)
    job = replace(job, next_action_at=now + wait, failed_tries=job.failed_tries + failed)
    return note(job, now, f"not saved: {event.reason}", wait), ()


def fetch_again(job: Job, event: ev.JobEvent, now: float, timeouts: Timeouts) -> Transition:
    """Download and save the pictures again."""
    job = replace(job, next_action_at=None)
    return job, (ef.FetchResult(job),)


def fetch_now(job: Job, event: ev.RetryRequested, now: float, timeouts: Timeouts) -> Transition:
    """A person requests the next try now."""
    # Without a time for the next try the result is being fetched now: a second fetch would race the first.
    return (job, ()) if job.next_action_at is None else fetch_again(job, event, now, timeouts)


def publish_failure_again(job: Job, event: ev.JobEvent, now: float, timeouts: Timeouts) -> Transition:
    """Publish the failure again, if it is not published yet."""
    job = replace(job, next_action_at=None)
    return job, ((ef.PublishFailure(job),) if job.published is None else ())


def retry(job: Job, event: ev.RetryRequested, now: float, timeouts: Timeouts) -> Transition:
    """Download again what was rendered already; render again only what was not."""
    job = replace(job, published=None, refusal=None, in_doubt_since=None, modal=None, cancel_request=None)
    job = note(job, now, "retry requested", failed_tries=0, next_action_at=None)
    if job.result is not None:
        job = replace(job, state=State.COLLECTING)
        return job, (ef.FetchResult(job),)
    return replace(job, state=State.QUEUED, finished=None), ()
