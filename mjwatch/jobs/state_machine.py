"""The life of a job as a table: which event leads from which state where, and what is to be done then.

The rules, which the rows below spell out:

1. Everything that moves a job is a row of ``TABLE``; jobs/transitions.py has what each row does. A pair of
   state and event that is not listed raises ``IllegalEventError`` and changes nothing. What may safely be
   ignored (a duplicate, a latecomer) is a row too.
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

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch import events as ev
from mjwatch.jobs import cancellation, transitions
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Mapping


class IllegalEventError(Exception):
    """The event can't happen to a job in this state; nothing was changed."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One cell of the table: what to do, and the states it may lead to (none: it stays where it is)."""

    handler: transitions.Handler
    to: tuple[State, ...] = ()


def step(
    job: Job, event: ev.JobEvent, now: float, limits: transitions.Timeouts = transitions.DEFAULT_LIMITS
) -> transitions.Transition:
    """The job after this event, and the effects to hand out once the job is committed to the journal."""
    row = TABLE[job.state].get(type(event))
    if row is None:
        raise IllegalEventError(f"{type(event).__name__} can't happen to {job!r}")
    return row.handler(job, event, now, limits)


def _ignore(*kinds: type[ev.JobEvent]) -> dict[type[ev.JobEvent], TableEntry]:
    return {kind: TableEntry(transitions.stay) for kind in kinds}


_SIGNS: dict[type[ev.JobEvent], TableEntry] = {
    ev.InteractionSeen: TableEntry(transitions.interaction, (State.SUBMITTED,)),
    ev.QueuedByBot: TableEntry(transitions.held, (State.SUBMITTED,)),
    ev.Started: TableEntry(transitions.start, (State.RUNNING,)),
    ev.Progressed: TableEntry(transitions.progress, (State.RUNNING,)),
    ev.Finished: TableEntry(transitions.finish, (State.COLLECTING,)),
    ev.ModalOpened: TableEntry(transitions.open_form, (State.QUEUED, State.CANCELLED)),
}
_BACK = (State.QUEUED, State.CANCELLED)
"""Where a job goes that was not executed: it is sent again, unless a person has asked to cancel it."""

_FORM = (*_BACK, State.FAILED)
"""Where a follow-up goes whose button opens a form that did not come: nothing runs without it."""

_LATE_UPLOADS = _ignore(ev.Uploaded, ev.UploadFailed)
"""Words about an upload of a job that was cancelled meanwhile, or turned out to have been sent before."""

_OVERTAKEN = _ignore(ev.Published, ev.SaveFailed, ev.CancelPressed)
"""An answer that was still being published when a person asked to retry; a press that came to nothing."""
_LATE = _ignore(
    *(ev.Accepted, ev.NotSent, ev.OutcomeUnknown, ev.Refused, ev.InteractionSeen, ev.InteractionFailed),
    *(ev.QueuedByBot, ev.Started, ev.Progressed, ev.StartMessageDeleted),
    *(ev.Uploaded, ev.UploadFailed, ev.ModalOpened, ev.CancelPressed),
)
_ANSWERED: dict[type[ev.JobEvent], TableEntry] = {
    **_LATE_UPLOADS,
    ev.Published: TableEntry(transitions.publish_answer),
    ev.SaveFailed: TableEntry(transitions.answer_not_saved),
    ev.TimedOut: TableEntry(transitions.answer_again),
    ev.Restarted: TableEntry(transitions.answer_again),
    ev.CancelRequested: TableEntry(transitions.stay),
}

TABLE: Mapping[State, Mapping[type[ev.JobEvent], TableEntry]] = {
    State.QUEUED: {
        ev.AttemptStarted: TableEntry(transitions.choose, (State.SUBMITTING,)),
        ev.CancelRequested: TableEntry(cancellation.cancel, (State.CANCELLED,)),
        ev.Uploaded: TableEntry(transitions.uploaded),
        ev.UploadFailed: TableEntry(transitions.not_uploaded, (State.FAILED,)),
        **_SIGNS,  # an earlier attempt turns out to have been executed
        **_OVERTAKEN,
        ev.ModalOpened: TableEntry(transitions.open_form),
        ev.Restarted: TableEntry(transitions.forget_form),
        **_ignore(
            ev.Accepted,
            ev.NotSent,
            ev.Refused,
            ev.OutcomeUnknown,
            ev.InteractionFailed,
            ev.StartMessageDeleted,
            ev.TimedOut,
            ev.RetryRequested,
        ),
    },
    State.SUBMITTING: {
        **_SIGNS,
        **_OVERTAKEN,
        **_LATE_UPLOADS,
        ev.InteractionSeen: TableEntry(transitions.interaction),
        ev.Accepted: TableEntry(transitions.accept, (State.SUBMITTED,)),
        ev.NotSent: TableEntry(transitions.not_sent, (State.SUBMITTED, *_BACK)),
        ev.OutcomeUnknown: TableEntry(transitions.unanswered, (State.SUBMITTED, State.IN_DOUBT, *_FORM)),
        ev.InteractionFailed: TableEntry(transitions.doubt, (State.IN_DOUBT, *_FORM)),
        ev.Refused: TableEntry(transitions.refuse, (State.SUBMITTED, *_BACK, State.FAILED)),
        ev.CancelRequested: TableEntry(cancellation.ask),
        ev.Restarted: TableEntry(
            transitions.restarted_while_sending, (State.SUBMITTED, State.IN_DOUBT, *_FORM)
        ),
        **_ignore(ev.StartMessageDeleted, ev.TimedOut, ev.RetryRequested),
    },
    State.SUBMITTED: {
        **_SIGNS,
        **_OVERTAKEN,
        **_LATE_UPLOADS,
        ev.InteractionSeen: TableEntry(transitions.interaction),
        ev.QueuedByBot: TableEntry(transitions.held),
        ev.InteractionFailed: TableEntry(transitions.doubt, (State.IN_DOUBT, *_FORM)),
        ev.Refused: TableEntry(cancellation.refused, (*_BACK, State.FAILED)),
        ev.TimedOut: TableEntry(transitions.overdue_submitted, (State.IN_DOUBT, *_FORM)),
        ev.CancelRequested: TableEntry(cancellation.ask),
        **_ignore(
            ev.Accepted,
            ev.NotSent,
            ev.OutcomeUnknown,
            ev.StartMessageDeleted,
            ev.RetryRequested,
            ev.Restarted,
        ),
    },
    State.RUNNING: {
        **_OVERTAKEN,
        **_LATE_UPLOADS,
        **_ignore(ev.ModalOpened),
        ev.InteractionSeen: TableEntry(transitions.interaction),
        ev.Started: TableEntry(transitions.start),
        ev.Progressed: TableEntry(transitions.progress),
        ev.Finished: TableEntry(transitions.finish, (State.COLLECTING,)),
        ev.Refused: TableEntry(cancellation.refused, (State.FAILED, State.CANCELLED)),
        ev.StartMessageDeleted: TableEntry(transitions.vanish),
        ev.TimedOut: TableEntry(cancellation.overdue, (State.IN_DOUBT, State.FAILED, State.CANCELLED)),
        ev.CancelRequested: TableEntry(cancellation.ask),
        ev.CancelStarted: TableEntry(cancellation.choose),
        ev.CancelPressed: TableEntry(cancellation.pressed),
        ev.Restarted: TableEntry(cancellation.restarted),
        **_ignore(
            ev.QueuedByBot,
            ev.Accepted,
            ev.NotSent,
            ev.OutcomeUnknown,
            ev.InteractionFailed,
            ev.RetryRequested,
        ),
    },
    State.COLLECTING: {
        **_LATE,
        ev.Published: TableEntry(transitions.publish_done, (State.DONE,)),
        ev.SaveFailed: TableEntry(transitions.not_saved, (State.FAILED,)),
        ev.TimedOut: TableEntry(transitions.collect_again),
        ev.CancelRequested: TableEntry(cancellation.ask_too_late),
        ev.RetryRequested: TableEntry(transitions.collect_sooner),
        ev.Restarted: TableEntry(transitions.collect_again),
        **_ignore(ev.Finished),
    },
    State.IN_DOUBT: {
        **_SIGNS,
        **_OVERTAKEN,
        **_LATE_UPLOADS,
        ev.Refused: TableEntry(transitions.refuse, (State.QUEUED, State.FAILED)),
        ev.ModalOpened: TableEntry(transitions.open_form, (State.QUEUED,)),
        ev.CancelRequested: TableEntry(cancellation.cancel, (State.CANCELLED,)),
        ev.RetryRequested: TableEntry(transitions.retry, (State.QUEUED,)),
        ev.ConfirmedNotExecuted: TableEntry(transitions.proven_unsent, (State.QUEUED,)),
        ev.Accepted: TableEntry(transitions.accept, (State.SUBMITTED,)),
        **_ignore(
            ev.NotSent,
            ev.OutcomeUnknown,
            ev.InteractionFailed,
            ev.StartMessageDeleted,
            ev.TimedOut,
            ev.Restarted,
        ),
    },
    State.FAILED: {
        **_LATE,
        **_ANSWERED,
        ev.Finished: TableEntry(transitions.finish, (State.COLLECTING,)),
        ev.RetryRequested: TableEntry(transitions.retry, (State.QUEUED, State.COLLECTING)),
    },
    State.CANCELLED: {
        **_LATE,
        **_ANSWERED,
        ev.Finished: TableEntry(transitions.finish, (State.COLLECTING,)),
        ev.RetryRequested: TableEntry(transitions.retry, (State.QUEUED,)),
    },
    State.REJECTED: {**_ANSWERED, ev.RetryRequested: TableEntry(transitions.stay)},
    State.DONE: {
        **_LATE,
        **_ignore(
            ev.Finished,
            ev.Published,
            ev.SaveFailed,
            ev.TimedOut,
            ev.CancelRequested,
            ev.RetryRequested,
            ev.Restarted,
        ),
    },
}
