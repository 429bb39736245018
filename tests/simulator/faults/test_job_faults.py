"""Faults in the messages of one job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from mjwatch.simulator.gateway import delivery
from mjwatch.simulator.midjourney import bot, queue
from tests.helpers.timeouts import deadline
from tests.simulator.harness import Client, Gateway, Json, play, simulated, steps_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Look = Callable[[Client, Gateway], Awaitable[None]]


def _story(fault: str, look: Look, **keys: object) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault(fault, match="red cat", **keys)
            await client.imagine("a red cat", gateway)
            await look(client, gateway)

    play(scenario)


async def _outcome(client: Client) -> str:
    (executed,) = (await client.state())["interactions"]
    return str(executed["outcome"])


async def _ended(client: Client) -> str:
    while (outcome := await _outcome(client)) in ("running", "queued"):
        pass
    return outcome


def _heard(gateway: Gateway) -> list[str]:
    return [str(one["t"]) for one in gateway.dispatches]


def test_a_failure_may_mean_that_nothing_ran() -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        assert (await gateway.event("INTERACTION_FAILURE"))["reason_code"] == 1
        assert await _outcome(client) == "refused"

    _story("interaction_failed", look, reason=1)


def test_a_failure_may_be_followed_by_the_job_anyway() -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        assert (await gateway.event("INTERACTION_FAILURE"))["reason_code"] == 2
        await gateway.final()
        assert await _ended(client) == "done"
        assert "INTERACTION_SUCCESS" not in _heard(gateway)

    _story("interaction_failed_executed", look)


def test_a_captcha_can_be_shown_in_a_frame() -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        modal = await gateway.event("INTERACTION_IFRAME_MODAL_CREATE")
        assert modal["iframe_path"].startswith("/captcha/embedded/")
        assert modal["nonce"]
        assert await _outcome(client) == "refused"

    _story("captcha_iframe", look)


def test_the_gateway_can_be_late() -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        assert await _outcome(client) == "running"
        await gateway.send(1, None)
        await gateway.op(11)
        assert "INTERACTION_CREATE" not in _heard(gateway)
        steps.allow()
        await gateway.event("INTERACTION_CREATE")
        await gateway.final()

    with steps_of(bot) as steps:
        steps.hold()
        _story("told_late", look, seconds=0.01)


def test_success_can_be_the_last_event() -> None:
    async def look(_client: Client, gateway: Gateway) -> None:
        await gateway.event("INTERACTION_SUCCESS")
        assert "MESSAGE_DELETE" in _heard(gateway)

    _story("success_late", look)


def test_a_job_can_wait_in_the_queue_and_start_without_a_nonce() -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        queued = await gateway.event("MESSAGE_CREATE")
        assert queued["embeds"][0]["title"] == "Job queued"
        assert await _outcome(client) == "queued"
        steps.allow()
        start = await gateway.event("MESSAGE_CREATE")
        assert "nonce" not in start
        assert "interaction" not in start
        await gateway.final()

    with steps_of(queue) as steps:
        steps.hold()
        _story("queued", look, seconds=0.01)


def test_a_job_that_waited_can_start_with_our_nonce() -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        queued = await gateway.refusal()
        assert queued["embeds"][0]["title"] == "Job queued"
        start = await gateway.event("MESSAGE_CREATE")
        assert start["nonce"] == queued["nonce"]
        assert start["interaction"]["id"] == queued["interaction"]["id"]
        assert await _ended(client) == "done"

    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("queued", seconds=0.01)
            await client.fault("queued_start_with_nonce")
            await client.imagine("a red cat", gateway)
            await look(client, gateway)

    play(scenario)


def test_a_notice_can_come_beside_a_job_that_runs_anyway() -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        told = await gateway.refusal()
        assert told["embeds"][0]["title"] == "Duplicate images detected"
        assert told["flags"] == 64
        await gateway.final()
        assert await _ended(client) == "done"

    _story("informed", look)


def test_a_refusal_can_have_another_look_and_a_time() -> None:
    async def look(_client: Client, gateway: Gateway) -> None:
        (embed,) = (await gateway.refusal())["embeds"]
        assert "title" not in embed
        assert (embed["color"], embed["footer"]["text"]) == (15548997, "decline-amber-otter")
        until = int(embed["description"].partition("<t:")[2].partition(":")[0])
        assert abs(until - time.time() - 60) < 30

    keys = {"color": 15548997, "footer": "decline-amber-otter", "untitled": True, "seconds": 60}
    _story("refuse:Slow Down!", look, **keys)


def test_a_refusal_can_have_another_text() -> None:
    async def look(_client: Client, gateway: Gateway) -> None:
        (embed,) = (await gateway.event("MESSAGE_CREATE"))["embeds"]
        assert (embed["title"], embed["description"]) == ("Slow Down!", "Again <t:5:R>")

    _story("refuse:Slow Down!", look, text="Again <t:5:R>")


def test_a_refusal_can_be_a_plain_reply_to_the_progress_message() -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        start = await gateway.event("MESSAGE_CREATE")
        reply = await gateway.event("MESSAGE_CREATE")
        assert reply["message_reference"]["message_id"] == start["id"]
        assert reply["embeds"][0]["title"] == "Image denied"
        assert "nonce" not in reply
        assert await _ended(client) == "refused"

    _story("refuse_by_reply", look, title="Image denied")


def test_progress_can_be_paused_and_have_small_print() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("paused")
            await client.fault("footer")
            await client.imagine("a red cat", gateway)
            await gateway.event("MESSAGE_UPDATE", lambda message: "(paused) (fast)" in message["content"])
            final = await gateway.final()
            assert "\n-# " in final["content"]
            assert all("\n-# " in message["content"] for message in await client.history())

    play(scenario)


def test_a_job_can_be_ephemeral() -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        final = await gateway.final()
        await gateway.event("MESSAGE_DELETE")
        assert final["flags"] == 64
        status, _ = await client.download(final["attachments"][0]["url"])
        assert status == 200
        assert "/ephemeral-attachments/" in final["attachments"][0]["url"]
        assert await client.history() == []

    _story("ephemeral_job", look)


def test_a_result_can_be_posted_twice_or_not_be_sent() -> None:
    async def twice(_client: Client, gateway: Gateway) -> None:
        first, second = await gateway.final(), await gateway.final()
        assert first["id"] != second["id"]
        assert first["attachments"][0]["id"] == second["attachments"][0]["id"]

    async def lost(client: Client, gateway: Gateway) -> None:
        await gateway.event("MESSAGE_DELETE")
        assert _heard(gateway).count("MESSAGE_CREATE") == 1
        assert (await client.history())[0]["components"]

    _story("final_twice", twice)
    _story("final_lost", lost)


def test_a_result_can_answer_the_interaction() -> None:
    async def look(_client: Client, gateway: Gateway) -> None:
        start = await gateway.event("MESSAGE_CREATE")
        final = await gateway.final()
        assert final["nonce"] == start["nonce"]
        assert final["interaction"] == start["interaction"]

    _story("nonce_on_final", look)


def test_every_second_event_can_overtake_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "SWAP_LIMIT", deadline(20))

    async def look(_client: Client, gateway: Gateway) -> None:
        await gateway.final()
        seen: list[tuple[str, Json]] = [(one["t"], one["d"]) for one in gateway.dispatches]
        messages = [(event, data) for event, data in seen if event.startswith("MESSAGE")]
        assert messages[0][0] == "MESSAGE_UPDATE"
        assert messages[1][0] == "MESSAGE_CREATE"
        assert messages[0][1]["id"] == messages[1][1]["id"]

    _story("out_of_order", look)


def test_messages_can_be_deleted_in_bulk() -> None:
    async def look(_client: Client, gateway: Gateway) -> None:
        start = await gateway.event("MESSAGE_CREATE")
        assert (await gateway.event("MESSAGE_DELETE_BULK"))["ids"] == [start["id"]]

    _story("delete_bulk", look)


def test_a_job_can_be_stopped() -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        stopped = await gateway.event("MESSAGE_UPDATE", lambda message: "(Stopped)" in message["content"])
        assert stopped["components"] == []
        assert await _ended(client) == "refused"

    _story("stopped", look)


@pytest.mark.parametrize("fault", ["duplicate_dispatch", "no_preview", "preview_without_uuid", "no_start"])
def test_a_fault_affects_only_the_matching_job(fault: str) -> None:
    async def look(client: Client, gateway: Gateway) -> None:
        await gateway.final()
        assert (await client.call("GET", "/_sim/faults"))[1]["armed"] == []

    _story(fault, look)
