"""Faults of the gateway: gaps, unusual first messages, unknown messages, and unsubscribed sessions."""

from __future__ import annotations

import aiohttp
import pytest

from mjwatch.simulator.world import CHANNEL_ID, GUILD_ID, NEW_USER_TOKEN
from tests.simulator.harness import Client, play, simulated


async def _opens(client: Client) -> bool:
    try:
        async with client.gateway() as gateway:
            return bool((await gateway.receive())["op"] == 10)
    except aiohttp.ClientError:
        return False


@pytest.mark.parametrize("lost", [False, True])
def test_the_gateway_can_be_down_for_a_while(lost: bool) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            async with client.gateway() as first:
                await first.identify()
                await client.fault("gateway_down", seconds=3600, lose_session=lost)
                assert await first.close_code() in (None, 1006)
            assert not await _opens(client)
            await client.fault("gateway_down", seconds=0.01, lose_session=lost)
            while not await _opens(client):
                pass
            async with client.gateway() as second:
                await second.resume(first)
                if lost:
                    assert (await second.op(9))["d"] is False
                else:
                    await second.event("RESUMED")

    play(scenario)


def test_a_connection_can_end_in_the_middle_of_a_message() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("gateway_cut_midframe")
            assert await gateway.close_code() in (None, 1006)
            async with client.gateway() as second:
                await second.resume(gateway)
                await second.event("RESUMED")

    play(scenario)


def test_the_gateway_can_send_messages_that_no_client_knows() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            before = gateway.seq or 0
            await client.fault("gateway_noise")
            assert (await gateway.receive())["op"] == 99
            await gateway.event("PASSIVE_UPDATE_V2")
            assert {one["t"] for one in gateway.dispatches} >= {"SOMETHING_NEW", "MESSAGE_DELETE_BULK"}
            assert gateway.seq is not None
            assert gateway.seq > before
            await client.fault("gateway_garbage")
            with pytest.raises(ValueError, match="Expecting"):
                await gateway.receive()

    play(scenario)


def test_ready_can_announce_a_new_token() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await client.fault("ready_auth_token")
            assert (await gateway.identify())["auth_token"] == NEW_USER_TOKEN
            client.token = NEW_USER_TOKEN
            assert (await client.call("GET", "/api/v9/users/@me"))[0] == 200

    play(scenario)


def test_an_identify_can_be_refused() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            for name, resumable in (("identify_limited", False), ("identify_limited_resumable", True)):
                await client.fault(name)
                async with client.gateway() as gateway:
                    await gateway.send(2, {"token": client.token, "properties": {}})
                    assert (await gateway.op(9))["d"] is resumable
            for code in (4015, 4004):
                await client.fault("identify_closed", code=code)
                async with client.gateway() as gateway:
                    await gateway.send(2, {"token": client.token, "properties": {}})
                    assert await gateway.close_code() == code

    play(scenario)


def test_a_new_session_can_have_the_id_of_the_last_one() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            async with client.gateway() as first:
                last = (await first.identify())["session_id"]
                await client.imagine("a red cat", first)
                await first.final()
            await client.fault("session_id_reused")
            async with client.gateway() as second:
                assert (await second.identify())["session_id"] == last
                assert second.dispatches[0]["s"] == 1
                await client.fault("gateway_close", code=4000)
                assert await second.close_code() == 4000
            async with client.gateway() as third:
                assert (await third.identify())["session_id"] != last

    play(scenario)


def test_a_replay_can_send_everything_twice() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as first:
            await first.identify()
            await client.fault("replay_twice")
            await client.imagine("a red cat", first)
            await first.final()
            async with client.gateway() as second:
                await second.resume(first, seq=1)
                await second.event("RESUMED")
                finals = [one["d"]["id"] for one in second.dispatches if one["t"] == "MESSAGE_CREATE"]
            assert len(finals) == 2 * len(set(finals)) > 0

    play(scenario)


@pytest.mark.parametrize("opcode", [14, 37])
def test_an_unsubscribed_session_gets_messages_after_it_subscribes(opcode: int) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await client.fault("unsubscribed")
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            (channel,) = (await gateway.event("PASSIVE_UPDATE_V2"))["updated_channels"]
            assert channel["id"] == CHANNEL_ID
            assert not [one for one in gateway.dispatches if one["t"].startswith("MESSAGE")]
            await gateway.send(opcode, {"subscriptions": {GUILD_ID: {"typing": True}}})
            await gateway.send(1, None)
            await gateway.op(11)
            await client.imagine("a blue cat", gateway)
            assert (await gateway.event("MESSAGE_CREATE"))["content"]

    play(scenario)
