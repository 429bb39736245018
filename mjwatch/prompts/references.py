"""What a prompt file refers to around it, found before it is read for real. Never raises."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mjwatch.errors import PromptFileError
from mjwatch.model import Surroundings
from mjwatch.prompts import images as pictures
from mjwatch.prompts import tomlfile
from mjwatch.prompts.expand import MAX_WILDCARDS, wildcards_in
from mjwatch.prompts.source_text import decode, kind_of, prompt_lines

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
    kind = kind_of(name)
    table = _table(data) if kind == ".toml" else {}
    texts = _lines(data) if kind in (".txt", ".list.txt") else list(_texts(table))
    texts += [text for _, content in around.defaults for text in _texts(_table(content))]
    texts += [line for content in around.wildcards.values() for line in _lines(content)]
    names = dict.fromkeys(found for text in texts for found in wildcards_in(text))
    return Wants(
        images=tuple(islice(dict.fromkeys(_local_pictures(table)), pictures.MAX_PICTURES)),
        wildcards=tuple(islice(names, MAX_WILDCARDS)),
    )


def _local_pictures(table: dict[str, Any]) -> Iterator[str]:
    """The ``images`` of the file and of its jobs that are local and may be looked for."""
    for one in _tables(table):
        for image in _strings(one.get("images")):
            if pictures.is_local(image):
                try:
                    yield pictures.check_name(image)
                except PromptFileError:
                    continue


def _texts(table: dict[str, Any]) -> Iterator[str]:
    """The texts of the file and of its jobs in which wildcards are expanded."""
    for one in _tables(table):
        yield from _strings([one.get("prompt"), one.get("prompts")])
        parameters = one.get("parameters")
        if isinstance(parameters, dict):
            yield from _strings(list(parameters.values()))


def _tables(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    jobs = table.get("jobs")
    yield table
    yield from (job for job in (jobs if isinstance(jobs, list) else ()) if isinstance(job, dict))


def _strings(value: Any) -> Iterator[str]:
    """A text, or every text in a list, and in a list in that."""
    for one in value if isinstance(value, list) else [value]:
        for inner in one if isinstance(one, list) else [one]:
            if isinstance(inner, str):
                yield inner


def _table(data: bytes) -> dict[str, Any]:
    try:
        return tomlfile.parse(decode(data))
    except PromptFileError:
        return {}


def _lines(data: bytes) -> list[str]:
    try:
        return [line for _, line in prompt_lines(decode(data))]
    except PromptFileError:
        return []
