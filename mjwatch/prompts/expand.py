r"""Permutations and wildcards: one text to all that it stands for, counted before any of it is made.

``{a, b}`` stands for each of its parts, ``__name__`` for each line of ``_wildcards/name.txt``. Parts may hold
further ones, and lines too. The first one varies slowest. Blanks behind a comma don't count, and ``\,`` is a
comma that separates nothing. ``\{`` and ``\}`` are braces and go out with their backslash, so that
Midjourney does not expand them either; ``\__name__`` is just that word. Braces without a comma mean nothing,
and neither does anything in a link.

Texts with choices in them: read out of braces, counted, measured, and written out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.prompts.source_text import decode, prompt_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


MAX_WILDCARDS = 50
"""Different wildcards that one prompt file may use, those within wildcards counted."""

MAX_BYTES_TOGETHER = 256 * 1024
"""Of all wildcards that one prompt file uses."""

_DEEPEST_WILDCARD = 8

_FOLDER = "_wildcards/"

_NAME = r"[A-Za-z][\w-]{0,63}?"
_TOKEN = re.compile(
    r"\\[{},]"
    rf"|\\(?P<word>__{_NAME}__)(?!\w)"
    rf"|(?<!\w)__(?P<wildcard>{_NAME})__(?!\w)"
    r"|(?:https?://[^\s{},\\]+)"
    r"|(?P<brace>[{},])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Template:
    """A text with its choices; ``count`` is how many texts it stands for, at most ``UNCOUNTED``."""

    parts: Parts
    count: int

    def texts(self) -> Iterator[str]:
        """Each of these texts. Ask for ``count`` first."""
        return texts_of(self.parts)


def wildcards_in(text: str) -> Iterator[str]:
    """The names of the wildcards that a text uses."""
    return (match["wildcard"] for match in _TOKEN.finditer(text) if match["wildcard"])


def as_written(text: str) -> str:
    """A text that has been expanded, written so that it stands for itself when a prompt file holds it."""
    return _TOKEN.sub(lambda token: f"\\{token[0]}" if token["wildcard"] or token["word"] else token[0], text)


class Wildcards:
    """The wildcards that there are, by name, each read when it is first used."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = contents
        self._read: dict[str, Alternatives] = {}
        self._reading: list[str] = []

    def template(self, text: str) -> Template:
        """The text with its choices. Raises PromptFileError, also where nobody could write all that out."""
        parts = self._parts(text)
        if longest_of(parts) > MAX_LENGTH:
            raise PromptFileError(
                f"with its wildcards a prompt has more than {MAX_LENGTH:,} characters",
                "let the wildcards hold less, or use fewer of them in one prompt",
            )
        return Template(parts, count_of(parts))

    def _parts(self, text: str) -> Parts:
        reading = BraceReader()
        end = 0
        for token in _TOKEN.finditer(text):
            reading.add(text[end : token.start()])
            end = token.end()
            if token["brace"]:
                reading.brace(token["brace"])
            elif token["wildcard"]:
                reading.add(self._choice(token["wildcard"]))
            else:
                reading.add(token["word"] or token[0])
        reading.add(text[end:])
        return reading.end()

    def _choice(self, name: str) -> Alternatives:
        """The lines of a wildcard. Raises PromptFileError if it is missing, empty or holds itself."""
        if name not in self._read:
            self._check(name)
            self._reading.append(name)
            options = tuple(self._lines(name))
            self._reading.pop()
            if not options:
                raise PromptFileError(f"{_file(name)} holds nothing", "write one choice a line")
            self._read[name] = choice_of(options)
        return self._read[name]

    def _lines(self, name: str) -> Iterator[Parts]:
        place = _file(name)
        try:
            for number, line in prompt_lines(decode(self._contents[name])):
                place = f"{_file(name)}, line {number}"
                yield self._parts(line)
        except PromptFileError as error:
            if error.message.startswith(_FOLDER):  # it was in a wildcard within this one
                raise
            raise PromptFileError(f"{place}: {error.message}", error.hint) from error

    def _check(self, name: str) -> None:
        if name in self._reading:
            way = " → ".join([*self._reading[self._reading.index(name) :], name])
            raise PromptFileError(f"the wildcard {name} holds itself: {way}", "take one of them out")
        if len(self._reading) >= _DEEPEST_WILDCARD:
            raise PromptFileError(
                "wildcards hold each other too deeply: " + " → ".join([*self._reading, name]),
                f"at most {_DEEPEST_WILDCARD} one within the other",
            )
        if name not in self._contents:
            raise PromptFileError(
                f"there is no wildcard {name}: {_file(name)} is neither beside the prompt file nor above it",
                f"write one choice a line into it; for the plain word write \\__{name}__",
            )
        used = [*self._read, *self._reading, name]
        if len(used) > MAX_WILDCARDS:
            raise PromptFileError(
                f"more than {MAX_WILDCARDS} wildcards are used in one file", "split the file"
            )
        if sum(len(self._contents[one]) for one in used) > MAX_BYTES_TOGETHER:
            raise PromptFileError(
                f"the wildcards have more than {MAX_BYTES_TOGETHER:,} bytes together",
                "keep those that belong to one prompt file small: each of their lines is a job",
            )


def _file(name: str) -> str:
    return f"{_FOLDER}{name}.txt"


UNCOUNTED = 10**40
"""Nobody counts beyond this."""

MAX_LENGTH = 64 * 1024
"""Characters: a text that is longer after its expansion is not made, for no prompt can be."""

_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Alternatives:
    """A place in a text where one of several things stands.

    ``count``: how many texts that makes, at most ``UNCOUNTED``; ``longest``: characters of the longest one,
    ``MAX_LENGTH`` + 1 where it has more than that.
    """

    options: tuple[Parts, ...]
    count: int
    longest: int


Parts = tuple["str | Alternatives", ...]
"""A text, in pieces."""


_COMMA = "\\,"
"""An escaped comma, as a part of its own while it is not known whether it stands within a choice."""


@dataclass(slots=True)
class _OpenBrace:
    """An opened brace: the parts before the last comma, and those after it."""

    options: list[list[str | Alternatives]] = field(default_factory=list)
    current: list[str | Alternatives] = field(default_factory=list)


class BraceReader:
    """Takes a text piece by piece, and puts together what stands between braces."""

    def __init__(self) -> None:
        self._open = [_OpenBrace()]

    def add(self, part: str | Alternatives) -> None:
        """A piece of text, or a choice; an escaped comma is a piece of its own."""
        if part:
            self._open[-1].current.append(part)

    def brace(self, mark: str) -> None:
        """A brace or a comma. Raises PromptFileError for one that closes nothing, and for too many."""
        if mark == "{":
            if len(self._open) > _DEEPEST:
                raise PromptFileError("braces stand too deeply in each other", "use fewer")
            self._open.append(_OpenBrace())
        elif len(self._open) == 1:
            if mark == "}":
                raise PromptFileError("a } closes nothing", "write \\} for a plain brace, or open it with {")
            self.add(mark)
        elif mark == ",":
            innermost = self._open[-1]
            innermost.options.append(innermost.current)
            innermost.current = []
        else:
            self._close(self._open.pop())

    def _close(self, brace: _OpenBrace) -> None:
        if not brace.options:
            self._open[-1].current += _plain_braces(brace.current)
            return
        options = [brace.options[0], *map(_without_blank, [*brace.options[1:], brace.current])]
        self.add(choice_of([[_plain(part) for part in option] for option in options]))

    def end(self) -> Parts:
        """The parts of the whole text."""
        if len(self._open) > 1:
            raise PromptFileError("a { is not closed", "close it with }, or write \\{ for a plain brace")
        return tuple(self._open[0].current)


def _plain(part: str | Alternatives) -> str | Alternatives:
    return "," if part == _COMMA else part


def _without_blank(option: list[str | Alternatives]) -> list[str | Alternatives]:
    """The option without the blank that people write behind a comma."""
    first = option[0] if option else ""
    return [first.lstrip(), *option[1:]] if isinstance(first, str) else option


def _plain_braces(parts: Sequence[str | Alternatives]) -> Iterator[str | Alternatives]:
    """Braces that mean nothing, with what is in them; an escaped comma is no part of its own any more."""
    text = "{"
    for part in parts:
        if isinstance(part, str):
            text += part
        else:
            yield from (text, part)
            text = ""
    yield text + "}"


def choice_of(options: Sequence[Sequence[str | Alternatives]]) -> Alternatives:
    """The place where one of these stands."""
    counted = sum(count_of(option) for option in options)
    return Alternatives(
        options=tuple(tuple(option) for option in options),
        count=min(counted, UNCOUNTED),
        longest=max(longest_of(option) for option in options),
    )


def count_of(parts: Sequence[str | Alternatives]) -> int:
    """How many texts these parts make, one choice with each of the others."""
    counted = 1
    for part in parts:
        if isinstance(part, Alternatives):
            counted = min(counted * part.count, UNCOUNTED)
    return counted


def longest_of(parts: Sequence[str | Alternatives]) -> int:
    """The characters of the longest of these texts."""
    length = sum(len(part) if isinstance(part, str) else part.longest for part in parts)
    return min(length, MAX_LENGTH + 1)


def texts_of(parts: Parts) -> Iterator[str]:
    """Each of these texts; the first choice varies slowest. Ask first how many there are, and how long."""
    places = [
        [part] if isinstance(part, str) else [text for option in part.options for text in texts_of(option)]
        for part in parts
    ]
    return map("".join, product(*places))
