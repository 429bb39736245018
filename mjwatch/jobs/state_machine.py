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
class Row:
    """One cell of the table: what to do, and the states it may lead to (none: it stays where it is)."""

    handler: transitions.Handler
    to: tuple[State, ...] = ()


def step(
    job: Job, event: ev.JobEvent, now: float, limits: transitions.Limits = transitions.DEFAULT_LIMITS
) -> transitions.Moved:
    """The job after this event, and the effects to hand out once the job is committed to the journal."""
    row = TABLE[job.state].get(type(event))
    if row is None:
        raise IllegalEventError(f"{type(event).__name__} can't happen to {job!r}")
    return row.handler(job, event, now, limits)


def _ignore(*kinds: type[ev.JobEvent]) -> dict[type[ev.JobEvent], Row]:
    return {kind: Row(transitions.stay) for kind in kinds}


_SIGNS: dict[type[ev.JobEvent], Row] = {
    ev.InteractionSeen: Row(transitions.interaction, (State.SUBMITTED,)),
    ev.HeldByBot: Row(transitions.held, (State.SUBMITTED,)),
    ev.Started: Row(transitions.start, (State.RUNNING,)),
    ev.Progressed: Row(transitions.progress, (State.RUNNING,)),
    ev.Finished: Row(transitions.finish, (State.COLLECTING,)),
    ev.ModalOpened: Row(transitions.open_form, (State.QUEUED, State.CANCELLED)),
}
_BACK = (State.QUEUED, State.CANCELLED)
"""Where a job goes that was not executed: it is sent again, unless a person has asked to cancel it."""

_FORM = (*_BACK, State.FAILED)
"""Where a follow-up goes whose button opens a form that did not come: nothing runs without it."""

_LATE_UPLOADS = _ignore(ev.Uploaded, ev.NotUploaded)
"""Words about an upload of a job that was cancelled meanwhile, or turned out to have been sent before."""

_OVERTAKEN = _ignore(ev.Published, ev.NotSaved, ev.CancelPressed)
"""An answer that was still being published when a person asked to retry; a press that came to nothing."""
_LATE = _ignore(
    *(ev.Accepted, ev.NotSent, ev.Unanswered, ev.Refused, ev.InteractionSeen, ev.InteractionFailed),
    *(ev.HeldByBot, ev.Started, ev.Progressed, ev.Vanished),
    *(ev.Uploaded, ev.NotUploaded, ev.ModalOpened, ev.CancelPressed),
)
_ANSWERED: dict[type[ev.JobEvent], Row] = {
    **_LATE_UPLOADS,
    ev.Published: Row(transitions.publish_answer),
    ev.NotSaved: Row(transitions.answer_not_saved),
    ev.Overdue: Row(transitions.answer_again),
    ev.Restarted: Row(transitions.answer_again),
    ev.CancelAsked: Row(transitions.stay),
}

TABLE: Mapping[State, Mapping[type[ev.JobEvent], Row]] = {
    State.QUEUED: {
        ev.Chosen: Row(transitions.choose, (State.SUBMITTING,)),
        ev.CancelAsked: Row(cancellation.cancel, (State.CANCELLED,)),
        ev.Uploaded: Row(transitions.uploaded),
        ev.NotUploaded: Row(transitions.not_uploaded, (State.FAILED,)),
        **_SIGNS,  # an earlier attempt turns out to have been executed
        **_OVERTAKEN,
        ev.ModalOpened: Row(transitions.open_form),
        ev.Restarted: Row(transitions.forget_form),
        **_ignore(
            ev.Accepted,
            ev.NotSent,
            ev.Refused,
            ev.Unanswered,
            ev.InteractionFailed,
            ev.Vanished,
            ev.Overdue,
            ev.RetryAsked,
        ),
    },
    State.SUBMITTING: {
        **_SIGNS,
        **_OVERTAKEN,
        **_LATE_UPLOADS,
        ev.InteractionSeen: Row(transitions.interaction),
        ev.Accepted: Row(transitions.accept, (State.SUBMITTED,)),
        ev.NotSent: Row(transitions.not_sent, (State.SUBMITTED, *_BACK)),
        ev.Unanswered: Row(transitions.unanswered, (State.SUBMITTED, State.IN_DOUBT, *_FORM)),
        ev.InteractionFailed: Row(transitions.doubt, (State.IN_DOUBT, *_FORM)),
        ev.Refused: Row(transitions.refuse, (State.SUBMITTED, *_BACK, State.FAILED)),
        ev.CancelAsked: Row(cancellation.ask),
        ev.Restarted: Row(transitions.restarted_while_sending, (State.SUBMITTED, State.IN_DOUBT, *_FORM)),
        **_ignore(ev.Vanished, ev.Overdue, ev.RetryAsked),
    },
    State.SUBMITTED: {
        **_SIGNS,
        **_OVERTAKEN,
        **_LATE_UPLOADS,
        ev.InteractionSeen: Row(transitions.interaction),
        ev.HeldByBot: Row(transitions.held),
        ev.InteractionFailed: Row(transitions.doubt, (State.IN_DOUBT, *_FORM)),
        ev.Refused: Row(cancellation.refused, (*_BACK, State.FAILED)),
        ev.Overdue: Row(transitions.overdue_submitted, (State.IN_DOUBT, *_FORM)),
        ev.CancelAsked: Row(cancellation.ask),
        **_ignore(ev.Accepted, ev.NotSent, ev.Unanswered, ev.Vanished, ev.RetryAsked, ev.Restarted),
    },
    State.RUNNING: {
        **_OVERTAKEN,
        **_LATE_UPLOADS,
        **_ignore(ev.ModalOpened),
        ev.InteractionSeen: Row(transitions.interaction),
        ev.Started: Row(transitions.start),
        ev.Progressed: Row(transitions.progress),
        ev.Finished: Row(transitions.finish, (State.COLLECTING,)),
        ev.Refused: Row(cancellation.refused, (State.FAILED, State.CANCELLED)),
        ev.Vanished: Row(transitions.vanish),
        ev.Overdue: Row(cancellation.overdue, (State.IN_DOUBT, State.FAILED, State.CANCELLED)),
        ev.CancelAsked: Row(cancellation.ask),
        ev.CancelChosen: Row(cancellation.choose),
        ev.CancelPressed: Row(cancellation.pressed),
        ev.Restarted: Row(cancellation.restarted),
        **_ignore(
            ev.HeldByBot,
            ev.Accepted,
            ev.NotSent,
            ev.Unanswered,
            ev.InteractionFailed,
            ev.RetryAsked,
        ),
    },
    State.COLLECTING: {
        **_LATE,
        ev.Published: Row(transitions.publish_done, (State.DONE,)),
        ev.NotSaved: Row(transitions.not_saved, (State.FAILED,)),
        ev.Overdue: Row(transitions.collect_again),
        ev.CancelAsked: Row(cancellation.ask_too_late),
        ev.RetryAsked: Row(transitions.collect_sooner),
        ev.Restarted: Row(transitions.collect_again),
        **_ignore(ev.Finished),
    },
    State.IN_DOUBT: {
        **_SIGNS,
        **_OVERTAKEN,
        **_LATE_UPLOADS,
        ev.Refused: Row(transitions.refuse, (State.QUEUED, State.FAILED)),
        ev.ModalOpened: Row(transitions.open_form, (State.QUEUED,)),
        ev.CancelAsked: Row(cancellation.cancel, (State.CANCELLED,)),
        ev.RetryAsked: Row(transitions.retry, (State.QUEUED,)),
        ev.ProvenUnsent: Row(transitions.proven_unsent, (State.QUEUED,)),
        ev.Accepted: Row(transitions.accept, (State.SUBMITTED,)),
        **_ignore(ev.NotSent, ev.Unanswered, ev.InteractionFailed, ev.Vanished, ev.Overdue, ev.Restarted),
    },
    State.FAILED: {
        **_LATE,
        **_ANSWERED,
        ev.Finished: Row(transitions.finish, (State.COLLECTING,)),
        ev.RetryAsked: Row(transitions.retry, (State.QUEUED, State.COLLECTING)),
    },
    State.CANCELLED: {
        **_LATE,
        **_ANSWERED,
        ev.Finished: Row(transitions.finish, (State.COLLECTING,)),
        ev.RetryAsked: Row(transitions.retry, (State.QUEUED,)),
    },
    State.REJECTED: {**_ANSWERED, ev.RetryAsked: Row(transitions.stay)},
    State.DONE: {
        **_LATE,
        **_ignore(
            ev.Finished, ev.Published, ev.NotSaved, ev.Overdue, ev.CancelAsked, ev.RetryAsked, ev.Restarted
        ),
    },
}
