"""Message commands and reactions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from mjwatch.simulator.world import BOT_ID, CHANNEL_ID, DM_CHANNEL_ID, USER_ID
from tests.simulator.harness import play, simulated

if TYPE_CHECKING:
    from tests.simulator.harness import Client, Gateway, Json


async def _body(client: Client, gateway: Gateway, name: str, target_id: object) -> Json:
    command = await client.command(name)
    data = {key: command[key] for key in ("id", "version", "name", "type")}
    return await client.body("", gateway.session_id, data={**data, "target_id": target_id})


async def _react(client: Client, message: Json, emoji: str) -> tuple[int, object]:
    path = f"/api/v9/channels/{message['channel_id']}/messages/{message['id']}/reactions/{quote(emoji)}/@me"
    return await client.call("PUT", path)


def test_cancel_job_stops_the_job_of_a_progress_message() -> None:
    async def scenario() -> None:
        async with simulated(seconds_per_job=3600) as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            start = await gateway.event("MESSAGE_CREATE")
            body = await _body(client, gateway, "Cancel Job", start["id"])
            assert await client.post(body) == (204, None)
            told = await gateway.event("MESSAGE_CREATE")
            assert (told["nonce"], told["flags"], told["type"]) == (body["nonce"], 64, 23)
            assert told["interaction_metadata"]["target_message_id"] == start["id"]
            assert await client.outcomes() == ["cancelled", "done"]
            executed = (await client.state())["interactions"][1]
            assert (executed["command"], executed["message_id"]) == ("Cancel Job", start["id"])
            await client.post(await _body(client, gateway, "Cancel Job", start["id"]))
            assert (await gateway.refusal())["embeds"][0]["title"] == "Invalid request"

    play(scenario)


def test_dm_results_sends_the_picture_directly() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            final, _ = await client.grid(gateway)
            await client.post(await _body(client, gateway, "DM Results", final["id"]))
            sent = await gateway.final()
            assert sent["channel_id"] == DM_CHANNEL_ID
            assert sent["attachments"][0]["id"] == final["attachments"][0]["id"]
            _, said = await client.say("words")
            await client.post(await _body(client, gateway, "DM Results", said["id"]))
            assert (await gateway.refusal())["flags"] == 64

    play(scenario)


@pytest.mark.parametrize(
    ("target_id", "kind", "status", "code"),
    [(None, 3, 400, 50035), ("x", 3, 400, 50035), ("7", 3, 404, 10008), ("7", 1, 400, 50035)],
)
def test_a_message_command_needs_its_message(target_id: object, kind: int, status: int, code: int) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            body = await _body(client, gateway, "Cancel Job", target_id)
            body["data"]["type"] = kind
            answer_status, answer = await client.post(body)
            assert (answer_status, answer["code"]) == (status, code)

    play(scenario)


def test_an_envelope_asks_for_the_seed_and_a_cross_deletes_the_message() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            final, job_uuid = await client.grid(gateway)
            assert await _react(client, final, "✉️") == (204, None)
            added = await gateway.event("MESSAGE_REACTION_ADD")
            assert (added["user_id"], added["message_id"]) == (USER_ID, final["id"])
            seed = await gateway.event("MESSAGE_CREATE")
            assert (seed["channel_id"], seed["author"]["id"]) == (DM_CHANNEL_ID, BOT_ID)
            assert seed["content"].startswith(f"**a red cat**\n**Job ID**: {job_uuid}\n**seed** ")
            await _react(client, final, "❌")
            await gateway.event("MESSAGE_DELETE", lambda body: body["id"] == final["id"])
            body = await client.press_body(gateway, final, f"MJ::JOB::upsample::1::{job_uuid}")
            status, answer = await client.post(body)
            assert (status, answer["code"]) == (404, 10008)
            assert (await _react(client, final, "❌"))[0] == 404

    play(scenario)


def test_a_cross_on_a_progress_message_cancels_its_job() -> None:
    async def scenario() -> None:
        async with simulated(seconds_per_job=3600) as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            start = await gateway.event("MESSAGE_CREATE")
            assert start["channel_id"] == CHANNEL_ID
            await _react(client, start, "❌")
            await gateway.event("MESSAGE_DELETE", lambda body: body["id"] == start["id"])
            assert await client.outcomes() == ["cancelled"]
            _, said = await client.say("words")
            assert await _react(client, said, "👍") == (204, None)

    play(scenario)
