"""From an accepted prompt file to its jobs. Pure: ids and time come in."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.jobs.followups import follow_up
from mjwatch.model import Job, Note, Prompt, Refusal, RefusalClass, Source, State
from mjwatch.prompts.promptfile import MAX_BYTES, read_prompt_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.events import FileSettled

ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Letters and digits of job ids: none that a person could take for another one."""


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
        found = read_prompt_file(file.data, name, max_jobs=max_jobs, around=file.around)
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
            due=prompt.not_before,
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
    refusal = Refusal(RefusalClass.USER, error.message, error.mend)
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
