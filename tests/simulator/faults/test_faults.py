"""Faults of the gateway, the downloads and the messages, as a client sees them."""

from __future__ import annotations

import asyncio
import io
import json
import zlib

import pytest
from PIL import Image

from mjwatch.simulator.http import interactions
from mjwatch.simulator.world import CHANNEL_ID, GUILD_ID, STRANGER_ID, USER_ID
from tests.simulator.harness import play, simulated, steps_of


def test_a_message_can_come_in_pieces() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("gateway_split")
            async with client.http.ws_connect(f"ws://{client.host}/?compress=zlib-stream") as socket:
                pieces = [(await socket.receive()).data for _ in range(3)]
                assert not pieces[0].endswith(b"\x00\x00\xff\xff")
                assert zlib.decompressobj().decompress(b"".join(pieces)).startswith(b'{"t": null')

    play(scenario)


def test_the_first_message_can_be_late_or_op_7() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("reconnect_first")
            async with client.gateway() as gateway:
                assert (await gateway.receive())["op"] == 7
            await client.fault("hello_late", seconds=0.01)
            async with client.gateway() as gateway:
                assert (await gateway.receive())["op"] == 10

    play(scenario)


def test_ready_can_be_large_and_require_an_action() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("ready_large", megabytes=2)
            await client.fault("required_action")
            async with client.gateway(compress=True) as gateway:
                ready = await gateway.identify()
            assert len(json.dumps(ready, ensure_ascii=False).encode()) > 2_000_000
            assert ready["required_action"] == "AGREEMENTS"

    play(scenario)


@pytest.mark.parametrize(("code", "resumable"), [(4000, True), (4009, False)])
def test_every_connection_can_be_closed_with_a_code(code: int, resumable: bool) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            async with client.gateway() as first:
                await first.identify()
                await client.fault("gateway_heartbeat")
                await first.op(1)
                await client.fault("gateway_close", code=code)
                assert await first.close_code() == code
            async with client.gateway() as second:
                await second.resume(first)
                if resumable:
                    await second.event("RESUMED")
                else:
                    assert (await second.op(9))["d"] is False

    play(scenario)


def test_any_answer_can_be_given_to_a_post() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("post_error", status=403, code=10008, message="Unknown Message")
            expected = (403, {"message": "Unknown Message", "code": 10008})
            assert await client.post(await client.body()) == expected
            await client.fault("post_429_html")
            url, headers = f"http://{client.host}/api/v9/interactions", {"Authorization": client.token}
            body = await client.body()
            async with client.http.post(url, json=body, headers=headers) as answer:
                assert (answer.status, answer.content_type) == (429, "text/html")
                assert "Via" not in answer.headers
            assert [post["status"] for post in (await client.state())["posts"]] == [403, 429]

    play(scenario)


def test_the_gateway_can_be_ahead_of_the_answer() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("post_slow", seconds=0.01)
            steps.hold()
            posting = asyncio.create_task(client.imagine("a red cat", gateway))
            await gateway.final()
            state = await client.state()
            assert (state["interactions"][0]["outcome"], state["posts"]) == ("done", [])
            steps.allow()
            await posting
            assert [post["status"] for post in (await client.state())["posts"]] == [204]

    with steps_of(interactions) as steps:
        play(scenario)


def test_an_index_may_not_be_ready() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("index_202")
            path = f"/api/v9/guilds/{GUILD_ID}/application-command-index"
            status, body = await client.call("GET", path)
            assert (status, body["code"]) == (202, 110000)
            assert (await client.call("GET", path))[0] == 200

    play(scenario)


def test_a_download_can_be_damaged_or_fail() -> None:
    async def scenario() -> None:
        async with simulated(format="png", grid=512) as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            (attachment,) = (await gateway.final())["attachments"]
            await client.fault("cdn_error", status=429)
            assert (await client.download(attachment["url"]))[0] == 429
            await client.fault("cdn_corrupt")
            status, data = await client.download(attachment["url"])
            assert (status, len(data)) == (200, attachment["size"])
            with Image.open(io.BytesIO(data)) as picture, pytest.raises((OSError, SyntaxError)):
                picture.load()

    play(scenario)


def test_a_final_can_be_all_components() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("components_v2")
            await client.imagine("a red cat", gateway)
            final = await gateway.event("MESSAGE_CREATE", lambda message: message["flags"] == 1 << 15)
            assert (final["content"], final["attachments"], final["embeds"]) == ("", [], [])
            text, gallery, *rows = final["components"]
            assert text["content"].startswith("**a red cat**")
            assert len(rows) == 2
            status, _ = await client.download(gallery["items"][0]["media"]["url"])
            assert status == 200
            assert (await client.history(limit=1))[0]["components"][1]["items"][0]["media"]["url"]

    play(scenario)


@pytest.mark.parametrize("fault", ["four_pictures", "four_in_gallery"])
def test_a_final_can_have_four_pictures_in_place_of_a_grid(fault: str) -> None:
    async def scenario() -> None:
        async with simulated(grid=128) as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault(fault)
            await client.imagine("a red cat", gateway)
            if fault == "four_in_gallery":
                final = await gateway.event("MESSAGE_CREATE", lambda message: message["flags"] == 1 << 15)
                pictures = [item["media"] for item in final["components"][1]["items"]]
            else:
                pictures = (await gateway.final())["attachments"]
            assert [(picture["width"], picture["height"]) for picture in pictures] == [(64, 64)] * 4
            downloads = [(await client.download(picture["url"]))[1] for picture in pictures]
            assert len(set(downloads)) == 4

    play(scenario)


def test_the_accounts_owner_can_type_the_same_prompt_at_the_same_time() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("by_hand_twin")
            await client.imagine("a red cat", gateway)
            finals = [await gateway.final(), await gateway.final()]
            assert [final["mentions"][0]["id"] for final in finals] == [USER_ID, USER_ID]
            (executed,) = (await client.state())["interactions"]
            named = [executed["job_uuid"] in final["attachments"][0]["filename"] for final in finals]
            assert sorted(named) == [False, True]

    play(scenario)


def test_an_unsubscribed_guild_announces_only_that_something_is_new() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("passive_only")
            await client.imagine("a red cat", gateway)
            (channel,) = (await gateway.event("PASSIVE_UPDATE_V2"))["updated_channels"]
            assert channel["id"] == CHANNEL_ID
            assert channel["last_message_id"]
            while (await client.state())["interactions"][0]["outcome"] != "done":
                pass
            assert (await client.history())[0]["attachments"]
            assert not [one for one in gateway.dispatches if one["t"].startswith("MESSAGE")]

    play(scenario)


def test_a_start_can_be_loading_first_and_a_final_edited_without_a_change() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("loading_first")
            await client.fault("final_edited")
            await client.imagine("a red cat", gateway)
            loading = await gateway.event("MESSAGE_CREATE")
            started = await gateway.event("MESSAGE_UPDATE")
            assert (loading["flags"], loading["content"], "nonce" in loading) == (128, "", True)
            assert started["id"] == loading["id"]
            assert started["content"].endswith("(Waiting to start)")
            final = await gateway.final()
            edited = await gateway.event("MESSAGE_UPDATE", lambda message: message["id"] == final["id"])
            assert edited["components"] == final["components"]

    play(scenario)


def test_a_stranger_can_have_the_same_prompt_at_the_same_time() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("foreign_twin")
            body = await client.imagine("a red cat", gateway)
            first, second = await gateway.final(), await gateway.final()
            owners = {final["mentions"][0]["id"]: final for final in (first, second)}
            starts = {
                one["d"]["interaction"]["user"]["id"]: one["d"]
                for one in gateway.dispatches
                if one["t"] == "MESSAGE_CREATE" and "Waiting" in one["d"]["content"]
            }
            assert set(owners) == set(starts) == {USER_ID, STRANGER_ID}
            assert starts[USER_ID]["nonce"] == body["nonce"]
            assert "nonce" not in starts[STRANGER_ID]
            assert f"<@{STRANGER_ID}>" in owners[STRANGER_ID]["content"]
            (executed,) = (await client.state())["interactions"]
            assert executed["job_uuid"] in owners[USER_ID]["attachments"][0]["filename"]

    play(scenario)
