"""Modals: which presses open one, its form, and its submission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.simulator.http.errors import ApiError
from mjwatch.simulator.messages.modals import (
    MODAL_LIFETIME,
    Interaction,
    ModalForm,
    OpenModals,
    checked_field_text,
)
from mjwatch.simulator.world import BOT_ID, CHANNEL_ID, CHANNELS, USER_ID
from tests.simulator.harness import play, simulated

if TYPE_CHECKING:
    from tests.simulator.harness import Client, Json

FORM = ModalForm("MJ::A::1", "A", "MJ::A::prompt", "Prompt", "a cat")


def _field(modal: Json) -> Json:
    ((field,),) = [row["components"] for row in modal["components"]]
    found: Json = field
    return found


async def _remix(client: Client) -> None:
    await client.fault("account", remix=True)


@pytest.mark.parametrize(
    ("below", "button", "custom_id", "field"),
    [
        ("grid", "MJ::JOB::variation::3::{u}", "MJ::RemixModal::{u}::3::1", "MJ::RemixModal::new_prompt"),
        ("grid", "MJ::JOB::reroll::0::{u}::SOLO", "MJ::RemixModal::{u}::0::1", "MJ::RemixModal::new_prompt"),
        (
            "single",
            "MJ::JOB::low_variation::1::{u}::SOLO",
            "MJ::RemixModal::{u}::1::0",
            "MJ::RemixModal::new_prompt",
        ),
        ("single", "MJ::JOB::pan_up::1::{u}::SOLO", "MJ::PanModal::up::{u}::1", "MJ::PanModal::prompt"),
        (
            "single",
            "MJ::CustomZoom::{u}",
            "MJ::OutpaintCustomZoomModal::{u}",
            "MJ::OutpaintCustomZoomModal::prompt",
        ),
        (
            "single",
            "MJ::JOB::animate_low::1::{u}::SOLO",
            "MJ::AnimateModal::animate_low::1::{u}",
            "MJ::AnimateModal::prompt",
        ),
    ],
)
def test_in_remix_mode_a_press_opens_a_modal_and_renders_nothing(
    below: str, button: str, custom_id: str, field: str
) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            message, job_uuid = await (client.grid if below == "grid" else client.single)(gateway)
            await _remix(client)
            before = len((await client.state())["renderings"])
            body = await client.press(gateway, message, button.format(u=job_uuid))
            modal = await gateway.modal()
            assert modal["custom_id"] == custom_id.format(u=job_uuid)
            assert _field(modal)["custom_id"] == field
            assert _field(modal)["value"].startswith("a red cat")
            assert (modal["nonce"], modal["channel_id"]) == (body["nonce"], CHANNEL_ID)
            assert modal["application"]["id"] == BOT_ID
            heard = [one["t"] for one in gateway.dispatches if one["d"].get("id") == modal["id"]]
            assert heard == ["INTERACTION_CREATE", "INTERACTION_SUCCESS", "INTERACTION_MODAL_CREATE"]
            state = await client.state()
            pressed = state["interactions"][-1]
            assert (pressed["outcome"], pressed["type"], pressed["job_uuid"]) == ("modal", 3, None)
            assert len(state["renderings"]) == before

    play(scenario)


def test_a_submitted_modal_starts_the_job_with_the_new_prompt() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            await _remix(client)
            await client.press(gateway, grid, f"MJ::JOB::variation::2::{grid_uuid}")
            modal = await gateway.modal()
            body = await client.submit(gateway, modal, "a blue dog --ar 3:2")
            start = await gateway.event("MESSAGE_CREATE")
            lead = "Making variations for image #2 with prompt "
            assert start["content"] == f"{lead}**a blue dog --ar 3:2** - <@{USER_ID}> (Waiting to start)"
            assert start["nonce"] == body["nonce"]
            assert start["message_reference"]["message_id"] == grid["id"]
            about = start["interaction_metadata"]
            assert about["type"] == 5
            assert about["triggering_interaction_metadata"]["id"] == modal["id"]
            final = await gateway.final()
            assert final["content"] == f"**a blue dog --ar 3:2** - Remix (Strong) by <@{USER_ID}> (fast)"
            assert final["message_reference"]["message_id"] == grid["id"]
            assert final["attachments"][0]["width"] * 2 == final["attachments"][0]["height"] * 3
            assert await client.outcomes() == ["done", "modal", "done"]
            executed = (await client.state())["interactions"][-1]
            assert (executed["type"], executed["prompt"]) == (5, "a blue dog --ar 3:2")
            assert executed["custom_id"] == modal["custom_id"]
            assert executed["pressed"] == f"MJ::JOB::variation::2::{grid_uuid}"
            assert executed["message_id"] == grid["id"]

    play(scenario)


@pytest.mark.parametrize(
    ("button", "words", "content"),
    [
        ("MJ::JOB::variation::1::{u}", "a red cat", "**a red cat** - Variations (Strong) by <@{me}> (fast)"),
        ("MJ::JOB::reroll::0::{u}::SOLO", "a blue dog", "**a blue dog** - <@{me}> (fast)"),
    ],
)
def test_an_unchanged_prompt_is_no_remix_and_a_reroll_has_no_label(
    button: str, words: str, content: str
) -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            await _remix(client)
            await client.press(gateway, grid, button.format(u=grid_uuid))
            await client.submit(gateway, await gateway.modal(), words)
            assert (await gateway.final())["content"] == content.format(me=USER_ID)

    play(scenario)


def test_custom_zoom_opens_a_modal_without_remix_too() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            single, job_uuid = await client.single(gateway)
            await client.press(gateway, single, f"MJ::CustomZoom::{job_uuid}")
            modal = await gateway.modal()
            assert _field(modal)["value"] == "a red cat --zoom 2"
            await client.submit(gateway, modal, "a red cat --ar 2:3 --zoom 1.8")
            final = await gateway.final()
            assert final["content"] == f"**a red cat --ar 2:3** - Zoom Out by <@{USER_ID}> (fast)"
            picture = final["attachments"][0]
            assert picture["height"] * 2 == picture["width"] * 3

    play(scenario)


def _change(body: Json, path: str, value: object) -> None:
    *parents, last = path.split(".")
    inner: Any = body
    for name in parents:
        inner = inner[int(name) if name.isdecimal() else name]
    if value is None:
        del inner[last]
    else:
        inner[last] = value


@pytest.mark.parametrize(
    ("path", "value", "status", "code", "where"),
    [
        ("data.id", None, 400, 50035, "data.id"),
        ("data.id", "x", 400, 50035, "data.id"),
        ("data.id", "1", 404, 10062, None),
        ("data.custom_id", None, 400, 50035, "data.custom_id"),
        ("data.custom_id", "x" * 101, 400, 50035, "data.custom_id"),
        ("data.custom_id", "MJ::RemixModal::other", 400, 50035, "data.custom_id"),
        ("data.components", None, 400, 50035, "data.components"),
        ("data.components", [], 400, 50035, "data.components"),
        ("data.components", ["x"], 400, 50035, "data.components"),
        ("data.components.0.type", 2, 400, 50035, "data.components.0.type"),
        ("data.components.0.components", [], 400, 50035, "data.components.0.components"),
        ("data.components.0.components.0.type", 2, 400, 50035, "data.components.0.components.0.type"),
        (
            "data.components.0.components.0.custom_id",
            "MJ::RemixModal::prompt",
            400,
            50035,
            "data.components.0.components.0.custom_id",
        ),
        ("data.components.0.components.0.value", "  ", 400, 50035, "data.components.0.components.0.value"),
        ("data.components.0.components.0.value", 7, 400, 50035, "data.components.0.components.0.value"),
        (
            "data.components.0.components.0.value",
            "x" * 4001,
            400,
            50035,
            "data.components.0.components.0.value",
        ),
    ],
)
def test_a_modal_that_is_submitted_wrongly_is_refused_and_stays_open(
    path: str, value: object, status: int, code: int, where: str | None
) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            await _remix(client)
            await client.press(gateway, grid, f"MJ::JOB::variation::2::{grid_uuid}")
            body = await client.submission(gateway, await gateway.modal(), "a blue dog")
            wrong = await client.submission(gateway, gateway.dispatches[-1]["d"], "a blue dog")
            _change(wrong, path, value)
            answer_status, answer = await client.post(wrong)
            assert (answer_status, answer["code"]) == (status, code)
            for part in where.split(".") if where else []:
                answer = answer.get("errors", answer)[part]
            assert where is None or answer["_errors"][0]["code"]
            assert len((await client.state())["renderings"]) == 1
            assert await client.post(body) == (204, None)
            assert (await client.post(body))[1]["code"] == 10062

    play(scenario)


def test_a_modal_can_expire_at_once() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            await _remix(client)
            await client.fault("modal_expired", match="variation::2")
            await client.press(gateway, grid, f"MJ::JOB::variation::2::{grid_uuid}")
            status, answer = await client.post(await client.submission(gateway, await gateway.modal(), "x"))
            assert (status, answer["code"]) == (404, 10062)

    play(scenario)


def test_a_modal_is_forgotten_after_a_quarter_of_an_hour() -> None:
    now = 0.0
    modals = OpenModals(lambda: now)
    opened = modals.open(Interaction(None, "s", CHANNELS[CHANNEL_ID], id="7"), FORM)
    assert modals.find("7") is opened
    now = MODAL_LIFETIME
    assert modals.find("7") is None


@pytest.mark.parametrize(("keeps", "words"), [(True, "a red cat"), (False, "")])
def test_a_zoom_without_words_repeats_the_prompt_or_nothing(keeps: bool, words: str) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            single, job_uuid = await client.single(gateway)
            await client.fault("wire", bare_zoom_keeps_prompt=keeps)
            await client.press(gateway, single, f"MJ::CustomZoom::{job_uuid}")
            modal = await gateway.modal()
            await client.submit(gateway, modal, "--zoom 1.3")
            assert (await gateway.final())["content"].startswith(f"**{words}** - Zoom Out by <@{USER_ID}>")

    play(scenario)


def test_a_modal_may_never_come() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            single, job_uuid = await client.single(gateway)
            await client.fault("modal_never")
            await client.press(gateway, single, f"MJ::CustomZoom::{job_uuid}")
            await gateway.event("INTERACTION_SUCCESS")
            assert await client.outcomes() == ["done", "done", "modal"]
            await gateway.send(1, None)
            await gateway.op(11)
            assert "INTERACTION_MODAL_CREATE" not in [one["t"] for one in gateway.dispatches]

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "last"),
    [
        ({"name": "wire", "modal_first": True}, "INTERACTION_SUCCESS"),
        ({"name": "modal_late", "seconds": 0.01}, ""),
    ],
)
def test_a_modal_may_come_early_or_late_or_unasked(fault: dict[str, Any], last: str) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            await client.fault("modal_asked", match="reroll")
            await client.fault(**fault)
            await client.press(gateway, grid, f"MJ::JOB::reroll::0::{grid_uuid}::SOLO")
            await gateway.modal()
            if last:
                await gateway.event(last)

    play(scenario)


def test_vary_region_opens_a_page_and_renders_nothing() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            single, job_uuid = await client.single(gateway)
            body = await client.press(gateway, single, f"MJ::Inpaint::1::{job_uuid}::SOLO")
            page = await gateway.event("INTERACTION_IFRAME_MODAL_CREATE")
            assert page["nonce"] == body["nonce"]
            assert page["custom_id"].startswith("MJ::iframe::")
            assert not page["iframe_path"].startswith("/captcha/")
            assert await client.outcomes() == ["done", "done", "modal"]

    play(scenario)


def test_a_captcha_can_replace_a_modal_and_a_job() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            single, job_uuid = await client.single(gateway)
            await client.fault("captcha_iframe", match="CustomZoom")
            await client.press(gateway, single, f"MJ::CustomZoom::{job_uuid}")
            page = await gateway.event("INTERACTION_IFRAME_MODAL_CREATE")
            assert page["iframe_path"].startswith("/captcha/embedded/")
            assert await client.outcomes() == ["done", "done", "refused"]

    play(scenario)


def test_a_form_inside_a_form_is_refused() -> None:
    with pytest.raises(ApiError) as refused:
        checked_field_text(
            {"custom_id": FORM.custom_id, "components": [{"type": 1, "components": [[]]}]}, FORM
        )
    assert refused.value.body["code"] == 50035
