"""The message that a finished grid comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_COMPONENTS_V2

from .identity import USER_ID
from .messages import button, link_button

if TYPE_CHECKING:
    from .identity import Channel, Json
    from .messages import MessageForms
    from .profiles import Profile

TEXT, GALLERY = 10, 12


def final_message(
    forms: MessageForms, profile: Profile, channel: Channel, content: str, reply_to: str | None
) -> Json:
    """A bare final; it replies to its progress message where the year did that."""
    return forms.post(channel, content, reply_to=reply_to if profile.reference_on_final else None)


def final_content(profile: Profile, echo: str, job_uuid: str, mode: str) -> str:
    """The line above a finished grid."""
    return f"**{echo}** - <@{USER_ID}>{_website(profile, job_uuid)} ({mode})"


def grid_buttons(forms: MessageForms, profile: Profile, job_uuid: str) -> list[Json]:
    """The buttons below a grid: U1-U4 with reroll, V1-V4 with the website."""
    upscales = [button(f"U{n}", f"MJ::JOB::upsample::{n}::{job_uuid}") for n in range(1, 5)]
    reroll = button(None, f"MJ::JOB::reroll::0::{job_uuid}::SOLO", emoji="🔄")
    variations = [button(f"V{n}", f"MJ::JOB::variation::{n}::{job_uuid}") for n in range(1, 5)]
    website = [link_button(f"https://www.midjourney.com/jobs/{job_uuid}")] if profile.website_button else []
    return forms.rows([*upscales, reroll], [*variations, *website])


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


def _website(profile: Profile, job_uuid: str) -> str:
    if profile.format != "webp":
        return ""
    words = "(Open on website for full quality)"
    if profile.website == "plain":
        return f" {words}"
    return f" [{words}](<https://midjourney.com/jobs/{job_uuid}>)"
