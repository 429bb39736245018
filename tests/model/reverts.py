"""Fixes that can be taken back, to see that the random histories find what they fixed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from mjwatch import events as ev
from mjwatch.discord.stream_position import StreamPosition
from mjwatch.midjourney import job_events, tracker
from mjwatch.midjourney.channel import Channel
from mjwatch.midjourney.matching import evidence, foreign_jobs, matcher, similarity
from mjwatch.midjourney.matching.by_looks import StartsByLooks
from mjwatch.midjourney.matching.evidence import not_newer
from mjwatch.midjourney.matching.known_results import KnownResults
from mjwatch.midjourney.matching.news import ShownMessages
from mjwatch.midjourney.parsing.parsed_message import MessageKind
from mjwatch.midjourney.tracker import MessageTracker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.model import Job

_note = foreign_jobs.ForeignJobs.note


def _note_no_queue(self: foreign_jobs.ForeignJobs, message: Any, *arguments: Any, **named: Any) -> None:
    if message.kind is not MessageKind.QUEUED:
        _note(self, message, *arguments, **named)


def _same_id(self: StreamPosition, session_id: str | None, generation: int) -> bool:
    return session_id is not None and session_id == self.session_id


def _tells_apart(self: Channel, job: Job) -> bool:
    return job.job_uuid is not None or (self.tracker.references_seen and job.message_id is not None)


_attempt_ends = Channel.attempt_ends


def _attempt_ends_with_its_job(self: Channel, job: Job, after: Job, event: ev.JobEvent) -> None:
    if not isinstance(event, ev.RetryRequested):
        _attempt_ends(self, job, after, event)


REVERTS: dict[str, tuple[Any, str, Any]] = {
    "parameters": (similarity, "_parameters_differ", lambda left, right: False),
    "older": (evidence, "_older_than", lambda message_id, job: not_newer(message_id, job.anchor)),
    "queue": (foreign_jobs.ForeignJobs, "note", _note_no_queue),
    "rivals": (MessageTracker, "_is_settled", lambda *_: True),
    "dispute": (StartsByLooks, "disputed_by", lambda *_: []),
    "duplicates": (Channel, "tells_apart", _tells_apart),
    "lost session": (Channel, "_has_lost_session", lambda self, job: True),
    "own start": (matcher, "_update", lambda waiting, job_id, _: waiting.pop(job_id, None)),
    "generation": (StreamPosition, "is_present", _same_id),
    "news": (ShownMessages, "has_news", lambda *_: True),
    "wrong start": (tracker, "wrong_starts", lambda message, jobs: []),
    "given up": (Channel, "attempt_ends", _attempt_ends_with_its_job),
    "stored": (Channel, "is_unstored", False),
    "hidden start": (StartsByLooks, "may_have_missed_start", lambda *_: False),
    "unnamed refusal": (job_events, "_refused", lambda refusal, job, found: [ev.Refused(refusal)]),
    "late start": (KnownResults, "ended_before_start", lambda *_: None),
    "earlier attempt": (
        evidence,
        "_may_be_earlier_attempt",
        lambda job: job.state in evidence._BETWEEN_ATTEMPTS,
    ),
}
"""By name: what is replaced in which module or class, and by what."""

FOUND_BY = {
    "parameters": 254,
    "older": 1516,
    "queue": 206,
    "rivals": 916,
    "dispute": 583,
    "duplicates": 260,
    "lost session": 227,
    "own start": 151,
    "generation": 281,
    "news": 40,
    "wrong start": 1151,
    "given up": 716,
    "stored": 1305,
    "hidden start": 18858,
    "unnamed refusal": 116,
    "late start": 557,
    "earlier attempt": 1329,
}
"""The seed of a history that breaks a promise without the fix, and keeps all of them with it.

``python -m tests.model.run --first --without FIX`` finds others: any change of the model or of matching may
change the seeds.
"""


@contextmanager
def without(name: str) -> Iterator[None]:
    """Take a fix back for a while."""
    holder, attribute, replacement = REVERTS[name]
    with patch.object(holder, attribute, replacement):
        yield
