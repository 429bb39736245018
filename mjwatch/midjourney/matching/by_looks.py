"""What is matched only by its looks: what it proves, and what takes it back. Pure.

- A match by looks counts only while no kept message of another job of the bot fits, too.
- A start by looks is in dispute once another start, or another job's final, would fit its job without it.
- Then each may be a foreign job's: results that fit are held until a person says which is whose.
- An id that says whose the other message is ends that: if it is the job's own, the start by looks is foreign.
- While a gap is unread, which may show another start, a start by looks proves no final to be its job's.
- A job whose start a gap may have hidden gets no final by looks: that of another job with the same prompt may
  be hidden there, too. Ids decide, or a person, or the search of the history once the job is overdue.
- What changes without having been created, although all is heard, is a job that has moved from its start to
  that message. Ours continues there by looks once its start is deleted, if no other job may be there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mjwatch.midjourney.matching.evidence import FINALS, expected_of, not_newer
from mjwatch.midjourney.matching.foreign_jobs import WAITING
from mjwatch.midjourney.matching.matcher import (
    fits,
    is_nameless_start,
    is_other_bot_job,
    is_same_bot_job,
    match,
    may_be_mine,
)
from mjwatch.midjourney.parsing.parsed_message import MessageKind

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from mjwatch.midjourney.matching.foreign_jobs import ForeignJobs
    from mjwatch.midjourney.matching.known_results import KnownResults
    from mjwatch.midjourney.matching.matcher import Match
    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage
    from mjwatch.model import Job


class StartsByLooks:
    """Finds the starts by looks that a message disputes, and notes what may be a foreign job's."""

    def __init__(self, foreign_jobs: ForeignJobs, results: KnownResults) -> None:
        self._foreign_jobs = foreign_jobs
        self._results = results
        self.in_gap: set[str] = set()
        """The nonces of the jobs whose start a gap may have hidden."""
        self._moved: tuple[ParsedMessage, list[str]] | None = None

    def disputed_by(self, message: ParsedMessage, jobs: Mapping[str, Job], me: str | None) -> list[str]:
        """Return the jobs whose start was matched by looks, and that this message would fit without it.

        It is another start, or the final of another job of the bot.
        """
        is_moved = self._foreign_jobs.is_uncertain(message.reply_to)
        looks = [
            job
            for job in jobs.values()
            if (job.start_by_looks or (is_moved and job.start_deleted_at is not None))
            and job.message_id != message.message_id
        ]
        others = [job for job in looks if not fits(message, job) and fits(message, _without_start(job))]
        if not others or not may_be_mine(message, me) or self._is_known(message, jobs, me):
            return []
        for job in others:
            self._foreign_jobs.note(message, uncertain=True)
            start = replace(
                message, kind=MessageKind.STARTED, message_id=job.message_id, job_uuid=job.job_uuid
            )
            start = replace(start, reply_to=job.button_press.message_id if job.button_press else None)
            self._foreign_jobs.note(start, uncertain=True)
        return [job.id for job in others]

    def note_moved(self, message: ParsedMessage, jobs: Mapping[str, Job], me: str | None) -> None:
        """Note a running message whose creation was not heard: a job of ours may continue in it."""
        fitting = [job for job in jobs.values() if fits(message, _without_start(job))]
        if may_be_mine(message, me) and any(job.message_id is not None for job in fitting):
            self._foreign_jobs.note(message, uncertain=True)
            self._moved = message, [job.id for job in fitting]

    def moved_to(self, ours: Job) -> str | None:
        """Return the message in which our job, whose start is deleted, continues: no other job may be there.

        In a session that hears all, what changes without having been created is a job that has moved. Jobs
        that have ended since count, too: the message may be that of one of them.
        """
        if self._moved is None:
            return None
        moved, candidates = self._moved
        if candidates != [ours.id] or not_newer(moved.message_id, ours.message_id):
            return None
        if self._foreign_jobs.may_be_elsewhere(moved):
            return None
        self._foreign_jobs.forget_uncertain(moved.message_id)
        return moved.message_id

    def gap_ends(self, jobs: Iterable[Job]) -> None:
        """Note that a gap's history is read, in which the looks of a message prove nothing for these jobs."""
        self.in_gap = {job.nonce for job in jobs if job.state in WAITING and job.nonce is not None}

    def may_have_missed_start(self, message: ParsedMessage, job: Job) -> bool:
        """Return whether this is a final, and a gap may have hidden the job's start, and others with it.

        U1 to U4 need no start: whoever presses the button gets the same picture.
        """
        is_missing = job.message_id is None and not expected_of(job).names_picture
        return is_missing and message.kind in FINALS and job.nonce in self.in_gap

    def _is_known(self, message: ParsedMessage, jobs: Mapping[str, Job], me: str | None) -> bool:
        """Return whether an id says whose this start or final is."""
        foreign_jobs = self._foreign_jobs
        if foreign_jobs.has_start(message) or self._results.closed_owner(message, jobs) is not None:
            return True
        if message.kind in FINALS and foreign_jobs.has_final(message):
            return True
        return match(message, jobs.values(), foreign_jobs, me, ids_only=True) is not None

    def disprove(self, job: Job, message: ParsedMessage, found: Match) -> None:
        """Note the start that was matched by looks as a foreign job's if an id shows another start."""
        if not found.by_looks and job.message_id not in {None, message.message_id}:
            self._foreign_jobs.note(replace(message, message_id=job.message_id, job_uuid=job.job_uuid))


def has_rival(message: ParsedMessage, job: Job, kept: Iterable[ParsedMessage]) -> bool:
    """Return whether a kept message of another job of the bot fits this job, too."""
    fitting = [other for other in kept if fits(other, job)]
    rivals = [other for other in fitting if not is_same_bot_job(other, message)]
    if rivals == fitting and message.kind in FINALS:
        starts = [other for other in rivals if other.kind not in FINALS]
        if len(starts) == 1 and not is_other_bot_job(starts[0], message):
            rivals.remove(starts[0])  # the only start that may be this final's
    return bool(rivals)


def rests_on_looks(found: Match, message: ParsedMessage, job: Job) -> bool:
    """Return whether the ids that say whose this final is may come from a start by looks."""
    return message.kind in FINALS and job.start_by_looks and found.by != "nonce"


def wrong_starts(message: ParsedMessage, jobs: Iterable[Job]) -> list[str]:
    """Return the jobs whose start was matched by looks, and is this one: its ids say that it is no job's."""
    if message.kind is not MessageKind.STARTED or is_nameless_start(message):
        return []
    return [job.id for job in jobs if job.start_by_looks and job.message_id == message.message_id]


def without_starts(jobs: Mapping[str, Job], disputed: Container[str]) -> dict[str, Job]:
    """Return the jobs as they are once they know that their start may be another job's."""
    return {id_: _without_start(job) if id_ in disputed else job for id_, job in jobs.items()}


def _without_start(job: Job) -> Job:
    return replace(job, message_id=None, job_uuid=None, start_by_looks=False)
