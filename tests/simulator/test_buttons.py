"""What the buttons below finished pictures do."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from mjwatch.simulator.button_plans import uuid_in
from mjwatch.simulator.grids import job_colours
from mjwatch.simulator.identity import USER_ID

from .harness import play, simulated

if TYPE_CHECKING:
    from .harness import Json

UUID = "6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11"


def _custom_ids(message: Json) -> list[str]:
    return [button.get("custom_id", "") for row in message["components"] for button in row["components"]]


def test_u2_gives_the_second_tile_at_once_and_marks_its_button() -> None:
    async def story() -> None:
        async with simulated(format="png", grid=128, max_running=1) as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            custom_id = f"MJ::JOB::upsample::2::{grid_uuid}"
            await client.press(gateway, grid, custom_id)
            marked = await gateway.event("MESSAGE_UPDATE", lambda message: message["id"] == grid["id"])
            styles = {
                button["custom_id"]: button["style"] for button in marked["components"][0]["components"]
            }
            assert styles.pop(custom_id) == 1
            assert set(styles.values()) == {2}
            single = await gateway.final()
            assert single["content"] == f"**a red cat** - Image #2 <@{USER_ID}>"
            assert single["message_reference"]["message_id"] == grid["id"]
            (picture,) = single["attachments"]
            assert (picture["width"], picture["height"]) == (64, 64)
            assert grid_uuid not in picture["filename"]
            _, data = await client.download(picture["url"])
            with Image.open(io.BytesIO(data)) as tile:
                assert tile.getpixel((0, 0)) == job_colours(grid_uuid)[1]
            (executed,) = [one for one in (await client.state())["interactions"] if one["custom_id"]]
            assert (executed["outcome"], executed["custom_id"]) == ("done", custom_id)
            assert f"MJ::JOB::high_variation::1::{executed['job_uuid']}::SOLO" in _custom_ids(single)

    play(story)


@pytest.mark.parametrize(
    ("action", "lead", "label"),
    [
        (
            "variation::3",
            "Making variations for image #3 with prompt **a red cat**",
            "Variations (Strong) by ",
        ),
        ("reroll::0", "Rerolling **a red cat**", ""),
    ],
)
def test_a_new_grid_replies_to_the_old_one_and_tells_its_uuid_from_the_start(
    action: str, lead: str, label: str
) -> None:
    async def story() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            suffix = "::SOLO" if action.startswith("reroll") else ""
            body = await client.press(gateway, grid, f"MJ::JOB::{action}::{grid_uuid}{suffix}")
            start = await gateway.event("MESSAGE_CREATE")
            final = await gateway.final()
            (job_uuid,) = {uuid_in(custom_id) for custom_id in _custom_ids(start)}
            assert job_uuid != grid_uuid
            assert start["content"] == f"{lead} - <@{USER_ID}> (Waiting to start)"
            assert start["nonce"] == body["nonce"]
            assert start["message_reference"]["message_id"] == grid["id"]
            assert start["interaction_metadata"]["interacted_message_id"] == grid["id"]
            assert "interaction" not in start
            assert final["content"] == f"**a red cat** - {label}<@{USER_ID}> (fast)"
            assert final["message_reference"]["message_id"] == grid["id"]
            assert final["type"] == 19
            assert f"MJ::JOB::upsample::1::{job_uuid}" in _custom_ids(final)

    play(story)


def test_a_button_job_can_be_cancelled() -> None:
    async def story() -> None:
        async with simulated(seconds_per_job=0.4) as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            await client.press(gateway, grid, f"MJ::JOB::reroll::0::{grid_uuid}::SOLO")
            start = await gateway.event("MESSAGE_CREATE", lambda message: "Rerolling" in message["content"])
            await client.press(gateway, start, _custom_ids(start)[0])
            await gateway.event("MESSAGE_UPDATE", lambda message: message["content"].endswith("(Stopped)"))
            while (await client.state())["interactions"][1]["outcome"] == "running":
                pass
            outcomes = [one["outcome"] for one in (await client.state())["interactions"]]
            assert outcomes == ["done", "cancelled", "done"]

    play(story)


def test_a_heart_is_acknowledged_and_a_speed_switched() -> None:
    async def story() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            await client.press(gateway, grid, f"MJ::JOB::upsample::1::{grid_uuid}")
            single = await gateway.final()
            heart = next(custom_id for custom_id in _custom_ids(single) if "BOOKMARK" in custom_id)
            await client.press(gateway, single, heart)
            rated = await gateway.event("MESSAGE_CREATE")
            assert rated["content"].startswith("You have successfully rated [this job](")
            relax = await client.command("relax")
            data = {name: relax[name] for name in ("id", "version", "name")}
            await client.post(await client.body("", gateway.session_id, data=data))
            done = await gateway.event("MESSAGE_CREATE", lambda message: message["flags"] == 64)
            assert done["content"].startswith("Done! ")
            await client.imagine("a red dog", gateway)
            assert (await gateway.final())["content"].endswith("(relaxed)")

    play(story)
