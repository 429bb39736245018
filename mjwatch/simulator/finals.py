"""The message that a finished picture comes in, and the buttons below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_COMPONENTS_V2

from .messages import PRIMARY, button, link_button

if TYPE_CHECKING:
    from .identity import Json
    from .messages import MessageForms
    from .profiles import Profile

TEXT, GALLERY = 10, 12

_ZOOMS = (("Zoom Out 2x", "50"), ("Zoom Out 1.5x", "75"))
_PANS = (("⬅️", "left"), ("➡️", "right"), ("⬆️", "up"), ("⬇️", "down"))
_UPSCALER = {"2023": "v5", "2024": "v6r1", "2026": "v7"}


def grid_buttons(forms: MessageForms, profile: Profile, job_uuid: str) -> list[Json]:
    """The buttons below a grid: U1-U4 with reroll, V1-V4 with the website."""
    upscales = [button(f"U{n}", f"MJ::JOB::upsample::{n}::{job_uuid}") for n in range(1, 5)]
    reroll = button(None, f"MJ::JOB::reroll::0::{job_uuid}::SOLO", emoji="🔄")
    variations = [button(f"V{n}", f"MJ::JOB::variation::{n}::{job_uuid}") for n in range(1, 5)]
    website = [link_button(f"https://www.midjourney.com/jobs/{job_uuid}")] if profile.website_button else []
    return forms.rows([*upscales, reroll], [*variations, *website])


def single_buttons(forms: MessageForms, profile: Profile, job_uuid: str) -> list[Json]:
    """The buttons below a single picture (recorded 2023-07 and 2024-10, put together)."""
    upscales = [
        button(
            f"Upscale ({way.capitalize()})",
            f"MJ::JOB::upsample_{_UPSCALER[profile.name]}_2x_{way}::1::{job_uuid}::SOLO",
        )
        for way in ("subtle", "creative")
    ]
    varied = [
        button(f"Vary ({way})", f"MJ::JOB::{name}_variation::1::{job_uuid}::SOLO", emoji="🪄")
        for way, name in (("Subtle", "low"), ("Strong", "high"))
    ]
    zooms = [
        button(label, f"MJ::Outpaint::{factor}::1::{job_uuid}::SOLO", emoji="🔍") for label, factor in _ZOOMS
    ]
    custom = button("Custom Zoom", f"MJ::CustomZoom::{job_uuid}", emoji="🔍")
    pans = [button(None, f"MJ::JOB::pan_{way}::1::{job_uuid}::SOLO", emoji=arrow) for arrow, way in _PANS]
    favourite = button(None, f"MJ::BOOKMARK::{job_uuid}", emoji="❤️")
    website = {**link_button(f"https://www.midjourney.com/jobs/{job_uuid}"), "label": "Web"}
    return forms.rows([*upscales, *varied], [*zooms, custom], pans, [favourite, website])


def website_link(profile: Profile, job_uuid: str) -> str:
    """The link to the website, which comes with webp pictures; with a blank before it."""
    if profile.format != "webp":
        return ""
    words = "(Open on website for full quality)"
    if profile.website == "plain":
        return f" {words}"
    return f" [{words}](<https://midjourney.com/jobs/{job_uuid}>)"


def as_components_v2(message: Json) -> Json:
    """The same message as a bot may write it one day: all of it is in its components."""
    (attachment,) = message["attachments"]
    kept = ("url", "proxy_url", "width", "height", "content_type")
    media = {name: attachment[name] for name in kept}
    text: Json = {"type": TEXT, "content": message["content"]}
    gallery: Json = {"type": GALLERY, "items": [{"media": media, "description": None, "spoiler": False}]}
    return {
        **message,
        "flags": message["flags"] | FLAG_COMPONENTS_V2,
        "content": "",
        "attachments": [],
        "components": [text, gallery, *message["components"]],
    }


def with_button_used(message: Json, custom_id: str) -> Json:
    """The message after this button of it was pressed: the button is blue from now on."""
    return {**message, "components": [_used(component, custom_id) for component in message["components"]]}


def _used(component: Json, custom_id: str) -> Json:
    if component.get("custom_id") == custom_id:
        return {**component, "style": PRIMARY}
    if "components" not in component:
        return component
    return {**component, "components": [_used(inner, custom_id) for inner in component["components"]]}
