"""The REST addresses, and their answers to unknown tokens."""

from __future__ import annotations

import pytest

from mjwatch.simulator.world import BOT_ID, BOT_TOKEN, CHANNEL_ID, DM_CHANNEL_ID, GUILD_ID, USER_ID
from tests.simulator.harness import play, simulated


@pytest.mark.parametrize("version", ["6", "9", "10"])
def test_the_account_and_the_gateway_have_addresses(version: str) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            assert (await client.call("GET", f"/api/v{version}/users/@me"))[1]["id"] == USER_ID
            client.token = ""
            url = {"url": f"ws://{client.host}"}
            assert await client.call("GET", f"/api/v{version}/gateway") == (200, url)
            unauthorized = (401, {"message": "401: Unauthorized", "code": 0})
            assert await client.call("GET", f"/api/v{version}/users/@me") == unauthorized

    play(scenario)


def test_bots_find_the_addresses_that_their_libraries_need() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            client.token = f"Bot {BOT_TOKEN}"
            _, me = await client.call("GET", "/api/v10/users/@me")
            _, application = await client.call("GET", "/api/v10/oauth2/applications/@me")
            _, gateway = await client.call("GET", "/api/v10/gateway/bot")
            assert me["bot"]
            assert application["id"] == me["id"]
            assert gateway["session_start_limit"]["max_concurrency"] == 1
            status, _ = await client.call("GET", f"/api/v10/channels/{DM_CHANNEL_ID}")
            assert status == 404

    play(scenario)


def test_an_applications_commands_are_a_list_and_the_search_finds_none() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            status, commands = await client.call("GET", f"/api/v9/applications/{BOT_ID}/commands")
            assert status == 200
            assert await client.command("imagine") in commands
            assert {command["application_id"] for command in commands} == {BOT_ID}
            search = f"/api/v9/channels/{DM_CHANNEL_ID}/application-commands/search?type=1&query=imagine"
            assert await client.call("GET", search) == (200, {"application_commands": []})

    play(scenario)


ENDS = {year: ((int(year) - 2014) * 31_557_600_000) << 22 for year in ("2023", "2024", "2026")}
"""About the first snowflake after the year: Discord counts from 2015."""


@pytest.mark.parametrize(
    ("profile", "imagine"),
    [("2023", "1118961510123847772"), ("2024", "1237876415471554623"), ("2026", "1237876415471554623")],
)
def test_each_year_has_the_versions_of_its_own_time(profile: str, imagine: str) -> None:
    async def scenario() -> None:
        async with simulated(profile=profile) as client:
            assert (await client.command("imagine"))["version"] == imagine
            _, commands = await client.call("GET", f"/api/v9/applications/{BOT_ID}/commands")
            versions = {command["name"]: int(command["version"]) for command in commands}
            assert len(set(versions.values())) == len(commands)
            # These commands are younger than their year's versions, but they are there all the same.
            ids = {command["name"]: int(command["id"]) for command in commands}
            late = {name for name, version in versions.items() if version >= ENDS[profile]}
            assert late <= {name for name, number in ids.items() if number >= ENDS[profile]}

    play(scenario)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/channels/1", 404, 10003),
        ("/channels/x", 400, 50035),
        ("/guilds/1", 404, 10004),
        ("/guilds/1/application-command-index", 404, 10004),
        (f"/guilds/{CHANNEL_ID}/application-command-index", 404, 10004),
        (f"/channels/{CHANNEL_ID}/application-command-index", 400, 50024),
        ("/applications/1/application-command-index", 404, 10002),
        (f"/channels/{CHANNEL_ID}/messages?limit=0", 400, 50035),
        (f"/channels/{CHANNEL_ID}/messages?limit=101", 400, 50035),
        (f"/channels/{CHANNEL_ID}/messages?after=x", 400, 50035),
        (f"/channels/{CHANNEL_ID}/messages/1", 403, 20002),
        ("/oauth2/applications/@me", 403, 20002),
        ("/nothing/here", 404, 0),
    ],
)
def test_each_missing_thing_has_its_code(path: str, status: int, code: int) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            answer_status, answer = await client.call("GET", f"/api/v9{path}")
            assert (answer_status, answer["code"]) == (status, code)

    play(scenario)


@pytest.mark.parametrize(
    "path",
    [
        f"/guilds/{GUILD_ID}/application-command-index",
        f"/channels/{DM_CHANNEL_ID}/application-command-index",
        "/users/@me/application-command-index",
        f"/applications/{BOT_ID}/application-command-index",
    ],
)
def test_every_index_lists_the_commands_with_their_current_version(path: str) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            _, before = await client.call("GET", f"/api/v9{path}")
            await client.fault("stale_version")
            _, after = await client.call("GET", f"/api/v9{path}")
            for old, new in zip(before["application_commands"], after["application_commands"], strict=True):
                assert old["id"] == new["id"]
                assert old["version"] != new["version"]
            imagine = after["application_commands"][0]
            assert (imagine["name"], imagine["application_id"]) == ("imagine", BOT_ID)
            assert [option["name"] for option in imagine["options"]] == ["prompt"]

    play(scenario)


def test_messages_are_paged_as_discord_pages_them() -> None:
    async def scenario() -> None:
        async with simulated(delete="before", seconds_per_job=0.01) as client, client.gateway() as gateway:
            await gateway.identify()
            for number in range(5):
                await client.imagine(f"cat {number}", gateway)
            finals = sorted([int((await gateway.final())["id"]) for _ in range(5)])
            while len(await client.history()) > 5:
                pass

            async def ids(**query: int) -> list[int]:
                return [int(message["id"]) for message in await client.history(**query)]

            assert await ids() == finals[::-1]
            assert await ids(limit=2) == finals[:2:-1]
            assert await ids(after=0, limit=2) == finals[1::-1]
            assert await ids(after=finals[1], limit=2) == finals[3:1:-1]
            assert await ids(before=finals[1]) == finals[:1]
            assert await ids(around=finals[2], limit=1) == [finals[2]]
            assert await ids(around=finals[2], limit=3) == finals[3:0:-1]
            assert await ids(after=finals[4]) == []

    play(scenario)


@pytest.mark.parametrize("profile", ["2023", "2024", "2026"])
def test_a_reply_is_shown_with_what_it_replies_to_until_that_is_deleted(profile: str) -> None:
    async def scenario() -> None:
        async with simulated(profile=profile, delete="before") as client, client.gateway() as gateway:
            await gateway.identify()
            single, _ = await client.single(gateway)
            grid_id = single["message_reference"]["message_id"]
            assert single.get("referenced_message") is None, "the gateway tells the id alone"
            page = {message["id"]: message for message in await client.history()}
            replied = page[single["id"]]["referenced_message"]
            assert replied["id"] == grid_id
            assert replied["attachments"][0]["url"].startswith("http://")
            assert "referenced_message" not in replied
            if profile == "2026":
                assert page[grid_id]["message_reference"]
                assert page[grid_id]["referenced_message"] is None, "its start message is deleted"

    play(scenario)


def test_without_the_right_to_read_history_a_list_is_empty() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            await gateway.final()
            assert await client.history()
            await client.fault("history_empty")
            assert await client.history() == []
            assert await client.history()
        async with simulated(read_history=False) as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            await gateway.final()
            assert await client.history() == []

    play(scenario)
