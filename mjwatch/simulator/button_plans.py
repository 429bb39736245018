"""What the buttons below a finished picture make."""

from __future__ import annotations

import re
from dataclasses import replace
from math import gcd
from typing import TYPE_CHECKING

from mjwatch.simulator.grids import aspect_ratio, video_size
from mjwatch.simulator.plans import GRID, Plan
from mjwatch.simulator.rewriting import without_parameters

if TYPE_CHECKING:
    from mjwatch.simulator.grids import Size
    from mjwatch.simulator.plans import Motion
    from mjwatch.simulator.profiles import Profile

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PAN = re.compile(r"pan_(left|right|up|down)")
_UPSCALE = re.compile(r"upsample_(?:max|v\w+?_(?:2x|4x)(?:_(?:subtle|creative))?)")
_ANIMATE = re.compile(r"animate_(low|high)(?:_extend)?")
_STRENGTHS = {"variation": "Strong", "low_variation": "Subtle", "high_variation": "Strong"}


def uuid_in(custom_id: str) -> str | None:
    """The job that a button belongs to."""
    found = _UUID.search(custom_id)
    return found[0] if found else None


def plan_for_button(
    custom_id: str, parent: Plan, target: str, profile: Profile, edge: int, *, remixed: bool = False
) -> Plan | None:
    """The plan of a button below a finished picture; None for buttons that make nothing.

    ``remixed``: the prompt is not that of the picture any more.
    """
    _, group, *rest = [*custom_id.split("::"), "", ""]
    base = replace(parent, lead="", label="", reply_to=target, picture_of=None, upscaled=False)
    whole = replace(base, tiles=GRID, size=_grid_of(parent))
    if group in ("Outpaint", "CustomZoom"):
        return _zoomed(whole, square=rest[0] == "100")
    if group != "JOB":
        return None
    action, number = rest[0], int(rest[1]) if rest[1].isdecimal() else 1
    if action in ("upsample", "video_virtual_upscale"):
        return _tile(base, number, uuid_in(custom_id))
    if action == "reroll":
        return replace(base, lead="Rerolling ")
    if found := _PAN.fullmatch(action):
        return _panned(whole, found[1])
    if found := _ANIMATE.fullmatch(action):
        return _moving(base, "high" if found[1] == "high" else "low", edge)
    varied = _variation(action, number, whole, profile)
    if varied is not None and remixed:
        varied = replace(varied, label=varied.label.replace("Variations", "Remix"))
    return varied or _upscale(action, base)


def _tile(base: Plan, number: int, job_uuid: str | None) -> Plan:
    size = base.size if base.motion else (base.size[0] // 2, base.size[1] // 2)
    return replace(base, tiles=(number,), size=size, picture_of=job_uuid)


def _zoomed(whole: Plan, *, square: bool) -> Plan:
    zoomed = replace(whole, label="Zoom Out by ")
    if not square:
        return zoomed
    edge = max(whole.size)
    return replace(zoomed, size=(edge, edge), echo=_with_ratio(whole.echo, 1, 1))


def _panned(whole: Plan, way: str) -> Plan:
    """Half as much again in one direction: 1:1 becomes 3:2 (recorded 2026-06)."""
    (wide, high), (width, height) = aspect_ratio(whole.echo), whole.size
    if way in ("left", "right"):
        wide, high, width = wide * 3, high * 2, width * 3 // 4 * 2
    else:
        wide, high, height = wide * 2, high * 3, height * 3 // 4 * 2
    echo = _with_ratio(whole.echo, wide, high)
    return replace(whole, label=f"Pan {way.capitalize()} by ", size=(width, height), echo=echo)


def _moving(base: Plan, motion: Motion, edge: int) -> Plan:
    wide, high = aspect_ratio(base.echo)
    kept = without_parameters(base.echo, "no", "motion", "video", "aspect", "ar")
    echo = f"{kept} --motion {motion} --video 1 --aspect {wide}:{high}"
    size = video_size(base.size, edge)
    return replace(base, tiles=GRID, motion=motion, echo=echo, size=size, lead="Creating video with prompt ")


def _variation(action: str, number: int, whole: Plan, profile: Profile) -> Plan | None:
    if action not in _STRENGTHS:
        return None
    plain = action == "variation" and profile.name == "2023"
    label = "Variations by " if plain else f"Variations ({_STRENGTHS[action]}) by "
    return replace(whole, lead=f"Making variations for image #{number} with prompt ", label=label)


def _upscale(action: str, base: Plan) -> Plan | None:
    if not _UPSCALE.fullmatch(action):
        return None
    way = action.rpartition("_")[2]
    way = way if way[0].isdigit() else way.capitalize()
    factor = 4 if way == "4x" else 2
    return replace(
        base,
        lead="Upscaling image #1 with ",
        label=f"Upscaled ({way}) by ",
        size=(base.size[0] * factor, base.size[1] * factor),
        upscaled=True,
    )


def _grid_of(parent: Plan) -> Size:
    """The size of a grid of the parent's pictures; an upscaled one's tiles are smaller again."""
    if len(parent.tiles) == 4 or parent.upscaled:
        return parent.size
    return (parent.size[0] * 2, parent.size[1] * 2)


def _with_ratio(echo: str, wide: int, high: int) -> str:
    """The echo with its aspect ratio moved to the end, as the bot does it for a pan."""
    common = gcd(wide, high)
    return f"{without_parameters(echo, 'ar', 'aspect')} --ar {wide // common}:{high // common}"
