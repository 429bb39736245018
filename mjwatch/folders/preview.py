"""What a prompt file would become: read with what lies around it, as the inbox does, but not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.errors import MjwatchError, PromptFileError
from mjwatch.folders.surroundings import Neighbours
from mjwatch.prompts.promptfile import MAX_BYTES, read_prompt_file
from mjwatch.prompts.wants import wants

if TYPE_CHECKING:
    from pathlib import Path

    from mjwatch.prompts.promptfile import PromptFile


def preview(path: Path, inbox: Path | None, max_jobs: int) -> PromptFile:
    """The prompts of the file at ``path``.

    If it lies in the inbox, defaults and wildcards count from there down; else those in its own folder do.
    Raises PromptFileError as the inbox would reject it, MjwatchError if it can't be read.
    """
    try:
        path = path.resolve()
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MjwatchError(f"{path} can't be read: {error.strerror}", "check its name") from error
    root = inbox.resolve() if inbox is not None and inbox.resolve() in path.parents else path.parent
    return _read(root, path.relative_to(root).as_posix(), data, max_jobs)


def preview_alone(name: str, data: bytes, inbox: Path, max_jobs: int) -> PromptFile:
    """The prompts that these bytes become when they are put into the inbox under this name, without pictures.

    Raises PromptFileError as the inbox would reject it, and where it names pictures.
    """
    if wants(data, name).images:
        raise PromptFileError(
            "a file that names pictures can't be submitted alone",
            f"copy it with its pictures into the inbox, {inbox}, the pictures first",
        )
    return _read(inbox, name, data, max_jobs)


def _read(root: Path, path: str, data: bytes, max_jobs: int) -> PromptFile:
    neighbours = Neighbours(root)
    around = neighbours.gather(neighbours.survey(path, data, now=0.0))
    if around is None:
        raise MjwatchError("a picture of it is changing just now", "try again")
    return read_prompt_file(data, path.rpartition("/")[2], max_jobs=max_jobs, around=around)
