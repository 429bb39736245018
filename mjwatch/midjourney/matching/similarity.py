"""Which jobs could take each other's results while no id tells them apart. Pure.

The comparable form of a prompt: what is left of it when the bot has rewritten it for its echo.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from mjwatch.midjourney.buttons import read_custom_id

if TYPE_CHECKING:
    from mjwatch.model import Job, Press


def twin_of(job: Job) -> str:
    """The key that this job shares with all those that could be taken for it; unique if there are none.

    - An imagine shares it with every equal prompt, as far as the bot leaves prompts alone.
    - A blend's echo is nothing but links, so all blends are alike, and an imagine of links alone is too.
    - Two follow-ups are alike if they do the same kind of thing to one message; U1 and U2 are not, since
      their results name the picture.
    - Two /show of one job bring the same uuid.
    - All other commands answer in the message that names their nonce.

    All but those of prompts begin with a line break, which no prompt's has.
    """
    if job.press is not None:
        return f"\n{job.press.message_id} {_kind(job.press)}"
    match job.prompt.command:
        case "imagine" if job.prompt.action is None:
            return normalise(job.prompt.text)
        case "blend":
            return ""
        case "show":
            return f"\nshow {job.prompt.text.strip().lower()}"
        case command:
            return f"\n{command} {job.id}"


def _kind(press: Press) -> str:
    found = read_custom_id(press.custom_id)
    if found is None or found.action is None:
        return press.custom_id
    return f"upscale {found.image_index}" if found.verb == "upsample" and not found.solo else found.action


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
