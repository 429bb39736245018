"""What the buttons below finished pictures do."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from mjwatch.simulator.cdn.render import job_colours
from mjwatch.simulator.messages.buttons import rows_below
from mjwatch.simulator.messages.plans import SimulatedAccount, plan_for_button, plan_for_prompt, uuid_in
from mjwatch.simulator.messages.profiles import PROFILES
from mjwatch.simulator.midjourney import job
from mjwatch.simulator.world import DM_CHANNEL_ID, USER_ID
from tests.simulator.harness import play, simulated, steps_of

if TYPE_CHECKING:
    from mjwatch.simulator.messages.plans import RenderPlan
    from mjwatch.simulator.options import ProfileName
    from tests.simulator.harness import Json

UUID = "6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11"


def _custom_ids(message: Json) -> list[str]:
    return [button.get("custom_id", "") for row in message["components"] for button in row["components"]]


def test_u2_gives_the_second_tile_at_once_and_marks_its_button() -> None:
    async def scenario() -> None:
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

    play(scenario)


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
def test_a_new_grid_replies_to_the_old_one_and_shows_its_uuid_from_the_start(
    action: str, lead: str, label: str
) -> None:
    async def scenario() -> None:
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

    play(scenario)


def test_a_button_job_can_be_cancelled() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            steps.hold()
            await client.press(gateway, grid, f"MJ::JOB::reroll::0::{grid_uuid}::SOLO")
            start = await gateway.event("MESSAGE_CREATE", lambda message: "Rerolling" in message["content"])
            await client.press(gateway, start, _custom_ids(start)[0])
            await gateway.event("MESSAGE_UPDATE", lambda message: message["content"].endswith("(Stopped)"))
            while (await client.state())["interactions"][1]["outcome"] == "running":
                pass
            outcomes = [one["outcome"] for one in (await client.state())["interactions"]]
            assert outcomes == ["done", "cancelled", "done"]

    with steps_of(job) as steps:
        play(scenario)


def test_a_heart_is_acknowledged_and_a_speed_is_changed() -> None:
    async def scenario() -> None:
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

    play(scenario)


def _plan(prompt: str = "a red cat --ar 3:2", *, version: str = "") -> RenderPlan:
    grid = plan_for_prompt(prompt, PROFILES["2026"], SimulatedAccount(version=version), 2048)
    single = plan_for_button(f"MJ::JOB::upsample::2::{UUID}", grid, "1", PROFILES["2026"], 2048)
    assert single is not None
    return single


@pytest.mark.parametrize(
    ("custom_id", "label", "tiles", "size"),
    [
        (f"MJ::JOB::low_variation::1::{UUID}::SOLO", "Variations (Subtle) by ", 4, (2688, 1792)),
        (f"MJ::JOB::upsample_v7_2x_creative::1::{UUID}::SOLO", "Upscaled (Creative) by ", 1, (2688, 1792)),
        (f"MJ::JOB::upsample_v5_4x::1::{UUID}::SOLO", "Upscaled (4x) by ", 1, (5376, 3584)),
        (f"MJ::JOB::upsample_max::1::{UUID}::SOLO", "Upscaled (Max) by ", 1, (2688, 1792)),
        (f"MJ::Outpaint::50::1::{UUID}::SOLO", "Zoom Out by ", 4, (2688, 1792)),
        (f"MJ::Outpaint::100::1::{UUID}::SOLO", "Zoom Out by ", 4, (2688, 2688)),
        (f"MJ::JOB::pan_left::1::{UUID}::SOLO", "Pan Left by ", 4, (4032, 1792)),
        (f"MJ::JOB::pan_down::1::{UUID}::SOLO", "Pan Down by ", 4, (2688, 2688)),
    ],
)
def test_buttons_of_a_single_picture_have_their_labels_and_sizes(
    custom_id: str, label: str, tiles: int, size: tuple[int, int]
) -> None:
    single = _plan()
    assert single.size == (1344, 896)
    plan = plan_for_button(custom_id, single, "2", PROFILES["2026"], 2048)
    assert plan is not None
    assert (plan.label, len(plan.tiles), plan.reply_to) == (label, tiles, "2")
    assert plan.size == size


@pytest.mark.parametrize(
    ("custom_id", "echo"),
    [
        (f"MJ::JOB::pan_right::1::{UUID}::SOLO", "a red cat --s 50 --ar 9:4"),
        (f"MJ::JOB::pan_up::1::{UUID}::SOLO", "a red cat --s 50 --ar 1:1"),
        (f"MJ::Outpaint::100::1::{UUID}::SOLO", "a red cat --s 50 --ar 1:1"),
    ],
)
def test_a_pan_moves_the_aspect_ratio_to_the_end(custom_id: str, echo: str) -> None:
    plan = plan_for_button(custom_id, _plan("a red cat --ar 3:2 --s 50"), "2", PROFILES["2026"], 2048)
    assert plan is not None
    assert plan.echo == echo


@pytest.mark.parametrize(
    "custom_id",
    [
        f"MJ::JOB::upsample_v7_8x::1::{UUID}::SOLO",
        f"MJ::JOB::nonsense::1::{UUID}",
        f"MJ::Inpaint::1::{UUID}::SOLO",
        "MJ",
        "",
    ],
)
def test_other_buttons_start_no_job(custom_id: str) -> None:
    assert plan_for_button(custom_id, _plan(), "2", PROFILES["2026"], 2048) is None


@pytest.mark.parametrize(
    ("asked", "labels", "action"),
    [
        ("--v 4", ["Upscale (Max)"], "upsample_max"),
        ("--v 5.2", ["Upscale (2x)", "Upscale (4x)"], "upsample_v5_2x"),
        ("--niji 5", ["Upscale (2x)", "Upscale (4x)"], "upsample_v5_2x"),
        ("--v 6", ["Upscale (Subtle)", "Upscale (Creative)"], "upsample_v6_2x_subtle"),
        ("--v 6.1", ["Upscale (Subtle)", "Upscale (Creative)"], "upsample_v6r1_2x_subtle"),
        ("--v 7", ["Upscale (Subtle)", "Upscale (Creative)"], "upsample_v7_2x_subtle"),
        ("", ["Upscale (Subtle)", "Upscale (Creative)"], "upsample_v7_2x_subtle"),
    ],
)
def test_each_version_has_its_upscalers(asked: str, labels: list[str], action: str) -> None:
    first, *_ = rows_below(_plan(f"a red cat {asked}"), PROFILES["2026"], UUID)
    upscales = [button for button in first if "upsample" in button["custom_id"]]
    assert [button["label"] for button in upscales] == labels
    assert upscales[0]["custom_id"] == f"MJ::JOB::{action}::1::{UUID}::SOLO"


@pytest.mark.parametrize(
    ("profile", "first", "rows"),
    [
        ("2023", ["Upscale (2x)", "Upscale (4x)", "Vary (Strong)", "Vary (Subtle)"], 4),
        (
            "2024",
            [
                "Upscale (Subtle)",
                "Upscale (Creative)",
                "Vary (Subtle)",
                "Vary (Strong)",
                "Vary (Region)",
            ],
            4,
        ),
        (
            "2026",
            [
                "Upscale (Subtle)",
                "Upscale (Creative)",
                "Vary (Subtle)",
                "Vary (Strong)",
                "Vary (Region)",
            ],
            5,
        ),
    ],
)
def test_each_year_has_its_rows_below_a_single_picture(
    profile: ProfileName, first: list[str], rows: int
) -> None:
    grid = plan_for_prompt("a red cat", PROFILES[profile], SimulatedAccount(), 2048)
    single = plan_for_button(f"MJ::JOB::upsample::2::{UUID}", grid, "1", PROFILES[profile], 2048)
    assert single is not None
    below = rows_below(single, PROFILES[profile], UUID)
    assert [button["label"] for button in below[0]] == first
    assert len(below) == rows
    assert all(1 <= len(row) <= 5 for row in below)
    assert "Make Square" not in [button.get("label") for button in below[1]]


@pytest.mark.parametrize(
    ("profile", "label"), [("2024", "Upscale (Subtle)"), ("2026", "Redo Upscale (Subtle)")]
)
def test_a_used_upscale_is_marked_and_becomes_a_redo_below_the_new_picture(
    profile: ProfileName, label: str
) -> None:
    async def scenario() -> None:
        async with simulated(profile=profile) as client, client.gateway() as gateway:
            await gateway.identify()
            single, job_uuid = await client.single(gateway, "a red cat --ar 3:2")
            custom_id = single["components"][0]["components"][0]["custom_id"]
            assert job_uuid in custom_id
            assert "Make Square" in [button["label"] for button in single["components"][1]["components"]]
            await client.press(gateway, single, custom_id)
            marked = await gateway.event("MESSAGE_UPDATE", lambda message: message["id"] == single["id"])
            button = marked["components"][0]["components"][0]
            assert (button["style"], button["label"], button["custom_id"]) == (1, label, custom_id)
            assert marked["attachments"][0]["id"] == single["attachments"][0]["id"]
            running = await gateway.event("MESSAGE_UPDATE", lambda message: "%" in message["content"])
            assert f"- Upscaling by <@{USER_ID}>" in running["content"]
            final = await gateway.final()
            assert f"- Upscaled (Subtle) by <@{USER_ID}>" in final["content"]
            assert final["components"][0]["components"][0]["label"] == "Redo Upscale (Subtle)"
            picture = final["attachments"][0]
            assert picture["width"] == 2 * single["attachments"][0]["width"]

    play(scenario)


@pytest.mark.parametrize("fault", ["ephemeral_job", "components_v2"])
def test_buttons_work_below_results_of_another_kind(fault: str) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault(fault)
            await client.imagine("a red cat", gateway)
            grid = await gateway.event("MESSAGE_CREATE", lambda message: "::upsample::" in repr(message))
            job_uuid = await client.last_uuid()
            await client.press(gateway, grid, f"MJ::JOB::upsample::4::{job_uuid}")
            marked = await gateway.event("MESSAGE_UPDATE", lambda message: message["id"] == grid["id"])
            assert marked["flags"] == grid["flags"]
            assert "Image #4" in (await gateway.final())["content"]

    play(scenario)


def test_a_used_reroll_is_green() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            await client.press(gateway, grid, f"MJ::JOB::reroll::0::{grid_uuid}::SOLO")
            marked = await gateway.event("MESSAGE_UPDATE", lambda message: message["id"] == grid["id"])
            assert marked["components"][0]["components"][4]["style"] == 3

    play(scenario)


@pytest.mark.parametrize(
    ("changes", "status", "code", "where"),
    [
        ({"message_id": None}, 400, 50035, "message_id"),
        ({"message_id": "x"}, 400, 50035, "message_id"),
        ({"message_id": "7"}, 404, 10008, None),
        ({"message_flags": 64}, 404, 10008, None),
        ({"message_flags": "0"}, 400, 50035, "message_flags"),
        ({"channel_id": DM_CHANNEL_ID, "guild_id": None}, 404, 10008, None),
        ({"data": {"component_type": 2}}, 400, 50035, "data.custom_id"),
        ({"data": {"component_type": 2, "custom_id": "x" * 101}}, 400, 50035, "data.custom_id"),
        ({"data": {"component_type": 2, "custom_id": "MJ::other"}}, 400, 50035, "data.custom_id"),
        ({"data": {"custom_id": "{first}"}}, 400, 50035, "data.component_type"),
        ({"data": {"component_type": 3, "custom_id": "{first}"}}, 400, 50035, "data.custom_id"),
    ],
)
def test_a_wrong_press_is_refused(changes: Json, status: int, code: int, where: str | None) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            first = f"MJ::JOB::upsample::1::{grid_uuid}"
            if "data" in changes and changes["data"].get("custom_id") == "{first}":
                changes["data"]["custom_id"] = first
            body = await client.press_body(gateway, grid, first, **changes)
            answer_status, answer = await client.post(body)
            assert (answer_status, answer["code"]) == (status, code)
            for part in where.split(".") if where else []:
                answer = answer.get("errors", answer)[part]
            assert where is None or answer["_errors"][0]["code"]
            assert len((await client.state())["renderings"]) == 1

    play(scenario)


@pytest.mark.parametrize(("fault", "answer"), [("button_gone", (400, 50035)), ("message_gone", (404, 10008))])
def test_a_button_or_its_message_can_be_gone(fault: str, answer: tuple[int, int]) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            await client.fault(fault, match="upsample::3")
            for number in (1, 3):
                body = await client.press_body(gateway, grid, f"MJ::JOB::upsample::{number}::{grid_uuid}")
                status, told = await client.post(body)
                assert number == 1 or (status, told["code"]) == answer
            assert await client.outcomes() == ["done", "done"]

    play(scenario)


@pytest.mark.parametrize("title", ["Slow Down!", "Job action restricted"])
def test_a_press_can_be_refused(title: str) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            single, job_uuid = await client.single(gateway)
            await client.fault("refuse", title=title, match="upsample_v7")
            custom_id = f"MJ::JOB::upsample_v7_2x_subtle::1::{job_uuid}::SOLO"
            body = await client.press(gateway, single, custom_id)
            refusal = await gateway.refusal()
            assert refusal["embeds"][0]["title"] == title
            assert (refusal["nonce"], refusal["flags"]) == (body["nonce"], 64)
            assert refusal["message_reference"]["message_id"] == single["id"]
            assert await client.outcomes() == ["done", "done", "refused"]

    play(scenario)
