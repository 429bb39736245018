"""Jobs for pictures that were made elsewhere: in the channel by hand, or found in a folder. Pure.

Their ids follow from what they show, so that the same picture never gets a second folder, even where the
journal was lost.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import NIJI_APPLICATION_ID, snowflake_ms
from mjwatch.events import Imported
from mjwatch.filesystem.safe_names import slug
from mjwatch.jobs import state_machine
from mjwatch.midjourney.job_events import finished
from mjwatch.midjourney.parsing.parsed_message import Action, MessageKind
from mjwatch.model import (
    ID_ALPHABET,
    Job,
    Note,
    Prompt,
    RemotePicture,
    Result,
    ResultKind,
    Source,
    SourceKind,
)
from mjwatch.prompts.source_text import sha256

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.jobs.transitions import Transition
    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage

CHANNEL_FOLDER = "_channel"
"""The folder in the outbox for what was made in the channel, with one folder for each month (UTC).

No folder of the inbox can have this name: those that begin with ``_`` are left alone.
"""

MATCHED_BY = "account"
"""The evidence for an imported result: the message names this account."""


def channel_job(
    message: ParsedMessage, now: float, parent: str | None, is_taken: Callable[[str], bool]
) -> Transition:
    """Return the job of a finished picture in the channel, and the effect that fetches it.

    ``parent``: the job whose message it replies to, if known. ``is_taken``: whether a job has this id.
    """
    message_id, text = message.message_id or "0", message.prompt or ""
    made = snowflake_ms(message_id) / 1000
    month = datetime.fromtimestamp(made, UTC).strftime("%Y-%m")
    path = f"{CHANNEL_FOLDER}/{month}/{slug(text)}.txt"
    application = "niji" if NIJI_APPLICATION_ID in {message.author_id, message.application_id} else None
    prompt = Prompt(text, action=_action(message), parent=parent, application=application)
    source = Source(path, sha256(text.encode("utf-8", "replace")), made, kind=SourceKind.CHANNEL)
    job_id = stable_id(f"message {message_id}", is_taken)
    return imported(job_id, prompt, source, finished(message, MATCHED_BY).result, now)


def _action(message: ParsedMessage) -> str | None:
    """Return the follow-up that made it, where the message names it exactly."""
    if message.kind is MessageKind.SINGLE and message.image_index is not None:
        return f"U{message.image_index}"
    return "reroll" if message.action is Action.REROLL else None


def imported(job_id: str, prompt: Prompt, source: Source, result: Result, now: float) -> Transition:
    """Return a new job that begins with its result, and the effect that fetches its pictures."""
    where = "in the channel" if source.kind is SourceKind.CHANNEL else "in a folder"
    found = Note(now, f"accepted: found {where}")
    job = Job(id=job_id, prompt=prompt, accepted=now, source=source, parent=prompt.parent, history=(found,))
    return state_machine.step(job, Imported(result, source.mtime), now)


def stable_id(key: str, is_taken: Callable[[str], bool]) -> str:
    """Return a job id that follows from this key; another one if that is taken by another job."""
    while True:
        digest = hashlib.sha256(key.encode()).digest()
        job_id = "".join(ID_ALPHABET[byte % len(ID_ALPHABET)] for byte in digest[:8])
        if not is_taken(job_id):
            return job_id
        key += "+"


# ---- pictures in a folder

FILES_FOLDER = "_imported"
"""The folder in the outbox for what was imported from folders, each below its own name."""

STAGED = "staged:"
"""Stands in the address of a picture before the name of its copy in the state folder."""

STAGING_FOLDER = "import"
"""The folder in the state folder in which pictures lie until they are published."""


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Pictures in a folder that belong to one job of Midjourney's, or a single one that names no job.

    ``path``: the prompt file that they could have come from, below ``_imported/``. ``prompt``: as embedded in
    the pictures, or the ``words`` of it that their name holds. ``made``: when the first file was last
    changed, in seconds since 1970. ``pictures``: name, SHA-256 and size in bytes of each.
    """

    path: str
    made: float
    pictures: tuple[tuple[str, str, int], ...]
    job_uuid: str | None = None
    prompt: str | None = None
    words: str = ""

    @property
    def key(self) -> str:
        """Return what the same pictures have in common wherever they lie: it gives the job's id."""
        return f"job {self.job_uuid}" if self.job_uuid else f"file {self.pictures[0][1]}"


def file_job(group: FileGroup, job_id: str, now: float) -> Transition:
    """Return the job of these pictures, and the effect that copies them into the outbox."""
    pictures = tuple(
        RemotePicture(name, f"{STAGED}{digest}", size=size) for name, digest, size in group.pictures
    )
    result = Result("", MATCHED_BY_FILE, group.job_uuid, group.prompt, pictures, kind=ResultKind.SINGLE)
    source = Source(group.path, group.pictures[0][1], group.made, kind=SourceKind.FOLDER)
    return imported(job_id, Prompt(group.prompt or group.words), source, result, now)


MATCHED_BY_FILE = "file"
"""The evidence for pictures of a folder: their names and what they carry."""
