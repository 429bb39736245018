"""Recorded shapes of buttons of each year, and of the starts and results of pressed buttons; for tests."""

from __future__ import annotations

from typing import Any

from mjwatch.jobs.followups import follow_up
from mjwatch.model import Button, Job, Prompt, RemotePicture, Result, ResultKind, State
from tests.helpers.message_shapes import CHANNEL, ME, a_job, message

GRID_UUID = "99999999-0000-4000-8000-000000000009"
GRID_MESSAGE = "550"
ARROWS = {"left": "\u2b05\ufe0f", "right": "\u27a1\ufe0f", "up": "\u2b06\ufe0f", "down": "\u2b07\ufe0f"}


def grid_buttons(uuid: str = GRID_UUID) -> tuple[Button, ...]:
    return (
        *(Button(f"MJ::JOB::upsample::{n}::{uuid}", f"U{n}") for n in range(1, 5)),
        Button(f"MJ::JOB::reroll::0::{uuid}::SOLO", "\U0001f504"),
        *(Button(f"MJ::JOB::variation::{n}::{uuid}", f"V{n}") for n in range(1, 5)),
    )


def single_buttons(version: str = "v7_2x", uuid: str = GRID_UUID) -> tuple[Button, ...]:
    """Return the buttons of a single picture, by its upscaler: v6_2x, v6r1_2x, v7_2x; v5 has others."""
    if version == "v5":
        upscales = [(f"upsample_v5_{n}x", f"Upscale ({n}x)") for n in (2, 4)]
    else:
        upscales = [
            (f"upsample_{version}_{how}", f"Upscale ({how.title()})") for how in ("subtle", "creative")
        ]
    jobs = [
        *upscales,
        ("low_variation", "Vary (Subtle)"),
        ("high_variation", "Vary (Strong)"),
        *((f"pan_{where}", arrow) for where, arrow in ARROWS.items()),
        ("animate_high", "Animate (High motion)"),
        ("animate_low", "Animate (Low motion)"),
    ]
    return (
        *(Button(f"MJ::JOB::{verb}::1::{uuid}::SOLO", label) for verb, label in jobs),
        Button(f"MJ::Inpaint::1::{uuid}::SOLO", "Vary (Region)"),
        Button(f"MJ::Outpaint::50::1::{uuid}::SOLO", "Zoom Out 2x"),
        Button(f"MJ::Outpaint::75::1::{uuid}::SOLO", "Zoom Out 1.5x"),
        Button(f"MJ::Outpaint::100::1::{uuid}::SOLO", "Make Square"),
        Button(f"MJ::CustomZoom::{uuid}", "Custom Zoom"),
        Button(f"MJ::BOOKMARK::{uuid}", "\u2764\ufe0f"),
    )


def video_buttons(uuid: str = GRID_UUID) -> tuple[Button, ...]:
    return (
        *(Button(f"MJ::JOB::video_virtual_upscale::{n}::{uuid}", f"U{n}") for n in range(1, 5)),
        Button(f"MJ::JOB::reroll::0::{uuid}::SOLO", "\U0001f504"),
    )


def extend_buttons(uuid: str = GRID_UUID) -> tuple[Button, ...]:
    verbs = ("animate_high_extend", "animate_low_extend")
    return tuple(Button(f"MJ::JOB::{verb}::{n}::{uuid}") for n in (1, 2) for verb in verbs)


def done_job(buttons: tuple[Button, ...] = (), kind: ResultKind = ResultKind.GRID, **facts: Any) -> Job:
    """Return a job whose result, message 550, has these buttons, by default those of a grid."""
    picture = RemotePicture(
        "grid.webp", "https://cdn.discordapp.com/attachments/1/3/grid.webp?ex=1&is=1&hm=1&"
    )
    result = Result(
        message_id=GRID_MESSAGE,
        matched_by="nonce",
        job_uuid=GRID_UUID,
        echoed="a red cat --v 7.0",
        pictures=(picture,),
        buttons=buttons or grid_buttons(),
        kind=kind,
    )
    defaults: dict[str, Any] = {"state": State.DONE, "result": result, "published": 1100.0, "folder": "x"}
    return a_job("parent22", **(defaults | facts))


def pressed_job(action: str, job_id: str = "childaaa", parent: Job | None = None, **facts: Any) -> Job:
    """Return a submitted follow-up of ``done_job``."""
    job = follow_up(parent or done_job(), Prompt("", action=action), job_id, 1200.0)
    assert job.button_press is not None, job.refusal
    defaults: dict[str, Any] = {"state": State.SUBMITTED, "nonces": (f"nonce-{job_id}",), "anchor": "590"}
    fields = {
        name: getattr(job, name) for name in ("id", "prompt", "accepted", "source", "parent", "button_press")
    }
    return Job(**(fields | defaults | facts))


def reply(message_id: str, content: str, to: str = GRID_MESSAGE, **fields: Any) -> dict[str, Any]:
    reference = {"type": 0, "channel_id": CHANNEL, "message_id": to}
    return message(message_id, content, type=19, message_reference=reference, **fields)


def pressed_start(
    message_id: str, lead: str, uuid: str | None = None, nonce: str | None = None, to: str = GRID_MESSAGE
) -> dict[str, Any]:
    """Return a start such as ``Making variations for image #2``; with a uuid it has a Cancel button."""
    fields: dict[str, Any] = {}
    if uuid is not None:
        cancel = {
            "type": 2,
            "style": 4,
            "custom_id": f"MJ::CancelJob::ByJobid::{uuid}",
            "label": "Cancel Job",
        }
        fields["components"] = [{"type": 1, "components": [cancel]}]
    if nonce is not None:
        fields["nonce"] = nonce
    return reply(message_id, f"{lead} **a red cat** - <@{ME}> (Waiting to start)", to, **fields)


def _picture(uuid: str) -> dict[str, Any]:
    name = f"u1_a_red_cat_{uuid}.webp"
    url = f"https://cdn.discordapp.com/attachments/1/3/{name}?ex=1&is=1&hm=1&"
    return {
        "id": "3",
        "filename": name,
        "url": url,
        "width": 1024,
        "height": 1024,
        "content_type": "image/webp",
    }


def _rows(buttons: tuple[Button, ...]) -> list[dict[str, Any]]:
    shown = [
        {"type": 2, "style": 2, "custom_id": button.custom_id, "label": button.label} for button in buttons
    ]
    return [{"type": 1, "components": shown[n : n + 5]} for n in range(0, len(shown), 5)]


def final(
    message_id: str, label: str, uuid: str, to: str = GRID_MESSAGE, buttons: tuple[Button, ...] | None = None
) -> dict[str, Any]:
    """Return a result that replies to the message with the button. ``label``: such as ``Image #2``, or ""."""
    shown = grid_buttons(uuid) if buttons is None else buttons
    kind = f"{label} " if label else ""
    content = f"**a red cat --v 7.0** - {kind}<@{ME}> (fast)"
    return reply(message_id, content, to, attachments=[_picture(uuid)], components=_rows(shown))


def single(message_id: str, picture: int, uuid: str, to: str = GRID_MESSAGE) -> dict[str, Any]:
    """Return the result of a U button."""
    return final(message_id, f"Image #{picture}", uuid, to, single_buttons(uuid=uuid))


def video(message_id: str, uuid: str, to: str = GRID_MESSAGE) -> dict[str, Any]:
    """Return the result of an animate button."""
    return final(message_id, "", uuid, to, video_buttons(uuid))
