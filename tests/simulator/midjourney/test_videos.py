"""Videos: from the button below a single picture to an extended video."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from mjwatch.simulator.cdn.render import job_colours
from mjwatch.simulator.midjourney import job
from mjwatch.simulator.world import USER_ID
from tests.simulator.harness import play, simulated, steps_of

if TYPE_CHECKING:
    from tests.simulator.harness import Client, Gateway, Json


LOW = "a red cat --motion low --video 1 --aspect 1:1"


def _custom_ids(message: Json) -> list[str]:
    buttons = [button for row in message["components"] for button in row["components"]]
    return [button["custom_id"] for button in buttons if "custom_id" in button]


async def _animated(client: Client, gateway: Gateway, motion: str) -> tuple[Json, str]:
    single, job_uuid = await client.single(gateway)
    await client.press(gateway, single, f"MJ::JOB::animate_{motion}::1::{job_uuid}::SOLO")
    return single, job_uuid


@pytest.mark.parametrize(
    ("motion", "start"),
    [
        ("high", "Animating..."),
        (
            "low",
            "Creating video with prompt **{echo}** - <@{me}> (Waiting to start)",
        ),
    ],
)
def test_an_animation_is_four_videos_in_one_moving_picture(motion: str, start: str) -> None:
    async def scenario() -> None:
        async with simulated(grid=256) as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("wire", website="link")
            single, _ = await _animated(client, gateway, motion)
            started = await gateway.event("MESSAGE_CREATE")
            assert started["content"] == start.format(echo=LOW, me=USER_ID)
            assert started["message_reference"]["message_id"] == single["id"]
            final = await gateway.final()
            job_uuid = await client.last_uuid()
            words = f"**a red cat --motion {motion} --video 1 --aspect 1:1** - <@{USER_ID}> "
            assert final["content"].startswith(words + "[(Open on website for full quality)]")
            (video,) = final["attachments"]
            assert (video["width"], video["height"], video["content_type"]) == (78, 78, "image/webp")
            assert "a_red_cat_motion" not in video["filename"]
            assert f"_{job_uuid}.webp" in video["filename"]
            wanted = [f"MJ::JOB::video_virtual_upscale::{n}::{job_uuid}" for n in range(1, 5)]
            assert _custom_ids(final) == [*wanted, f"MJ::JOB::reroll::0::{job_uuid}::SOLO"]
            _, data = await client.download(video["url"])
            with Image.open(io.BytesIO(data)) as moving:
                assert getattr(moving, "n_frames", 1) > 1

    play(scenario)


@pytest.mark.parametrize(
    ("prompt", "profile", "echo"),
    [
        ("https://pics.example/a.png a cat --video 1", "2026", "a cat --motion low --video 1 --aspect 1:1"),
        (
            "https://pics.example/a.png a cat --ar 3:2 --motion high --video 1",
            "2026",
            "a cat --motion high --video 1 --aspect 3:2",
        ),
        ("a cat --video 1", "2026", None),
        ("https://pics.example/a.png a cat --video 1", "2024", None),
    ],
)
def test_a_prompt_with_a_picture_can_ask_for_a_video(prompt: str, profile: str, echo: str | None) -> None:
    async def scenario() -> None:
        async with simulated(grid=256, profile=profile) as client, client.gateway() as gateway:
            await gateway.identify()
            body = await client.imagine(prompt, gateway)
            started = await gateway.event("MESSAGE_CREATE")
            final = await gateway.final()
            job_uuid = await client.last_uuid()
            verb = "upsample" if echo is None else "video_virtual_upscale"
            assert _custom_ids(final)[0] == f"MJ::JOB::{verb}::1::{job_uuid}"
            assert (started["nonce"], "message_reference" in started) == (body["nonce"], False)
            if echo is not None:
                assert f"> {echo}** - <@{USER_ID}>" in final["content"]
                assert started["content"].startswith("**<https://s.mj.run/")
                assert started["content"].endswith("(Waiting to start)")

    play(scenario)


def test_progress_of_a_video_has_four_stills() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            single, single_uuid = await client.single(gateway)
            steps.hold()
            await client.press(gateway, single, f"MJ::JOB::animate_low::1::{single_uuid}::SOLO")
            shown = still = await gateway.event("MESSAGE_CREATE")
            while len(still["attachments"]) != 4:
                steps.allow(1)
                still = await gateway.event("MESSAGE_UPDATE", lambda message: message["id"] == shown["id"])
            job_uuid = await client.last_uuid()
            names = [attachment["filename"] for attachment in still["attachments"]]
            step = names[0].rpartition("_step_")[2]
            assert names == [f"{job_uuid}_{n}_step_{step}" for n in range(4)]
            assert step.endswith(".jpeg")
            status, data = await client.download(still["attachments"][3]["url"])
            assert status == 200
            with Image.open(io.BytesIO(data)) as picture:
                assert picture.format == "JPEG"

    with steps_of(job) as steps:
        play(scenario)


def test_one_of_the_videos_can_be_extended() -> None:
    async def scenario() -> None:
        async with simulated(grid=256) as client, client.gateway() as gateway:
            await gateway.identify()
            await _animated(client, gateway, "high")
            four, four_uuid = await gateway.final(), await client.last_uuid()
            await client.press(gateway, four, f"MJ::JOB::video_virtual_upscale::3::{four_uuid}")
            one, one_uuid = await gateway.final(), await client.last_uuid()
            assert one["content"].endswith(f" - Image #3 <@{USER_ID}>")
            _, data = await client.download(one["attachments"][0]["url"])
            with Image.open(io.BytesIO(data)) as moving:
                red, green, blue = moving.convert("RGB").getpixel((1, 1))  # type: ignore[misc]
            near = zip((red, green, blue), job_colours(four_uuid)[2], strict=True)
            assert all(abs(seen - meant) < 40 for seen, meant in near)
            extend = f"MJ::JOB::animate_low_extend::1::{one_uuid}"
            assert extend in _custom_ids(one)
            await client.press(gateway, one, extend)
            longer = await gateway.final()
            assert "--motion low --video 1" in longer["content"]
            assert longer["content"].count("--motion") == 1
            assert longer["message_reference"]["message_id"] == one["id"]

    play(scenario)


def test_a_video_can_be_a_gif_and_earlier_years_have_none() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("as_gif", match="animate")
            await _animated(client, gateway, "low")
            (video,) = (await gateway.final())["attachments"]
            assert video["content_type"] == "image/gif"
            status, data = await client.download(video["url"])
            assert (status, data[:3]) == (200, b"GIF")
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            single, _ = await client.single(gateway)
            assert not [one for one in _custom_ids(single) if "animate" in one]

    play(scenario)
