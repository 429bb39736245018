"""What the simulated Midjourney does with a prompt, in the form of each year."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.discord.protocol import snowflake_ms
from mjwatch.simulator.messages.notices import NOTICES
from mjwatch.simulator.midjourney import job
from mjwatch.simulator.world import BOT_ID, GUILD_ID, USER_ID
from tests.simulator.harness import play, simulated, steps_of

if TYPE_CHECKING:
    from tests.simulator.harness import Client, Gateway, Json


async def _job(client: Client, gateway: Gateway, prompt: str) -> tuple[Json, list[Json]]:
    """Run a prompt to its end; return the start and all later events of its messages."""
    await client.imagine(prompt, gateway)
    start = await gateway.event("MESSAGE_CREATE")
    final = await gateway.final()
    if not any(one["t"] == "MESSAGE_DELETE" for one in gateway.dispatches):
        await gateway.event("MESSAGE_DELETE", lambda told: told["id"] == start["id"])
    return {"start": start, "final": final}, gateway.dispatches


@pytest.mark.parametrize(
    ("profile", "kind", "reply", "start_type", "named", "order"),
    [
        ("2023", "png", False, 0, False, ["CREATE", "DELETE"]),
        ("2024", "png", False, 20, True, ["DELETE", "CREATE"]),
        ("2026", "webp", True, 20, True, ["CREATE", "DELETE"]),
    ],
)
def test_each_years_messages(
    profile: str, kind: str, reply: bool, start_type: int, named: bool, order: list[str]
) -> None:
    async def scenario() -> None:
        async with simulated(profile=profile) as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("wire", format=kind, website="link")
            told, dispatches = await _job(client, gateway, "a red cat")
            start, final = told["start"], told["final"]
            (executed,) = (await client.state())["interactions"]
            assert start["type"] == start_type
            assert start["interaction"]["user"]["id"] == USER_ID
            assert ("interaction_metadata" in start) == (profile != "2023")
            assert start["nonce"] == executed["nonce"]
            assert final["author"]["id"] == BOT_ID
            assert not {"nonce", "interaction", "interaction_metadata", "webhook_id"} & set(final)
            assert final["type"] == (19 if reply else 0)
            assert (final.get("message_reference") or {}).get("message_id") == (
                start["id"] if reply else None
            )
            assert final["guild_id"] == GUILD_ID
            (picture,) = final["attachments"]
            assert picture["content_type"] == f"image/{kind}"
            assert picture["filename"] == f"ada.simulated_a_red_cat_{executed['job_uuid']}.{kind}"
            link = (
                f" [(Open on website for full quality)](<https://midjourney.com/jobs/{executed['job_uuid']}>)"
            )
            assert final["content"] == f"**a red cat** - <@{USER_ID}>{link if kind == 'webp' else ''} (fast)"
            previews = {
                attachment["filename"]
                for one in dispatches
                if one["t"] == "MESSAGE_UPDATE"
                for attachment in one["d"]["attachments"]
            }
            assert previews == {f"{executed['job_uuid']}_grid_0.webp" if named else "grid_0.webp"}
            kinds = [one["t"].removeprefix("MESSAGE_") for one in dispatches if "MESSAGE" in one["t"]]
            assert [one for one in kinds[1:] if one != "UPDATE"] == order
            assert executed["outcome"] == "done"

    play(scenario)


def test_results_of_2026_come_in_four_forms_and_each_can_be_chosen() -> None:
    def form(final: Json) -> tuple[str, str]:
        website = final["content"].partition(f"<@{USER_ID}>")[2].removesuffix(" (fast)").strip()
        return final["attachments"][0]["content_type"].removeprefix("image/"), website[:1]

    async def scenario() -> None:
        async with simulated(seed=1) as client, client.gateway() as gateway:
            await gateway.identify()
            seen = {form((await client.grid(gateway))[0]) for _ in range(24)}
            assert seen == {("png", ""), ("webp", ""), ("webp", "("), ("webp", "[")}
            for kind, website, start in (("png", "link", ""), ("webp", "plain", "("), ("webp", "none", "")):
                await client.fault("wire", format=kind, website=website)
                assert form((await client.grid(gateway))[0]) == (kind, start)

    play(scenario)


def test_ids_grow_and_agree_with_the_timestamps() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            _, dispatches = await _job(client, gateway, "a red cat")
            created = [one["d"] for one in dispatches if one["t"] == "MESSAGE_CREATE"]
            interaction = next(one["d"]["id"] for one in dispatches if one["t"] == "INTERACTION_CREATE")
            ids = [int(interaction), *(int(message["id"]) for message in created)]
            assert ids == sorted(set(ids))
            for message in created:
                assert message["timestamp"].endswith("+00:00")
                milliseconds = int(message["timestamp"][20:23])
                assert milliseconds == snowflake_ms(message["id"]) % 1000
            assert created[0]["interaction"]["id"] == interaction

    play(scenario)


def test_progress_edits_the_start_and_never_repeats_its_nonce() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            told, dispatches = await _job(client, gateway, "a red cat")
            updates = [one["d"] for one in dispatches if one["t"] == "MESSAGE_UPDATE"]
            assert {update["id"] for update in updates} == {told["start"]["id"]}
            assert all("nonce" not in update and update["edited_timestamp"] for update in updates)
            assert updates[0]["content"].endswith("(0%) (fast)")
            assert updates[0]["attachments"] == []
            assert updates[-1]["attachments"]

    play(scenario)


@pytest.mark.parametrize(
    ("options", "left"), [({"delete": "missing"}, 2), ({"delete": "before"}, 1), ({"delete": "after"}, 1)]
)
def test_the_history_has_finals_without_the_fields_that_rest_omits(
    options: dict[str, Any], left: int
) -> None:
    async def scenario() -> None:
        async with simulated(**options) as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            final = await gateway.final()
            if options["delete"] == "after":
                await gateway.event("MESSAGE_DELETE")
            await client.fault("refuse", title="Banned prompt")
            await client.imagine("a red dog", gateway)
            await gateway.event("MESSAGE_CREATE", lambda message: message["flags"] == 64)
            page = await client.history()
            assert len(page) == left
            assert page[0]["id"] == final["id"]
            assert all("nonce" not in message and "guild_id" not in message for message in page)

    play(scenario)


def test_jobs_beyond_the_limit_are_queued_then_refused_and_all_end() -> None:
    async def scenario() -> None:
        async with simulated(max_running=2, max_queued=1) as client, client.gateway() as gateway:
            await gateway.identify()
            steps.hold()  # until all have come
            for word in ("one", "two", "three", "four"):
                await client.imagine(word, gateway)
            titles: list[str] = []
            started: list[bool] = []
            finals = 0
            while finals < 3:
                message = await gateway.event("MESSAGE_CREATE")
                titles += [embed["title"] for embed in message["embeds"]]
                finals += bool(message["attachments"])
                if "Waiting to start" in message["content"]:
                    started.append("nonce" in message)
                if len(titles) == len(started) == 2:
                    steps.allow()
            assert sorted(titles) == ["Job queued", "Queue full"]
            assert started == [True, True, False]
            outcomes = [one["outcome"] for one in (await client.state())["interactions"]]
            assert sorted(outcomes) == ["done", "done", "done", "refused"]

    with steps_of(job) as steps:
        play(scenario)


@pytest.mark.parametrize(
    ("prompt", "title", "words"),
    [
        ("a banned-word-test", "Banned prompt", "banned-word-test"),
        ("a red cat \u2013v 5", "Invalid parameter", "Unrecognized parameter(s): \u2013v, 5"),
    ],
)
def test_some_prompts_are_refused_in_an_ephemeral_answer(prompt: str, title: str, words: str) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway, client.gateway() as other:
            await gateway.identify()
            await other.identify()
            body = await client.imagine(prompt, gateway)
            message = await gateway.event("MESSAGE_CREATE")
            (embed,) = message["embeds"]
            assert embed["title"] == title
            assert words in embed["description"]
            assert embed["footer"]["text"] == f"/imagine {prompt}"
            assert embed["color"] == 16711680
            assert message["flags"] == 64
            assert message["nonce"] == body["nonce"]
            assert "guild_id" not in message
            assert (await client.state())["interactions"][0]["outcome"] == "refused"
            await other.send(1, None)
            await other.op(11)
            assert [one["t"] for one in other.dispatches] == ["READY"]

    play(scenario)


def test_interaction_events_go_only_to_the_named_session() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            assert (await client.post(await client.body("a red cat", "unknown")))[0] == 204
            await gateway.final()
            assert not [one for one in gateway.dispatches if one["t"].startswith("INTERACTION")]

    play(scenario)


def test_info_is_an_ephemeral_answer_that_is_filled_in() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            body = await client.info(gateway)
            start = await gateway.event("MESSAGE_CREATE")
            filled = await gateway.event("MESSAGE_UPDATE")
            assert start["nonce"] == body["nonce"]
            assert (filled["id"], filled["flags"]) == (start["id"], 64)
            assert filled["interaction"]["name"] == "info"
            assert filled["embeds"][0]["title"] == "Your info - ada.simulated"
            assert (
                "**Fast Time Remaining**:        30.00/30.0 hours (100.00%)"
                in filled["embeds"][0]["description"]
            )
            assert await client.history() == []

    play(scenario)


def test_a_command_without_an_answer_fails_by_timeout() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            invite = await client.command("invite")
            data = {name: invite[name] for name in ("id", "version", "name")}
            body = await client.body("", gateway.session_id, data=data)
            assert (await client.post(body))[0] == 204
            failure = await gateway.event("INTERACTION_FAILURE")
            assert failure["nonce"] == body["nonce"]
            assert failure["reason_code"] == 2

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "absent", "finals"),
    [
        ("no_start", "Waiting", 1),
        ("no_progress", "%", 1),
        ("success_never", "INTERACTION_SUCCESS", 1),
        ("no_preview", "grid_0", 1),
        ("moderated", "upsample", 0),
        ("silent", "MESSAGE_CREATE", 0),
    ],
)
def test_a_fault_omits_a_message_or_event(fault: str, absent: str, finals: int) -> None:
    async def scenario() -> None:
        async with simulated(seconds_per_job=0.02) as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault(fault, match="cat")
            await client.imagine("a red cat", gateway)
            if finals:
                await gateway.final()
            elif fault == "moderated":
                await gateway.event("MESSAGE_DELETE")
            else:
                await gateway.event("INTERACTION_SUCCESS")
            assert absent not in repr(gateway.dispatches)

    play(scenario)


def test_faults_can_double_dispatches_and_hide_the_uuid() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("duplicate_dispatch")
            await client.fault("preview_without_uuid")
            await client.imagine("a red cat", gateway)
            first, second = await gateway.final(), await gateway.final()
            assert first == second
            names = [
                attachment["filename"]
                for one in gateway.dispatches
                if one["t"] == "MESSAGE_UPDATE"
                for attachment in one["d"]["attachments"]
            ]
            assert set(names) == {"grid_0.webp"}

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "event", "title"),
    [
        ({"fault": "refuse:Pending mod message"}, "MESSAGE_CREATE", "Pending mod message"),
        ({"fault": "refuse", "title": "Something new"}, "MESSAGE_CREATE", "Something new"),
        (
            {"fault": "refuse", "title": "Request cancelled due to image filters"},
            "MESSAGE_UPDATE",
            "Request cancelled due to image filters",
        ),
    ],
)
def test_any_notice_can_be_asked_for(fault: Json, event: str, title: str) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.call("POST", "/_sim/faults", json=fault)
            await client.imagine("a red cat", gateway)
            message = await gateway.event(event, lambda message: message["embeds"])
            assert message["embeds"][0]["title"] == title

    play(scenario)


def test_every_notice_that_people_have_seen_is_known() -> None:
    met = {
        *("Job queued", "Queue full", "Action needed to continue", "Banned prompt", "Banned prompt detected"),
        *("Banned image prompt", "Invalid parameter", "Invalid prompt", "Empty prompt", "Invalid request"),
        *("Invalid link", "Image denied", "Pending mod message", "Blocked", "Action required to continue"),
        *("Credits exhausted", "Subscription required", "Subscription paused", "Plan Cancelled"),
        *("Tos not accepted", "Slow Down!", "Job action restricted", "Sorry, something went wrong"),
        *("Sorry! Could not complete the job!", "Request cancelled due to image filters"),
        *("Request cancelled due to output filters", "Duplicate images detected"),
        "Failed to process your command :c",
    }
    assert met <= set(NOTICES)
