"""Whether one prompt may be the bot's echo of another: its words, and what of its parameters stays. Pure.

Recorded 2023-2026: the bot replaces links by ``https://s.mj.run/…``, collapses blanks, writes an em dash as
``--``, reorders parameters, respells some (``--v 7`` as ``--v 7.0``, ``--style raw`` as ``--raw``, codes of
``--p``) and adds those of the account's settings. It keeps the words, the aspect ratio, what ``--no`` names,
and a parameter's number. Only an animated prompt loses these (``--no`` is dropped, ``--aspect`` added).
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import TYPE_CHECKING

from mjwatch.midjourney.parsing.content import CUT_AT_LEAST, LINK
from mjwatch.prompts.parameters import found_in

if TYPE_CHECKING:
    from collections.abc import Collection

_PARAMETERS = re.compile(r"(?:^| )--.*", re.DOTALL)
_ELLIPSIS = re.compile(r"(?:\u2026|\.\.\.)$")
_RATIO = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)[:x/](\d{1,6}(?:\.\d{1,6})?)")
_NUMBER = re.compile(r"\d{0,12}\.?\d{1,12}")
_SQUARE = Fraction(1)


def could_be_same(left: str, right: str) -> bool:
    """Return whether one prompt may be the echo of the other. Proves nothing: equal prompts look alike."""
    if not same_words(left, right):
        return False
    is_cut = min(len(left), len(right)) >= CUT_AT_LEAST  # then parameters may be lost, or end halfway
    return is_cut or not _parameters_differ(_parameters(left), _parameters(right))


def same_words(left: str, right: str) -> bool:
    """Return whether the words of one prompt may be those of the other, whatever their parameters.

    Discord's limits (2000 characters a message, 2048 a footer) are below a prompt's, so a long prompt may
    come back cut, with or without an ellipsis.
    """
    shorter, longer = sorted((normalise(left), normalise(right)), key=len)
    if shorter == longer:
        return True
    cut = _ELLIPSIS.sub("", shorter).rstrip(" -")
    return len(cut) >= CUT_AT_LEAST and longer.startswith(cut)


def normalise(prompt: str) -> str:
    """Return the words of a prompt as the bot leaves them: no links, one blank between two words, NFC."""
    return _PARAMETERS.sub("", _plain(prompt))


def _plain(prompt: str) -> str:
    text = unicodedata.normalize("NFC", prompt).replace("\u2014", "--")
    return " ".join(LINK.sub(" ", text).split())


def _parameters(prompt: str) -> dict[str, set[str]]:
    """Return the values of each parameter, by its canonical name."""
    values: dict[str, set[str]] = {}
    for name, value in found_in(_plain(prompt)):
        values.setdefault(name, set()).add(value)
    return values


def _parameters_differ(left: dict[str, set[str]], right: dict[str, set[str]]) -> bool:
    """Return whether the two differ in something that the bot does not rewrite."""
    if "video" in left or "video" in right:
        return False
    if _ratios(left).isdisjoint(_ratios(right)) or _excluded(left) != _excluded(right):
        return True
    return any(_numbers_differ(left[name], right[name]) for name in left.keys() & right.keys())


def _ratios(parameters: dict[str, set[str]]) -> set[Fraction | str]:
    """Return the aspect ratios: 6:4 is 3:2, and none is 1:1."""
    return {_ratio(value) for value in parameters.get("ar", ())} or {_SQUARE}


def _ratio(value: str) -> Fraction | str:
    found = _RATIO.match(value)
    if found is None or not Fraction(found[2]):
        return value
    return Fraction(found[1]) / Fraction(found[2])


def _excluded(parameters: dict[str, set[str]]) -> set[str]:
    """Return what ``--no`` names, one by one."""
    named = (item.strip() for value in parameters.get("no", ()) for item in value.split(","))
    return {item for item in named if item}


def _numbers_differ(left: Collection[str], right: Collection[str]) -> bool:
    """Return whether both have nothing but numbers, and none in common."""
    if not all(_NUMBER.fullmatch(value) for value in (*left, *right)):
        return False
    return {float(value) for value in left}.isdisjoint({float(value) for value in right})
