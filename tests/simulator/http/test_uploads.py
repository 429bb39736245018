"""Upload slots, messages that a person posts, and pictures that prompts link to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aiohttp
import pytest

from mjwatch.simulator.world import CHANNEL_ID, USER_ID, USER_TOKEN
from tests.simulator.harness import TINY_PNG, play, simulated, tiny_png

if TYPE_CHECKING:
    from tests.simulator.harness import Json

SLOTS = f"/api/v9/channels/{CHANNEL_ID}/attachments"
MESSAGES = f"/api/v9/channels/{CHANNEL_ID}/messages"


@pytest.mark.parametrize(
    ("files", "status", "code", "where"),
    [
        (None, 400, 50035, "files"),
        ({}, 400, 50035, "files"),
        ([], 400, 50035, "files"),
        ([{"filename": "a.png", "file_size": 1}] * 11, 400, 50035, "files"),
        (["a.png"], 400, 50035, "files.0"),
        ([{"file_size": 1}], 400, 50035, "files.0.filename"),
        ([{"filename": "", "file_size": 1}], 400, 50035, "files.0.filename"),
        ([{"filename": "a.png"}], 400, 50035, "files.0.file_size"),
        ([{"filename": "a.png", "file_size": "1"}], 400, 50035, "files.0.file_size"),
        ([{"filename": "a.png", "file_size": 0}], 400, 50035, "files.0.file_size"),
        ([{"filename": "a.png", "file_size": 1, "id": []}], 400, 50035, "files.0.id"),
        ([{"filename": "a.png", "file_size": 10 * 1024 * 1024 + 1}], 413, 40005, None),
    ],
)
def test_a_wrong_request_for_slots_is_refused(
    files: object, status: int, code: int, where: str | None
) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            answer_status, answer = await client.call("POST", SLOTS, json={"files": files})
            assert (answer_status, answer["code"]) == (status, code)
            for part in where.split(".") if where else []:
                answer = answer.get("errors", answer)[part]
            assert where is None or answer["_errors"][0]["code"]

    play(scenario)


def test_an_upload_with_a_login_is_refused_and_counted() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            (slot,) = await client.slots(("a.png", len(TINY_PNG)))
            login = {"Authorization": USER_TOKEN}
            async with client.http.put(slot["upload_url"], data=TINY_PNG, headers=login) as put:
                assert put.status == 401
            state = await client.state()
            assert (state["token_leaks"], state["cdn_with_authorization"], state["uploads"]) == (1, 1, 0)
            async with client.http.put(slot["upload_url"], data=TINY_PNG) as put:
                assert put.status == 200
            async with client.http.put(f"http://{client.host}/uploads/unknown", data=b"x") as put:
                assert put.status == 403
            state = await client.state()
            assert (state["token_leaks"], state["uploads"]) == (1, 1)
            await client.fault("wire", upload_refuses_login=False)
            async with client.http.put(slot["upload_url"], data=TINY_PNG, headers=login) as put:
                assert put.status == 200
            state = await client.state()
            assert (state["token_leaks"], state["cdn_with_authorization"], state["uploads"]) == (2, 2, 2)

    play(scenario)


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/attachments/1/2/a.png", {"Authorization": "Bearer anything"}),
        ("/attachments/1/2/a.png", {"Cookie": f"token={USER_TOKEN}"}),
        (f"/attachments/1/2/a.png?token={USER_TOKEN}", {}),
        (f"/api/v9/users/@me?token={USER_TOKEN}", {"Authorization": USER_TOKEN}),
    ],
)
def test_a_token_is_noticed_wherever_it_must_not_be(address: str, headers: dict[str, str]) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.call("GET", "/api/v9/users/@me")
            async with client.http.get(f"http://{client.host}{address}", headers=headers):
                pass
            assert (await client.state())["token_leaks"] == 1

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "status"), [("upload_error", 503), ("upload_reset", None), ("upload_lost", 200)]
)
def test_an_upload_can_fail(fault: str, status: int | None) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault(fault, match="cat", count=2)  # the library tries a second time
            dog, cat = await client.slots(("dog.png", len(TINY_PNG)), ("cat.png", len(TINY_PNG)))
            async with client.http.put(dog["upload_url"], data=TINY_PNG) as put:
                assert put.status == 200
            if status is None:
                with pytest.raises(aiohttp.ClientError):
                    await client.http.put(cat["upload_url"], data=TINY_PNG)
            else:
                async with client.http.put(cat["upload_url"], data=TINY_PNG) as put:
                    assert put.status == status
            assert (await client.state())["uploads"] == 1
            named = {"id": "0", "filename": "cat.png", "uploaded_filename": cat["upload_filename"]}
            assert (await client.say(attachments=[named]))[1]["code"] == 50035

    play(scenario)


def test_an_unneeded_upload_can_be_deleted() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            (attachment,) = await client.uploaded("a.png")
            path = f"/api/v9/attachments/{attachment['uploaded_filename']}"
            assert await client.call("DELETE", path) == (204, None)
            assert (await client.call("DELETE", path))[0] == 404
            status, answer = await client.say(attachments=[attachment])
            assert (status, answer["code"]) == (400, 50035)
            assert answer["errors"]["attachments"]["0"]["uploaded_filename"]["_errors"]

    play(scenario)


def test_a_posted_file_becomes_a_message_with_a_link_to_it() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            attachments = await client.uploaded("my cat.png")
            status, answer = await client.say("here", attachments=attachments, nonce="77")
            assert status == 200
            (picture,) = answer["attachments"]
            assert (picture["filename"], picture["size"]) == ("my_cat.png", len(TINY_PNG))
            assert (picture["width"], picture["height"], picture["content_type"]) == (4, 4, "image/png")
            assert (answer["author"]["id"], answer["content"], answer["nonce"]) == (USER_ID, "here", "77")
            assert await client.download(picture["url"]) == (200, TINY_PNG)
            told = await gateway.event("MESSAGE_CREATE")
            assert (told["id"], told["nonce"]) == (answer["id"], "77")
            assert [message["id"] for message in await client.history()] == [answer["id"]]
            (said,) = (await client.state())["messages"]
            assert said.pop("at") > 1_700_000_000
            assert said == {
                "nonce": "77",
                "message_id": answer["id"],
                "content": "here",
                "files": ["my_cat.png"],
            }

    play(scenario)


def test_a_form_with_files_works_too_and_other_files_have_no_size_in_pixels() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            form = aiohttp.FormData(default_to_multipart=True)
            payload = {"attachments": [{"id": "0", "filename": "a.png"}, {"id": "1", "filename": "b.txt"}]}
            form.add_field("payload_json", json.dumps(payload), content_type="application/json")
            form.add_field("files[0]", TINY_PNG, filename="a.png")
            form.add_field("files[1]", b"words", filename="b.txt")
            status, answer = await client.call("POST", MESSAGES, data=form)
            assert status == 200
            picture, text = answer["attachments"]
            assert picture["width"] == 4
            assert "width" not in text
            assert await client.download(text["url"]) == (200, b"words")
            form = aiohttp.FormData(default_to_multipart=True)
            form.add_field("files[0]", TINY_PNG, filename="a.png")
            assert (await client.call("POST", MESSAGES, data=form))[0] == 200
            assert len(await client.history()) == 2

    play(scenario)


def test_one_nonce_makes_one_message() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            first, second = await client.say("a", nonce="7"), await client.say("a", nonce="7")
            assert first[1]["id"] == second[1]["id"]
            assert (await client.say("a"))[1]["nonce"] is None
            assert len(await client.history()) == 2
            await client.call("POST", "/_sim/reset")
            assert (await client.say("a", nonce="7"))[1]["id"] != first[1]["id"]

    play(scenario)


@pytest.mark.parametrize(
    ("fields", "code", "where"),
    [
        ({"content": "  "}, 50006, None),
        ({"content": 7}, 50035, "content"),
        ({"content": "x" * 2001}, 50035, "content"),
        ({"content": "x", "nonce": "1" * 26}, 50035, "nonce"),
        ({"content": "x", "attachments": {"0": 1}}, 50035, "attachments"),
    ],
)
def test_a_wrong_message_is_refused(fields: Json, code: int, where: str | None) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            status, answer = await client.call("POST", MESSAGES, json=fields)
            assert (status, answer["code"]) == (400, code)
            assert where is None or answer["errors"][where]["_errors"]
            assert (await client.call("POST", MESSAGES, json=["x"]))[1]["code"] == 50035
            assert (await client.state())["messages"] == []

    play(scenario)


def test_only_the_persons_own_messages_can_be_deleted() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            _, own = await client.say("mine")
            await client.imagine("a red cat", gateway)
            final = await gateway.final()
            assert await client.call("DELETE", f"{MESSAGES}/{own['id']}") == (204, None)
            await gateway.event("MESSAGE_DELETE", lambda body: body["id"] == own["id"])
            for message_id, expected in ((own["id"], (404, 10008)), (final["id"], (403, 50013))):
                status, answer = await client.call("DELETE", f"{MESSAGES}/{message_id}")
                assert (status, answer["code"]) == expected

    play(scenario)


def test_a_link_to_a_posted_picture_starts_a_job_and_is_shown_short() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            attachments = await client.uploaded("cat.png", data=tiny_png(9))
            url = (await client.say(attachments=attachments))[1]["attachments"][0]["url"]
            await client.imagine(f"{url} a red cat", gateway)
            final = await gateway.event("MESSAGE_CREATE", lambda message: message["components"])
            assert final["content"].startswith("**<https://s.mj.run/")
            assert "> a red cat** - <@" in final["content"]
            assert client.host not in final["content"]

    play(scenario)


@pytest.mark.parametrize("kind", ["damaged", "text", "unsigned", "deleted"])
def test_a_link_that_leads_to_no_picture_is_refused(kind: str) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            data = {"damaged": TINY_PNG[:-20], "text": b"words"}.get(kind, TINY_PNG)
            attachments = await client.uploaded("cat.png", data=data)
            url = (await client.say(attachments=attachments))[1]["attachments"][0]["url"]
            if kind == "unsigned":
                url = url.partition("?")[0]
            elif kind == "deleted":
                url = f"http://{client.host}/attachments/1/2/cat.png"
            body = await client.imagine(f"{url} a red cat", gateway)
            refusal = await gateway.event("MESSAGE_CREATE", lambda message: message["embeds"])
            assert refusal["embeds"][0]["title"] == "Invalid link"
            assert (refusal["nonce"], refusal["flags"]) == (body["nonce"], 64)
            assert (await client.state())["interactions"][0]["outcome"] == "refused"

    play(scenario)


def test_a_file_can_come_with_the_interaction_itself() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            command = await client.command("describe")
            data = {key: command[key] for key in ("id", "version", "name", "type")}
            data["options"] = [{"type": 11, "name": "image", "value": "0"}]
            data["attachments"] = [{"id": "0", "filename": "a.png"}]
            body = await client.body("", gateway.session_id, data=data)
            form = aiohttp.FormData(default_to_multipart=True)
            form.add_field("payload_json", json.dumps(body), content_type="application/json")
            form.add_field("files[0]", TINY_PNG, filename="a.png")
            assert (await client.call("POST", "/api/v9/interactions", data=form))[0] == 204
            told = await gateway.event("MESSAGE_UPDATE")
            assert await client.download(told["embeds"][0]["image"]["url"]) == (200, TINY_PNG)

    play(scenario)
