"""What ids say about a message and a job: each that both sides know, and whether it agrees. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.discord.protocol import MIDJOURNEY_APPLICATION_ID
from mjwatch.midjourney.expected import FINALS, expected_of, speaks_of
from mjwatch.midjourney.reading import Kind, Reading
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from mjwatch.midjourney.expected import Expected

_BETWEEN_ATTEMPTS = frozenset({State.QUEUED, State.IN_DOUBT})
_AT_WORK = frozenset({Kind.STARTED, Kind.PROGRESS})


def compare(reading: Reading, job: Job) -> list[tuple[str, bool]]:
    """Every id that both sides know, and whether it agrees; the strongest first.

    ``place`` stands for all that is no id: what the message says, its age, and which bot it is from.
    """
    expected = expected_of(job)
    evidence = [
        ("nonce", _nonce(reading, job)),
        ("message", _message(reading, job)),
        ("reference", _reference(reading, job, expected)),
        ("job uuid", _same(reading.job_uuid, job.job_uuid or expected.job_uuid)),
        ("interaction", _same(reading.interaction_id, job.interaction_id)),
    ]
    known = [(by, agrees) for by, agrees in evidence if agrees is not None]
    sure = any(agrees and by in _own_ids(job) for by, agrees in known)
    fits = _in_place(reading, job) and (sure or speaks_of(reading, job, expected))
    return known if fits else [*known, ("place", False)]


def _own_ids(job: Job) -> tuple[str, ...]:
    """Ids that are this job's alone, so that a message with one is its own whatever it says.

    A prompt's uuid is not: what is made of its pictures by hand might go under it too.
    """
    return ("nonce", "message", "job uuid") if job.press is not None else ("nonce", "message")


def not_newer(message_id: str | None, anchor: str | None) -> bool:
    """Whether both are known and the message is not newer than the anchor."""
    if message_id is None or anchor is None:
        return False
    return message_id.isdecimal() and anchor.isdecimal() and int(message_id) <= int(anchor)


def _same(one: str | None, other: str | None) -> bool | None:
    return None if one is None or other is None else one == other


def _nonce(reading: Reading, job: Job) -> bool | None:
    if reading.nonce is None or not job.nonces:
        return None
    if reading.nonce == job.nonce or (reading.nonce in job.nonces and job.state in _BETWEEN_ATTEMPTS):
        return True
    if job.cancelling is not None and reading.nonce == job.cancelling.nonce:
        return None  # of the press that stops it
    # An earlier attempt that shows up beside the present one is another job of Midjourney's.
    return None if reading.kind in FINALS and reading.nonce not in job.nonces else False


def _message(reading: Reading, job: Job) -> bool | None:
    if job.message_id is None:
        return None
    if job.message_id == reading.message_id or job.message_id in reading.deleted_ids:
        return True
    return False if reading.kind in {Kind.PROGRESS, Kind.DELETED} else None


def _reference(reading: Reading, job: Job, expected: Expected) -> bool | None:
    if reading.reply_to is None or reading.kind in _AT_WORK:
        return None
    if expected.replies_to is not None:
        # That it replies to the pressed message is no id of this job's: its siblings' answers do so too.
        return None if reading.reply_to == expected.replies_to else reading.reply_to == job.message_id
    if job.message_id is not None and (reading.reply_to == job.message_id or expected.job_uuid is None):
        return reading.reply_to == job.message_id
    # What it replies to is older than the job: a reroll of an old grid, say.
    older = not_newer(reading.reply_to, job.anchor) and expected.job_uuid is None
    return False if older else None


def _in_place(reading: Reading, job: Job) -> bool:
    """False where the message is older than the job, or comes from another bot."""
    too_old = reading.kind is not Kind.DELETED and not_newer(reading.message_id, job.anchor)
    by_other_bot = job.prompt.application == "niji" and reading.author_id == MIDJOURNEY_APPLICATION_ID
    return not too_old and not by_other_bot
