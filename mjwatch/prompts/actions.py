"""The names of follow-ups: what may be asked of a finished job, each in one canonical spelling.

::

    U1 … U4, V1 … V4, reroll       on a grid
    vary subtle|strong             this and all below: on one picture; "vary strong 3" is on the third
    upscale subtle|creative|2x|4x  picture of a grid; without a number it is on the first
    zoom 2x|1.5x                   any other factor from 1x to 2x uses the Custom Zoom form
    square
    pan left|right|up|down
    animate low|high
    extend low|high                on a video

Case, hyphens and brackets don't matter: ``u1``, ``Vary (Strong)`` and ``pan-left`` are understood too.
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

ALL_UPSCALES = ("U1", "U2", "U3", "U4")
"""What ``all`` stands for."""

_BY_LOWER_NAME = {name.lower(): name for name in (*ON_GRID, *ON_PICTURE)}
_NUMBERED = re.compile(r"(?P<name>.*\S) (?P<number>[1-4])")
_ZOOM = re.compile(r"zoom (?P<factor>\d+(?:\.\d*)?|\.\d+)x?(?P<number> [1-4])?")
_NOISE = re.compile(r"\bmotion\b|\bmake (?=square)|(?<=zoom )out ")
"""Words in Midjourney's labels that mean nothing here: Animate (High motion), Make Square, Zoom Out 2x."""

_SINGLE = ("U", "upscale")
"""How the names of follow-ups begin that give one picture."""

_HINT = "follow-ups are U1-U4, V1-V4, reroll, " + ", ".join(ON_PICTURE)


def canonical(text: str) -> str:
    """Return the canonical spelling of a follow-up's name. Raises PromptFileError, with the nearest name."""
    name = _NOISE.sub("", " ".join(re.sub(r"[()\s_-]+", " ", text.lower()).split()))
    name = re.sub(r"^([uv]) (?=[1-4]$)", r"\1", " ".join(name.split()))
    zoom = _ZOOM.fullmatch(name)
    if zoom:
        return _zoom(float(zoom["factor"])) + (zoom["number"] or "")
    if name in _BY_LOWER_NAME:
        return _BY_LOWER_NAME[name]
    numbered = _NUMBERED.fullmatch(name)
    if numbered and numbered["name"] in ON_PICTURE:
        return name
    raise PromptFileError(f"there is no follow-up {shown(text)}{_nearest(name)}", _HINT)


def expand_then(names: Iterable[str]) -> tuple[str, ...]:
    """Return follow-ups in canonical spelling, with ``all`` as U1 to U4. Raises PromptFileError.

    A follow-up that is named twice is returned once.
    """
    each = (ALL_UPSCALES if name.strip().lower() == "all" else (canonical(name),) for name in names)
    return tuple(dict.fromkeys(chain.from_iterable(each)))


def split_number(name: str) -> tuple[str, int | None]:
    """Return a canonical name without the picture's number, and that number: ``("vary strong", 3)``.

    The number is None if the name has none. The number of ``U3`` is part of the name and stays in it.
    """
    numbered = _NUMBERED.fullmatch(name)
    return (numbered["name"], int(numbered["number"])) if numbered else (name, None)


def zoom_factor(name: str) -> float | None:
    """Return how far a follow-up zooms out, or None if it does not zoom."""
    zoom = _ZOOM.fullmatch(name)
    return float(zoom["factor"]) if zoom else None


def jobs_for(then: Iterable[str], after: str | None = None) -> int:
    """Return how many jobs these follow-ups become at most, after a new prompt or the follow-up ``after``.

    A follow-up of a single picture first needs that picture out of the grid, by U1 to U4, which is a job too.
    """
    names = set(then)
    if after is None or not after.startswith(_SINGLE):
        numbered = (split_number(name) for name in names)
        names |= {f"U{number or 1}" for name, number in numbered if name not in ON_GRID}
    return len(names)


def takes_text(name: str) -> bool:
    """Return whether this follow-up can be given a new text, through the form that Midjourney then opens."""
    return not name.startswith(("U", "upscale", "square"))


def _zoom(factor: float) -> str:
    if not 1 <= factor <= 2:
        raise PromptFileError(
            f"zoom {factor:g}x is not possible",
            "Midjourney zooms out by 1x to 2x; for the third picture of a grid write zoom 2x 3",
        )
    return f"zoom {factor:.4f}".rstrip("0").rstrip(".") + "x"


def _nearest(name: str) -> str:
    if name == "vary region":
        return ": its region is drawn by hand, in Discord"
    if re.fullmatch(r"(upscale|variation|vary) [1-4]", name):
        return f" (did you mean {'U' if name.startswith('u') else 'V'}{name[-1]}?)"
    close = difflib.get_close_matches(name, _BY_LOWER_NAME, n=1, cutoff=0.5)
    return f" (did you mean {_BY_LOWER_NAME[close[0]]}?)" if close else ""
