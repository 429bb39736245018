"""The comparable form of a prompt: what is left of it when the bot has rewritten it for its echo."""

from __future__ import annotations

import re
import unicodedata

_LINK = re.compile(r"<?https?://[^\s<>]*[^\s<>,.;:!?)\]\"']>?", re.IGNORECASE)
_PARAMETERS = re.compile(r"(?:^| )--.*", re.DOTALL)
_ELLIPSIS = re.compile(r"(?:\u2026|\.\.\.)$")

CUT_AT_LEAST = 1000
"""An echo this long, in characters, may have been cut (Discord's limit for a message is 2000)."""


def normalise(prompt: str) -> str:
    """The part of a prompt that the bot leaves alone, for comparing what was submitted with the echo.

    Recorded 2023-2026: links become ``https://s.mj.run/…``, blanks are collapsed, an em dash becomes
    ``--``, parameters are reordered, respelled and added to. So links are dropped and only the text before
    the first `` --`` counts. Case is kept; Unicode is brought to NFC.
    """
    text = unicodedata.normalize("NFC", prompt).replace("\u2014", "--")
    text = " ".join(_LINK.sub(" ", text).split())
    return _PARAMETERS.sub("", text)


def could_be_same(one: str, other: str) -> bool:
    """Whether one may be the echo of the other. Equal prompts in flight look alike: this proves nothing.

    Discord's limits (2000 characters a message, 2048 a footer) are below a prompt's, so a long one may
    come back cut, with or without an ellipsis.
    """
    shorter, longer = sorted((normalise(one), normalise(other)), key=len)
    if shorter == longer:
        return True
    cut = _ELLIPSIS.sub("", shorter).rstrip(" -")
    return len(cut) >= CUT_AT_LEAST and longer.startswith(cut)
