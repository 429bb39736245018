r"""Permutations and wildcards: from one text to all that it stands for, counted before any is made.

``{a, b}`` stands for each of its parts, ``__name__`` for each line of ``_wildcards/name.txt``. Parts and
lines may hold further choices. The first choice varies slowest. Blanks after a comma are dropped, and ``\,``
is a comma that separates nothing. ``\{`` and ``\}`` are plain braces; they are submitted with their
backslash, so that Midjourney does not expand them either. ``\__name__`` is just that word. Braces without a
comma have no meaning, and neither has anything in a link.
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
"""Different wildcards that one prompt file may use, with those within wildcards."""

MAX_BYTES_TOGETHER = 256 * 1024
"""Bytes of all wildcards that one prompt file uses."""

MAX_LENGTH = 64 * 1024
"""Characters: a text that is longer after its expansion is not made, because no prompt can be that long."""

UNCOUNTED = 10**40
"""Counting stops here."""

MAY_HOLD_CHOICES = re.compile(r"[{}\\]|__")
"""Found in every text that has choices, braces or escapes. Any other text stands for itself."""

_MAX_BRACE_DEPTH = 20
_MAX_WILDCARD_DEPTH = 8

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

_COMMA = "\\,"
"""An escaped comma is a part of its own until it is known whether it is within a choice."""


@dataclass(frozen=True, slots=True)
class Alternatives:
    """A choice: the position in a text that one of several options fills.

    ``count``: how many texts the choice makes, at most ``UNCOUNTED``. ``longest``: characters of the longest
    text, or ``MAX_LENGTH`` + 1 if it is longer than that.
    """

    options: tuple[Parts, ...]
    count: int
    longest: int


Parts = tuple["str | Alternatives", ...]
"""A text, in pieces."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with its choices; ``count`` is how many texts it stands for, at most ``UNCOUNTED``."""

    parts: Parts
    count: int

    def texts(self) -> Iterator[str]:
        """Return each of these texts; the first choice varies slowest. Check ``count`` first."""
        return _texts_of(self.parts)


def wildcards_in(text: str) -> Iterator[str]:
    """Yield the names of the wildcards that a text uses."""
    return (match["wildcard"] for match in _TOKEN.finditer(text) if match["wildcard"])


def escape(text: str) -> str:
    """Return an expanded text, written so that it stands for itself in a prompt file."""
    return _TOKEN.sub(lambda token: f"\\{token[0]}" if token["wildcard"] or token["word"] else token[0], text)


@dataclass(slots=True)
class Wildcards:
    """The available wildcards by name, each parsed when it is first used."""

    contents: Mapping[str, bytes]
    _parsed: dict[str, Alternatives] = field(default_factory=dict, init=False)
    _parsing: list[str] = field(default_factory=list, init=False)

    def template(self, text: str) -> Template:
        """Return the text with its choices. Raises PromptFileError, also if the expanded text is too long."""
        parts = self._parts(text)
        if _longest_of(parts) > MAX_LENGTH:
            raise PromptFileError(
                f"with its wildcards a prompt has more than {MAX_LENGTH:,} characters",
                "shorten the wildcards, or use fewer of them in one prompt",
            )
        return Template(parts, _count_of(parts))

    def _parts(self, text: str) -> Parts:
        parser = BraceParser()
        end = 0
        for token in _TOKEN.finditer(text):
            parser.add(text[end : token.start()])
            end = token.end()
            if token["brace"]:
                parser.brace(token["brace"])
            elif token["wildcard"]:
                parser.add(self._choice(token["wildcard"]))
            else:
                parser.add(token["word"] or token[0])
        parser.add(text[end:])
        return parser.finish()

    def _choice(self, name: str) -> Alternatives:
        """Return the lines of a wildcard. Raises PromptFileError if the wildcard can't be used."""
        if name not in self._parsed:
            self._check(name)
            self._parsing.append(name)
            options = tuple(self._lines(name))
            self._parsing.pop()
            if not options:
                raise PromptFileError(f"{_file(name)} is empty", "write one choice per line")
            self._parsed[name] = _choice_of(options)
        return self._parsed[name]

    def _lines(self, name: str) -> Iterator[Parts]:
        where = _file(name)
        try:
            for number, line in prompt_lines(decode(self.contents[name])):
                where = f"{_file(name)}, line {number}"
                yield self._parts(line)
        except PromptFileError as error:
            if error.message.startswith(_FOLDER):  # the error is in a wildcard within this one
                raise
            raise PromptFileError(f"{where}: {error.message}", error.hint) from error

    def _check(self, name: str) -> None:
        if name in self._parsing:
            path = " → ".join([*self._parsing[self._parsing.index(name) :], name])
            raise PromptFileError(
                f"the wildcard {name} refers to itself: {path}", "remove one of the references"
            )
        if len(self._parsing) >= _MAX_WILDCARD_DEPTH:
            raise PromptFileError(
                "wildcards are nested too deeply: " + " → ".join([*self._parsing, name]),
                f"nest at most {_MAX_WILDCARD_DEPTH} of them",
            )
        if name not in self.contents:
            raise PromptFileError(
                f"there is no wildcard {name}: {_file(name)} is neither beside the prompt file nor above it",
                f"create the file with one choice per line; for the plain word write \\__{name}__",
            )
        used = [*self._parsed, *self._parsing, name]
        if len(used) > MAX_WILDCARDS:
            raise PromptFileError(
                f"more than {MAX_WILDCARDS} wildcards are used in one file", "split the file"
            )
        if sum(len(self.contents[wildcard]) for wildcard in used) > MAX_BYTES_TOGETHER:
            raise PromptFileError(
                f"the wildcards have more than {MAX_BYTES_TOGETHER:,} bytes together",
                "use smaller wildcards in one prompt file: each of their lines is a job",
            )


def _file(name: str) -> str:
    return f"{_FOLDER}{name}.txt"


@dataclass(slots=True)
class _OpenBrace:
    """An opened brace: the options before the last comma, and the one after it."""

    options: list[list[str | Alternatives]] = field(default_factory=list)
    current: list[str | Alternatives] = field(default_factory=list)


class BraceParser:
    """Takes a text piece by piece, and builds the choices that are between braces."""

    def __init__(self) -> None:
        self._open = [_OpenBrace()]

    def add(self, part: str | Alternatives) -> None:
        """Add a piece of text, or a choice; an escaped comma must be a piece of its own."""
        if part:
            self._open[-1].current.append(part)

    def brace(self, mark: str) -> None:
        """Add a brace or a comma. Raises PromptFileError if it closes nothing, or is nested too deeply."""
        if mark == "{":
            if len(self._open) > _MAX_BRACE_DEPTH:
                raise PromptFileError("braces are nested too deeply", "use fewer")
            self._open.append(_OpenBrace())
        elif len(self._open) == 1:
            if mark == "}":
                raise PromptFileError("a } has no { before it", "write \\} for a plain brace, or add the {")
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
        self.add(_choice_of([[_plain(part) for part in option] for option in options]))

    def finish(self) -> Parts:
        """Return the parts of the whole text. Raises PromptFileError if a brace is still open."""
        if len(self._open) > 1:
            raise PromptFileError("a { is not closed", "close it with }, or write \\{ for a plain brace")
        return tuple(self._open[0].current)


def _plain(part: str | Alternatives) -> str | Alternatives:
    return "," if part == _COMMA else part


def _without_blank(option: list[str | Alternatives]) -> list[str | Alternatives]:
    """Return the option without the blank that people write after a comma."""
    first = option[0] if option else ""
    return [first.lstrip(), *option[1:]] if isinstance(first, str) else option


def _plain_braces(parts: Sequence[str | Alternatives]) -> Iterator[str | Alternatives]:
    """Yield braces without a meaning and their content; an escaped comma is no longer a part of its own."""
    text = "{"
    for part in parts:
        if isinstance(part, str):
            text += part
        else:
            yield from (text, part)
            text = ""
    yield text + "}"


def _choice_of(options: Sequence[Sequence[str | Alternatives]]) -> Alternatives:
    """Return the choice between these options."""
    counted = sum(_count_of(option) for option in options)
    return Alternatives(
        options=tuple(tuple(option) for option in options),
        count=min(counted, UNCOUNTED),
        longest=max(_longest_of(option) for option in options),
    )


def _count_of(parts: Sequence[str | Alternatives]) -> int:
    """Return how many texts these parts make, each choice combined with each of the others."""
    counted = 1
    for part in parts:
        if isinstance(part, Alternatives):
            counted = min(counted * part.count, UNCOUNTED)
    return counted


def _longest_of(parts: Sequence[str | Alternatives]) -> int:
    """Return the length of the longest of these texts."""
    length = sum(len(part) if isinstance(part, str) else part.longest for part in parts)
    return min(length, MAX_LENGTH + 1)


def _texts_of(parts: Parts) -> Iterator[str]:
    pieces = [
        [part] if isinstance(part, str) else [text for option in part.options for text in _texts_of(option)]
        for part in parts
    ]
    return map("".join, product(*pieces))
