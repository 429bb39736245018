"""Faults of REST answers: instead of running a command, after it, and for every other request."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from mjwatch.simulator.world import CHANNEL_ID
from tests.simulator.harness import play, simulated

MESSAGES = f"/api/v9/channels/{CHANNEL_ID}/messages"


@pytest.mark.parametrize(("scope", "everywhere"), [("user", False), ("shared", False), ("global", True)])
def test_a_429_has_a_scope(scope: str, everywhere: bool) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("post_429", scope=scope, retry_after=1.5)
            url, headers = f"http://{client.host}/api/v9/interactions", {"Authorization": client.token}
            async with client.http.post(url, json=await client.body(), headers=headers) as answer:
                assert (answer.status, answer.headers["X-RateLimit-Scope"]) == (429, scope)
                assert ("X-RateLimit-Global" in answer.headers) is everywhere
                body = await answer.json()
            assert (body["retry_after"], body["global"]) == (1.5, everywhere)

    play(scenario)


def test_a_429_can_count_in_milliseconds() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("post_429_ms", retry_after=2)
            url, headers = f"http://{client.host}/api/v9/interactions", {"Authorization": client.token}
            async with client.http.post(url, json=await client.body(), headers=headers) as answer:
                body = await answer.json()
                assert (answer.headers["Retry-After"], body["retry_after"]) == ("2", 2000)

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "status", "executed"),
    [("post_202", 202, 0), ("post_html", 503, 0), ("post_html_executed", 503, 1)],
)
def test_a_post_can_get_an_answer_that_is_neither_success_nor_refusal(
    fault: str, status: int, executed: int
) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault(fault, match="red")
            url, headers = f"http://{client.host}/api/v9/interactions", {"Authorization": client.token}
            async with client.http.post(url, json=await client.body(), headers=headers) as answer:
                assert answer.status == status
                assert ("Via" in answer.headers) == (status == 202)
            state = await client.state()
            assert [post["status"] for post in state["posts"]] == [status]
            assert len(state["interactions"]) == executed

    play(scenario)


def test_other_requests_can_fail_by_their_address() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("rest_error", status=403, code=50001, match="GET /api/v9/channels")
            assert (await client.call("GET", "/api/v9/users/@me"))[0] == 200
            status, body = await client.call("GET", MESSAGES)
            assert (status, body["code"]) == (403, 50001)
            await client.fault("rest_429", scope="shared", match="messages?limit=7")
            assert (await client.call("GET", MESSAGES))[0] == 200
            assert (await client.call("GET", f"{MESSAGES}?limit=7"))[0] == 429
            await client.fault("rest_202")
            status, body = await client.call("GET", MESSAGES)
            assert (status, body["code"]) == (202, 110000)
            await client.fault("rest_slow", seconds=0.01)
            assert (await client.call("GET", MESSAGES))[0] == 200
            body = await client.body()
            await client.fault("rest_error")
            assert (await client.post(body))[0] == 204

    play(scenario)


def test_other_requests_can_get_a_page_or_no_answer() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            headers = {"Authorization": client.token}
            await client.fault("rest_html", status=502)
            async with client.http.get(f"http://{client.host}{MESSAGES}", headers=headers) as answer:
                assert (answer.status, answer.content_type) == (502, "text/html")
            await client.fault("rest_reset", count=2)  # the library tries a second time
            with pytest.raises(aiohttp.ClientError):
                await client.http.get(f"http://{client.host}{MESSAGES}", headers=headers)

    play(scenario)


def test_a_limited_account_gets_429_for_every_request_until_the_time_is_over() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            command = await client.body()
            await client.fault("account_limited", seconds=3600)
            for status, body in (
                await client.post(command),
                await client.call("GET", MESSAGES),
            ):
                assert (status, body["global"]) == (429, True)
                assert 0 < body["retry_after"] <= 3600
        async with simulated() as client:
            command = await client.body()
            await client.fault("account_limited", seconds=0.2)
            while (answer := await client.post(command))[0] == 429:
                await asyncio.sleep(answer[1]["retry_after"])
            assert answer[0] == 204
            assert len((await client.state())["interactions"]) == 1

    play(scenario)


def test_a_firewall_may_name_a_time() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("post_429_html", retry_after=3600)
            url, headers = f"http://{client.host}/api/v9/interactions", {"Authorization": client.token}
            async with client.http.post(url, json=await client.body(), headers=headers) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (429, "3600")

    play(scenario)
