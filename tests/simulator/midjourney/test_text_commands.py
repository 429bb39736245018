"""The bot's other commands: text answers, and pictures from uploaded pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mjwatch.simulator.world import USER_ID
from tests.simulator.harness import TINY_PNG, play, simulated

if TYPE_CHECKING:
    from tests.simulator.harness import Json


def test_describe_shows_the_uploaded_picture_with_four_prompts() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            option = {"type": 11, "name": "image", "value": "0"}
            body = await client.run(
                gateway, "describe", option, attachments=await client.uploaded("a cat.png")
            )
            start = await gateway.event("MESSAGE_CREATE")
            told = await gateway.event("MESSAGE_UPDATE")
            assert (start["nonce"], start["interaction"]["name"]) == (body["nonce"], "describe")
            assert told["id"] == start["id"]
            (embed,) = told["embeds"]
            assert embed["description"].count("\u20e3") == 4
            assert "/ephemeral-attachments/" in embed["image"]["url"]
            assert await client.download(embed["image"]["url"]) == (200, TINY_PNG)
            assert sum(len(row["components"]) for row in told["components"]) == 6

    play(scenario)


def test_blend_is_a_job_with_links_as_its_prompt() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            options: list[Json] = [{"type": 11, "name": f"image{n}", "value": n - 1} for n in (1, 2)]
            options.append({"type": 3, "name": "dimensions", "value": "--ar 2:3"})
            await client.run(gateway, "blend", *options, attachments=await client.uploaded("a.png", "b.png"))
            final = await gateway.final()
            words = final["content"].split(" - ")[0].strip("*").split()
            assert [word.startswith("<https://s.mj.run/") for word in words] == [True, True, False, False]
            assert words[2:] == ["--ar", "2:3"]
            (picture,) = final["attachments"]
            assert picture["height"] * 2 == picture["width"] * 3

    play(scenario)


def test_an_attachment_must_have_been_uploaded() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            command = await client.command("describe")
            data = {key: command[key] for key in ("id", "version", "name")}
            option = {"type": 11, "name": "image", "value": "0"}
            body = await client.body("", data={**data, "options": [option]})
            assert (await client.post(body))[1]["code"] == 50035
            body["data"]["attachments"] = [{"id": "0", "filename": "x", "uploaded_filename": "made/up"}]
            assert (await client.post(body))[1]["errors"]["data"]["attachments"]

    play(scenario)


def test_the_numbers_below_a_description_imagine_it() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            option = {"type": 11, "name": "image", "value": "0"}
            await client.run(gateway, "describe", option, attachments=await client.uploaded("a.png"))
            told = await gateway.event("MESSAGE_UPDATE")
            assert (told["embeds"][0]["image"]["width"], told["embeds"][0]["image"]["height"]) == (4, 4)
            body = await client.press(gateway, told, "MJ::Job::PicReader::2")
            start = await gateway.event("MESSAGE_CREATE")
            assert start["nonce"] == body["nonce"]
            assert "message_reference" not in start
            assert "simulated way number 2" in (await gateway.final())["content"]
            await client.press(gateway, told, "MJ::Picread::Retry")
            again = await gateway.event("MESSAGE_UPDATE", lambda message: message["embeds"])
            assert "seen again" in again["embeds"][0]["description"]
            assert again["id"] != told["id"]
            await client.press(gateway, again, "MJ::Job::PicReader::all")
            for _ in range(4):
                assert "seen again" in (await gateway.final())["content"]
            assert len((await client.state())["renderings"]) == 5
            ephemeral = await client.press_body(gateway, told, "MJ::Job::PicReader::1", message_flags=0)
            assert (await client.post(ephemeral))[1]["code"] == 10008

    play(scenario)


@pytest.mark.parametrize(
    ("command", "button", "custom_id", "field"),
    [
        (
            "describe",
            "MJ::Job::PicReader::3",
            "MJ::Picreader::Modal::3",
            "MJ::Picreader::Modal::PromptField",
        ),
        ("shorten", "MJ::Job::PromptAnalyzer::1", "MJ::ImagineModal::{m}", "MJ::ImagineModal::new_prompt"),
    ],
)
def test_in_remix_mode_the_numbers_open_a_modal(
    command: str, button: str, custom_id: str, field: str
) -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            await client.fault("account", remix=True)
            name = {"describe": "link", "shorten": "prompt"}[command]
            option = {"type": 3, "name": name, "value": "https://example.invalid/a.png"}
            await client.run(gateway, command, option)
            told = await gateway.event("MESSAGE_UPDATE")
            await client.press(gateway, told, button)
            modal = await gateway.modal()
            assert modal["custom_id"] == custom_id.format(m=told["id"])
            assert modal["components"][0]["components"][0]["custom_id"] == field
            body = await client.submit(gateway, modal, "a blue dog")
            start = await gateway.event("MESSAGE_CREATE")
            assert (start["nonce"], start["interaction_metadata"]["type"]) == (body["nonce"], 5)
            assert (await gateway.final())["content"].startswith("**a blue dog** - <@")
            assert await client.outcomes() == ["done", "modal", "done"]

    play(scenario)


@pytest.mark.parametrize("command", ["describe", "blend"])
def test_a_file_that_is_not_a_picture_is_refused(command: str) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            files = await client.uploaded("a.png", "b.png", data=b"words")
            names = ["image"] if command == "describe" else ["image1", "image2"]
            options = [{"type": 11, "name": name, "value": str(n)} for n, name in enumerate(names)]
            await client.run(gateway, command, *options, attachments=files[: len(names)])
            assert (await gateway.refusal())["embeds"][0]["title"] == "Invalid link"
            assert (await client.state())["renderings"] == []

    play(scenario)


@pytest.mark.parametrize(
    ("dimensions", "images", "where"),
    [("--ar 5:4", 2, "data.options.2.value"), ("--ar 1:1", 1, "data.options.2.value")],
)
def test_blend_takes_two_pictures_at_least_and_three_shapes(dimensions: str, images: int, where: str) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            command = await client.command("blend")
            data = {key: command[key] for key in ("id", "version", "name")}
            options: list[Json] = [
                {"type": 11, "name": f"image{n + 1}", "value": str(n)} for n in range(images)
            ]
            options.append({"type": 3, "name": "dimensions", "value": dimensions})
            data |= {"options": options, "attachments": await client.uploaded("a.png", "b.png")}
            status, answer = await client.post(await client.body("", data=data))
            assert (status, answer["code"]) == (400, 50035)
            found = answer["errors"]
            for part in where.split("."):
                found = found[part]
            assert found["_errors"]

    play(scenario)


@pytest.mark.parametrize("command", ["info", "describe", "shorten"])
def test_a_text_answer_can_be_refused_or_never_come(command: str) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            name = {"describe": "link", "shorten": "prompt"}.get(command, "")
            options = [{"type": 3, "name": name, "value": "https://example.invalid/a.png"}] if name else []
            await client.fault("refuse", title="Subscription required", match=command)
            await client.run(gateway, command, *options)
            assert (await gateway.refusal())["embeds"][0]["title"] == "Subscription required"
            await client.fault("answer_stuck", match=command)
            await client.run(gateway, command, *options)
            assert (await gateway.event("MESSAGE_CREATE"))["flags"] == 64 | 128
            await client.fault("silent", match=command)
            await client.run(gateway, command, *options)
            await gateway.event("INTERACTION_SUCCESS", lambda about: about["nonce"].endswith("3"))
            outcomes = [one["outcome"] for one in (await client.state())["interactions"]]
            assert outcomes == ["refused", "running", "running"]

    play(scenario)


def test_show_posts_a_known_result_again() -> None:
    async def scenario() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            final = await gateway.final()
            job_uuid = (await client.state())["interactions"][0]["job_uuid"]
            await client.run(gateway, "show", {"type": 3, "name": "job_id", "value": job_uuid})
            shown = await gateway.final()
            assert shown["id"] != final["id"]
            assert shown["components"] == final["components"]
            assert shown["attachments"][0]["id"] == final["attachments"][0]["id"]
            await client.run(gateway, "show", {"type": 3, "name": "job_id", "value": "unknown"})
            refused = await gateway.event("MESSAGE_CREATE", lambda message: message["embeds"])
            assert refused["flags"] == 64

    play(scenario)


def test_shorten_and_settings_are_ephemeral_with_buttons() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            prompt = {"type": 3, "name": "prompt", "value": "a very red cat on a mat"}
            await client.run(gateway, "shorten", prompt)
            told = await gateway.event("MESSAGE_UPDATE")
            assert "**Shortened prompts**" in told["embeds"][0]["description"]
            assert len(told["components"][0]["components"]) == 5
            await client.run(gateway, "settings")
            settings = await gateway.event("MESSAGE_UPDATE", lambda message: message["components"])
            assert (settings["interaction"]["name"], "nonce" in settings) == ("settings", False)
            styles = {
                button["label"]: button["style"]
                for row in settings["components"]
                for button in row["components"]
                if button["type"] == 2
            }
            assert styles["Fast mode"] == 3
            assert styles["Relax mode"] == 2
            assert settings["interaction"]["user"]["id"] == USER_ID
            assert await client.history() == []

    play(scenario)
