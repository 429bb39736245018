r"""Permutations and wildcards: one text to all that it stands for, counted before any of it is made.

``{a, b}`` stands for each of its parts, ``__name__`` for each line of ``_wildcards/name.txt``. Parts may hold
further ones, and lines too. The first one varies slowest. Blanks behind a comma don't count, and ``\,`` is a
comma that separates nothing. ``\{`` and ``\}`` are braces and go out with their backslash, so that
Midjourney does not expand them either; ``\__name__`` is just that word. Braces without a comma mean nothing,
and neither does anything in a link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.prompts.choices import MAX_LENGTH, BraceReader, choice_of, count_of, longest_of, texts_of
from mjwatch.prompts.filetext import decode, prompt_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mjwatch.prompts.choices import Choice, Parts

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
        self._read: dict[str, Choice] = {}
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

    def _choice(self, name: str) -> Choice:
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
            raise PromptFileError(f"{place}: {error.message}", error.mend) from error

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
