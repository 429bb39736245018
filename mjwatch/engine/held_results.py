"""Results that may belong to more than one job: kept until a person or a later message settles them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mjwatch.journal.requests import Outcome
from mjwatch.model import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch import events as ev
    from mjwatch.engine.job_table import JobTable
    from mjwatch.engine.service_state import ServiceState
    from mjwatch.midjourney.channel import Channel
    from mjwatch.model import Job

log = logging.getLogger("mjwatch")


class HeldResultKeeper:
    """Has such results stored; carries out ``assign`` and ``dismiss``. Only the loop's thread calls it."""

    def __init__(self, channel: Channel, service: ServiceState, table: JobTable) -> None:
        self._channel = channel
        self._service = service
        self._table = table

    def keep(self) -> None:
        """Have the journal keep what is held, so that a person can see and settle it at once."""
        for held in self._channel.tracker.held.take_new():
            jobs = " or ".join(held.candidates)
            message = "a result may be of job %s: %s; see `mjwatch status`"
            log.warning(message, jobs, held.link, extra={"job": held.candidates})
        if self._channel.is_unstored:
            self._service.store_position()

    def assign(self, job: Job, message_id: str, payload: Mapping[str, Any] | None) -> Outcome:
        """Give a result to a job. ``payload``: the message from the history, needed if it is not held."""
        if job.result is not None and job.result.message_id == message_id:
            return Outcome(job.id, True, f"message {message_id} is its result")
        event = _cannot_assign(job) or self._event(message_id, payload, job)
        if isinstance(event, str):
            return Outcome(job.id, False, f"message {message_id} can't be assigned: {event}")
        log.info("%s a person assigned message %s to it", job.id, message_id, extra={"job": job.id})
        self._table.step(job.id, event)
        self._channel.tracker.held.remove(message_id)
        self._settled()
        when = "" if self._channel.stream.is_open else " as soon as Discord can be reached"
        return Outcome(
            job.id, True, f"message {message_id} is its result now; its pictures are fetched{when}"
        )

    def dismiss(self, message_id: str) -> Outcome:
        """Note that a held result is no job's."""
        tracker = self._channel.tracker
        held = tracker.held.get(message_id)
        if held is None:
            return self._not_held(message_id)
        log.info("a person dismissed message %s: it is no job's result", message_id)
        tracker.held.dismiss(held.message)
        self._settled()
        jobs = [self._table.open[job_id] for job_id in held.candidates if job_id in self._table.open]
        doubtful = [job.id for job in jobs if job.state is State.IN_DOUBT]
        more = f"; still in doubt: {', '.join(doubtful)}" if doubtful else ""
        return Outcome(None, True, f"message {message_id} is dismissed: it is no job's result{more}")

    def _not_held(self, message_id: str) -> Outcome:
        tracker = self._channel.tracker
        if tracker.foreign_jobs.is_result(message_id):
            return Outcome(None, True, f"message {message_id} is known to be no job's result")
        owner = tracker.held.owner(message_id)
        what = "is not held" if owner is None else f"is the result of job {owner}"
        return Outcome(None, False, f"message {message_id} {what}, so there is nothing to dismiss")

    def _event(self, message_id: str, payload: Mapping[str, Any] | None, job: Job) -> ev.JobEvent | str:
        """Return the event of this message for the job, or why there is none."""
        tracker = self._channel.tracker
        held = tracker.held.get(message_id)
        if held is not None:
            return tracker.by_person(held.message, job)
        owner = tracker.held.owner(message_id)
        if owner is not None:
            return f"it is the result of job {owner}"
        message = None if payload is None else tracker.read(payload, self._table.open)
        if message is None or message.message_id != message_id:
            return "it is not held, and it could not be read in the channel"
        return tracker.by_person(message, job)

    def _settled(self) -> None:
        """Store what is held now, and see whether that makes other results clear."""
        self._table.match_again()
        self._service.store_position()


def _cannot_assign(job: Job) -> str | None:
    """Return why this job can't get a result, or None."""
    if job.result is not None:
        return f"the job has its result already, message {job.result.message_id}"
    return None if job.nonces else "the job was never sent"
