"""Run hikari, a library for bots, against the simulator: it watches the job of a person in its guild.

Runs as its own program (`hikari_bot.py HOST:PORT BOT_TOKEN USER_TOKEN GUILD CHANNEL`); prints one JSON
object.
Only an option of the library's is set: its address of REST, which also names the gateway.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
import hikari

HOST, BOT_TOKEN, USER_TOKEN, GUILD, CHANNEL_ID = sys.argv[1:]
CHANNEL = int(CHANNEL_ID)
API = f"http://{HOST}/api/v9"


async def imagine(prompt: str) -> None:
    """Run /imagine as the person does."""
    async with aiohttp.ClientSession(headers={"Authorization": USER_TOKEN}) as session:
        async with session.get(f"{API}/guilds/{GUILD}/application-command-index") as answer:
            index = await answer.json()
        command = next(each for each in index["application_commands"] if each["name"] == "imagine")
        body = {
            "type": 2,
            "application_id": command["application_id"],
            "guild_id": GUILD,
            "channel_id": CHANNEL_ID,
            "session_id": "0" * 32,
            "nonce": "1",
            "data": {
                "id": command["id"],
                "version": command["version"],
                "name": "imagine",
                "type": 1,
                "options": [{"type": 3, "name": "prompt", "value": prompt}],
                "attachments": [],
            },
        }
        async with session.post(f"{API}/interactions", json=body) as answer:
            assert answer.status == 204, await answer.text()


async def control(fault: str) -> None:
    """Arm a fault."""
    async with aiohttp.ClientSession() as session:
        await session.post(f"http://{HOST}/_sim/faults", json={"fault": fault})


class Watcher:
    """Collects the events of the guild's channel."""

    def __init__(self, bot: hikari.GatewayBot) -> None:
        self.edited: list[str] = []
        self.finals: asyncio.Queue[Any] = asyncio.Queue()
        self.deleted: asyncio.Queue[int] = asyncio.Queue()
        self.resumed = asyncio.Event()
        bot.subscribe(hikari.GuildMessageCreateEvent, self.created)
        bot.subscribe(hikari.GuildMessageUpdateEvent, self.updated)
        bot.subscribe(hikari.GuildMessageDeleteEvent, self.removed)
        bot.subscribe(hikari.ShardResumedEvent, self.continued)

    async def created(self, event: hikari.GuildMessageCreateEvent) -> None:
        if event.message.attachments and event.message.components:
            await self.finals.put(event.message)

    async def updated(self, event: hikari.GuildMessageUpdateEvent) -> None:
        self.edited.append(str(event.message.content))

    async def removed(self, event: hikari.GuildMessageDeleteEvent) -> None:
        await self.deleted.put(event.message_id)

    async def continued(self, _event: hikari.ShardResumedEvent) -> None:
        self.resumed.set()


async def seen_job(bot: hikari.GatewayBot, watcher: Watcher, prompt: str) -> dict[str, Any]:
    """Have a job run, and read its result again by REST."""
    watcher.edited.clear()
    await imagine(prompt)
    final = await watcher.finals.get()
    deleted = await watcher.deleted.get()
    again = await bot.rest.fetch_message(CHANNEL, final.id)
    listed = [message.id async for message in bot.rest.fetch_messages(CHANNEL).limit(5)]
    data = await final.attachments[0].read()
    return {
        "content": final.content,
        "author": str(final.author.id),
        "buttons": [str(button.custom_id) for row in final.components for button in row],
        "edited": list(watcher.edited),
        "gone": deleted not in listed,
        "again": again.content == final.content,
        "listed": final.id in listed,
        "whole": len(data) == final.attachments[0].size,
    }


async def main() -> None:
    """Run all steps."""
    intents = hikari.Intents.GUILDS | hikari.Intents.GUILD_MESSAGES | hikari.Intents.MESSAGE_CONTENT
    bot = hikari.GatewayBot(
        BOT_TOKEN, rest_url=f"http://{HOST}/api/v10", intents=intents, banner=None, logs="WARNING"
    )
    watcher = Watcher(bot)
    await bot.start(check_for_updates=False)
    me = bot.get_me()
    channel = await bot.rest.fetch_channel(CHANNEL)
    outcome: dict[str, Any] = {"bot": me is not None and me.is_bot, "channel": str(channel.id)}
    outcome["before"] = await seen_job(bot, watcher, "a red cat")
    await control("gateway_cut")
    await watcher.resumed.wait()
    outcome["after"] = await seen_job(bot, watcher, "a blue dog")
    await bot.close()
    print(json.dumps(outcome))


asyncio.run(asyncio.wait_for(main(), 60))
