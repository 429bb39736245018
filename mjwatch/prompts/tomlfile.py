"""What a TOML prompt file says: its tables, and each of its prompts with the defaults that count for it.

What a person can do about TOML that does not parse, by the parser's message and the line it is about.

``_defaults.toml``: the keys of a folder and those above it, which give way to a file's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mjwatch.errors import PromptFileError
from mjwatch.prompts.commands import wish_for
from mjwatch.prompts.request import PromptKeys
from mjwatch.prompts.source_text import JobCount, decode, placed
from mjwatch.prompts.toml_keys import KEYS, read_keys
from mjwatch.settings.values import parse_toml, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import tzinfo

    from mjwatch.prompts.request import PromptRequest


def parse(text: str) -> dict[str, Any]:
    """TOML to a table. Raises PromptFileError with line and column."""
    try:
        return parse_toml(text)
    except ValueError as error:
        raise PromptFileError(f"not valid TOML: {error}", hint_for(str(error), text)) from error


def read_wishes(
    document: Mapping[str, Any], folder: PromptKeys, max_jobs: int, zone: tzinfo | None = None
) -> list[PromptRequest]:
    """Every prompt of the file, in order; ``folder`` are its folder's defaults.

    Raises PromptFileError, also for more than ``max_jobs``.
    """
    tables = list(_tables(document, zone))
    JobCount(max_jobs).foresee(
        sum(
            len(own.prompts or top.prompts or (1,)) * len(own.actions or top.actions or (1,))
            for _, own, top in tables
        )
    )
    return [wish for where, own, top in tables for wish in _wishes(where, own, top, folder)]


def _tables(document: Mapping[str, Any], zone: tzinfo | None) -> Iterator[tuple[str, PromptKeys, PromptKeys]]:
    """Each table that makes jobs: its name, its own keys, and those above it."""
    jobs = document.get("jobs")
    rest = {key: value for key, value in document.items() if key != "jobs"}
    top = _read("", rest, (*KEYS, "jobs"), zone)
    if jobs is None:
        yield "", top, PromptKeys()
        return
    if not (isinstance(jobs, list) and jobs and all(isinstance(job, dict) for job in jobs)):
        raise PromptFileError(
            f"jobs is {shown(jobs)}, but must be tables", "begin each job with a line [[jobs]]"
        )
    for number, job in enumerate(jobs, start=1):
        yield f"job {number}", _read(f"job {number}", job, KEYS, zone), top


def _read(where: str, table: Mapping[str, Any], known: tuple[str, ...], zone: tzinfo | None) -> PromptKeys:
    with placed(where):
        return read_keys(table, known, zone)


def _wishes(where: str, own: PromptKeys, top: PromptKeys, folder: PromptKeys) -> Iterator[PromptRequest]:
    prompts: tuple[str | None, ...] = own.prompts or top.prompts or (None,)
    for number, text in enumerate(prompts, start=1):
        place = ", ".join(filter(None, (where, f"prompt {number}" if len(prompts) > 1 else "")))
        for action in own.actions or top.actions or (None,):
            with placed(place):
                wish = wish_for(place, text, action, own, top, folder)
            yield wish


_LINE = re.compile(r"line (\d+), ")
_CURLY = re.compile("[\u201c\u201d\u201e\u2018\u2019]")
_CAPITAL = re.compile(r"=\s*(True|False)\b")

_BY_MESSAGE = (
    ("Unescaped", "in double quotes a backslash is written \\\\; in single ones everything stays as it is"),
    ("Illegal character", 'close the quotes in the same line, or use """ around a text of several lines'),
    ("Unterminated", "close the quotes"),
    ("Expected \"'", "close the quotes"),
    (
        "invalid character '\\n'",
        "close the quotes in the same line, or use ''' around a text of several lines",
    ),
    ("Cannot", "a key or a table stands there twice: leave one out; several jobs are [[jobs]] tables"),
    ("Expected '='", 'each line is key = value; a prompt without keys goes into a file that ends in ".txt"'),
    ("Unclosed array", "close the list with ]"),
    ("Expected ']", "close the brackets of the table's name"),
    ("nested", "nothing in a prompt file stands that deep"),
)
_ANY = 'text values stand in quotes, such as prompt = "a cat" and ar = "16:9"'


def hint_for(message: str, text: str) -> str:
    """The advice for this message about this document, which begins with ``line 3, column 8: ``."""
    place = _LINE.match(message)
    lines = text.split("\n")
    line = lines[int(place[1]) - 1] if place and int(place[1]) <= len(lines) else ""
    if _CURLY.search(line):
        return 'put texts between straight quotes: "…"'
    if _CAPITAL.search(line):
        return "true and false are written in small letters"
    return next((hint for part, hint in _BY_MESSAGE if part in message), _ANY)


DEFAULT_KEYS = ("parameters", "repeat", "then", "priority", "label", "application")
"""What may stand in it. Prompts, pictures, commands, times and parents belong to a file of their own."""


def read_defaults(files: Iterable[tuple[str, bytes]]) -> PromptKeys:
    """The keys of all these files, by path and content, the outermost first: the nearer one wins.

    Raises PromptFileError, which names the file.
    """
    found = PromptKeys()
    for path, data in files:
        with placed(path):
            found = read_keys(parse(decode(data)), DEFAULT_KEYS, None).over(found)
    return found
