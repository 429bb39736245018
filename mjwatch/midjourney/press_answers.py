"""What messages say to a pressed Cancel Job. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch import events as ev
from mjwatch.midjourney.matching.evidence import FINALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.midjourney.job_events import JobEvents
    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage
    from mjwatch.model import Job


class PressAnswers:
    """The separate messages that answer a press, by their ids: later parts of one may lack the nonce.

    Those of closed jobs are forgotten at the next one.
    """

    def __init__(self) -> None:
        self._job_of: dict[str, str] = {}

    def read(self, message: ParsedMessage, jobs: Mapping[str, Job]) -> JobEvents | None:
        """Return what a separate message says to a pressed Cancel Job, or None for any other message."""
        message_id = message.message_id or ""
        for job in jobs.values() if message.nonce is not None else ():
            is_answer = job.cancel_request is not None and job.cancel_request.nonce == message.nonce
            if is_answer and message_id != job.message_id and message.kind not in FINALS:
                self._job_of = {known: owner for known, owner in self._job_of.items() if owner in jobs}
                self._job_of[message_id] = job.id
        job_id = self._job_of.get(message_id)
        if job_id not in jobs:
            return None
        if message.error is None:
            return []
        if message.error.stopped:
            return [(job_id, ev.Refused(message.error))]
        again = 0.0 if message.error.needs_human else None
        return [(job_id, ev.CancelPressed(message.error.title or message.error.detail, message.error, again))]
