"""The names of follow-ups: what may be asked of a finished job, in one spelling each.

::

    U1 … U4, V1 … V4, reroll       on a grid
    vary subtle|strong             these and all below: on one picture; "vary strong 3" is on the third
    upscale subtle|creative|2x|4x  one of the grid, without a number on the first
    zoom 2x|1.5x                   any other factor from 1x to 2x goes through the Custom Zoom form
    square
    pan left|right|up|down
    animate low|high
    extend low|high                on a video

Case, hyphens and brackets don't matter: ``u1``, ``Vary (Strong)`` and ``pan-left`` are read too.
"""

from __future__ import annotations

import difflib
import re
from itertools import chain
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

ON_GRID = ("U1", "U2", "U3", "U4", "V1", "V2", "V3", "V4", "reroll")
"""Follow-ups that a grid has buttons for; they take no number."""

ON_PICTURE = (
    *("vary subtle", "vary strong"),
    *("upscale subtle", "upscale creative", "upscale 2x", "upscale 4x"),
    *("zoom 2x", "zoom 1.5x"),
    "square",
    *("pan left", "pan right", "pan up", "pan down"),
    *("animate low", "animate high"),
    *("extend low", "extend high"),
)
"""Follow-ups of a single picture; each may carry the number of the picture in the grid."""

ALL = ("U1", "U2", "U3", "U4")
"""What ``all`` stands for."""

_BY_WORDS = {name.lower(): name for name in (*ON_GRID, *ON_PICTURE)}
_NUMBERED = re.compile(r"(?P<name>.*\S) (?P<number>[1-4])")
_ZOOM = re.compile(r"zoom (?P<factor>\d+(?:\.\d*)?|\.\d+)x?(?P<number> [1-4])?")
_NOISE = re.compile(r"\bmotion\b|\bmake (?=square)|(?<=zoom )out ")
"""Words of Midjourney's labels that say nothing: Animate (High motion), Make Square, Zoom Out 2x."""

_SINGLE = ("U", "upscale")
"""Beginnings of follow-ups that give one picture."""

_MEND = "follow-ups are U1-U4, V1-V4, reroll, " + ", ".join(ON_PICTURE)


def canonical(text: str) -> str:
    """The one spelling of a follow-up's name. Raises PromptFileError, with the nearest name."""
    words = _NOISE.sub("", " ".join(re.sub(r"[()\s_-]+", " ", text.lower()).split()))
    words = re.sub(r"^([uv]) (?=[1-4]$)", r"\1", " ".join(words.split()))
    zoom = _ZOOM.fullmatch(words)
    if zoom:
        return _zoom(float(zoom["factor"])) + (zoom["number"] or "")
    if words in _BY_WORDS:
        return _BY_WORDS[words]
    numbered = _NUMBERED.fullmatch(words)
    if numbered and numbered["name"] in ON_PICTURE:
        return words
    raise PromptFileError(f"there is no follow-up {shown(text)}{_nearest(words)}", _MEND)


def expand_then(names: Iterable[str]) -> tuple[str, ...]:
    """Follow-ups in their one spelling, with ``all`` as U1 to U4. Raises PromptFileError.

    A follow-up that is named twice is done once.
    """
    each = (ALL if name.strip().lower() == "all" else (canonical(name),) for name in names)
    return tuple(dict.fromkeys(chain.from_iterable(each)))


def split_number(name: str) -> tuple[str, int | None]:
    """A canonical name without the picture's number, and that number: ``("vary strong", 3)``.

    The number is None where the name has none; that of ``U3`` is part of the name and stays in it.
    """
    numbered = _NUMBERED.fullmatch(name)
    return (numbered["name"], int(numbered["number"])) if numbered else (name, None)


def zoom_factor(name: str) -> float | None:
    """How far a canonical name zooms out; None for follow-ups that don't zoom."""
    zoom = _ZOOM.fullmatch(name)
    return float(zoom["factor"]) if zoom else None


def jobs_for(then: Iterable[str], after: str | None = None) -> int:
    """How many jobs these follow-ups become at most, after a new prompt or after the follow-up ``after``.

    What only a single picture can be asked for needs that picture out of the grid, by U1 to U4: a job too.
    """
    names = set(then)
    if after is None or not after.startswith(_SINGLE):
        numbered = (split_number(name) for name in names)
        names |= {f"U{number or 1}" for name, number in numbered if name not in ON_GRID}
    return len(names)


def takes_words(name: str) -> bool:
    """Whether this follow-up can be given new words, through the form that Midjourney then opens."""
    return not name.startswith(("U", "upscale", "square"))


def _zoom(factor: float) -> str:
    if not 1 <= factor <= 2:
        raise PromptFileError(
            f"zoom {factor:g}x is not possible",
            "Midjourney zooms out by 1x to 2x; for the grid's third picture write zoom 2x 3",
        )
    return f"zoom {factor:.4f}".rstrip("0").rstrip(".") + "x"


def _nearest(words: str) -> str:
    if words == "vary region":
        return ": its area is drawn by hand, in Discord"
    if re.fullmatch(r"(upscale|variation|vary) [1-4]", words):
        return f" (did you mean {'U' if words.startswith('u') else 'V'}{words[-1]}?)"
    close = difflib.get_close_matches(words, _BY_WORDS, n=1, cutoff=0.5)
    return f" (did you mean {_BY_WORDS[close[0]]}?)" if close else ""
