"""From an accepted prompt file to its jobs. Pure: ids and time come in.

Whether a prompt file that comes again is a new request. Pure: what was taken before and the time come in.

Sync tools deliver files again, people copy and touch them, and a kept file is seen anew at every start. What
was taken is known by path and content; a path counts in NFC, for sync tools compose accents anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.jobs.followups import follow_up
from mjwatch.model import Job, Note, Prompt, Refusal, RefusalClass, Source, State
from mjwatch.prompts.promptfile import MAX_BYTES, read_prompt_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mjwatch.events import FileSettled


def make_jobs(
    file: FileSettled,
    now: float,
    new_id: Callable[[], str],
    max_jobs: int,
    job_of: Callable[[str], Job | None] = lambda job_id: None,
) -> list[Job]:
    """The jobs of a file; one rejected job, with the reason in words, where it can't be read as prompts.

    ``job_of`` knows the jobs that a follow-up may be on.
    """
    source = Source(file.path, sha256(file.data), file.mtime)
    try:
        _check_size(file)
        name = file.path.rpartition("/")[2]
        found = read_prompt_file(file.data, name, max_jobs=max_jobs, references=file.references)
    except PromptFileError as error:
        return [rejected(source, error, now, new_id())]
    warnings = tuple(Note(now, f"warning: {warning}") for warning in found.warnings)
    jobs = [
        job_for(prompt, new_id(), now, Source(source.path, source.sha256, source.mtime, index), job_of)
        for index, prompt in enumerate(found.prompts)
    ]
    return [replace(job, history=(*job.history[:1], *warnings, *job.history[1:])) for job in jobs]


def job_for(
    prompt: Prompt, job_id: str, now: float, source: Source | None, job_of: Callable[[str], Job | None]
) -> Job:
    """The job of one prompt; a rejected one where it is a follow-up that can't be done.

    ``source`` None: that of the job that it is a follow-up of.
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
        error = PromptFileError(
            f"there is no job {prompt.parent} that {prompt.action} could be done with",
            "`mjwatch list` shows the jobs that there are",
        )
        return replace(rejected(source, error, now, job_id), prompt=prompt)
    return follow_up(parent, prompt, job_id, now, source)


def _check_size(file: FileSettled) -> None:
    """Of a file that is too large only the beginning was read; the file itself says how large it is."""
    size = file.identity[2]
    if size > MAX_BYTES:
        raise PromptFileError(
            f"the file has {size:,} bytes, but prompt files have {MAX_BYTES:,} at most",
            "it was not read whole and is left in the inbox: take it away, or split it",
        )


def sha256(data: bytes) -> str:
    """The SHA-256 of these bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def rejected(source: Source | None, error: PromptFileError, now: float, job_id: str) -> Job:
    """The one job of what can't be used: its answer says why."""
    refusal = Refusal(RefusalClass.USER, error.message, error.hint)
    return Job(
        id=job_id,
        prompt=Prompt(""),
        accepted=now,
        state=State.REJECTED,
        source=source,
        refusal=refusal,
        finished=now,
        history=(Note(now, "accepted"), Note(now, f"rejected: {error.message}")),
    )


SAME_DELIVERY = 2.0
"""Seconds by which two modification times may differ and still mean the same delivery of a file.

FAT keeps them to two seconds, and sync tools carry them over from the sender.
"""

HOUR = 3600.0
MOST_IN_AN_HOUR = 2
"""So often the same file is run within an hour; a loop that copies it again and again must not spend more."""

COPY_PATIENCE = 20.0
"""Seconds until a second copy of a kept file is one: sync tools that move a file remove the old one last."""


@dataclass(frozen=True, slots=True)
class TakenBefore:
    """A file that was taken: ``path`` as stored, ``mtime`` its own time, ``at`` when it was taken.

    ``kept``: it stayed in the inbox. ``moved``: it lies elsewhere in it by now, as a file of its own.
    """

    number: int
    path: str
    mtime: float
    at: float
    kept: bool = False
    moved: bool = False


class DeliveryKind(StrEnum):
    """What a file that has settled is."""

    NEW = "new"
    """A request."""
    SAME = "same"
    """The same delivery once more, or a file that was kept: no request."""
    MOVED = "moved"
    """A kept file that lies at another path by now: no request."""
    COPY = "copy"
    """A second copy of a kept file; a request, unless the other one goes."""
    HELD = "held"
    """The same file too often within an hour."""


@dataclass(frozen=True, slots=True)
class DeliveryVerdict:
    """What it is; ``of`` are the files that it is the same as, or that it was. ``seconds`` to wait."""

    kind: DeliveryKind
    of: tuple[TakenBefore, ...] = ()
    seconds: float = 0.0


NEW = DeliveryVerdict(DeliveryKind.NEW)


def judge(
    path: str,
    mtime: float,
    earlier: Sequence[TakenBefore],
    now: float,
    in_inbox: Callable[[str], bool] | None = None,
) -> DeliveryVerdict:
    """What a file is whose content was taken ``earlier``, at this path or others.

    ``path`` as stored. ``in_inbox``: taken files are kept; says whether one still lies at a path. Without it
    they are removed.
    """
    same = tuple(taken for taken in earlier if taken.path == path)
    delivered = any(abs(mtime - taken.mtime) <= SAME_DELIVERY for taken in same)
    if delivered or any(taken.kept for taken in same):
        return DeliveryVerdict(DeliveryKind.SAME, same)
    if in_inbox is not None:
        return _judge_kept(earlier, in_inbox)
    recent = sorted(taken.at for taken in same if now - taken.at < HOUR)
    if len(recent) < MOST_IN_AN_HOUR:
        return NEW
    return DeliveryVerdict(DeliveryKind.HELD, same, seconds=min(HOUR, recent[-MOST_IN_AN_HOUR] + HOUR - now))


def _judge_kept(earlier: Sequence[TakenBefore], in_inbox: Callable[[str], bool]) -> DeliveryVerdict:
    kept = [taken for taken in earlier if taken.kept and not taken.moved]
    gone = tuple(taken for taken in kept if not in_inbox(taken.path))
    if gone:
        return DeliveryVerdict(DeliveryKind.MOVED, gone[:1])
    return DeliveryVerdict(DeliveryKind.COPY, tuple(kept), seconds=COPY_PATIENCE) if kept else NEW
