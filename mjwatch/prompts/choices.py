"""Texts with choices in them: read out of braces, counted, measured, and written out."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

UNCOUNTED = 10**40
"""Nobody counts beyond this."""

MAX_LENGTH = 64 * 1024
"""Characters: a text that is longer after its expansion is not made, for no prompt can be."""

_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """A place in a text where one of several things stands.

    ``count``: how many texts that makes, at most ``UNCOUNTED``; ``longest``: characters of the longest one,
    ``MAX_LENGTH`` + 1 where it has more than that.
    """

    options: tuple[Parts, ...]
    count: int
    longest: int


Parts = tuple["str | Choice", ...]
"""A text, in pieces."""


_COMMA = "\\,"
"""An escaped comma, as a part of its own while it is not known whether it stands within a choice."""


@dataclass(slots=True)
class _Brace:
    """An opened brace: the parts before the last comma, and those after it."""

    options: list[list[str | Choice]] = field(default_factory=list)
    current: list[str | Choice] = field(default_factory=list)


class BraceReader:
    """Takes a text piece by piece, and puts together what stands between braces."""

    def __init__(self) -> None:
        self._open = [_Brace()]

    def add(self, part: str | Choice) -> None:
        """A piece of text, or a choice; an escaped comma is a piece of its own."""
        if part:
            self._open[-1].current.append(part)

    def brace(self, mark: str) -> None:
        """A brace or a comma. Raises PromptFileError for one that closes nothing, and for too many."""
        if mark == "{":
            if len(self._open) > _DEEPEST:
                raise PromptFileError("braces stand too deeply in each other", "use fewer")
            self._open.append(_Brace())
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

    def _close(self, brace: _Brace) -> None:
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


def _plain(part: str | Choice) -> str | Choice:
    return "," if part == _COMMA else part


def _without_blank(option: list[str | Choice]) -> list[str | Choice]:
    """The option without the blank that people write behind a comma."""
    first = option[0] if option else ""
    return [first.lstrip(), *option[1:]] if isinstance(first, str) else option


def _plain_braces(parts: Sequence[str | Choice]) -> Iterator[str | Choice]:
    """Braces that mean nothing, with what is in them; an escaped comma is no part of its own any more."""
    text = "{"
    for part in parts:
        if isinstance(part, str):
            text += part
        else:
            yield from (text, part)
            text = ""
    yield text + "}"


def choice_of(options: Sequence[Sequence[str | Choice]]) -> Choice:
    """The place where one of these stands."""
    counted = sum(count_of(option) for option in options)
    return Choice(
        options=tuple(tuple(option) for option in options),
        count=min(counted, UNCOUNTED),
        longest=max(longest_of(option) for option in options),
    )


def count_of(parts: Sequence[str | Choice]) -> int:
    """How many texts these parts make, one choice with each of the others."""
    counted = 1
    for part in parts:
        if isinstance(part, Choice):
            counted = min(counted * part.count, UNCOUNTED)
    return counted


def longest_of(parts: Sequence[str | Choice]) -> int:
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
