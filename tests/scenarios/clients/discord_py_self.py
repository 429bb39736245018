"""Run discord.py-self against the simulator: connect, lose the connection, resume, /imagine in guild and DM.

Runs as its own program (`discord_py_self.py HOST:PORT TOKEN GUILD CHANNEL DM`), and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from typing import Any

import aiohttp
import discord
import yarl
from discord import gateway, http, utils
from PIL import Image

HOST, TOKEN, GUILD, CHANNEL, DM = sys.argv[1:]

http.Route.BASE = f"http://{HOST}/api/v9"
gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"ws://{HOST}/")


async def _headers(cls: Any, session: Any, proxy: Any = None, proxy_auth: Any = None) -> Any:
    properties = {"browser_user_agent": "simulated", "client_build_number": 1}
    return cls(
        platform="Linux",
        major_version=136,
        super_properties=properties,
        encoded_super_properties="e30=",
        extra_gateway_properties={},
    )


setattr(utils.Headers, "default", classmethod(_headers))  # noqa: B010 - mypy forbids the plain assignment


class Client(discord.Client):
    """A client that records the final messages and nonces."""

    def __init__(self) -> None:
        super().__init__(chunk_guilds_at_startup=False)
        self.resumed = asyncio.Event()
        self.finals: list[Any] = []
        self.nonces: list[Any] = []
        self.arrived = asyncio.Event()

    async def on_resumed(self) -> None:
        self.resumed.set()

    async def on_message(self, message: Any) -> None:
        if message.nonce is not None:
            self.nonces.append(message.nonce)
        if message.attachments and message.components:
            self.finals.append(message)
            self.arrived.set()

    async def final(self) -> Any:
        while not self.finals:
            self.arrived.clear()
            await self.arrived.wait()
        return self.finals.pop(0)


async def imagine(client: Client, channel: Any, prompt: str) -> dict[str, Any]:
    """Find the command in the index, run it, wait for the grid and download it."""
    commands = await channel.application_commands()
    command = next(each for each in commands if each.name == "imagine")
    interaction = await command(channel, prompt=prompt)
    final = await client.final()
    data = await download(final.attachments[0].url)
    return {
        "successful": interaction.successful,
        "nonce_came_back": interaction.nonce in client.nonces,
        "content": final.content,
        "bytes": len(data),
        "size": final.attachments[0].size,
        "buttons": sum(len(row.children) for row in final.components),
        "in_history": any([message.id == final.id async for message in channel.history(limit=5)]),
    }


async def press(client: Client, channel: Any) -> list[str]:
    """Press U1, then V2 in remix mode with another prompt in its modal."""
    commands = await channel.application_commands()
    await next(each for each in commands if each.name == "imagine")(channel, prompt="a red cat")
    grid = await client.final()
    await grid.components[0].children[0].click()
    contents = [(await client.final()).content]
    await control("account", remix=True)
    pressed = await grid.components[1].children[1].click()
    modal = pressed.modal or await client.wait_for("modal")
    modal.components[0].children[0].answer("a green bird")
    await modal.submit()
    return [*contents, (await client.final()).content]


def picture() -> Any:
    """Return a small picture as a file."""
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(data, "PNG")
    data.seek(0)
    return discord.File(data, filename="a.png")


async def send_file(channel: Any) -> str:
    """Post a picture, and check that its CDN link works."""
    message = await channel.send(file=picture())
    return "ok" if await download(message.attachments[0].url) else "empty"


async def describe(client: Client, channel: Any) -> str:
    """Run /describe with an uploaded picture."""
    commands = await channel.application_commands()
    command = next(each for each in commands if each.name == "describe")
    changed = asyncio.ensure_future(client.wait_for("message_edit", check=lambda _, after: after.embeds))
    await command(channel, image=picture())
    _, after = await changed
    return str(after.embeds[0].description)


async def download(url: str) -> bytes:
    """Download the picture without authorization."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.read()


async def control(fault: str, **keys: object) -> None:
    """Arm a fault."""
    async with aiohttp.ClientSession() as session:
        await session.post(f"http://{HOST}/_sim/faults", json={"fault": fault, **keys})


async def main() -> None:
    """Run all steps."""
    client = Client()
    outcome: dict[str, Any] = {}
    await client.login(TOKEN)
    running = asyncio.create_task(client.connect())
    await client.wait_until_ready()
    outcome["user"] = str(client.user.id) if client.user else None
    channel, dm = client.get_channel(int(CHANNEL)), client.get_channel(int(DM))
    outcome["guild"] = await imagine(client, channel, "a red cat")
    await control("gateway_cut")
    await client.resumed.wait()
    outcome["resumed"] = True
    outcome["dm"] = await imagine(client, dm, "a blue  dog --v 7")
    outcome["pressed"] = await press(client, channel)
    outcome["sent"] = await send_file(channel)
    outcome["described"] = await describe(client, channel)
    await client.close()
    await asyncio.wait([running])
    print(json.dumps(outcome))


asyncio.run(asyncio.wait_for(main(), 60))
