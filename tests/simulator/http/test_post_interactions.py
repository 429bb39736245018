"""POST /interactions: what is executed, and Discord's own answer to everything else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from mjwatch.discord.protocol import NIJI_APPLICATION_ID
from mjwatch.simulator.world import BOT_TOKEN, DM_CHANNEL_ID
from tests.simulator.harness import play, simulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.harness import Json

_PROMPT = {"type": 3, "name": "prompt", "value": "a red cat"}
STALE = "INTERACTION_APPLICATION_COMMAND_INVALID_VERSION"


def _data(**changes: object) -> Callable[[Json], None]:
    def change(body: Json) -> None:
        body["data"] |= changes

    return change


def _top(**changes: object) -> Callable[[Json], None]:
    def change(body: Json) -> None:
        body.update(changes)

    return change


def _without(name: str) -> Callable[[Json], None]:
    def change(body: Json) -> None:
        del body[name]

    return change


def _prompt(value: object) -> Callable[[Json], None]:
    return _data(options=[{"type": 3, "name": "prompt", "value": value}])


@pytest.mark.parametrize(
    ("change", "status", "code", "where"),
    [
        (_top(channel_id="1"), 400, 10003, None),
        (_without("guild_id"), 400, 10003, None),
        (_top(guild_id=None), 400, 10003, None),
        (_top(guild_id="1"), 400, 10004, None),
        (_top(channel_id=DM_CHANNEL_ID), 400, 10004, None),
        (_top(application_id="1"), 400, 10002, None),
        (_top(application_id=NIJI_APPLICATION_ID), 400, 10005, None),
        (
            _top(application_id=NIJI_APPLICATION_ID, channel_id=DM_CHANNEL_ID, guild_id=None),
            400,
            10005,
            None,
        ),
        (_top(application_id="x"), 400, 50035, "application_id"),
        (_without("application_id"), 400, 50035, "application_id"),
        (_without("channel_id"), 400, 50035, "channel_id"),
        (_without("type"), 400, 50035, "type"),
        (_top(type=99), 400, 50035, "type"),
        (_without("session_id"), 400, 50035, "session_id"),
        (_top(session_id=7), 400, 50035, "session_id"),
        (_without("data"), 400, 50035, "data"),
        (_top(nonce="1" * 26), 400, 50035, "nonce"),
        (_top(nonce=[]), 400, 50035, "nonce"),
        (_data(version="1"), 400, 50035, "data"),
        (_data(version=None), 400, 50035, "data.version"),
        (_data(id="1"), 404, 10063, None),
        (_data(name="info"), 400, 50035, "data.name"),
        (_data(name=None), 400, 50035, "data.name"),
        (_data(type=3), 400, 50035, "data.type"),
        (_data(options=[]), 400, 50035, "data.options.0.value"),
        (_data(options={}), 400, 50035, "data.options"),
        (_data(options=["x"]), 400, 50035, "data.options"),
        (_data(options=[{"name": "text", "value": "x"}]), 400, 50035, "data.options.0.name"),
        (_data(options=[{"name": "prompt", "value": "x"}]), 400, 50035, "data.options.0.type"),
        (_data(options=[{"type": 4, "name": "prompt", "value": "x"}]), 400, 50035, "data.options.0.type"),
        (_data(options=[_PROMPT, _PROMPT]), 400, 50035, "data.options.1.name"),
        (_data(attachments={}), 400, 50035, "data.attachments"),
        (_data(attachments=[{"filename": "a.png"}]), 400, 50035, "data.attachments.0.id"),
        (_data(attachments=[{"id": "0"}]), 400, 50035, "data.attachments.0.filename"),
        (_prompt(None), 400, 50035, "data.options.0.value"),
        (_prompt("  "), 400, 50035, "data.options.0.value"),
        (_prompt(7), 400, 50035, "data.options.0.value"),
        (_prompt("x" * 6001), 400, 50035, "data.options.0.value"),
    ],
)
def test_a_wrong_body_gets_discords_answer_and_nothing_runs(
    change: Callable[[Json], None], status: int, code: int, where: str | None
) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            body = await client.body()
            change(body)
            answer_status, answer = await client.post(body)
            assert (answer_status, answer["code"]) == (status, code)
            for part in where.split(".") if where else []:
                answer = answer.get("errors", answer)[part]
            assert where is None or answer["_errors"][0]["code"]
            state = await client.state()
            assert state["interactions"] == []
            assert [post["status"] for post in state["posts"]] == [status]

    play(scenario)


@pytest.mark.parametrize(
    "change",
    [
        _top(nonce=None),
        _without("nonce"),
        _top(nonce="-805224448"),
        _top(nonce=-805224448),
        _top(nonce="1" * 25),
        _top(guild_id=None, channel_id=DM_CHANNEL_ID),
        _top(analytics_location="slash_ui"),
        _data(application_command={"id": "1"}),
        _prompt("x" * 6000),
    ],
)
def test_requests_of_real_clients_are_executed(change: Callable[[Json], None]) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            body = await client.body()
            change(body)
            assert await client.post(body) == (204, None)
            (executed,) = (await client.state())["interactions"]
            assert executed["nonce"] == body.get("nonce")
            assert executed["command"] == "imagine"

    play(scenario)


def test_a_dm_needs_no_guild_and_multipart_works_like_json() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            body = await client.body("a red cat", gateway.session_id, channel_id=DM_CHANNEL_ID)
            del body["guild_id"]
            form = aiohttp.FormData(default_to_multipart=True)
            form.add_field("payload_json", json.dumps(body), content_type="application/json")
            assert (await client.call("POST", "/api/v10/interactions", data=form))[0] == 204
            final = await gateway.final()
            assert "guild_id" not in final
            assert final["channel_id"] == DM_CHANNEL_ID

    play(scenario)


def test_equal_nonces_are_not_deduplicated() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            body = await client.body()
            for _ in range(3):
                assert await client.post(body) == (204, None)
            assert [one["nonce"] for one in (await client.state())["interactions"]] == [body["nonce"]] * 3

    play(scenario)


def test_a_version_goes_stale_until_the_index_is_read_again() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            body = await client.body()
            await client.fault("stale_version")
            status, answer = await client.post(body)
            assert status == 400
            assert answer["errors"]["data"]["_errors"][0]["code"] == STALE
            assert await client.post(await client.body()) == (204, None)

    play(scenario)


@pytest.mark.parametrize("broken", [b"", b"{", b"\xff", b'"\\ud800"'])
def test_a_body_that_is_no_json_is_refused(broken: bytes) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            headers = {"Content-Type": "application/json", "Authorization": client.token}
            url = f"http://{client.host}/api/v9/interactions"
            async with client.http.post(url, data=broken, headers=headers) as answer:
                assert answer.status == 400
                assert (await answer.json())["code"] == 50109
            assert len((await client.state())["posts"]) == 1

    play(scenario)


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), (f"Bot {BOT_TOKEN}", 403)])
def test_only_the_user_may_post_and_every_post_is_recorded(token: str, status: int) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            body = await client.body()
            client.token = token
            answer = await client.post(body)
            assert answer[0] == status
            assert [post["status"] for post in (await client.state())["posts"]] == [status]

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "status", "key", "executed"),
    [
        ("post_429", 429, "retry_after", 0),
        ("post_429_executed", 429, "retry_after", 1),
        ("post_500", 500, "message", 0),
        ("post_500_executed", 500, "message", 1),
        ("captcha", 400, "captcha_key", 0),
        ("not_permitted", 400, "errors", 0),
        ("unauthorized", 401, "message", 0),
    ],
)
def test_a_fault_answers_once_and_only_its_match(fault: str, status: int, key: str, executed: int) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault(fault, match="dog", retry_after=1.5)
            assert (await client.post(await client.body("a red cat")))[0] == 204
            answer_status, answer = await client.post(await client.body("a red dog"))
            assert answer_status == status
            assert key in answer
            assert (await client.post(await client.body("a red dog")))[0] == 204
            assert len((await client.state())["interactions"]) == 2 + executed

    play(scenario)


@pytest.mark.parametrize(("fault", "executed"), [("post_reset", 0), ("post_reset_executed", 1)])
def test_a_reset_connection_hides_whether_the_command_ran(fault: str, executed: int) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault(fault)
            body = await client.body()
            with pytest.raises(aiohttp.ClientError):
                await client.post(body)
            state = await client.state()
            assert len(state["interactions"]) == executed
            assert state["posts"][0]["status"] is None

    play(scenario)


def test_buttons_are_checked_against_their_message() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            final = await gateway.final()
            custom_id = final["components"][0]["components"][0]["custom_id"]
            press: dict[str, Any] = {"type": 3, "message_id": final["id"], "message_flags": 0}
            press["data"] = {"component_type": 2, "custom_id": custom_id}
            body = await client.body("", gateway.session_id, **press)
            status, answer = await client.post({**body, "message_id": "1"})
            assert (status, answer["code"]) == (404, 10008)
            status, answer = await client.post({**body, "data": {"custom_id": "MJ::other"}})
            assert (status, answer["code"]) == (400, 50035)
            assert await client.post(body) == (204, None)
            assert (await client.state())["interactions"][-1]["custom_id"] == custom_id

    play(scenario)
