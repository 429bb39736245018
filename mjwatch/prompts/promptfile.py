"""Reading prompt files: the bytes of one, and what lies around it, to the prompts that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.model import Surroundings
from mjwatch.prompts import manifestfile, tomlfile
from mjwatch.prompts.commands import wish_for
from mjwatch.prompts.compose import PromptFile, unfold
from mjwatch.prompts.images import check_pictures
from mjwatch.prompts.request import Given
from mjwatch.prompts.source_text import MAX_BYTES, Count, decode, kind_of, one_prompt, prompt_lines
from mjwatch.prompts.tomlfile import read_defaults

if TYPE_CHECKING:
    from datetime import tzinfo

    from mjwatch.prompts.request import Wish

__all__ = ["MAX_BYTES", "NOTHING_AROUND", "PromptFile", "looks_incomplete", "read_prompt_file"]

NOTHING_AROUND = Surroundings()


def read_prompt_file(
    data: bytes,
    name: str,
    *,
    max_jobs: int = 100,
    around: Surroundings = NOTHING_AROUND,
    zone: tzinfo | None = None,
) -> PromptFile:
    """Read the bytes of a prompt file; its ``name`` says the format, ``around`` what it refers to.

    ``max_jobs``: the most that it may make, follow-ups counted. ``zone``: the time zone of a ``not_before``
    that names none; None is this machine's. Raises PromptFileError, and nothing else, with the place in the
    file where there is one, and with what to do.
    """
    for path, why in around.unreadable.items():
        raise PromptFileError(
            f"{path}, which counts for this file, can't be used: {why}", "mend it, or remove it"
        )
    wishes = _wishes(data, name, max_jobs, around, zone)
    if not wishes:
        raise PromptFileError(
            "the file holds no prompt", "write what Midjourney shall draw, one prompt a line"
        )
    check_pictures((image for wish in wishes for image in wish.images), around)
    return unfold(wishes, around.wildcards, max_jobs)


def _wishes(data: bytes, name: str, max_jobs: int, around: Surroundings, zone: tzinfo | None) -> list[Wish]:
    kind = kind_of(name)
    if kind == "":
        raise PromptFileError(f"{name} is no prompt file", "prompt files end in .txt, .list.txt or .toml")
    text = decode(data)
    if kind == ".json":
        return [manifestfile.read_manifest(text)]
    folder = read_defaults(around.defaults)
    if kind == ".toml":
        return tomlfile.read_wishes(tomlfile.parse(text), folder, max_jobs, zone)
    if kind == ".list.txt":
        lines = prompt_lines(text)
        Count(max_jobs).foresee(len(lines))
        return [_wish(f"line {number}", line, folder) for number, line in lines]
    return [_wish("", one_prompt(text, name), folder)]


def _wish(where: str, text: str, folder: Given) -> Wish:
    return wish_for(where, text, None, Given(), Given(), folder)


def looks_incomplete(data: bytes, name: str) -> bool:
    """Whether this may be a file that is still being written.

    So it looks if it is empty, does not end with a line break, is cut within a character, or is TOML that
    does not parse. It may be complete all the same: whoever asks waits longer, then takes it as it is.
    """
    try:
        text = decode(data)
        if not text.strip() or not text.endswith("\n"):
            return True
        if kind_of(name) == ".toml":
            tomlfile.parse(text)
    except PromptFileError:
        return True
    return False
