"""Composing the one text that is submitted: image links first, then words, then parameters."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.model import Prompt
from mjwatch.prompts import parameters as params
from mjwatch.prompts.links import split_links, validate_link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mjwatch.model import ParameterValue

MAX_TEXT = 6000
"""Characters in a text option of a slash command (discord-api-docs, "Application Command Option")."""

_PERMUTATION = re.compile(r"(?<!\\)\{[^{}]*,[^{}]*\}")
_WILDCARD = re.compile(r"(?<!\S)__[A-Za-z][\w-]*?__(?!\w)")


def compose(
    text: str,
    *,
    images: Sequence[str] = (),
    parameters: Mapping[str, ParameterValue] | None = None,
    defaults: Mapping[str, ParameterValue] | None = None,
    label: str | None = None,
) -> tuple[Prompt, list[str]]:
    """One prompt, and warnings about what Midjourney will probably not like.

    ``parameters`` must not repeat what the text has; ``defaults`` are parameters that give way to both.
    Raises PromptFileError where this can't be submitted.
    """
    links, rest = split_links(clean(text))
    own = dict(parameters or {})
    in_text = {name for name, _ in params.found_in(rest)}
    for name in own:
        if params.canonical(name) in in_text:
            raise PromptFileError(
                f"--{name} stands in the prompt's text and in [parameters] too", "leave one of them out"
            )
    taken = in_text | {params.canonical(name) for name in own}
    given = {name: value for name, value in (defaults or {}).items() if params.canonical(name) not in taken}
    given |= own
    pictures = list(dict.fromkeys([*images, *links]))
    if not (pictures or rest):
        raise PromptFileError("the prompt is empty", "write what Midjourney shall draw")
    whole = " ".join(part for part in (*pictures, rest, params.render(given)) if part)
    _refuse_unusable(whole)
    return Prompt(text=whole, parameters=given, label=label), params.slips(whole)


def clean(text: str) -> str:
    """The text with every run of blanks and line breaks made one space. Raises PromptFileError on binary."""
    text = " ".join(text.replace("\t", " ").replace("\n", " ").replace("\r", " ").split(" "))
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise PromptFileError(
                f"the text holds a control character (U+{ord(character):04X})", "save it as plain text"
            )
    return " ".join(text.split())


def check_image(address: str) -> str:
    """The address of an image prompt. Raises PromptFileError if it is a local file or no usable link."""
    if "://" not in address:
        raise PromptFileError(
            f"the image {address!r} is a local file, which this version can't upload yet",
            "put it on the web and give its address, https://…",
        )
    try:
        return validate_link(address)
    except ValueError as error:
        raise PromptFileError(str(error), "give the picture's own address, https://…") from error


def _refuse_unusable(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise PromptFileError(
            f"the prompt has {len(text)} characters, but Discord takes {MAX_TEXT} at most", "shorten it"
        )
    # Sent as they are, the first two make the bot ask back, and the third is drawn literally and paid for.
    if _PERMUTATION.search(text):
        raise PromptFileError(
            "this version can't expand {a, b} yet", "write each prompt out, one a line of a .list.txt"
        )
    if "repeat" in dict(params.found_in(text)):
        raise PromptFileError(
            "this version can't do --repeat yet", "write the prompt so many times in a .list.txt"
        )
    wildcard = _WILDCARD.search(text)
    if wildcard:
        raise PromptFileError(
            f"this version can't expand the wildcard {wildcard[0]} yet", "write the prompts out"
        )
