"""The life of a job as a table: for each state and event, what is done and to which states it leads.

The rules, which the entries of the table follow:

1. Everything that changes a job is an entry of ``TABLE``; jobs/transitions.py, jobs/delivery.py and
   jobs/cancellation.py have what each entry does. A pair of state and event that is not listed raises
   ``IllegalEventError`` and changes nothing. What may safely be ignored (a duplicate, a late event) is an
   entry, too.
2. A job returns to ``queued``, to be sent again, only when it is known that nothing was executed (the POST
   did not arrive, or it was refused), or when a person says so. Doubt leads to ``in_doubt`` and nowhere
   else.
3. A sign of life on the gateway overrides what HTTP said: a job whose interaction, start or result is seen
   was executed, even if the POST timed out or was answered with an error.
4. A result is accepted in every state but ``done`` and ``rejected``: what was paid for is delivered,
   however late.
5. What was made elsewhere begins with its result, and is never sent.
6. ``step`` is pure: no clock, no random number, no I/O. Every effect can be derived again from the loaded
   job, so that recovery is one more event (``Restarted``) and not a second code path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch import events as ev
from mjwatch.jobs import cancellation, delivery, transitions
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Mapping


class IllegalEventError(Exception):
    """The event can't happen to a job in this state. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One entry of the table: the handler, and the states to which it may lead (none: the state stays)."""

    handler: transitions.Handler
    to: tuple[State, ...] = ()


def step(
    job: Job, event: ev.JobEvent, now: float, timeouts: transitions.Timeouts = transitions.DEFAULT_TIMEOUTS
) -> transitions.Transition:
    """Return the job after this event, and the effects to carry out once the job is in the journal."""
    entry = TABLE[job.state].get(type(event))
    if entry is None:
        raise IllegalEventError(f"{type(event).__name__} can't happen to {job!r}")
    return entry.handler(job, event, now, timeouts)


def _ignore(*kinds: type[ev.JobEvent]) -> dict[type[ev.JobEvent], TableEntry]:
    return {kind: TableEntry(transitions.ignore) for kind in kinds}


_SIGNS_OF_LIFE: dict[type[ev.JobEvent], TableEntry] = {
    ev.InteractionSeen: TableEntry(transitions.interaction_seen, (State.SUBMITTED,)),
    ev.QueuedByBot: TableEntry(transitions.queued_by_bot, (State.SUBMITTED,)),
    ev.Started: TableEntry(transitions.start, (State.RUNNING,)),
    ev.Progressed: TableEntry(transitions.progress, (State.RUNNING,)),
    ev.Finished: TableEntry(delivery.finish, (State.COLLECTING,)),
    ev.ModalOpened: TableEntry(transitions.open_form, (State.QUEUED, State.CANCELLED)),
}
_NOT_EXECUTED = (State.QUEUED, State.CANCELLED)
"""Where a job goes that was not executed: it is sent again, unless a person requested its cancellation."""

_WITHOUT_FORM = (*_NOT_EXECUTED, State.FAILED)
"""Where a follow-up goes whose button opens a form that did not appear: nothing runs without the form."""

_LATE_UPLOADS = _ignore(ev.Uploaded, ev.UploadFailed)
"""Events of an upload whose job was cancelled meanwhile, or turned out to have been sent before."""

_LATE_RESULTS = _ignore(ev.Published, ev.SaveFailed, ev.CancelPressed)
"""Late events: the result of publishing a failure that was retried meanwhile, or of a press that no longer
matters."""
_LATE_EVENTS = _ignore(
    ev.StartDisputed,
    *(ev.Accepted, ev.NotSent, ev.OutcomeUnknown, ev.Refused, ev.InteractionSeen, ev.InteractionFailed),
    *(ev.QueuedByBot, ev.Started, ev.Progressed, ev.StartMessageDeleted),
    *(ev.Uploaded, ev.UploadFailed, ev.ModalOpened, ev.CancelPressed),
)
_ENDED: dict[type[ev.JobEvent], TableEntry] = {
    **_LATE_UPLOADS,
    ev.Published: TableEntry(delivery.publish_failure),
    ev.SaveFailed: TableEntry(delivery.failure_not_saved),
    ev.TimedOut: TableEntry(delivery.publish_failure_again),
    ev.Restarted: TableEntry(delivery.publish_failure_again),
    ev.CancelRequested: TableEntry(transitions.ignore),
}

TABLE: Mapping[State, Mapping[type[ev.JobEvent], TableEntry]] = {
    State.QUEUED: {
        ev.AttemptStarted: TableEntry(transitions.start_attempt, (State.SUBMITTING,)),
        ev.CancelRequested: TableEntry(cancellation.cancel, (State.CANCELLED,)),
        ev.Uploaded: TableEntry(transitions.upload_done),
        ev.UploadFailed: TableEntry(transitions.upload_failed, (State.FAILED,)),
        **_SIGNS_OF_LIFE,  # an earlier attempt turns out to have been executed
        **_LATE_RESULTS,
        ev.Imported: TableEntry(delivery.take_over, (State.COLLECTING,)),  # a new job, before it is stored
        ev.ModalOpened: TableEntry(transitions.open_form),
        ev.Restarted: TableEntry(transitions.forget_form),
        **_ignore(
            ev.Accepted,
            ev.NotSent,
            ev.Refused,
            ev.OutcomeUnknown,
            ev.StartMessageDeleted,
            ev.StartDisputed,
            ev.TimedOut,
            ev.RetryRequested,
        ),
        ev.InteractionFailed: TableEntry(transitions.was_executed, (State.IN_DOUBT,)),
    },
    State.SUBMITTING: {
        **_SIGNS_OF_LIFE,
        **_LATE_RESULTS,
        **_LATE_UPLOADS,
        ev.InteractionSeen: TableEntry(transitions.interaction_seen),
        ev.Accepted: TableEntry(transitions.accept, (State.SUBMITTED,)),
        ev.NotSent: TableEntry(transitions.not_sent, (State.SUBMITTED, *_NOT_EXECUTED)),
        ev.OutcomeUnknown: TableEntry(
            transitions.outcome_unknown, (State.SUBMITTED, State.IN_DOUBT, *_WITHOUT_FORM)
        ),
        ev.InteractionFailed: TableEntry(transitions.doubt, (State.IN_DOUBT, *_WITHOUT_FORM)),
        ev.Refused: TableEntry(transitions.refuse, (State.SUBMITTED, *_NOT_EXECUTED, State.FAILED)),
        ev.CancelRequested: TableEntry(cancellation.request_cancel),
        ev.Restarted: TableEntry(
            transitions.restarted_while_sending, (State.SUBMITTED, State.IN_DOUBT, *_WITHOUT_FORM)
        ),
        **_ignore(ev.StartMessageDeleted, ev.StartDisputed, ev.TimedOut, ev.RetryRequested),
    },
    State.SUBMITTED: {
        **_SIGNS_OF_LIFE,
        **_LATE_RESULTS,
        **_LATE_UPLOADS,
        ev.InteractionSeen: TableEntry(transitions.interaction_seen),
        ev.QueuedByBot: TableEntry(transitions.queued_by_bot),
        ev.InteractionFailed: TableEntry(transitions.doubt, (State.IN_DOUBT, *_WITHOUT_FORM)),
        ev.Refused: TableEntry(cancellation.refused, (*_NOT_EXECUTED, State.FAILED)),
        ev.TimedOut: TableEntry(transitions.submitted_too_long, (State.IN_DOUBT, *_WITHOUT_FORM)),
        ev.CancelRequested: TableEntry(cancellation.request_cancel, (State.CANCELLED,)),
        **_ignore(
            ev.Accepted,
            ev.NotSent,
            ev.OutcomeUnknown,
            ev.StartMessageDeleted,
            ev.StartDisputed,
            ev.RetryRequested,
            ev.Restarted,
        ),
    },
    State.RUNNING: {
        **_LATE_RESULTS,
        **_LATE_UPLOADS,
        **_ignore(ev.ModalOpened),
        ev.InteractionSeen: TableEntry(transitions.interaction_seen),
        ev.Started: TableEntry(transitions.start),
        ev.Progressed: TableEntry(transitions.progress),
        ev.Finished: TableEntry(delivery.finish, (State.COLLECTING,)),
        ev.Refused: TableEntry(cancellation.refused, (State.FAILED, State.CANCELLED)),
        ev.StartMessageDeleted: TableEntry(transitions.start_deleted),
        ev.StartDisputed: TableEntry(transitions.start_disputed, (State.SUBMITTED,)),
        ev.TimedOut: TableEntry(cancellation.timed_out, (State.IN_DOUBT, State.FAILED, State.CANCELLED)),
        ev.CancelRequested: TableEntry(cancellation.request_cancel, (State.CANCELLED,)),
        ev.CancelStarted: TableEntry(cancellation.start_press),
        ev.CancelPressed: TableEntry(cancellation.press_answered),
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
        **_LATE_EVENTS,
        ev.Published: TableEntry(delivery.publish_result, (State.DONE,)),
        ev.SaveFailed: TableEntry(delivery.save_failed, (State.FAILED,)),
        ev.TimedOut: TableEntry(delivery.fetch_again),
        ev.CancelRequested: TableEntry(cancellation.cancel_too_late),
        ev.RetryRequested: TableEntry(delivery.fetch_now),
        ev.Restarted: TableEntry(delivery.fetch_again),
        **_ignore(ev.Finished),
    },
    State.IN_DOUBT: {
        **_SIGNS_OF_LIFE,
        **_LATE_RESULTS,
        **_LATE_UPLOADS,
        ev.Refused: TableEntry(transitions.refuse, (State.QUEUED, State.FAILED)),
        ev.ModalOpened: TableEntry(transitions.open_form, (State.QUEUED,)),
        ev.CancelRequested: TableEntry(cancellation.cancel, (State.CANCELLED,)),
        ev.RetryRequested: TableEntry(delivery.retry, (State.QUEUED,)),
        ev.ConfirmedNotExecuted: TableEntry(transitions.confirmed_not_executed, (State.QUEUED,)),
        ev.Accepted: TableEntry(transitions.accept, (State.SUBMITTED,)),
        ev.StartDisputed: TableEntry(transitions.start_disputed),
        ev.InteractionFailed: TableEntry(transitions.was_executed),
        **_ignore(ev.NotSent, ev.OutcomeUnknown, ev.StartMessageDeleted, ev.TimedOut, ev.Restarted),
    },
    State.FAILED: {
        **_LATE_EVENTS,
        **_ENDED,
        ev.Started: TableEntry(transitions.started_after_end),
        ev.Finished: TableEntry(delivery.finish, (State.COLLECTING,)),
        ev.RetryRequested: TableEntry(delivery.retry, (State.QUEUED, State.COLLECTING)),
    },
    State.CANCELLED: {
        **_LATE_EVENTS,
        **_ENDED,
        ev.Started: TableEntry(transitions.started_after_end),
        ev.Finished: TableEntry(delivery.finish, (State.COLLECTING,)),
        ev.RetryRequested: TableEntry(delivery.retry, (State.QUEUED,)),
    },
    State.REJECTED: {**_ENDED, ev.RetryRequested: TableEntry(transitions.ignore)},
    State.DONE: {
        **_LATE_EVENTS,
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
