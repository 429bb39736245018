"""The control address: state, faults, reset, and who may use it."""

from __future__ import annotations

import hashlib

import pytest

from mjwatch.simulator.faults.catalogue import CATALOGUE
from mjwatch.simulator.faults.registry import FaultError, FaultRegistry
from mjwatch.simulator.world import STRANGER_ID, USER_ID
from tests.simulator.harness import play, simulated


def test_the_state_is_the_record_of_executions() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            body = await client.imagine("a red cat", gateway)
            final = await gateway.final()
            await client.download(final["attachments"][0]["url"])
            state = await client.state()
            (executed,) = state["interactions"]
            assert executed.pop("at") > 1_700_000_000
            assert executed.pop("job_uuid") in final["content"]
            assert executed == {
                "nonce": body["nonce"],
                "type": 2,
                "command": "imagine",
                "prompt": "a red cat",
                "custom_id": None,
                "pressed": None,
                "message_id": None,
                "outcome": "done",
            }
            (rendering,) = state["renderings"]
            assert rendering["job_uuid"] in final["content"]
            assert (rendering["nonce"], rendering["prompt"]) == (body["nonce"], "a red cat")
            assert rendering["fast_hours"] > 0
            assert state["account"]["fast_hours"] < 30
            (post,) = state["posts"]
            assert (post["nonce"], post["status"]) == (body["nonce"], 204)
            counts = {name: state[name] for name in state if isinstance(state[name], int)}
            unseen = dict.fromkeys(("resumes", "cdn_with_authorization", "token_leaks", "uploads"), 0)
            assert counts == {"identifies": 1, "downloads": 1, **unseen}

    play(scenario)


def test_past_jobs_are_in_the_history_and_their_buttons_work() -> None:
    async def scenario() -> None:
        async with simulated(grid=64) as client, client.gateway() as gateway:
            await gateway.identify()
            wanted = [
                {"prompt": "a red cat", "at": 1_700_000_000},
                {"prompt": "a red cat", "at": 1_700_000_060, "upscales": 2},
                {"prompt": "a blue dog", "at": 1_700_000_120, "user": STRANGER_ID},
                {"prompt": "gone", "at": 1_700_000_180, "deleted": True},
            ]
            status, made = await client.call("POST", "/_sim/past", json=wanted)
            shown = {message["id"]: message for message in await client.history()}
            assert status == 200
            assert {past["message_id"] for past in made if not past["deleted"]} == set(shown)
            grid, single, stranger = (shown[past["message_id"]] for past in made[:3])
            assert grid["timestamp"].startswith("2023-11-14T22:13:20")
            assert (f"Image #2 <@{USER_ID}>" in single["content"], made[1]["tiles"]) == (True, [2])
            assert f"<@{STRANGER_ID}>" in stranger["content"]
            _, data = await client.download(grid["attachments"][0]["url"])
            assert hashlib.sha256(data).hexdigest() == made[0]["sha256"]
            state = await client.state()
            assert state["interactions"] == state["renderings"] == state["posts"] == []
            await client.press(gateway, grid, f"MJ::JOB::upsample::1::{made[0]['job_uuid']}")
            assert "Image #1" in (await gateway.final())["content"]
            status, _ = await client.call("POST", "/_sim/past", json=[{"prompts": []}])
            assert status == 400

    play(scenario)


def test_reset_forgets_all_but_the_sessions() -> None:
    async def scenario() -> None:
        async with simulated(seconds_per_job=3600) as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            await gateway.event("MESSAGE_CREATE")
            await client.fault("cdn_404")
            await client.call("POST", "/_sim/reset")
            state = await client.state()
            assert state["interactions"] == state["posts"] == []
            assert state["identifies"] == 0
            assert (await client.call("GET", "/_sim/faults"))[1]["armed"] == []
            assert await client.history() == []
            await client.info(gateway)
            info = await gateway.event("MESSAGE_UPDATE", lambda message: message["embeds"])
            assert "**Running Jobs**:               None" in info["embeds"][0]["description"]

    play(scenario)


def test_faults_are_listed_with_a_line_each_and_armed_by_object_or_list() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            many = [{"fault": "post_429", "count": 2}, {"fault": "refuse:Blocked", "match": "x"}]
            status, body = await client.call("POST", "/_sim/faults", json=many)
            assert status == 200
            assert body["faults"] == CATALOGUE
            assert body["armed"] == [
                {"fault": "post_429", "count": 2, "match": ""},
                {"fault": "refuse", "count": 1, "match": "x", "title": "Blocked"},
            ]
            status, body = await client.call("POST", "/_sim/faults", json={"fault": "nonsense"})
            assert status == 400
            assert "nonsense" in body["error"]

    play(scenario)


def test_web_pages_may_not_use_the_control_address() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            url = f"http://{client.host}/_sim/state"
            async with client.http.get(url, headers={"Origin": "http://example.invalid"}) as answer:
                assert answer.status == 403

    play(scenario)


@pytest.mark.parametrize(
    "request_body",
    [
        None,
        [],
        {},
        {"fault": 7},
        {"fault": "nonsense"},
        {"fault": "post_429", "count": 0},
        {"fault": "post_429", "count": "2"},
        {"fault": "post_429", "match": 1},
        {"fault": "post_429", "retry_after": "soon"},
    ],
)
def test_a_fault_that_is_not_understood_is_an_error(request_body: object) -> None:
    with pytest.raises(FaultError):
        FaultRegistry().arm(request_body)


def test_a_fault_is_used_up_by_its_matches_only() -> None:
    faults = FaultRegistry()
    faults.arm({"fault": "no_start", "count": 2, "match": "cat"})
    assert faults.take("no_start", "a dog") is None
    assert faults.take("no_progress", "a cat") is None
    assert faults.take("no_start", "a cat") is not None
    assert faults.take("no_start", "another cat") is not None
    assert faults.take("no_start", "a third cat") is None


def test_wire_changes_the_profile_in_both_directions_and_for_some_prompts() -> None:
    async def scenario() -> None:
        async with simulated(profile="2026") as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("wire", reference_on_final=False, match="red")
            assert "message_reference" not in (await client.grid(gateway, "a red cat"))[0]
            assert "message_reference" in (await client.grid(gateway, "a blue cat"))[0]
            await client.fault("wire", reference_on_final=True)
            assert "message_reference" in (await client.grid(gateway, "a red cat"))[0]
            await client.fault("wire", reference_on_final=False)
            await client.call("POST", "/_sim/reset")
            assert "message_reference" in (await client.grid(gateway, "a red cat"))[0]

    play(scenario)


@pytest.mark.parametrize(
    "changes",
    [{"colour": 1}, {"delete": "sometimes"}, {"name": "2024"}, {"metadata": 1}, {"post_status": True}],
)
def test_wire_refuses_what_no_profile_has(changes: dict[str, object]) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            status, answer = await client.call("POST", "/_sim/faults", json={"fault": "wire", **changes})
            assert status == 400
            assert "a profile has" in answer["error"]

    play(scenario)
