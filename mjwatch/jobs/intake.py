"""From an accepted prompt file to its jobs. Pure: ids and time come in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.model import Job, Note, Prompt, Refusal, RefusalClass, Source, State
from mjwatch.prompts.promptfile import MAX_BYTES, read_prompt_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.events import FileSettled

ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Letters and digits of job ids: none that a person could take for another one."""

SAME_DELIVERY = 2.0
"""Seconds by which two modification times may differ and still mean the same delivery of a file.

FAT keeps them to two seconds, and sync tools carry them over from the sender.
"""


def make_jobs(file: FileSettled, now: float, new_id: Callable[[], str], max_jobs: int) -> list[Job]:
    """The jobs of a file; one rejected job, with the reason in words, where it can't be read as prompts."""
    source = Source(file.path, sha256(file.data), file.mtime)
    try:
        _check_size(file)
        found = read_prompt_file(file.data, file.path.rpartition("/")[2], max_jobs=max_jobs)
    except PromptFileError as error:
        return [_rejected(source, error, now, new_id())]
    warnings = tuple(Note(now, f"warning: {warning}") for warning in found.warnings)
    return [
        Job(
            id=new_id(),
            prompt=prompt,
            accepted=now,
            source=Source(source.path, source.sha256, source.mtime, index),
            history=(Note(now, "accepted"), *warnings),
        )
        for index, prompt in enumerate(found.prompts)
    ]


def _check_size(file: FileSettled) -> None:
    """Of a file that is too large only the beginning was read; the file itself says how large it is."""
    size = file.identity[2]
    if size > MAX_BYTES:
        raise PromptFileError(
            f"the file has {size:,} bytes, but prompt files have {MAX_BYTES:,} at most",
            "it was not read whole and is left in the inbox: take it away, or split it",
        )


def given_job(job_id: str, prompt: Prompt, path: str, now: float) -> Job:
    """The job of a prompt that was given from Python or the CLI, as if it had come from a file."""
    source = Source(path, sha256(prompt.text.encode()), now)
    return Job(id=job_id, prompt=prompt, accepted=now, source=source, history=(Note(now, "accepted"),))


def is_same_delivery(mtime: float, taken_before: list[float]) -> bool:
    """Whether a sync tool delivered a file again that was taken already (same path and content, that is)."""
    return any(abs(mtime - earlier) <= SAME_DELIVERY for earlier in taken_before)


def sha256(data: bytes) -> str:
    """The SHA-256 of these bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _rejected(source: Source, error: PromptFileError, now: float, job_id: str) -> Job:
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
