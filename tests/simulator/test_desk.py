"""The bot's other commands: words in place of pictures, and pictures of uploaded pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator.identity import USER_ID

from .harness import TINY_PNG, play, simulated

if TYPE_CHECKING:
    from .harness import Client, Gateway, Json


async def _run(
    client: Client, gateway: Gateway, name: str, options: list[Json], attachments: list[Json] | None = None
) -> Json:
    command = await client.command(name)
    data = {key: command[key] for key in ("id", "version", "name")}
    data |= {"type": 1, "options": options, "attachments": attachments or []}
    body = await client.body("", gateway.session_id, data=data)
    assert await client.post(body) == (204, None)
    return body


def test_describe_shows_the_uploaded_picture_with_four_prompts() -> None:
    async def story() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            option = {"type": 11, "name": "image", "value": "0"}
            body = await _run(client, gateway, "describe", [option], await client.uploaded("a cat.png"))
            start = await gateway.event("MESSAGE_CREATE")
            told = await gateway.event("MESSAGE_UPDATE")
            assert (start["nonce"], start["interaction"]["name"]) == (body["nonce"], "describe")
            assert told["id"] == start["id"]
            (embed,) = told["embeds"]
            assert embed["description"].count("\u20e3") == 4
            assert "/ephemeral-attachments/" in embed["image"]["url"]
            assert await client.download(embed["image"]["url"]) == (200, TINY_PNG)
            assert sum(len(row["components"]) for row in told["components"]) == 6

    play(story)


def test_blend_is_a_job_whose_prompt_is_links() -> None:
    async def story() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            options: list[Json] = [{"type": 11, "name": f"image{n}", "value": n - 1} for n in (1, 2)]
            options.append({"type": 3, "name": "dimensions", "value": "--ar 2:3"})
            await _run(client, gateway, "blend", options, await client.uploaded("a.png", "b.png"))
            final = await gateway.final()
            words = final["content"].split(" - ")[0].strip("*").split()
            assert [word.startswith("<https://s.mj.run/") for word in words] == [True, True, False, False]
            assert words[2:] == ["--ar", "2:3"]
            (picture,) = final["attachments"]
            assert picture["height"] * 2 == picture["width"] * 3

    play(story)


def test_an_attachment_must_have_been_uploaded() -> None:
    async def story() -> None:
        async with simulated() as client:
            command = await client.command("describe")
            data = {key: command[key] for key in ("id", "version", "name")}
            option = {"type": 11, "name": "image", "value": "0"}
            body = await client.body("", data={**data, "options": [option]})
            assert (await client.post(body))[1]["code"] == 50035
            body["data"]["attachments"] = [{"id": "0", "filename": "x", "uploaded_filename": "made/up"}]
            assert (await client.post(body))[1]["errors"]["data"]["attachments"]

    play(story)


def test_show_posts_a_known_result_again() -> None:
    async def story() -> None:
        async with simulated(profile="2024") as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            final = await gateway.final()
            job_uuid = (await client.state())["interactions"][0]["job_uuid"]
            await _run(client, gateway, "show", [{"type": 3, "name": "job_id", "value": job_uuid}])
            shown = await gateway.final()
            assert shown["id"] != final["id"]
            assert shown["components"] == final["components"]
            assert shown["attachments"][0]["id"] == final["attachments"][0]["id"]
            await _run(client, gateway, "show", [{"type": 3, "name": "job_id", "value": "unknown"}])
            refused = await gateway.event("MESSAGE_CREATE", lambda message: message["embeds"])
            assert refused["flags"] == 64

    play(story)


def test_shorten_and_settings_are_ephemeral_with_buttons() -> None:
    async def story() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            prompt = {"type": 3, "name": "prompt", "value": "a very red cat on a mat"}
            await _run(client, gateway, "shorten", [prompt])
            told = await gateway.event("MESSAGE_UPDATE")
            assert "**Shortened prompts**" in told["embeds"][0]["description"]
            assert len(told["components"][0]["components"]) == 5
            await _run(client, gateway, "settings", [])
            settings = await gateway.event("MESSAGE_CREATE", lambda message: message["components"])
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

    play(story)
