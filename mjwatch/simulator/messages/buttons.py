"""The buttons below finished pictures, as each year and version of the model had them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator.messages.message import PRIMARY, SUCCESS, button, link_button
from mjwatch.simulator.messages.prompt_text import upscalers

if TYPE_CHECKING:
    from mjwatch.simulator.messages.plans import RenderPlan
    from mjwatch.simulator.messages.profiles import Profile
    from mjwatch.simulator.world import Json

Rows = list[list["Json"]]

UPSCALE_EMOJI = {"id": "935881161354369284", "name": "upscale_1"}
_ZOOMS = (("Zoom Out 2x", "50"), ("Zoom Out 1.5x", "75"))
_PANS = (("⬅️", "left"), ("➡️", "right"), ("⬆️", "up"), ("⬇️", "down"))
_VARY = {"Subtle": "low_variation", "Strong": "high_variation"}


def rows_below(plan: RenderPlan, profile: Profile, job_uuid: str) -> Rows:
    """Return the rows of buttons below this result."""
    if plan.motion is not None:
        return _video(profile, job_uuid) if len(plan.tiles) == 4 else _moving(job_uuid)
    if len(plan.tiles) == 4:
        return _grid(profile, job_uuid)
    return _upscaled(plan, profile, job_uuid) if plan.upscaled else _single(plan, profile, job_uuid)


def _grid(profile: Profile, job_uuid: str) -> Rows:
    """Return U1-U4 with reroll, and V1-V4 with the website."""
    upscales = [button(f"U{n}", f"MJ::JOB::upsample::{n}::{job_uuid}") for n in range(1, 5)]
    variations = [button(f"V{n}", f"MJ::JOB::variation::{n}::{job_uuid}") for n in range(1, 5)]
    website = [_unlabelled(job_uuid)] if profile.website_button else []
    return [[*upscales, _reroll(job_uuid)], [*variations, *website]]


def _video(profile: Profile, job_uuid: str) -> Rows:
    """Return the rows below four videos (recorded 2026-06)."""
    singles = [button(f"U{n}", f"MJ::JOB::video_virtual_upscale::{n}::{job_uuid}") for n in range(1, 5)]
    rows = [[*singles, _reroll(job_uuid)]]
    return [*rows, [_unlabelled(job_uuid)]] if profile.website_button else rows


def _moving(job_uuid: str) -> Rows:
    """Return the rows below one video (other clients' code)."""
    extends = [
        button(f"Extend ({way.capitalize()} motion)", f"MJ::JOB::animate_{way}_extend::1::{job_uuid}")
        for way in ("high", "low")
    ]
    return [extends, _last_row(job_uuid)]


def _single(plan: RenderPlan, profile: Profile, job_uuid: str) -> Rows:
    """Return the rows below one tile of a grid (recorded 2023-07, 2024-10 and 2026-06)."""
    first = [*_upscales(plan, job_uuid, redo=False), *_varied(profile, job_uuid)]
    zooms = [
        button(label, f"MJ::Outpaint::{factor}::1::{job_uuid}::SOLO", emoji="🔍") for label, factor in _ZOOMS
    ]
    zooms.append(button("Custom Zoom", f"MJ::CustomZoom::{job_uuid}", emoji="🔍"))
    if plan.size[0] != plan.size[1]:
        zooms.append(button("Make Square", f"MJ::Outpaint::100::1::{job_uuid}::SOLO", emoji="↔️"))
    pans = [button(None, f"MJ::JOB::pan_{way}::1::{job_uuid}::SOLO", emoji=arrow) for arrow, way in _PANS]
    return [first, zooms, pans, *_animated(profile, job_uuid), _last_row(job_uuid)]


def _upscaled(plan: RenderPlan, profile: Profile, job_uuid: str) -> Rows:
    """Return the rows below an upscaled picture: the same upscale again is a Redo (recorded 2024-10)."""
    rows = [_upscales(plan, job_uuid, redo=True), _varied(profile, job_uuid)[:2]]
    return [*rows, *_animated(profile, job_uuid), _last_row(job_uuid)]


def _upscales(plan: RenderPlan, job_uuid: str, *, redo: bool) -> list[Json]:
    again = "Redo " if redo else ""
    return [
        {
            **button(f"{again}Upscale ({way})", f"MJ::JOB::{action}::1::{job_uuid}::SOLO"),
            "emoji": UPSCALE_EMOJI,
        }
        for way, action in upscalers(plan.version)
    ]


def _varied(profile: Profile, job_uuid: str) -> list[Json]:
    ways = ("Strong", "Subtle") if profile.name == "2023" else ("Subtle", "Strong")
    varied = [
        button(f"Vary ({way})", f"MJ::JOB::{_VARY[way]}::1::{job_uuid}::SOLO", emoji="🪄") for way in ways
    ]
    if profile.name != "2023":
        varied.append(button("Vary (Region)", f"MJ::Inpaint::1::{job_uuid}::SOLO", emoji="🖌️"))
    return varied


def _animated(profile: Profile, job_uuid: str) -> Rows:
    if not profile.videos:
        return []
    return [
        [
            button(f"Animate ({way} motion)", f"MJ::JOB::animate_{way.lower()}::1::{job_uuid}::SOLO")
            for way in ("High", "Low")
        ]
    ]


def _last_row(job_uuid: str) -> list[Json]:
    website = {**_unlabelled(job_uuid), "label": "Web"}
    return [button(None, f"MJ::BOOKMARK::{job_uuid}", emoji="❤️"), website]


def _reroll(job_uuid: str) -> Json:
    return button(None, f"MJ::JOB::reroll::0::{job_uuid}::SOLO", emoji="🔄")


def _unlabelled(job_uuid: str) -> Json:
    return link_button(f"https://www.midjourney.com/jobs/{job_uuid}")


def with_button_used(message: Json, custom_id: str, profile: Profile) -> Json:
    """Return the message after a press of this button: with another colour, and lately another label."""
    used = [_used(component, custom_id, profile) for component in message["components"]]
    return {**message, "components": used}


def _used(component: Json, custom_id: str, profile: Profile) -> Json:
    if component.get("custom_id") == custom_id:
        # A used reroll is green, everything else is blue (recorded 2024-10).
        component = {**component, "style": SUCCESS if "::reroll::" in custom_id else PRIMARY}
        label = component.get("label", "")
        if profile.redo_on_used and label.startswith("Upscale"):
            component["label"] = f"Redo {label}"
        return component
    if "components" not in component:
        return component
    inner = [_used(one, custom_id, profile) for one in component["components"]]
    return {**component, "components": inner}
