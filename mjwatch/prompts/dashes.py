"""Parameters behind dashes that are not ``--``, and behind characters that show nothing.

Chinese and Japanese keyboards, word processors and chat programs replace ``--`` by other dashes, and text
written from right to left has marks before it. What can only mean a parameter is read as one, and noted; what
may or may not is refused. Midjourney reads an em dash as ``--`` and refuses an en dash (recorded by several
clients). Punctuation stays as it is: a dash between blanks, within a word, or before a word that is no
parameter.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.prompts.source_text import INVISIBLE, not_meant
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_RATIO = re.compile(r"\d{1,5}(?:\.\d+)?:\d{1,5}(?:\.\d+)?")
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)")
_CODE = re.compile(r"\d{3,}|random|https?://\S+|[a-z]?\d\w+")
_LINK = re.compile(r"https?://\S+")
_STYLE = re.compile(r"raw|cute|expressive|scenic|original|4[abc]")
_MOTION = re.compile(r"low|high")
_NONE = re.compile(r"(?!)")

_VALUES: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("ar", "aspect"), _RATIO),
    **dict.fromkeys(("c", "chaos", "cw", "bs", "exp", "iw", "niji", "ow", "q", "quality", "r"), _NUMBER),
    **dict.fromkeys(("repeat", "s", "seed", "stop", "stylize", "sv", "sw", "v", "version"), _NUMBER),
    **dict.fromkeys(("w", "weird"), _NUMBER),
    **dict.fromkeys(("p", "profile", "personalize", "sref"), _CODE),
    **dict.fromkeys(("cref", "oref", "iref"), _LINK),
    "style": _STYLE,
    "motion": _MOTION,
    **dict.fromkeys(("draft", "fast", "hd", "loop", "no", "public", "raw", "relax", "stealth"), _NONE),
    **dict.fromkeys(("tile", "turbo", "video"), _NONE),
}
"""Parameters that are looked for behind other dashes, and what the value of each looks like."""

_WORDS = frozenset(
    {"aspect", "c", "chaos", "draft", "exp", "fast", "loop", "motion", "p", "personalize", "profile"}
    | {"public", "q", "quality", "r", "raw", "relax", "repeat", "s", "seed", "stealth", "stop", "style"}
    | {"tile", "turbo", "v", "version", "video", "w", "weird"}
)
"""Parameters that are also words or letters of ordinary text: behind another dash a fitting value decides."""

_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d"
_EM_DASHES = "\u2014\u2015\u2e3a"
_LONG_VOWELS = "\u30fc\u30fc"
"""What a Japanese keyboard gives for ``--``."""

_CJK = "\u2e80"
"""From this character on, scripts have no blanks between words, so that a dash follows a letter at once."""

_MOST_DASHES = 3
_LETTER = r"[A-Za-z\uff21-\uff3a\uff41-\uff5a]"
_MAY_HOLD_DASHES = re.compile(rf"[{_DASHES}]|{_LONG_VOWELS}")
_CANDIDATE = re.compile(
    r"https?://[^\s\u3000-\u303f\uff00-\uffef]+"
    rf"|(?P<marks>[{INVISIBLE}]{{0,16}})"
    rf"(?P<dash>(?<![{_DASHES}])\\?[{_DASHES}](?:[ {INVISIBLE}]{{0,4}}\\?[{_DASHES}]){{0,5}}"
    rf"|(?<!\w){_LONG_VOWELS})"
    rf"(?P<gap>[ {INVISIBLE}]{{0,4}})"
    rf"(?P<name>{_LETTER}(?:[{INVISIBLE}]?{_LETTER}){{0,11}})(?![A-Za-z_-])"
    rf"(?P<blank>[=:\uff1a\s{INVISIBLE}]{{0,4}})"
    rf"(?P<value>https?://\S{{1,2000}}|-?[^{_DASHES}\s\uff0c\u3001\u3002\uff1b]{{0,60}})(?![{_DASHES}]\w)"
)
_NOT_SHOWN = re.compile(f"[{INVISIBLE}]")
_BETWEEN_DASHES = re.compile(rf"[ \\{INVISIBLE}]")
_OTHER_LETTERS = re.compile(r"(?<!\S)--[A-Za-z]{0,12}[^\W\d_A-Za-z]\w{0,12}")
"""A name that is no parameter's, such as one with the Cyrillic letter that looks like an ``a``."""
_BLANKS = re.compile(rf"[\s{INVISIBLE}]{{0,16}}")
_OPENING = "([{"
_TRAILING = ".,;:!?)]}>\"'`\u201d\u2019\u300d"


class _Reading(Enum):
    """How a name behind dashes is read."""

    PARAMETER = auto()
    WORDS = auto()
    DOUBTFUL = auto()


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The name of a known parameter behind some dashes.

    ``spelling``: the name in ASCII. ``dashes``: their characters. ``gap``: there is a blank between them and
    the name. ``before``: the character before them, or a blank. ``value``: the next word as it would be
    typed, if it fits. ``ends``: the text's end or another dash follows.
    """

    spelling: str
    dashes: str
    gap: bool
    before: str
    value: str | None
    ends: bool

    @property
    def meant(self) -> str:
        """The parameter as Midjourney takes it, with its value if that fits."""
        return f"--{self.spelling} {self.value}" if self.value else f"--{self.spelling}"

    @property
    def attached(self) -> bool:
        """Whether a letter or digit is right before the dashes, in a script that has blanks between words."""
        return self.before.isalnum() and self.before < _CJK

    @property
    def _is_word(self) -> bool:
        return self.spelling.lower() in _WORDS and not (self.ends and len(self.spelling) > 1)

    def reading(self) -> _Reading:
        """Return how this is read."""
        if len(self.dashes) > _MOST_DASHES:
            return _Reading.WORDS
        if self.before in _OPENING:
            return _Reading.DOUBTFUL if self.value is not None else _Reading.WORDS
        if len(self.dashes) > 1:
            return self._after_two_dashes()
        return self._after_spaced_dash() if self.gap else self._after_dash()

    def _after_two_dashes(self) -> _Reading:
        if self.value is not None:
            return _Reading.PARAMETER
        if self.attached:
            return _Reading.WORDS
        if self.gap:
            return _Reading.WORDS if self._is_word else _Reading.DOUBTFUL
        return _Reading.WORDS if self._is_word and self.dashes != "--" else _Reading.PARAMETER

    def _after_dash(self) -> _Reading:
        is_em_dash = self.dashes in _EM_DASHES
        if self.attached:
            fits = is_em_dash and self.value is not None and ":" in self.value
            return _Reading.PARAMETER if fits else _Reading.WORDS
        if self.value is not None:
            return _Reading.PARAMETER
        if self._is_word:
            return _Reading.WORDS
        return _Reading.PARAMETER if is_em_dash else _Reading.DOUBTFUL

    def _after_spaced_dash(self) -> _Reading:
        if self.value is None:
            return _Reading.WORDS
        if self.spelling.lower() not in _WORDS:
            return _Reading.PARAMETER
        return _Reading.DOUBTFUL if self.ends and not self.attached else _Reading.WORDS


def read_dashes(text: str) -> tuple[str, list[str]]:
    """Return the text with each parameter behind ``--``, and a note on each that was written differently.

    The text has single blanks. Raises PromptFileError for what may be a parameter or not.
    """
    if not _MAY_HOLD_DASHES.search(text):
        return text, []
    pieces: list[str] = []
    notes: list[str] = []
    kept = position = 0
    while match := _CANDIDATE.search(text, position):
        candidate = _candidate(text, match)
        position = match.end() if candidate is None or candidate.value else match.end("blank")
        written = text[match.start() : position].strip(" ")
        if candidate is None or (written == candidate.meant and candidate.before == " "):
            continue
        reading = candidate.reading()
        if reading is _Reading.DOUBTFUL:
            raise not_meant(
                f"{_visible(written)} may be the parameter {candidate.meant}, or words",
                f"write {candidate.meant} for the parameter, or another punctuation mark for words",
            )
        if reading is _Reading.PARAMETER:
            pieces += [text[kept : match.start()], candidate.meant]
            was_read = f"{_visible(written)} was read as {candidate.meant}"
            notes.append(f"put a blank before {written}" if written == candidate.meant else was_read)
            kept = position
    pieces.append(text[kept:])
    text = " ".join(" ".join(pieces).split()) if notes else text
    if unknown := _OTHER_LETTERS.search(text):
        raise not_meant(
            f"{shown(unknown[0])} has letters of another alphabet, so it is no parameter",
            "write it with the letters a to z, or put another punctuation mark before words",
        )
    return text, notes


def holds_parameters(line: str) -> bool:
    """Return whether a line has parameters, and something before them."""
    if not _MAY_HOLD_DASHES.search(line):
        return False
    try:
        words = read_dashes(" ".join(line.split()))[0]
    except PromptFileError:
        return True
    return " --" in words and not words.startswith("--")


def _candidate(text: str, match: re.Match[str]) -> _Candidate | None:
    """Return what a match may mean, or None for a link or a name that is no parameter."""
    spelling = unicodedata.normalize("NFKC", _NOT_SHOWN.sub("", match["name"] or ""))
    pattern = _VALUES.get(spelling.lower())
    if pattern is None:
        return None
    dashes = _BETWEEN_DASHES.sub("", match["dash"])
    is_apart = match["blank"] or len(dashes) > 1
    value = _fitting(pattern, match["value"]) if is_apart else None
    rest = _BLANKS.match(text, match.end("blank") if value is None else match.end())
    following = text[rest.end() : rest.end() + 1] if rest else ""
    return _Candidate(
        spelling=spelling,
        dashes=dashes,
        gap=" " in match["gap"],
        before=text[match.start() - 1] if match.start() else " ",
        value=value,
        ends=not following or following in _DASHES,
    )


def _fitting(pattern: re.Pattern[str], written: str) -> str | None:
    """Return the value as it would be typed, if it fits; punctuation after it is not part of it."""
    if pattern not in (_RATIO, _NUMBER):
        return written if pattern.fullmatch(written) else None
    value = unicodedata.normalize("NFKC", _NOT_SHOWN.sub("", written))
    attempts = (value, value.rstrip(_TRAILING))
    return next((attempt for attempt in attempts if pattern.fullmatch(attempt)), None)


def _visible(text: str) -> str:
    """Return the text in quotes, with the names of characters that show nothing."""
    return shown(_NOT_SHOWN.sub(lambda mark: f"[U+{ord(mark[0]):04X}]", text))
