r"""Permutations and wildcards: from one text to all that it stands for, counted before any is made.

``{a, b}`` stands for each of its parts, ``__name__`` for each line of ``_wildcards/name.txt``. Parts and
lines may hold further choices. The first choice varies slowest. Blanks after a comma are dropped, and ``\,``
is a comma that separates nothing. ``\{`` and ``\}`` are plain braces; they are submitted with their
backslash, so that Midjourney does not expand them either. ``\__name__`` is just that word. Braces without a
comma have no meaning, and neither has anything in a link.

A wildcard may have any name that a file can have, with folders (``__artists/dutch__``); ``*`` and ``?`` stand
for several files, ``**`` also for those in folders below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import chain, product
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.prompts.filenames import WildcardNames, is_glob
from mjwatch.prompts.source_text import decode, not_meant, prompt_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence


MAX_WILDCARDS = 200
"""Different wildcards that one prompt file may use, with those within wildcards."""

MAX_GLOBS = 20
"""Different references with ``*`` or ``?`` that one prompt file may use: each is compared with all names."""

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

_MOST_QUOTED = 80
# A name never holds two underscores, which end it. With blanks it must stand apart from other words, because
# "x__y and z__w" is no wildcard.
_NAME = r"(?![\s_])(?=[^\s\w]{0,9}[^\W_]|[*?])(?:(?!__)[^\s{}\\]){1,100}(?<!_)"
_NAME_WITH_BLANKS = r"(?=[^\s_.,;:!])(?:(?!__)[^\n{}\\]){1,100}(?<![\s_])"
_WILDCARD = rf"(?<!_)__(?:{_NAME})__(?!_)|(?<!\w)__(?:{_NAME_WITH_BLANKS})__(?!\w)"
_TOKEN = re.compile(
    r"\\[{},]"
    rf"|\\(?P<word>{_WILDCARD})"
    rf"|(?P<wildcard>{_WILDCARD})"
    r"|(?:https?://[^\s{},\\]+)"
    r"|(?P<brace>[{},])",
    re.IGNORECASE,
)

_BRACED_NAME = re.compile(
    r"(?<![\w\\])__(?:(?!__)[^\s{}]){0,50}\{[^{}]{0,500}\}(?:(?!__)[^\s{}]){0,50}__(?!_)"
)
"""A wildcard whose name is made of choices: mjwatch would search none, and send it as it is."""

_STRAY_MARK = re.compile(r"(?<![\w\\])__(?:\s{0,3}(?=[^\W_])[\w .-]{0,40}?__(?!\w)|(?=[^\W_])\w{1,60})")
"""What was meant as a wildcard: it has blanks at its ends, or nothing that ends it."""

_WEIGHT = re.compile(r"\s*(?:[\d.-]+\$\$|[\d.]+::)?\s*")
"""What other tools put before an option: how many to take, or its weight."""

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
    return (match["wildcard"][2:-2] for match in _TOKEN.finditer(text) if match["wildcard"])


@dataclass(slots=True)
class Wildcards:
    """The wildcards by name, each parsed when it is first used.

    ``contents``: those that were read. ``names``: all that are there; empty if these are the same. Those of
    a text that is forced are parsed on their own.
    """

    contents: Mapping[str, bytes]
    names: Collection[str] = ()
    _names: WildcardNames = field(init=False)
    _parsed: dict[tuple[str, bool], Alternatives] = field(default_factory=dict, init=False)
    _parsing: list[str] = field(default_factory=list, init=False)
    _globs: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._names = WildcardNames.of(self.names or self.contents)

    def template(self, text: str, *, force: bool = False) -> Template:
        """Return the text with its choices. Raises PromptFileError, also if the expanded text is too long.

        ``force``: the name of a wildcard that is not there, and a choice of other programs, are plain text.
        """
        if not force and (found := _BRACED_NAME.search(text)):
            raise PromptFileError(
                f"the name of a wildcard can't hold braces: {_quoted(found[0])}",
                "write each wildcard as an option: {__red__, __blue__}",
            )
        if not force and (found := _STRAY_MARK.search(_TOKEN.sub(" ", text))):
            raise not_meant(
                f"{_quoted(found[0])} is not a whole wildcard",
                "write it as __name__, without blanks at its ends",
            )
        parts = self._parts(text, force=force)
        if _longest_of(parts) > MAX_LENGTH:
            raise PromptFileError(
                f"with its wildcards a prompt has more than {MAX_LENGTH:,} characters",
                "shorten the wildcards, or use fewer of them in one prompt",
            )
        return Template(parts, _count_of(parts))

    def _parts(self, text: str, *, force: bool = False) -> Parts:
        parser = BraceParser(force=force)
        end = 0
        for token in _TOKEN.finditer(text):
            parser.add(text[end : token.start()])
            end = token.end()
            if token["brace"]:
                parser.brace(token["brace"])
            elif token["wildcard"]:
                reference = token["wildcard"][2:-2]
                names = self._names_for(reference)
                parser.add(token[0] if force and not names else self._choice(reference, names, force))
            else:
                parser.add(token["word"] or token[0])
        parser.add(text[end:])
        return parser.finish()

    def _names_for(self, reference: str) -> list[str]:
        if is_glob(reference):
            self._globs.add(reference)
        if len(self._globs) > MAX_GLOBS:
            raise PromptFileError(
                f"more than {MAX_GLOBS} wildcards with * are used in one file", "split the file"
            )
        return self._names.matching(reference)

    def _choice(self, reference: str, names: Sequence[str], force: bool) -> Alternatives:
        """Return the lines of these wildcards together. Raises PromptFileError if they can't be used."""
        if not names:
            raise self._missing(reference)
        found = [self._choice_of_file(name, force) for name in names]
        return found[0] if len(found) == 1 else _choice_of([(choice,) for choice in found])

    def _choice_of_file(self, name: str, force: bool) -> Alternatives:
        key = name, force
        if key not in self._parsed:
            self._check(name)
            self._parsing.append(name)
            options = tuple(self._lines(name, force))
            self._parsing.pop()
            if not options:
                raise PromptFileError(f"{_file(name)} is empty", "write one choice per line")
            self._parsed[key] = _choice_of(options)
        return self._parsed[key]

    def _missing(self, reference: str) -> PromptFileError:
        near = " or ".join(self._names.nearest(reference))
        place = f"{_file(reference)} is neither beside the prompt file nor above it"
        return PromptFileError(
            f"there is no wildcard {reference}: {place}" + (f" (did you mean {near}?)" if near else ""),
            f"create the file with one choice per line; for the plain words write \\__{reference}__",
        )

    def _lines(self, name: str, force: bool) -> Iterator[Parts]:
        where = _file(name)
        try:
            for number, line in prompt_lines(decode(self.contents[name])):
                where = f"{_file(name)}, line {number}"
                yield self._parts(line, force=force)
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
            raise self._missing(name)
        used = {*(parsed for parsed, _ in self._parsed), *self._parsing, name}
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

    def __init__(self, *, force: bool = False) -> None:
        """``force``: take a choice of other programs as plain text."""
        self._open = [_OpenBrace()]
        self._force = force

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
            if mark == "}" and not self._force:
                raise PromptFileError("a } has no { before it", "write \\} for a plain brace, or add the {")
            self.add(mark)
        elif mark == ",":
            innermost = self._open[-1]
            innermost.options.append(innermost.current)
            innermost.current = []
        else:
            self._close(self._open.pop())

    def _close(self, brace: _OpenBrace) -> None:
        if not self._force:
            _check_separators([*brace.options, brace.current])
        if not brace.options:
            self._open[-1].current += _plain_braces(brace.current)
            return
        options = [brace.options[0], *map(_without_blank, [*brace.options[1:], brace.current])]
        self.add(_choice_of([[_plain(part) for part in option] for option in options]))

    def finish(self) -> Parts:
        """Return the parts of the whole text. Raises PromptFileError if a brace is still open."""
        while len(self._open) > 1:
            if not self._force:
                raise PromptFileError("a { is not closed", "close it with }, or write \\{ for a plain brace")
            brace = self._open.pop()
            for option in brace.options:
                option.append(",")
            self._open[-1].current += ["{", *chain(*brace.options, brace.current)]
        return tuple(self._open[0].current)


def _check_separators(options: Sequence[Sequence[str | Alternatives]]) -> None:
    """Raise PromptFileError for ``{red|blue}`` and ``{2$$red|blue}``, as other tools write a choice."""
    parts = [part for option in options for part in option]
    if not any(isinstance(part, str) and ("|" in part or "$$" in part) for part in parts):
        return
    text = ",".join("".join(part if isinstance(part, str) else "…" for part in option) for option in options)
    separated = [_WEIGHT.sub("", part, count=1).strip() for part in text.split("|")]
    here = "{" + ", ".join(re.sub(r"(?<!\\),", r"\\,", part) for part in separated) + "}"
    raise PromptFileError(
        f"{_quoted('{' + text + '}')} is how other programs write a choice; mjwatch makes each part a job",
        f"write {_quoted(here)} for that, or \\{{ and \\}} for plain braces",
    )


def _quoted(text: str) -> str:
    return f"`{text}`" if len(text) <= _MOST_QUOTED else f"`{text[:_MOST_QUOTED]}…`"


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
