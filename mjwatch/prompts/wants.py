"""What a prompt file refers to around it, found before it is read for real. Never raises."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mjwatch.errors import PromptFileError
from mjwatch.model import Surroundings
from mjwatch.prompts import pictures, tomlfile
from mjwatch.prompts.expand import MAX_WILDCARDS, wildcards_in
from mjwatch.prompts.filetext import decode, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Wants:
    """The local pictures and the wildcards that a file names, each once, in order.

    ``images`` are relative to the prompt file, with slashes, and never lead out of its folder: a name that
    would is left out, and refused when the file is read. ``wildcards`` are names alone, of word
    characters and hyphens: ``colour`` is looked for as ``_wildcards/colour.txt``, in the prompt file's folder
    first and then in each folder above it up to the inbox.
    """

    images: tuple[str, ...] = ()
    wildcards: tuple[str, ...] = ()


_NOTHING = Surroundings()


def wants(data: bytes, name: str, around: Surroundings = _NOTHING) -> Wants:
    """All that must be looked for before ``read_prompt_file`` can read these bytes.

    Wildcards and ``_defaults.toml`` may name further wildcards. So whoever asks puts the defaults into
    ``around``, looks for what is wanted, puts in what was found, and asks again, until nothing is wanted that
    was not looked for. What can't be read wants nothing; why, the reading tells.
    """
    texts = [value for path, content in around.defaults for value in _strings(_table(content))]
    texts += [_decoded(content) for content in around.wildcards.values()]
    local: list[str] = []
    if kind_of(name) == ".toml":
        table = _table(data)
        texts += _strings(table)
        local = list(_local_pictures(table))
    elif kind_of(name) in (".txt", ".list.txt"):
        texts.append(_decoded(data))
    names = dict.fromkeys(found for text in texts for found in wildcards_in(text))
    return Wants(
        images=tuple(islice(dict.fromkeys(local), pictures.MAX_PICTURES)),
        wildcards=tuple(islice(names, MAX_WILDCARDS)),
    )


def _local_pictures(table: Any) -> Iterator[str]:
    """The ``images`` of the file and of its jobs that are local and may be looked for."""
    jobs = table.get("jobs")
    for one in (table, *(jobs if isinstance(jobs, list) else ())):
        images = one.get("images") if isinstance(one, dict) else None
        for image in images if isinstance(images, list) else ():
            if isinstance(image, str) and pictures.is_local(image):
                try:
                    yield pictures.check_name(image)
                except PromptFileError:
                    continue


def _strings(value: Any) -> Iterator[str]:
    """Every text in a TOML document, however deep."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            pending += reversed(one)
        elif isinstance(one, dict):
            pending += reversed(one.values())


def _table(data: bytes) -> dict[str, Any]:
    try:
        return tomlfile.parse(decode(data))
    except PromptFileError:
        return {}


def _decoded(data: bytes) -> str:
    try:
        return decode(data)
    except PromptFileError:
        return ""
