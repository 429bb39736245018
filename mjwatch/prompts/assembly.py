"""Putting one prompt's text together: image links first, then words, then parameters."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.prompts.links import split_links
from mjwatch.prompts.parameters import render, slips

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mjwatch.prompts.wish import Parameters

MAX_TEXT = 6000
"""Characters in a text option of a slash command (discord-api-docs, "Application Command Option")."""

_ESCAPED = re.compile(r"\\[{},]")
_PLAIN_BRACES = re.compile(r"\{[^{},]*\}")
_BRACES = re.compile(r"\{[^{}]*,[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Assembled:
    """The text that is submitted, and a line for each thing that Midjourney will probably not like."""

    text: str
    slips: tuple[str, ...]


def assemble(text: str, links: Iterable[str], parameters: Parameters, *, bare: bool) -> Assembled:
    """One prompt, as it is submitted. ``bare``: it may consist of parameters alone, or of nothing.

    Raises PromptFileError where that can't be submitted.
    """
    found, words = split_links(clean(text))
    addresses = dict.fromkeys([*links, *found])
    if not (addresses or words or bare):
        raise PromptFileError("the prompt is empty", "write what Midjourney shall draw")
    whole = " ".join(part for part in (*addresses, words, render(parameters)) if part)
    if len(whole) > MAX_TEXT:
        raise PromptFileError(
            f"the prompt has {len(whole)} characters, but Discord takes {MAX_TEXT} at most", "shorten it"
        )
    if _is_permutation(whole):
        raise PromptFileError(
            "the prompt still holds a permutation, for which Midjourney would ask back",
            "write \\{ for a plain brace; a permutation goes into a .txt or .toml",
        )
    return Assembled(whole, tuple(slips(whole)))


def _is_permutation(text: str) -> bool:
    """Whether Midjourney would expand this: some comma stands within braces."""
    text = _ESCAPED.sub("", text)
    while (shorter := _PLAIN_BRACES.sub("", text)) != text:
        text = shorter
    return _BRACES.search(text) is not None


def clean(text: str) -> str:
    """The text with every run of blanks and line breaks made one space. Raises PromptFileError on binary."""
    text = " ".join(text.replace("\t", " ").replace("\n", " ").replace("\r", " ").split(" "))
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise PromptFileError(
                f"the text holds a control character (U+{ord(character):04X})", "save it as plain text"
            )
    return " ".join(text.split())
