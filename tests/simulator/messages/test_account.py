"""The account: its settings by command, button and fault, its hours, and /info."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mjwatch.simulator.faults.registry import FaultError
from mjwatch.simulator.messages.plans import SimulatedAccount
from tests.simulator.harness import play, simulated

if TYPE_CHECKING:
    from tests.simulator.harness import Client, Gateway, Json


def _sub(name: str, *options: Json) -> Json:
    return {"type": 1, "name": name, "options": list(options)}


async def _info(client: Client, gateway: Gateway) -> str:
    await client.info(gateway)
    told = await gateway.event("MESSAGE_UPDATE", lambda message: message["embeds"])
    text: str = told["embeds"][0]["description"]
    return text


@pytest.mark.parametrize(
    ("command", "options", "words", "setting", "value"),
    [
        ("prefer", [_sub("remix")], "Remix mode turned on", "remix", True),
        ("prefer", [_sub("variability")], "High variability mode turned off", "variability", False),
        (
            "prefer",
            [_sub("suffix", {"type": 3, "name": "new_value", "value": "--s 250"})],
            "Your preferred suffix has been set",
            "suffix",
            "--s 250",
        ),
        ("prefer", [_sub("suffix")], "Your preferred suffix has been removed", "suffix", ""),
        ("stealth", [], "Done! ", "stealth", True),
        ("private", [], "Done! ", "stealth", True),
        ("public", [], "Done! ", "stealth", False),
        ("turbo", [], "Done! ", "mode", "turbo"),
    ],
)
def test_a_command_changes_a_setting_and_answers_ephemerally(
    command: str, options: list[Json], words: str, setting: str, value: object
) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            body = await client.run(gateway, command, *options)
            told = first = await gateway.event("MESSAGE_CREATE")
            if command == "prefer":
                assert first["flags"] == 64 | 128
                told = await gateway.event("MESSAGE_UPDATE")
                assert told["id"] == first["id"]
                assert told["interaction"]["name"] == f"prefer {options[0]['name']}"
                assert "nonce" not in told
            assert told["content"].startswith(words)
            assert (told["flags"], first["nonce"]) == (64, body["nonce"])
            assert (await client.state())["account"][setting] == value
            assert await client.outcomes() == ["done"]

    play(scenario)


def test_remix_is_switched_on_and_off_again() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            for word in ("on", "off"):
                await client.run(gateway, "prefer", _sub("remix"))
                told = await gateway.event("MESSAGE_UPDATE")
                assert told["content"].startswith(f"Remix mode turned {word}")

    play(scenario)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ([], "data.options"),
        ([_sub("remix"), _sub("suffix")], "data.options"),
        ([_sub("nonsense")], "data.options.0.name"),
        ([{"type": 3, "name": "remix", "value": "on"}], "data.options.0.type"),
        ([_sub("remix", {"type": 3, "name": "x", "value": "y"})], "data.options.0.options.0.name"),
        (
            [{"type": 2, "name": "option", "options": [_sub("set")]}],
            "data.options.0.options.0.options.0.value",
        ),
    ],
)
def test_a_wrong_sub_command_is_refused(options: list[Json], where: str) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            prefer = await client.command("prefer")
            data = {name: prefer[name] for name in ("id", "version", "name")}
            status, answer = await client.post(await client.body("", data={**data, "options": options}))
            assert (status, answer["code"]) == (400, 50035)
            found = answer["errors"]
            for part in where.split("."):
                found = found[part]
            assert found["_errors"][0]["code"]

    play(scenario)


def test_the_buttons_and_the_menu_of_settings_change_their_message() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            await client.run(gateway, "settings")
            settings = await gateway.event("MESSAGE_UPDATE")
            await client.press(gateway, settings, "MJ::Settings::stealth")
            changed = await gateway.event("MESSAGE_UPDATE")
            assert changed["id"] == settings["id"]
            styles = {
                button["custom_id"]: button["style"]
                for row in changed["components"][1:]
                for button in row["components"]
            }
            assert styles["MJ::Settings::stealth"] == 3
            assert styles["MJ::Settings::remix"] == 2
            menu = {"component_type": 3, "custom_id": "MJ::Settings::VersionSelector", "values": ["5.2"]}
            await client.press(gateway, settings, "", data=menu)
            await client.press(gateway, settings, "MJ::Settings::relax")
            await client.press(gateway, settings, "MJ::Settings::variability")
            assert await client.outcomes() == ["done"] * 5
            account = (await client.state())["account"]
            assert (account["version"], account["mode"], account["variability"]) == ("5.2", "relax", False)
            await client.imagine("a red cat", gateway)
            final = await gateway.final()
            assert final["content"].startswith("**a red cat --v 5.2** - <@")
            assert final["content"].endswith("(relaxed, stealth)")
            wrong = {**menu, "values": ["99"]}
            status, answer = await client.post(await client.press_body(gateway, settings, "", data=wrong))
            assert (status, answer["code"]) == (400, 50035)

    play(scenario)


def test_a_suffix_is_added_to_every_prompt() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("account", suffix="--s 750 --v 5.2")
            grid, grid_uuid = await client.grid(gateway)
            assert grid["content"].startswith("**a red cat --v 5.2 --s 750** - <@")
            await client.press(gateway, grid, f"MJ::JOB::upsample::1::{grid_uuid}")
            labels = [
                button.get("label") for button in (await gateway.final())["components"][0]["components"]
            ]
            assert labels[:2] == ["Upscale (2x)", "Upscale (4x)"]

    play(scenario)


def test_rendering_uses_up_hours_and_then_only_relax_is_possible() -> None:
    async def scenario() -> None:
        async with simulated(fast_hours=0.02) as client, client.gateway() as gateway:
            await gateway.identify()
            grid, grid_uuid = await client.grid(gateway)
            assert "0.00/30.0 hours (0.01%)" in await _info(client, gateway)
            await client.grid(gateway, "a red dog")
            await client.imagine("a red bird", gateway)
            refusal = await gateway.refusal()
            assert refusal["embeds"][0]["title"] == "Credits exhausted"
            await client.press(gateway, grid, f"MJ::JOB::reroll::0::{grid_uuid}::SOLO")
            refusal = await gateway.refusal()
            assert refusal["embeds"][0]["title"] == "Credits exhausted"
            assert refusal["message_reference"]["message_id"] == grid["id"]
            await client.press(gateway, grid, f"MJ::JOB::upsample::1::{grid_uuid}")
            await gateway.final()
            await client.grid(gateway, "a red bird --relax")
            assert sum(one["fast_hours"] for one in (await client.state())["renderings"]) == pytest.approx(
                1 / 30
            )
            info = await _info(client, gateway)
            assert "0.00/30.0 hours (0.00%)" in info
            assert "**Lifetime Usage**:             13 images (0.05 hours)" in info
            assert "**Relaxed Usage**:              4 images (0.02 hours)" in info

    play(scenario)


def test_info_counts_running_and_waiting_jobs() -> None:
    async def scenario() -> None:
        async with simulated(seconds_per_job=3600, max_running=1) as client, client.gateway() as gateway:
            await gateway.identify()
            for word in ("one", "two", "three --relax", "four --relax", "five --relax"):
                await client.imagine(word, gateway)
            for _ in range(4):
                await gateway.refusal()
            info = await _info(client, gateway)
            job_uuid = await client.last_uuid()
            assert "**Queued Jobs (fast)**:         1" in info
            assert "**Queued Jobs (relax)**:        3" in info
            assert f"**Running Jobs**:               [{job_uuid[:8]}](<https://" in info

    play(scenario)


def test_the_account_can_be_set_from_outside() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("account", fast_hours=7, mode="relax", stealth=True)
            info = await _info(client, gateway)
            assert "7.00/30.0 hours (23.33%)" in info
            assert "**Job Mode**:                   Relaxed" in info
            assert "**Visibility Mode**:            Stealth" in info
            for wrong in ({"mode": "slow"}, {"remix": "yes"}, {"colour": "red"}):
                status, answer = await client.call("POST", "/_sim/faults", json={"fault": "account", **wrong})
                assert (status, "an account has" in answer["error"]) == (400, True)
            await client.call("POST", "/_sim/reset")
            assert (await client.state())["account"]["stealth"] is False

    play(scenario)


@pytest.mark.parametrize("settings", [{"fast_hours": True}, {"suffix": 7}, {"": 1}])
def test_a_setting_of_the_wrong_kind_is_an_error(settings: Json) -> None:
    with pytest.raises(FaultError):
        SimulatedAccount().change(settings)
