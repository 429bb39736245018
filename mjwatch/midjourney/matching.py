"""Which job a message of the bot belongs to: by ids where there are any, never by a guess.

The order of evidence, and why it is this one:

- **nonce**: ours, echoed on the interaction's events and on the first answer (recorded 2023-03, 2024-12).
- **message**: a change or the deletion of the start message.
- **reference**: the final replies to the start message (recorded 2026-06).
- **job uuid**: in a preview's file name, later in the final's buttons (recorded 2023-09 to 2026-06).
- **interaction**: the id that the gateway gave our nonce.
- **text**: the prompt as echoed, and only for the one job that nothing else could own.

An id that both sides know and that differs is a veto, whatever else agrees. A final's nonce is no veto: since
2025 finals may carry one that is not the client's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mjwatch.midjourney.echo import could_be_same, normalise
from mjwatch.midjourney.reading import Action, Kind, Reading
from mjwatch.midjourney.strangers import WAITING, Strangers
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

_FINALS = frozenset({Kind.RESULT, Kind.SINGLE, Kind.VIDEO})
_IN_HISTORY = frozenset({Kind.RESULT, Kind.STARTED, Kind.PROGRESS})
_BETWEEN_ATTEMPTS = frozenset({State.QUEUED, State.IN_DOUBT})
_OWN_ACTIONS = frozenset({None, Action.IMAGINE, Action.BLEND})
"""Blend too: a final whose prompt is nothing but links reads as one, also when it was an imagine."""


@dataclass(frozen=True, slots=True)
class Match:
    """The job that it is, and by which evidence."""

    job_id: str
    by: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """More than one could own it, or the ids disagree: hold it until more is known."""

    why: str


def match(
    reading: Reading, jobs: Iterable[Job], strangers: Strangers, me: str | None = None
) -> Match | Unclear | None:
    """The job that this message is about; Unclear to hold it; None when it is nobody's of ours.

    ``me`` is the id of the account that sends: what names somebody else in its mention is not ours.
    """
    if me is not None and any(who not in {None, me} for who in (reading.user_id, reading.invoker_id)):
        return None
    agreeing: dict[str, str] = {}
    possible: list[Job] = []
    for job in jobs:
        evidence = _compare(reading, job)
        if any(not agrees for _, agrees in evidence):
            continue
        if evidence:
            agreeing[job.id] = evidence[0][0]
        possible.append(job)
    if len(agreeing) == 1:
        return Match(*next(iter(agreeing.items())))
    if agreeing:
        return Unclear(f"its ids point to {len(agreeing)} jobs: {', '.join(sorted(agreeing))}")
    if reading.kind in _FINALS and strangers.end(reading):
        return None
    return _by_text(reading, possible, strangers)


def match_history(
    readings: Sequence[Reading],
    jobs: Sequence[Job],
    strangers: Strangers,
    me: str | None = None,
    *,
    by_text: Container[str] | None = None,
    newest: str | None = None,
) -> list[tuple[Match, Reading]]:
    """Match what was read from the channel's history, where no nonce is and strangers' starts may be gone.

    By ids as ever. By text only where, of all the bot's jobs that no id gives to anybody, exactly one fits
    exactly one of ours; ``by_text`` are the ids of the jobs that may be found so (None: all). What is newer
    than ``newest``, the newest message of which was known before, tells of strangers too.
    """
    found: list[tuple[Match, Reading]] = []
    owned: set[str] = set()
    rest: list[Reading] = []
    for reading in readings:
        by_ids = match(replace(reading, prompt=None), jobs, strangers, me)
        if isinstance(by_ids, Match):
            found.append((by_ids, reading))
            owned.add(by_ids.job_id)
        elif _may_be_ours(reading, me) and not (reading.kind in _FINALS and strangers.own(reading)):
            rest.append(reading)
    rest = _by_bot_job(rest)
    left = [job for job in jobs if job.id not in owned and (by_text is None or job.id in by_text)]
    found += _one_to_one(rest, left, strangers)
    _learn([reading for reading in rest if not _not_newer(reading.message_id, newest)], jobs, strangers)
    return found


def _may_be_ours(reading: Reading, me: str | None) -> bool:
    return reading.kind in _IN_HISTORY and (me is None or reading.user_id in {None, me})


def _learn(readings: Sequence[Reading], jobs: Sequence[Job], strangers: Strangers) -> None:
    """Strangers that began in a gap, or ended in it; what may be ours by its text tells nothing."""
    for reading in readings:
        if any(_text_fits(reading, job) for job in jobs):
            continue
        if reading.kind is Kind.RESULT:
            strangers.end_by_text(reading)
        else:
            strangers.note(reading)


def _by_bot_job(readings: Sequence[Reading]) -> list[Reading]:
    """One reading for each job of the bot's: of a start message and its own final the final counts."""
    finals = [reading for reading in readings if reading.kind is Kind.RESULT]
    ended = {reading.reply_to for reading in finals} | {reading.job_uuid for reading in finals}
    ended.discard(None)
    starts = (reading for reading in readings if reading.kind is not Kind.RESULT)
    return finals + [start for start in starts if not {start.message_id, start.job_uuid} & ended]


def _one_to_one(
    readings: Sequence[Reading], jobs: Sequence[Job], strangers: Strangers
) -> list[tuple[Match, Reading]]:
    fits = {job.id: [reading for reading in readings if _text_fits(reading, job)] for job in jobs}
    found = []
    for job_id, fitting in fits.items():
        rivals = [other for other in fits.values() if any(reading in other for reading in fitting)]
        if len(fitting) == 1 and len(rivals) == 1 and not strangers.could_own(fitting[0]):
            found.append((Match(job_id, "text"), fitting[0]))
    return found


def _text_fits(reading: Reading, job: Job) -> bool:
    return (
        job.state in WAITING
        and all(agrees for _, agrees in _compare(reading, job))
        and (reading.kind is Kind.RESULT or job.message_id is None)
        and could_be_same(job.prompt.text, reading.prompt or "")
    )


def _compare(reading: Reading, job: Job) -> list[tuple[str, bool]]:
    """Every id that both sides know, and whether it agrees; the strongest first."""
    final = reading.kind in _FINALS
    evidence = [
        ("nonce", _nonce(reading, job, final)),
        ("message", _message(reading, job)),
        ("reference", _reference(reading, job)),
        ("job uuid", _same(reading.job_uuid, job.job_uuid)),
        ("interaction", _same(reading.interaction_id, job.interaction_id)),
        ("place", _plausible(reading, job, final)),
    ]
    return [(by, agrees) for by, agrees in evidence if agrees is not None]


def _same(one: str | None, other: str | None) -> bool | None:
    return None if one is None or other is None else one == other


def _nonce(reading: Reading, job: Job, final: bool) -> bool | None:
    if reading.nonce is None or not job.nonces:
        return None
    if reading.nonce == job.nonce or (reading.nonce in job.nonces and job.state in _BETWEEN_ATTEMPTS):
        return True
    # An earlier attempt that shows up beside the present one is another job of Midjourney's.
    return None if final and reading.nonce not in job.nonces else False


def _message(reading: Reading, job: Job) -> bool | None:
    if job.message_id is None:
        return None
    if job.message_id == reading.message_id or job.message_id in reading.deleted_ids:
        return True
    return False if reading.kind in {Kind.PROGRESS, Kind.DELETED} else None


def _reference(reading: Reading, job: Job) -> bool | None:
    if reading.reply_to is None or reading.kind in {Kind.STARTED, Kind.PROGRESS}:
        return None
    if job.message_id is not None:
        return reading.reply_to == job.message_id
    # What it replies to is older than the job: a reroll of an old grid, say.
    return False if _not_newer(reading.reply_to, job.anchor) else None


def _plausible(reading: Reading, job: Job, final: bool) -> bool | None:
    """False where the message can't be about a job of this kind, or is older than it."""
    wrong_kind = reading.action not in _OWN_ACTIONS or (final and reading.kind is not Kind.RESULT)
    too_old = reading.kind is not Kind.DELETED and _not_newer(reading.message_id, job.anchor)
    return False if wrong_kind or too_old else None


def _not_newer(message_id: str | None, anchor: str | None) -> bool:
    if message_id is None or anchor is None:
        return False
    return message_id.isdecimal() and anchor.isdecimal() and int(message_id) <= int(anchor)


def _by_text(reading: Reading, possible: list[Job], strangers: Strangers) -> Match | Unclear | None:
    if reading.prompt is None or not _may_go_by_text(reading):
        return None
    fitting = _fitting(reading.prompt, [job for job in possible if _is_waiting_for(reading, job)])
    if not fitting:
        if reading.kind is Kind.RESULT:
            strangers.end_by_text(reading)
        return None
    if len(fitting) > 1:
        return Unclear(f"{len(fitting)} jobs have this prompt")
    if strangers.could_own(reading):
        return Unclear("somebody else's job in this channel has this prompt")
    return Match(fitting[0].id, "text")


def _fitting(prompt: str, jobs: list[Job]) -> list[Job]:
    """The jobs with this prompt; only if none has it whole, those of which the echo may be cut off."""
    equal = [job for job in jobs if normalise(job.prompt.text) == normalise(prompt)]
    return equal or [job for job in jobs if could_be_same(job.prompt.text, prompt)]


def _may_go_by_text(reading: Reading) -> bool:
    if reading.kind is Kind.RESULT:
        return True
    # A start or a refusal that carries a nonce or an interaction names its owner, and none of ours is it.
    nameless = reading.nonce is None and reading.interaction_id is None
    return nameless and reading.kind in {Kind.STARTED, Kind.REFUSED, Kind.QUEUED}


def _is_waiting_for(reading: Reading, job: Job) -> bool:
    if job.state not in WAITING:
        return False
    if reading.kind is Kind.STARTED:
        # The start of a job that the bot had let wait has no nonce; a start that is ours otherwise has.
        return job.message_id is None and (job.held_by_bot or job.state is State.IN_DOUBT)
    return reading.kind is Kind.RESULT or job.message_id is None
