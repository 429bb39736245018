"""From a prompt file to its jobs, and whether a file that comes again is a new request.

Pure: ids, the time and what was accepted before are arguments. Sync tools deliver files again, people copy
and touch them, and a kept file is seen again at every start. An accepted file is recognised by path and
content; paths are compared in NFC, because sync tools change how accents are composed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.jobs.followups import follow_up
from mjwatch.model import Job, Note, Prompt, Refusal, RefusalClass, Source, State
from mjwatch.prompts.source_text import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mjwatch.events import FileSettled


def make_jobs(
    file: FileSettled,
    now: float,
    new_id: Callable[[], str],
    job_of: Callable[[str], Job | None] = lambda job_id: None,
    children_of: Callable[[str], Sequence[Job]] = lambda job_id: (),
) -> list[Job]:
    """Return the jobs of a file, or one rejected job if the file can't be read as prompts.

    ``job_of`` returns a job by its id, and ``children_of`` its follow-ups so far; follow-ups need them.
    """
    source = Source(file.path, sha256(file.data), file.mtime)
    if file.error is not None:
        return [rejected(source, file.error, now, new_id())]
    jobs = [
        job_for(
            prompt,
            new_id(),
            now,
            Source(source.path, source.sha256, source.mtime, index),
            job_of,
            children_of,
        )
        for index, prompt in enumerate(file.prompts)
    ]
    return [with_notes(job, now, file.notes) for job in jobs]


def with_notes(job: Job, now: float, notes: Iterable[str]) -> Job:
    """Return a new job with notes on how its prompt was read, after the first entry of its history."""
    entries = (Note(now, f"note: {line}") for line in notes)
    return replace(job, history=(*job.history[:1], *entries, *job.history[1:]))


def job_for(
    prompt: Prompt,
    job_id: str,
    now: float,
    source: Source | None,
    job_of: Callable[[str], Job | None],
    children_of: Callable[[str], Sequence[Job]] = lambda job_id: (),
) -> Job:
    """Return the job of one prompt, or a rejected job if the prompt is a follow-up that is not possible.

    ``source`` None: a follow-up has the source of its parent.
    """
    if prompt.action is None:
        return Job(
            id=job_id,
            prompt=prompt,
            accepted=now,
            source=source,
            next_action_at=prompt.not_before,
            history=(Note(now, "accepted"),),
        )
    parent = job_of(prompt.parent or "")
    if parent is None:
        error = PromptFileError(f"there is no job {prompt.parent} for the follow-up {prompt.action}")
        refusal = Refusal(RefusalClass.USER, error.message, "", advice="`mjwatch list` shows all jobs.")
        return replace(rejected(source, error, now, job_id), prompt=prompt, refusal=refusal)
    return follow_up(parent, prompt, job_id, now, source, children_of(parent.id))


def rejected(source: Source | None, error: PromptFileError, now: float, job_id: str) -> Job:
    """Return the rejected job for a file or prompt that can't be used; its page in the outbox says why."""
    refusal = Refusal(RefusalClass.USER, error.message, error.hint)
    return Job(
        id=job_id,
        prompt=Prompt("", command=error.command),
        accepted=now,
        state=State.REJECTED,
        source=source,
        refusal=refusal,
        finished=now,
        history=(Note(now, "accepted"), Note(now, f"rejected: {error.message}")),
    )


DELIVERY_TOLERANCE = 2.0
"""Seconds by which the modification times of one delivery of a file may differ.

FAT stores them to two seconds, and sync tools copy them from the sender.
"""

HOUR = 3600.0
MOST_RUNS_PER_HOUR = 2
"""How often the same file is run within an hour; a loop that copies a file must not spend more."""

COPY_PATIENCE = 20.0
"""Seconds until a second copy of a kept file is a request.

A sync tool that moves a file removes the old copy last.
"""


@dataclass(frozen=True, slots=True)
class TakenBefore:
    """An accepted file: ``path`` as stored, ``mtime`` its modification time, ``at`` when it was accepted.

    ``kept``: the file stayed in the inbox. ``moved``: it was moved within the inbox, which made another
    record.
    """

    number: int
    path: str
    mtime: float
    at: float
    kept: bool = False
    moved: bool = False


class DeliveryKind(StrEnum):
    """What a settled file is."""

    NEW = "new"
    """A new request."""
    SAME = "same"
    """The same delivery again, or a file that was kept: no request."""
    MOVED = "moved"
    """A kept file that was moved to this path: no request."""
    COPY = "copy"
    """A second copy of a kept file: a request, unless the first copy disappears."""
    HELD = "held"
    """The same file too often within an hour: held for a person."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a file is.

    ``of``: the earlier records of this file, or of the file it was moved from. ``seconds``: time to wait.
    """

    kind: DeliveryKind
    of: tuple[TakenBefore, ...] = ()
    seconds: float = 0.0


NEW_DELIVERY = Delivery(DeliveryKind.NEW)


def classify_delivery(
    path: str,
    mtime: float,
    earlier: Sequence[TakenBefore],
    now: float,
    in_inbox: Callable[[str], bool] | None = None,
) -> Delivery:
    """Classify a file whose content was accepted before, at this path or at others.

    ``earlier``: the records of those files.

    ``path``: as stored. ``in_inbox``: accepted files are kept, and this says whether a file is still at a
    path. None: accepted files are removed.
    """
    same = tuple(taken for taken in earlier if taken.path == path)
    delivered = any(abs(mtime - taken.mtime) <= DELIVERY_TOLERANCE for taken in same)
    if delivered or any(taken.kept for taken in same):
        return Delivery(DeliveryKind.SAME, same)
    if in_inbox is not None:
        return _classify_kept(earlier, in_inbox)
    recent = sorted(taken.at for taken in same if now - taken.at < HOUR)
    if len(recent) < MOST_RUNS_PER_HOUR:
        return NEW_DELIVERY
    return Delivery(DeliveryKind.HELD, same, seconds=min(HOUR, recent[-MOST_RUNS_PER_HOUR] + HOUR - now))


def _classify_kept(earlier: Sequence[TakenBefore], in_inbox: Callable[[str], bool]) -> Delivery:
    kept = [taken for taken in earlier if taken.kept and not taken.moved]
    gone = tuple(taken for taken in kept if not in_inbox(taken.path))
    if gone:
        return Delivery(DeliveryKind.MOVED, gone[:1])
    return Delivery(DeliveryKind.COPY, tuple(kept), seconds=COPY_PATIENCE) if kept else NEW_DELIVERY
