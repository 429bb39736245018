"""Texts that are more than one prompt, or data: lists in a ``.txt``, JSON, and braces that are no choice.

A list in a ``.txt`` and a paragraph that is wrapped over lines look alike. Lines count as one prompt if most
of them run into the next one: by their punctuation, by the words at both sides of the break, or because the
next word had no room. What is in doubt is refused, because a list would be sent as one long prompt.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import dropwhile, pairwise
from typing import TYPE_CHECKING

from mjwatch.prompts.dashes import holds_parameters
from mjwatch.prompts.source_text import INVISIBLE, not_meant, prompt_lines, word_set
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# ---- lists


MARKER = re.compile(
    r"(?:(?P<number>\d{1,3})[.)]|[*\u2022\u25aa\u25cf\u25e6]|[-\u2013\u2014](?![-\u2013\u2014\w]))"
    r"\s+(?:\[[ xX]\]\s+)?(?=[^\s*\u2022\u2013\u2014-])"
)
"""A number or a bullet before a list's entry."""

_LABEL = re.compile(r"\W{0,4}prompt\W{0,3}\d{1,3}\b", re.IGNORECASE)
_FIELD = re.compile(
    r"[*_#]{0,3}(?P<label>action|angle|atmosphere|background|camera|colou?rs?|composition|details?|environment"
    r"|film|foreground|lens|light|lighting|location|materials?|medium|mood|palette|pose|scene|setting|shot"
    r"|style|subject|texture|time|weather"
    r"|\u4e3b\u9898|\u4e3b\u4f53|\u98ce\u683c|\u5149\u7ebf|\u573a\u666f|\u80cc\u666f|\u6784\u56fe|\u8272\u5f69|\u955c\u5934)"
    r"\s?[*_]{0,3}[:\uff1a]",
    re.IGNORECASE,
)
"""A label within one prompt that describes a picture part by part (``Style: watercolour``)."""

_LINKS = re.compile(r"<?https?://\S+(?:\s+<?https?://\S+)*", re.IGNORECASE)
_RULE = re.compile(r"[-*_=~#\u2014\u2500]{3,}")
"""A line between two texts."""

_TABLE = re.compile(r"\W?prompts?\W?\s*[,;\t|].*", re.IGNORECASE)
"""The head of a table whose first column are prompts."""

QUOTED = re.compile(r">\s+")
"""What chat programs put before each quoted line."""
_RUNS_ON = re.compile(r"[,;:&+/(\[{\u2014\u2013\u3001\uff0c\uff1b\uff1a-]$")
_ENDS_SENTENCE = re.compile(r"[.!?\u2026\u3002\uff01\uff1f][\"'\u201d\u2019)]?$")
_CONTINUES = re.compile(r"[,;:)\]}&+\u3001\uff0c]|--|[\u2014\u2013-]\w")
_OPEN_WORDS = word_set(
    "a an the of with without and or in on at by for from to into onto over under near as is are was"
    " were has have while which that who whose like than between behind above below through across"
    " very his her its their our my your some no each every both de la le el der die das und mit von"
    " et avec y con"
)
"""A line that ends with one of these is continued by the next."""

_JOINING_WORDS = word_set(
    "of with without and or but in on at by for from to into onto over under near as is are was were"
    " has have while which that who whose where when like than between behind above below through"
    " across inside around against beside during it its it's they their he his she her there this"
    " these then"
)
"""A line that begins with one of these continues the one before."""

_DEFINITE = frozenset({"the", "everything", "nothing", "all", "some", "no"})
_WRAPPED_WIDTHS = range(50, 121)
_LONGEST_WORD = 20


FENCE = re.compile(r"(?:`{3}|~{3})[\w.-]{0,20}")
"""A line that begins or ends a block of code, as chat programs copy it."""


_BETWEEN_PROMPTS = (
    (FENCE, "the code fence around the list"),
    (_RULE, "the lines between the prompts"),
    (re.compile(r"#{2,6}\s.*"), "the headings"),
    (re.compile(rf"{_LABEL.pattern}\W{{0,4}}", re.IGNORECASE), "the labels before the prompts"),
)
"""Lines of a list that are no prompts, and what a note calls them."""


def list_entries(text: str) -> tuple[list[tuple[int, str]], tuple[str, ...]]:
    """Return the prompts of a ``.list.txt`` with their line numbers, and notes on what was left out.

    Lines that are no prompts are left out, such as those of a code fence, and numbers before all prompts.
    Raises PromptFileError for JSON, a table, and prompts that go over several lines.
    """
    check_is_no_json(text)
    entries, notes = prompt_lines(text), list[str]()
    for pattern, what in _BETWEEN_PROMPTS:
        kept = [entry for entry in entries if not pattern.fullmatch(entry[1])]
        if kept and len(kept) < len(entries):
            entries = kept
            notes.append(f"left out {what}")
    if len(entries) > 1:
        _check_is_prompt_a_line(entries)
    marks = [MARKER.match(line) for _, line in entries]
    counted = [int(mark["number"]) for mark in marks if mark and mark["number"]]
    if len(entries) == len(counted) > 1 and all(one < other for one, other in pairwise(counted)):
        notes.append("left out the numbers before the prompts")
        entries = [
            (number, line[mark.end() :]) for (number, line), mark in zip(entries, marks, strict=True) if mark
        ]
    return entries, tuple(notes)


def _check_is_prompt_a_line(entries: Sequence[tuple[int, str]]) -> None:
    """Raise PromptFileError for a table, and for paragraphs whose lines run on."""
    if _TABLE.fullmatch(entries[0][1]):
        raise not_meant("the list is a table", "keep only the prompts, one on each line")
    pairs = list(pairwise(entries))
    unbroken = [line for (number, line), (following, _) in pairs if following == number + 1]
    if 0 < len(unbroken) < len(pairs) and all(map(_RUNS_ON.search, unbroken)):
        raise not_meant("the prompts of the list go over several lines", "write each prompt on one line")


def one_prompt(text: str, name: str) -> str:
    """Return the whole text as one prompt. Raises PromptFileError if it is a list of prompts, or JSON."""
    lines = [line for _, line in prompt_lines(text)]
    stem = name.rsplit("/", 1)[-1][: -len(".txt")].removesuffix(".ready")
    check_is_one_prompt(lines, f"name the file {stem}.list.txt")
    if len(lines) > 1 and all(map(QUOTED.match, lines)):  # the first mark is left out later, with a note
        lines[1:] = [QUOTED.sub("", line) for line in lines[1:]]
    return " ".join(lines)


def check_is_one_prompt(lines: Sequence[str], remedy: str) -> None:
    """Raise PromptFileError if lines look like several prompts, or like JSON; ``remedy`` for several."""
    bare = [line for line in lines if line.strip(INVISIBLE) and not FENCE.fullmatch(line)]
    check_is_no_json(" ".join(bare))
    # A line that has only parameters belongs to the prompt above it.
    with_parameters = sum(map(holds_parameters, bare))
    if with_parameters > 1:
        raise not_meant(
            f"{with_parameters} lines have parameters, so this looks like a list of prompts",
            f"{remedy}, or put the parameters of one prompt on one line",
        )
    if len(bare) > 1 and (count := _prompts_in(bare)) > 1:
        raise not_meant(
            f"the lines look like {count} prompts",
            f"{remedy}, or end the lines of one prompt with commas",
        )


def _prompts_in(lines: Sequence[str]) -> int:
    """Return how many prompts the lines of a text look like: one, or more."""
    rules = sum(map(bool, map(_RULE.fullmatch, lines[1:-1])))
    if rules:
        return rules + 1
    words = list(dropwhile(_LINKS.fullmatch, lines)) or lines
    labels = [found["label"].lower() for line in lines if (found := _FIELD.match(line))]
    if _is_wrapped(lines) or (len(labels) > 1 and len(set(labels)) == len(labels)):
        return 1
    joints = list(pairwise(words))
    marked = sum(1 for line in lines if MARKER.match(line) or _LABEL.match(line))
    joined = sum(1 for line, following in joints if _runs_on(line, following))
    if marked == len(lines) or (marked < 2 and joined * 2 < len(joints)) or _is_headed(lines, marked):
        return sum(not line.startswith("--") for line in lines)
    return 1


def _is_headed(lines: Sequence[str], marked: int) -> bool:
    """Return whether a heading and numbered entries are all there is."""
    numbers = [found["number"] for line in lines if (found := MARKER.match(line)) and found["number"]]
    return marked == len(lines) - 1 and len(numbers) > 1


def _is_wrapped(lines: Sequence[str]) -> bool:
    """Return whether a program that wraps at some width broke a text into these lines: no word had room."""
    width = max(map(len, lines))
    if len(lines) < 3 or width not in _WRAPPED_WIDTHS or all(map(_ENDS_SENTENCE.search, lines)):
        return False
    words = (min(_LONGEST_WORD, len(line.split(maxsplit=1)[0])) for line in lines[1:])
    return all(len(line) + 1 + word > width for line, word in zip(lines, words, strict=False))


def _runs_on(line: str, following: str) -> bool:
    """Return whether a line is continued by the one that follows."""
    if _RUNS_ON.search(line) or _CONTINUES.match(following):
        return True
    first = following.split(maxsplit=1)[0].strip("\"'\u201c\u201d(").rstrip(",;:").lower()
    last = line.rsplit(maxsplit=1)[-1].lower()
    if last in _OPEN_WORDS or first in _JOINING_WORDS:
        return True
    return _ENDS_SENTENCE.search(line) is not None and first in _DEFINITE


# ---- JSON and other data


_MAY_BE_JSON = re.compile(r"\s*[\[{]\s*[\[{\"\d\]}]")
_JSON_KEY = re.compile(r"[\[{,]\s*\"[^\"{}]{1,80}\"\s*:")


def is_json(text: str) -> bool:
    """Return whether the text is a JSON object or array."""
    if not _MAY_BE_JSON.match(text):
        return False
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def looks_like_json(text: str) -> bool:
    """Return whether the text is JSON, or the beginning of it."""
    return is_json(text) or (
        _MAY_BE_JSON.match(text) is not None and _JSON_KEY.search(text[:2000]) is not None
    )


def check_is_no_json(text: str) -> None:
    """Raise PromptFileError if the text is JSON, or the beginning of it."""
    if looks_like_json(text):
        raise not_meant(
            "the text is JSON, not a prompt",
            "write the prompt as a sentence, or put the JSON between ''' and ''' as prompt of a .toml file",
        )


def literal(text: str) -> str:
    """Return the text with its braces escaped, so that nothing in it is a choice."""
    return re.sub(r"(?<!\\)[{}]", r"\\\g<0>", text)


# ---- braces


_MOST_OPTIONS = 24
"""Options of the only choice in a text; a longer one is more likely data or prose."""

_QUOTES = (('"', '"'), ("\u201c", "\u201d"))
_KEY = re.compile(r"\s*[\"']?[A-Za-z_][\w -]{0,30}[\"']?\s*:(?![:\d])")
_CODE_BEFORE = re.compile(r"[\w)\]]\s?:?=>?\s?$")
_BRACE = re.compile(r"\\.|[{},]", re.DOTALL)


@dataclass(slots=True)
class _Choice:
    """Braces with commas: where they begin, and the position of each part."""

    start: int
    commas: list[int] = field(default_factory=list)
    end: int = 0
    nested: bool = False


def check_choices(text: str) -> None:
    """Raise PromptFileError if braces with commas are data, code or prose rather than a choice."""
    choices = list(_choices(text))
    for choice in choices:
        _check_choice(text, choice, alone=len(choices) == 1 and "__" not in text)


def _choices(text: str) -> Iterator[_Choice]:
    """Yield the braces with commas that hold no others; a brace that is not closed is not looked at."""
    open_braces: list[_Choice] = []
    for mark in _BRACE.finditer(text):
        if mark[0] == "{":
            if open_braces:
                open_braces[-1].nested = True
            open_braces.append(_Choice(mark.start()))
        elif mark[0] == "," and open_braces:
            open_braces[-1].commas.append(mark.start())
        elif mark[0] == "}" and open_braces:
            choice = open_braces.pop()
            choice.end = mark.start()
            if choice.commas and not choice.nested:
                yield choice


def _check_choice(text: str, choice: _Choice, *, alone: bool) -> None:
    edges = [choice.start, *choice.commas, choice.end]
    parts = [text[first + 1 : last] for first, last in pairwise(edges)]
    before = text[max(0, choice.start - 80) : choice.start]
    written = shown(text[choice.start : choice.end + 1])
    if _CODE_BEFORE.search(before):
        raise _no_choice(written, "code or a formula")
    if any(
        part.count(left) + part.count(right) * (left != right) & 1
        for part in parts
        for left, right in _QUOTES
    ):
        raise _no_choice(written, "quoted text that its commas would cut")
    if all(_KEY.match(part) for part in parts):
        raise _no_choice(written, "names and values")
    if alone and len(parts) > _MOST_OPTIONS:
        raise _no_choice(written, f"{len(parts)} parts, each of which would be a job,")


def _no_choice(written: str, kind: str) -> Exception:
    return not_meant(
        f"the braces {written} hold {kind} rather than a choice",
        "write \\{ for a plain brace; `mjwatch expand FILE --force` shows the jobs of a choice",
    )
