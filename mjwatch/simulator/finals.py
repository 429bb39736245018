"""The message that a finished picture comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_COMPONENTS_V2

if TYPE_CHECKING:
    from mjwatch.simulator.identity import Json
    from mjwatch.simulator.profiles import Profile

TEXT, GALLERY = 10, 12


def website_link(profile: Profile, job_uuid: str, kind: str) -> str:
    """The link to the website, which comes with webp pictures; with a blank before it."""
    if kind != "webp":
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
