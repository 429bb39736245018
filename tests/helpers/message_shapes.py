"""Messages of the bot in recorded shapes, with invented values, for tests that track jobs."""

from __future__ import annotations

from typing import Any

from mjwatch.events import GatewayDispatch
from mjwatch.model import Job, Prompt, Source, State

BOT = "936929561302675456"
ME = "1111000000000000001"
OTHER_USER = "1111000000000000009"
CHANNEL = "1111000000000000003"
UUID_A = "aaaaaaaa-0000-4000-8000-00000000000a"
UUID_B = "bbbbbbbb-0000-4000-8000-00000000000b"


def a_job(job_id: str = "jobaaaaa", text: str = "a red cat", **facts: Any) -> Job:
    defaults: dict[str, Any] = {
        "id": job_id,
        "prompt": Prompt(text),
        "accepted": 1000.0,
        "state": State.SUBMITTED,
        "source": Source(f"{job_id}.txt", "0" * 64, 900.0),
        "nonces": (f"nonce-{job_id}",),
        "session_id": "session",
        "anchor": "500",
    }
    return Job(**(defaults | facts))


def message(message_id: str, content: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": message_id,
        "channel_id": CHANNEL,
        "type": 0,
        "flags": 0,
        "content": content,
        "author": {"id": BOT, "username": "Midjourney Bot", "bot": True},
        "attachments": [],
        "embeds": [],
        "components": [],
        "mentions": [],
        "timestamp": "2026-06-06T18:15:49.650000+00:00",
        "edited_timestamp": None,
    } | fields


def started(
    message_id: str, prompt: str = "a red cat", nonce: str | None = None, who: str = ME
) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if nonce is not None:
        fields = {
            "nonce": nonce,
            "interaction": {"id": "550", "type": 2, "name": "imagine", "user": {"id": who}},
        }
    return message(message_id, f"**{prompt}** - <@{who}> (Waiting to start)", **fields)


def progress(
    message_id: str, prompt: str = "a red cat", uuid: str | None = None, percent: int = 35
) -> dict[str, Any]:
    name = f"{uuid}_grid_0.webp" if uuid else "grid_0.webp"
    url = f"https://cdn.discordapp.com/attachments/1/2/{name}?ex=1&is=1&hm=1&"
    picture = {"id": "2", "filename": name, "url": url, "width": 512, "height": 512, "size": 1}
    return message(message_id, f"**{prompt}** - <@{ME}> ({percent}%) (fast)", attachments=[picture])


def result(
    message_id: str,
    prompt: str = "a red cat",
    uuid: str = UUID_A,
    reply_to: str | None = None,
    who: str = ME,
    **fields: Any,
) -> dict[str, Any]:
    name = f"u1_{prompt.replace(' ', '_')}_{uuid}.webp"
    url = f"https://cdn.discordapp.com/attachments/1/3/{name}?ex=1&is=1&hm=1&"
    picture = {"id": "3", "filename": name, "url": url, "width": 2048, "height": 2048, "size": 9}
    buttons = [
        {"type": 2, "style": 2, "label": f"U{n}", "custom_id": f"MJ::JOB::upsample::{n}::{uuid}"}
        for n in range(1, 5)
    ]
    if reply_to is not None:
        fields |= {"type": 19, "message_reference": {"channel_id": CHANNEL, "message_id": reply_to}}
    return message(
        message_id,
        f"**{prompt}** - <@{who}> (fast)",
        attachments=[picture],
        components=[{"type": 1, "components": buttons}],
        **fields,
    )


def refused(
    message_id: str, title: str, prompt: str = "a red cat", nonce: str | None = None
) -> dict[str, Any]:
    embed = {"type": "rich", "title": title, "description": "a description", "color": 16711680}
    embed |= {"footer": {"text": f"/imagine {prompt}"}}
    fields: dict[str, Any] = {"flags": 64, "embeds": [embed]}
    if nonce is not None:
        fields |= {
            "nonce": nonce,
            "interaction": {"id": "550", "type": 2, "name": "imagine", "user": {"id": ME}},
        }
    return message(message_id, "", **fields)


def create(data: dict[str, Any], seq: int = 1) -> GatewayDispatch:
    return GatewayDispatch("MESSAGE_CREATE", data, seq)


def update(data: dict[str, Any], seq: int = 1) -> GatewayDispatch:
    return GatewayDispatch("MESSAGE_UPDATE", data, seq)


def delete(message_id: str, seq: int = 1) -> GatewayDispatch:
    return GatewayDispatch("MESSAGE_DELETE", {"id": message_id, "channel_id": CHANNEL}, seq)
