"""Results whose job is known: one of ours, also if it is closed, or a foreign one. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mjwatch.midjourney.matching.evidence import FINALS, could_be_about, expected_of
from mjwatch.midjourney.matching.foreign_jobs import WAITING
from mjwatch.midjourney.parsing.parsed_message import Action, MessageKind, ParsedMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.midjourney.matching.foreign_jobs import ForeignJobs
    from mjwatch.model import Job


class KnownResults:
    """What is known of results. ``owner_of`` as in MessageTracker."""

    def __init__(self, owner_of: Callable[..., str | None], foreign_jobs: ForeignJobs) -> None:
        self._owner_of = owner_of
        self._foreign_jobs = foreign_jobs

    def closed_owner(self, message: ParsedMessage, jobs: Mapping[str, Job]) -> str | None:
        """Return the job that has this result already, or that had ended before the result came."""
        if message.kind not in FINALS:
            return None
        owner = self._owner_of(job_uuid=None, message_id=message.message_id, start_id=None)
        if owner is None:
            owner = self._owner_of(job_uuid=message.job_uuid, message_id=None, start_id=message.reply_to)
            if owner is not None and any(_shows_again(owner, message, job) for job in jobs.values()):
                return None
        return None if owner in jobs else owner

    def ended_before_start(self, message: ParsedMessage, jobs: Mapping[str, Job]) -> str | None:
        """Return the closed job whose attempt this start names: its result replies to it, and is paid for."""
        if message.kind is not MessageKind.STARTED or message.nonce is None:
            return None
        owner = self._owner_of(job_uuid=None, message_id=None, start_id=None, nonce=message.nonce)
        return owner if owner and owner not in jobs else None  # "": a submission that was no job's

    def completed(self, message: ParsedMessage, jobs: Mapping[str, Job]) -> ParsedMessage:
        """Return the message with its action: an unlabelled reply to a known finished picture is a reroll."""
        if message.reply_to is None or message.action not in {None, Action.IMAGINE, Action.BLEND}:
            return message
        if message.kind not in FINALS or not self._is_result(message.reply_to, jobs):
            return message
        return replace(message, action=Action.REROLL)

    def _is_result(self, message_id: str, jobs: Mapping[str, Job]) -> bool:
        if any(job.result is not None and job.result.message_id == message_id for job in jobs.values()):
            return True
        if self._foreign_jobs.is_result(message_id):
            return True
        return self._owner_of(job_uuid=None, message_id=message_id, start_id=None) is not None


def _shows_again(owner: str, message: ParsedMessage, job: Job) -> bool:
    """Return whether this job waits for another message with an ended job's uuid, for example by /show."""
    if job.state not in WAITING:
        return False
    if expected_of(job).job_uuid is not None:
        return expected_of(job).job_uuid == message.job_uuid
    return job.parent == owner and could_be_about(message, job)
