"""niji・journey: a second application with its own commands, author and buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator.http.command_index import COMMANDS, NIJI_COMMANDS
from mjwatch.simulator.world import BOT_ID, CHANNEL_ID, DM_CHANNEL_ID, GUILD_ID, NIJI_ID
from tests.simulator.harness import play, simulated

if TYPE_CHECKING:
    from tests.simulator.harness import Client, Gateway, Json


async def _imagine(client: Client, gateway: Gateway, prompt: str) -> Json:
    _, index = await client.call("GET", f"/api/v9/applications/{NIJI_ID}/application-command-index")
    imagine = next(one for one in index["application_commands"] if one["name"] == "imagine")
    data = {key: imagine[key] for key in ("id", "version", "name", "type")}
    data["options"] = [{"type": 3, "name": "prompt", "value": prompt}]
    body = await client.body("", gateway.session_id, application_id=NIJI_ID, data=data)
    assert await client.post(body) == (204, None)
    return body


def test_the_index_of_a_guild_has_both_applications_once_niji_has_joined_that_of_a_dm_only_its_own() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            guild = f"/api/v9/guilds/{GUILD_ID}/application-command-index"
            _, index = await client.call("GET", guild)
            assert {one["application_id"] for one in index["application_commands"]} == {BOT_ID}
            await client.fault("niji_joins")
            wanted = {
                f"/guilds/{GUILD_ID}": [BOT_ID, NIJI_ID],
                "/users/@me": [BOT_ID, NIJI_ID],
                f"/channels/{DM_CHANNEL_ID}": [BOT_ID],
                f"/applications/{NIJI_ID}": [NIJI_ID],
                f"/applications/{BOT_ID}": [BOT_ID],
            }
            for place, applications in wanted.items():
                _, index = await client.call("GET", f"/api/v9{place}/application-command-index")
                assert [one["id"] for one in index["applications"]] == applications
                assert {one["application_id"] for one in index["application_commands"]} == set(applications)
            assert len({one.id for one in (*COMMANDS.values(), *NIJI_COMMANDS.values())}) == 34

    play(scenario)


def test_its_messages_have_its_author_and_its_niji_version() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await client.fault("niji_joins")
            await gateway.identify()
            body = await _imagine(client, gateway, "a red cat")
            start = await gateway.event("MESSAGE_CREATE")
            assert start["nonce"] == body["nonce"]
            assert (start["application_id"], start["author"]["id"]) == (NIJI_ID, NIJI_ID)
            final = await gateway.final()
            assert final["author"]["id"] == NIJI_ID
            assert final["content"].startswith("**a red cat --niji 6** - <@")

    play(scenario)


def test_its_buttons_are_pressed_only_with_its_application_id() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await client.fault("niji_joins")
            await gateway.identify()
            await _imagine(client, gateway, "a red cat --niji 5")
            final, job_uuid = await gateway.final(), await client.last_uuid()
            custom_id = f"MJ::JOB::upsample::2::{job_uuid}"
            wrong = await client.press_body(gateway, final, custom_id, application_id=BOT_ID)
            assert (await client.post(wrong))[1]["code"] == 50035
            await client.press(gateway, final, custom_id)
            single = await gateway.final()
            assert single["author"]["id"] == NIJI_ID
            assert single["components"][0]["components"][0]["label"] == "Upscale (2x)"
            single_uuid = await client.last_uuid()
            await client.press(gateway, single, f"MJ::CustomZoom::{single_uuid}")
            modal = await gateway.modal()
            assert modal["application"] == {"id": NIJI_ID, "name": "niji・journey"}
            sent = await client.submission(gateway, modal, "a red cat")
            assert (await client.post({**sent, "application_id": BOT_ID}))[1]["code"] == 10062
            assert await client.post(sent) == (204, None)
            assert (await gateway.final())["author"]["id"] == NIJI_ID

    play(scenario)


def test_a_version_of_midjourneys_command_is_stale_for_it() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("niji_joins")
            foreign = await client.body(application_id=NIJI_ID)
            status, answer = await client.post(foreign)
            assert (status, answer["code"]) == (404, 10063)
            imagine = NIJI_COMMANDS["imagine"]
            data = {
                "id": imagine.id,
                "version": COMMANDS["imagine"].version,
                "name": "imagine",
                "options": [],
            }
            status, answer = await client.post(
                await client.body(application_id=NIJI_ID, channel_id=CHANNEL_ID, data=data)
            )
            assert (status, answer["errors"]["data"]["_errors"][0]["code"]) == (
                400,
                "INTERACTION_APPLICATION_COMMAND_INVALID_VERSION",
            )

    play(scenario)
