"""The gateway's rules: handshake, sequence, resume and replay, close codes."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest

from mjwatch.simulator.world import BOT_TOKEN, DM_CHANNEL_ID, GUILD_ID, USER_ID, USER_TOKEN
from tests.simulator.harness import Gateway, play, simulated


@pytest.mark.parametrize("compress", [False, True])
def test_hello_ready_and_ack_are_plain_or_one_zlib_stream(compress: bool) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway(compress=compress) as gateway:
            hello = await gateway.receive()
            assert hello["op"] == 10
            assert hello["d"]["heartbeat_interval"] == 41250
            ready = await gateway.identify()
            assert ready["user"]["id"] == USER_ID
            assert ready["guilds"][0]["id"] == GUILD_ID
            assert ready["private_channels"][0]["id"] == DM_CHANNEL_ID
            assert ready["resume_gateway_url"] == f"ws://{client.host}/resume"
            await gateway.send(1, None)
            assert (await gateway.op(11))["d"] is None
            await gateway.send(40, {"seq": gateway.seq, "qos": {"ver": 27}})
            await gateway.op(11)

    play(scenario)


def _raw_blocks(data: bytes) -> bytes:
    """Return the content of these blocks of a zstd frame (RFC 8878): all raw, none the last one."""
    found = b""
    while data:
        head = int.from_bytes(data[:3], "little")
        last, kind, size = head & 1, head >> 1 & 3, head >> 3
        assert (last, kind) == (0, 0)
        assert 0 < size <= min(128 * 1024, len(data) - 3)
        found, data = found + data[3 : 3 + size], data[3 + size :]
    return found


def test_a_client_that_asks_for_zstd_stream_gets_one_frame_for_all_its_messages() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("ready_large", megabytes=1)
            url = f"ws://{client.host}/?v=9&encoding=json&compress=zstd-stream"
            async with client.http.ws_connect(url, max_msg_size=0) as socket:
                first = await socket.receive_bytes()
                assert first[:6] == b"\x28\xb5\x2f\xfd\x00\x38"
                assert json.loads(_raw_blocks(first[6:]))["op"] == 10
                identify = {"token": USER_TOKEN, "properties": {}}
                await socket.send_str(json.dumps({"op": 2, "d": identify}))
                ready = json.loads(_raw_blocks(await socket.receive_bytes()))
                assert ready["d"]["user"]["id"] == USER_ID
                assert len(ready["d"]["notes"][USER_ID]) > 128 * 1024

    play(scenario)


def test_permessage_deflate_is_refused() -> None:
    async def scenario() -> None:
        async with (
            simulated() as client,
            client.http.ws_connect(f"ws://{client.host}/?v=9&encoding=json", compress=15) as socket,
        ):
            assert not socket.compress
            assert json.loads((await socket.receive()).data)["op"] == 10

    play(scenario)


def test_capabilities_shape_ready() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            async with client.gateway() as gateway:
                plain = await gateway.identify()
            async with client.gateway() as gateway:
                rich = await gateway.identify(capabilities=16381)
                await gateway.event("READY_SUPPLEMENTAL")
        assert plain["guilds"][0]["name"]
        assert plain["private_channels"][0]["recipients"][0]["bot"]
        assert plain["read_state"] == []
        assert rich["guilds"][0]["properties"]["name"]
        assert rich["private_channels"][0]["recipient_ids"]
        assert rich["read_state"] == {"entries": [], "partial": False, "version": 0}
        assert rich["merged_members"][0][0]["user_id"] == USER_ID

    play(scenario)


def test_a_bot_gets_its_own_ready_and_then_its_guild() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            ready = await gateway.identify(BOT_TOKEN, intents=1 << 9)
            assert ready["application"]["id"] == ready["user"]["id"] != USER_ID
            guild = await gateway.event("GUILD_CREATE")
            assert guild["channels"]
            assert guild["roles"]

    play(scenario)


def test_a_cut_session_resumes_and_is_replayed_what_it_missed() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            async with client.gateway() as first:
                await first.identify()
                body = await client.imagine("a red cat", first)
                await first.event("INTERACTION_CREATE")
                await client.fault("gateway_cut")
                assert await first.close_code() == 1006
            while (await client.state())["interactions"][0]["outcome"] != "done":
                pass
            async with client.gateway(first.resume_url, compress=True) as second:
                await second.resume(first)
                await second.event("RESUMED")
                told = second.dispatches
                assert [one["s"] - (first.seq or 0) for one in told] == list(range(1, len(told) + 1))
                # The cut may have come before any of them.
                heard = first.dispatches + told
                assert "INTERACTION_SUCCESS" in [one["t"] for one in heard]
                start = next(one["d"] for one in heard if one["t"] == "MESSAGE_CREATE")
                assert start["nonce"] == body["nonce"]
            assert (await client.state())["resumes"] == 1
            assert (await client.state())["identifies"] == 1

    play(scenario)


def test_a_replay_can_be_asked_for_from_an_earlier_sequence_number() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            async with client.gateway() as first:
                await first.identify(capabilities=16381)
                await first.event("READY_SUPPLEMENTAL")
            async with client.gateway(first.resume_url) as second:
                await second.resume(first, seq=1)
                await second.event("RESUMED")
                assert [one["t"] for one in second.dispatches] == ["READY_SUPPLEMENTAL", "RESUMED"]

    play(scenario)


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_session_ends_when_its_client_closes_for_good(code: int) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            async with client.gateway() as first:
                await first.identify()
                await first.socket.close(code=code)
            async with client.gateway() as second:
                await second.resume(first)
                assert (await second.op(9))["d"] is False

    play(scenario)


def test_a_session_that_is_resumed_elsewhere_loses_its_old_connection() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as first, client.gateway() as second:
            await first.identify()
            await second.resume(first)
            await second.event("RESUMED")
            assert await first.close_code() == 4000

    play(scenario)


def test_unknown_sessions_and_faults_get_op_9() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as first:
            await first.identify()
            async with client.gateway() as stranger:
                await stranger.send(6, {"token": "wrong", "session_id": "x", "seq": 1})
                assert await stranger.close_code() == 4004
            for fault, resumable in (
                ("gateway_invalid_session_resumable", True),
                ("gateway_invalid_session", False),
            ):
                await client.fault(fault)
                async with client.gateway() as second:
                    await second.resume(first)
                    assert (await second.op(9))["d"] is resumable
            async with client.gateway() as third:
                await third.resume(first)
                assert (await third.op(9))["d"] is False

    play(scenario)


IDENTIFY = {"token": "wrong", "properties": {}}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("not json", 4002),
        ("[]", 4002),
        (b"\xff\xfe", 4002),
        ('{"op": 99, "d": null}', 4001),
        ('{"op": [], "d": null}', 4001),
        ('{"op": 0, "d": null}', 4001),
        ('{"op": 3, "d": null}', 4003),
        ('{"op": 2, "d": null}', 4002),
        (json.dumps({"op": 2, "d": IDENTIFY}), 4004),
        (json.dumps({"op": 2, "d": {**IDENTIFY, "token": BOT_TOKEN}}), 4013),
        (json.dumps({"op": 3, "d": "x" * 5000}), 4002),
        (json.dumps({"op": 2, "d": "x" * 16000}), 4002),
    ],
)
def test_a_broken_rule_has_its_close_code(payload: str | bytes, code: int) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await (
                gateway.socket.send_str(payload)
                if isinstance(payload, str)
                else gateway.socket.send_bytes(payload)
            )
            assert await gateway.close_code() == code

    play(scenario)


def test_a_second_identify_and_a_future_sequence_number_are_refused() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as first:
            await first.identify()
            async with client.gateway() as second:
                await second.resume(first, seq=1000)
                assert await second.close_code() == 4007
            async with client.gateway() as third:
                await third.identify()
                await third.send(2, IDENTIFY)
                assert await third.close_code() == 4005

    play(scenario)


def test_more_than_120_messages_a_minute_are_too_many_and_the_session_survives() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as first:
            await first.identify()
            for _ in range(120):
                await first.send(1, None)
            assert await first.close_code() == 4008
            async with client.gateway() as second:
                await second.resume(first)
                await second.event("RESUMED")

    play(scenario)


def test_a_client_without_heartbeats_is_closed() -> None:
    async def scenario() -> None:
        async with simulated(heartbeat_interval=0.05) as client, client.gateway() as gateway:
            with suppress(ConnectionError):  # the time may be over before READY
                await gateway.identify()
            assert await gateway.close_code() == 4009

    play(scenario)


@pytest.mark.parametrize("op", [3, 4, 8, 14, 34, 37, 41])
def test_other_payloads_of_user_clients_are_accepted(op: int) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await gateway.socket.send_bytes(json.dumps({"op": op, "d": {"guild_id": GUILD_ID}}).encode())
            await gateway.send(1, gateway.seq)
            await gateway.op(11)

    play(scenario)


def test_control_can_ask_every_connection_to_reconnect_and_omit_an_ack() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("gateway_reconnect")
            await gateway.op(7)
            await client.fault("heartbeat_ignored")
            await gateway.send(1, 1)
            await gateway.send(3, {})
            await gateway.send(1, 1)
            await gateway.op(11)
            assert (await client.call("GET", "/_sim/faults"))[1]["armed"] == []

    play(scenario)


def test_a_count_cuts_later_connections_too() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("gateway_cut", count=2)
            async with client.gateway() as first:
                assert await first.close_code() == 1006
            async with client.gateway() as second:
                assert isinstance(second, Gateway)
                await second.identify()

    play(scenario)


def test_after_a_standstill_an_overdue_event_comes_before_the_answer_to_a_later_heartbeat() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("told_late", seconds=0.2)
            await client.imagine("a red cat", gateway)
            await gateway.send(1, None)
            time.sleep(0.4)  # all stands still, the simulator too
            await gateway.op(11)
            assert "INTERACTION_CREATE" in [one["t"] for one in gateway.dispatches]

    play(scenario)
