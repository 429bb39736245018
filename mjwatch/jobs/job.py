"""The life of a job as a table: which event leads from which state where, and what is to be done then.

The rules, which the rows below spell out:

1. Everything that moves a job stands in ``TABLE``. A pair of state and event that is not listed raises
   ``IllegalEventError`` and changes nothing. What may safely be ignored (a duplicate, a latecomer) is a row
   too.
2. A job goes back to ``queued``, to be sent again, only when it is known that nothing was executed (the POST
   did not arrive, or the answer was a no), or when a person says so. Doubt leads to ``in_doubt``, nowhere
   else.
3. A sign of life on the gateway beats what HTTP said: a job whose interaction, start or result is seen was
   executed, also if the POST timed out or was answered with an error.
4. A result is taken in every state but ``done`` and ``rejected``: what was paid for is delivered, however
   late.
5. ``step`` is pure: no clock, no chance, no I/O. Every effect can be derived again from the loaded job, so
   that recovery is one event more (``Restarted``) and no second code path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mjwatch import events as ev
from mjwatch.jobs.pacing import backoff
from mjwatch.jobs.reason import reason
from mjwatch.model import Job, Note, Refusal, RefusalClass, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Moved = tuple[Job, tuple[ev.Effect, ...]]
    Handler = Callable[[Job, Any, float, "Limits"], Moved]

HISTORY_LENGTH = 60
"""Notes kept with a job; a job that is retried for days must not grow without bound."""

_AGAIN = "; again in "

FETCH_AGAIN = (
    "The pictures are rendered and paid for: `mjwatch retry` fetches them again. Dropped into the inbox once"
    " more, the prompt would be rendered, and paid for, a second time."
)


class IllegalEventError(Exception):
    """The event can't happen to a job in this state; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a job may stay silent, in seconds, before it is looked into."""

    start_timeout: float = 900.0
    silence_timeout: float = 3600.0
    vanish_grace: float = 60.0
    queue_full_pause: float = 60.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of the table: what to do, and the states it may lead to (none: it stays where it is)."""

    handler: Handler
    to: tuple[State, ...] = ()


def step(job: Job, event: ev.JobEvent, now: float, limits: Limits = DEFAULT_LIMITS) -> Moved:
    """The job after this event, and the effects to hand out once the job is committed to the journal."""
    row = TABLE[job.state].get(type(event))
    if row is None:
        raise IllegalEventError(f"{type(event).__name__} can't happen to {job!r}")
    return row.handler(job, event, now, limits)


def _note(job: Job, now: float, words: str, **changes: Any) -> Job:
    """With one line more, in place of the last where only the waiting time differs: days of retries fit."""
    repeats = job.history and _AGAIN in words and _cause(job.history[-1].event) == _cause(words)
    kept = job.history[:-1] if repeats else job.history
    history = (*kept, Note(now, words))[-HISTORY_LENGTH:]
    return replace(job, history=history, **changes)


def _cause(words: str) -> str:
    return words.partition(_AGAIN)[0]


def _stay(job: Job, event: ev.JobEvent, now: float, limits: Limits) -> Moved:
    return job, ()


# ---------------------------------------------------------------------------------------------- sending


def _choose(job: Job, event: ev.Chosen, now: float, limits: Limits) -> Moved:
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


def _accept(job: Job, event: ev.Accepted, now: float, limits: Limits) -> Moved:
    due = now + limits.start_timeout
    return _note(job, now, "submitted", state=State.SUBMITTED, due=due, tries=0, doubted=None), ()


def _not_sent(job: Job, event: ev.NotSent, now: float, limits: Limits) -> Moved:
    if job.interaction_id is not None:
        return _accept(job, ev.Accepted(), now, limits)
    wait = backoff(job.tries) if event.retry_after is None else event.retry_after
    words = f"not sent: {event.reason}{_AGAIN}{wait:.0f} s"
    return _note(job, now, words, state=State.QUEUED, due=now + wait, tries=job.tries + 1), ()


def _unanswered(job: Job, event: ev.Unanswered, now: float, limits: Limits) -> Moved:
    if job.interaction_id is not None:
        return _accept(job, ev.Accepted(), now, limits)
    return replace(_doubt(job, event, now, limits)[0], doubted=now), ()


def _proven_unsent(job: Job, event: ev.ProvenUnsent, now: float, limits: Limits) -> Moved:
    # Only the fate of the POST can be proven so; a job that was silent after its 204 was executed.
    if job.doubted is None:
        return job, ()
    words = "found out: it was not executed, so it is sent again"
    return _note(job, now, words, state=State.QUEUED, due=None, doubted=None, tries=job.tries + 1), ()


def _doubt(job: Job, event: ev.Unanswered | ev.InteractionFailed, now: float, limits: Limits) -> Moved:
    return _note(job, now, f"in doubt: {event.reason}", state=State.IN_DOUBT, due=None), ()


def _restarted_while_sending(job: Job, event: ev.Restarted, now: float, limits: Limits) -> Moved:
    return _unanswered(job, ev.Unanswered("mjwatch was stopped while it was being sent"), now, limits)


def _refuse(job: Job, event: ev.Refused, now: float, limits: Limits) -> Moved:
    """Back to the queue where nothing ran and waiting or a person can help; else it has failed."""
    if not event.executed and (job.interaction_id is not None or job.state is not State.SUBMITTING):
        return _accept(job, ev.Accepted(), now, limits) if job.state is State.SUBMITTING else (job, ())
    refusal = event.refusal
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
    return _note(job, now, words, state=State.QUEUED, due=now + wait, tries=job.tries + 1), ()


def _fail(job: Job, refusal: Refusal, now: float) -> Moved:
    words = f"failed: {refusal.title or refusal.detail}"
    job = _note(job, now, words, state=State.FAILED, refusal=refusal, due=None, tries=0, finished=now)
    return job, (ev.Answer(job),)


# ---------------------------------------------------------------------------------------------- signs of life


def _interaction(job: Job, event: ev.InteractionSeen, now: float, limits: Limits) -> Moved:
    if job.state in {State.SUBMITTING, State.SUBMITTED, State.RUNNING}:
        return replace(job, interaction_id=event.interaction_id), ()
    if job.state is State.QUEUED and job.interaction_id == event.interaction_id:
        return job, ()  # its refusal has come already: INTERACTION_SUCCESS may follow the bot's message
    job = replace(job, doubted=None)
    words = f"found: it became interaction {event.interaction_id}"
    due = now + limits.start_timeout
    return _note(job, now, words, state=State.SUBMITTED, interaction_id=event.interaction_id, due=due), ()


def _held(job: Job, event: ev.HeldByBot, now: float, limits: Limits) -> Moved:
    due = now + limits.silence_timeout
    words = "Midjourney lets it wait for a free slot"
    return _note(job, now, words, state=State.SUBMITTED, held_by_bot=True, due=due, tries=0, doubted=None), ()


def _start(job: Job, event: ev.Started, now: float, limits: Limits) -> Moved:
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


def _progress(job: Job, event: ev.Progressed, now: float, limits: Limits) -> Moved:
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


def _vanish(job: Job, event: ev.Vanished, now: float, limits: Limits) -> Moved:
    words = "its start message was deleted"
    return _note(job, now, words, vanished=now, due=now + limits.vanish_grace), ()


def _overdue_submitted(job: Job, event: ev.Overdue, now: float, limits: Limits) -> Moved:
    return _doubt(job, ev.Unanswered("Midjourney has not started it in time"), now, limits)


def _overdue_running(job: Job, event: ev.Overdue, now: float, limits: Limits) -> Moved:
    if job.vanished is None:
        return _doubt(job, ev.Unanswered("no sign of life from Midjourney for too long"), now, limits)
    if event.result_held:
        return _doubt(
            job, ev.Unanswered("a result is here that may be its own or another job's"), now, limits
        )
    detail = (
        "Midjourney deleted the job's message and sent no pictures. That is how it stops a job whose content"
        " it objects to, or which was cancelled in Discord."
    )
    advice = "Change the words or pictures, then drop the file into the inbox again."
    return _fail(job, Refusal(RefusalClass.MODERATION, None, detail, advice=advice), now)


# ---------------------------------------------------------------------------------------------- the end


def _finish(job: Job, event: ev.Finished, now: float, limits: Limits) -> Moved:
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


def _publish_done(job: Job, event: ev.Published, now: float, limits: Limits) -> Moved:
    if event.failed:
        return job, ()  # the folder of a failure that a late result or a retry has overtaken
    job = _note(
        job, now, "published", state=State.DONE, published=now, folder=event.folder, due=None, tries=0
    )
    return job, (ev.Notify(ev.News.DONE, now, job=job),)


def _publish_answer(job: Job, event: ev.Published, now: float, limits: Limits) -> Moved:
    told = job.published is not None or job.state is State.CANCELLED  # a person knows what they cancelled
    why, _ = reason(job)
    job = _note(job, now, "published", published=now, folder=event.folder, due=None, tries=0)
    return job, () if told else (ev.Notify(ev.News.FAILED, now, why, job),)


def _not_saved(job: Job, event: ev.NotSaved, now: float, limits: Limits) -> Moved:
    if event.final:
        return _fail(job, Refusal(RefusalClass.TRANSIENT, None, event.reason, advice=FETCH_AGAIN), now)
    return _answer_not_saved(job, event, now, limits)


def _answer_not_saved(job: Job, event: ev.NotSaved, now: float, limits: Limits) -> Moved:
    wait = backoff(job.tries)
    words = f"not saved: {event.reason}{_AGAIN}{wait:.0f} s"
    return _note(job, now, words, due=now + wait, tries=job.tries + 1), ()


def _collect_again(job: Job, event: ev.JobEvent, now: float, limits: Limits) -> Moved:
    job = replace(job, due=None)
    return job, (ev.Collect(job),)


def _collect_sooner(job: Job, event: ev.RetryAsked, now: float, limits: Limits) -> Moved:
    # Without a due time it is being collected at this moment: a second Collect would race the first.
    return (job, ()) if job.due is None else _collect_again(job, event, now, limits)


def _answer_again(job: Job, event: ev.JobEvent, now: float, limits: Limits) -> Moved:
    job = replace(job, due=None)
    return job, ((ev.Answer(job),) if job.published is None else ())


def _cancel(job: Job, event: ev.CancelAsked, now: float, limits: Limits) -> Moved:
    job = _note(job, now, "cancelled", state=State.CANCELLED, due=None, tries=0, finished=now)
    return job, (ev.Answer(job),)


def _cancel_too_late(job: Job, event: ev.CancelAsked, now: float, limits: Limits) -> Moved:
    return _note(job, now, "asked to cancel; it is already sent, so its pictures will be published"), ()


def _retry(job: Job, event: ev.RetryAsked, now: float, limits: Limits) -> Moved:
    """Fetch again what was rendered already; render again only what was not."""
    job = _note(job, now, "asked to retry", published=None, tries=0, due=None, refusal=None, doubted=None)
    if job.result is not None:
        job = replace(job, state=State.COLLECTING)
        return job, (ev.Collect(job),)
    return replace(job, state=State.QUEUED, finished=None), ()


def _ignore(*kinds: type[ev.JobEvent]) -> dict[type[ev.JobEvent], Row]:
    return {kind: Row(_stay) for kind in kinds}


_SIGNS: dict[type[ev.JobEvent], Row] = {
    ev.InteractionSeen: Row(_interaction, (State.SUBMITTED,)),
    ev.HeldByBot: Row(_held, (State.SUBMITTED,)),
    ev.Started: Row(_start, (State.RUNNING,)),
    ev.Progressed: Row(_progress, (State.RUNNING,)),
    ev.Finished: Row(_finish, (State.COLLECTING,)),
}
_OVERTAKEN = _ignore(ev.Published, ev.NotSaved)
"""An answer that was still being published when a person asked to retry."""
_LATE = _ignore(
    *(ev.Accepted, ev.NotSent, ev.Unanswered, ev.Refused, ev.InteractionSeen, ev.InteractionFailed),
    *(ev.HeldByBot, ev.Started, ev.Progressed, ev.Vanished),
)
_ANSWERED: dict[type[ev.JobEvent], Row] = {
    ev.Published: Row(_publish_answer),
    ev.NotSaved: Row(_answer_not_saved),
    ev.Overdue: Row(_answer_again),
    ev.Restarted: Row(_answer_again),
    ev.CancelAsked: Row(_stay),
}

TABLE: Mapping[State, Mapping[type[ev.JobEvent], Row]] = {
    State.QUEUED: {
        ev.Chosen: Row(_choose, (State.SUBMITTING,)),
        ev.CancelAsked: Row(_cancel, (State.CANCELLED,)),
        **_SIGNS,  # an earlier attempt turns out to have been executed
        **_OVERTAKEN,
        **_ignore(
            ev.Accepted,
            ev.NotSent,
            ev.Refused,
            ev.Unanswered,
            ev.InteractionFailed,
            ev.Vanished,
            ev.Overdue,
            ev.RetryAsked,
            ev.Restarted,
        ),
    },
    State.SUBMITTING: {
        **_SIGNS,
        **_OVERTAKEN,
        ev.InteractionSeen: Row(_interaction),
        ev.Accepted: Row(_accept, (State.SUBMITTED,)),
        ev.NotSent: Row(_not_sent, (State.SUBMITTED, State.QUEUED)),
        ev.Unanswered: Row(_unanswered, (State.SUBMITTED, State.IN_DOUBT)),
        ev.InteractionFailed: Row(_doubt, (State.IN_DOUBT,)),
        ev.Refused: Row(_refuse, (State.SUBMITTED, State.QUEUED, State.FAILED)),
        ev.CancelAsked: Row(_cancel_too_late),
        ev.Restarted: Row(_restarted_while_sending, (State.SUBMITTED, State.IN_DOUBT)),
        **_ignore(ev.Vanished, ev.Overdue, ev.RetryAsked),
    },
    State.SUBMITTED: {
        **_SIGNS,
        **_OVERTAKEN,
        ev.InteractionSeen: Row(_interaction),
        ev.HeldByBot: Row(_held),
        ev.InteractionFailed: Row(_doubt, (State.IN_DOUBT,)),
        ev.Refused: Row(_refuse, (State.QUEUED, State.FAILED)),
        ev.Overdue: Row(_overdue_submitted, (State.IN_DOUBT,)),
        ev.CancelAsked: Row(_cancel_too_late),
        **_ignore(ev.Accepted, ev.NotSent, ev.Unanswered, ev.Vanished, ev.RetryAsked, ev.Restarted),
    },
    State.RUNNING: {
        **_OVERTAKEN,
        ev.InteractionSeen: Row(_interaction),
        ev.Started: Row(_start),
        ev.Progressed: Row(_progress),
        ev.Finished: Row(_finish, (State.COLLECTING,)),
        ev.Refused: Row(_refuse, (State.FAILED,)),
        ev.Vanished: Row(_vanish),
        ev.Overdue: Row(_overdue_running, (State.IN_DOUBT, State.FAILED)),
        ev.CancelAsked: Row(_cancel_too_late),
        **_ignore(
            ev.HeldByBot,
            ev.Accepted,
            ev.NotSent,
            ev.Unanswered,
            ev.InteractionFailed,
            ev.RetryAsked,
            ev.Restarted,
        ),
    },
    State.COLLECTING: {
        **_LATE,
        ev.Published: Row(_publish_done, (State.DONE,)),
        ev.NotSaved: Row(_not_saved, (State.FAILED,)),
        ev.Overdue: Row(_collect_again),
        ev.CancelAsked: Row(_cancel_too_late),
        ev.RetryAsked: Row(_collect_sooner),
        ev.Restarted: Row(_collect_again),
        **_ignore(ev.Finished),
    },
    State.IN_DOUBT: {
        **_SIGNS,
        **_OVERTAKEN,
        ev.Refused: Row(_refuse, (State.QUEUED, State.FAILED)),
        ev.CancelAsked: Row(_cancel, (State.CANCELLED,)),
        ev.RetryAsked: Row(_retry, (State.QUEUED,)),
        ev.ProvenUnsent: Row(_proven_unsent, (State.QUEUED,)),
        ev.Accepted: Row(_accept, (State.SUBMITTED,)),
        **_ignore(ev.NotSent, ev.Unanswered, ev.InteractionFailed, ev.Vanished, ev.Overdue, ev.Restarted),
    },
    State.FAILED: {
        **_LATE,
        **_ANSWERED,
        ev.Finished: Row(_finish, (State.COLLECTING,)),
        ev.RetryAsked: Row(_retry, (State.QUEUED, State.COLLECTING)),
    },
    State.CANCELLED: {
        **_LATE,
        **_ANSWERED,
        ev.Finished: Row(_finish, (State.COLLECTING,)),
        ev.RetryAsked: Row(_retry, (State.QUEUED,)),
    },
    State.REJECTED: {**_ANSWERED, ev.RetryAsked: Row(_stay)},
    State.DONE: {
        **_LATE,
        **_ignore(
            ev.Finished, ev.Published, ev.NotSaved, ev.Overdue, ev.CancelAsked, ev.RetryAsked, ev.Restarted
        ),
    },
}
