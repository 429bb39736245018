"""Which finished pictures in the channel this account has made by hand, or before mjwatch. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from mjwatch.midjourney.matching.evidence import FINALS, compare, could_be_about
from mjwatch.model import IN_FLIGHT, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage
    from mjwatch.midjourney.tracker import MessageTracker
    from mjwatch.model import Job


class ImportVerdict(StrEnum):
    """Whose a finished picture is, and whether it is to be imported."""

    NEW = "new"
    """This account's, and no job has it yet."""
    KNOWN = "known"
    """A job has it, or had it before it was pruned."""
    UNCLEAR = "unclear"
    """It may be the result of a job that still waits for one."""
    OTHERS = "others"
    """Another person's."""
    UNPROVEN = "unproven"
    """Nothing in the message says whose it is."""


class PictureJudge:
    """Judges the channel's messages by what the tracker, the jobs and the journal know.

    ``has_result(message_id, job_uuid)``: whether a job has or had this result. ``owner_of`` as in the
    tracker.
    """

    def __init__(
        self,
        tracker: MessageTracker,
        has_result: Callable[[str | None, str | None], bool],
        owner_of: Callable[..., str | None],
    ) -> None:
        self._tracker = tracker
        self._has_result = has_result
        self._owner_of = owner_of

    def judge(self, message: ParsedMessage, jobs: Mapping[str, Job]) -> ImportVerdict | None:
        """Return the verdict on a message; None if it shows no finished picture. ``jobs``: the open ones."""
        if message.kind not in FINALS or message.message_id is None:
            return None
        whose = {message.user_id, message.invoker_id} - {None}
        if whose != {self._tracker.me}:
            return ImportVerdict.OTHERS if whose else ImportVerdict.UNPROVEN
        if self._has_result(message.message_id, message.job_uuid) or self._replies_to_own_start(message):
            return ImportVerdict.KNOWN
        return ImportVerdict.UNCLEAR if self._may_be_awaited(message, jobs) else ImportVerdict.NEW

    def _replies_to_own_start(self, message: ParsedMessage) -> bool:
        """Return whether it replies to the start of a job of ours that is not itself a finished picture."""
        owner = self._owner_of(job_uuid=None, message_id=None, start_id=message.reply_to)
        return owner is not None and not self._has_result(message.reply_to, None)

    def _may_be_awaited(self, message: ParsedMessage, jobs: Mapping[str, Job]) -> bool:
        tracker, message_id = self._tracker, message.message_id
        kept = (kept.message.message_id for kept in (*tracker.unmatched, *tracker.held))
        if message_id in kept:
            return True
        if message_id is not None and tracker.foreign_jobs.is_nobodys_result(message_id):
            return False  # the matching has decided so
        if message_id is not None and tracker.foreign_jobs.is_result(message_id):
            return True  # of an attempt of ours whose job has no result
        if tracker.foreign_jobs.possible_owners(message):
            return True
        return any(_may_await(job, message) for job in jobs.values())


def _may_await(job: Job, message: ParsedMessage) -> bool:
    """Return whether this may be the result of a job of ours that was sent and has none."""
    is_sent = job.state in IN_FLIGHT or job.state is State.IN_DOUBT or (job.nonces and job.result is None)
    evidence = compare(message, job) if is_sent else [("state", False)]
    return all(agrees for _, agrees in evidence) and (bool(evidence) or could_be_about(message, job))
