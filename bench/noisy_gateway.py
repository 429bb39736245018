"""A gateway that sends a huge READY, then messages of foreign channels at a constant rate.

``python -m bench.noisy_gateway MEGABYTES RATE SECONDS``: prints its port, and at the end of each connection a
line of JSON with the times of the heartbeats on the monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
import zlib
from typing import Any

from aiohttp import WSMsgType, web

from mjwatch.discord.protocol import Opcode

HEARTBEAT = 2.0
"""The heartbeat interval in HELLO, in seconds. Much shorter than that of Discord, to get more samples."""

BURSTS = 20
"""Bursts per second: messages arrive in bursts."""


def ready(megabytes: float, seed: int = 1) -> dict[str, Any]:
    """Return a READY of this size, as for an account in many guilds."""
    rng = random.Random(seed)
    guilds: list[dict[str, Any]] = []
    size = 0
    while size < megabytes * 1e6:
        guilds.append(_guild(rng))
        size += len(json.dumps(guilds[-1]))
    user = {"id": _id(rng), "username": "ada", "discriminator": "0", "avatar": None}
    data = {"v": 9, "user": user, "guilds": guilds, "session_id": "5" * 32, "private_channels": []}
    return {"op": 0, "t": "READY", "s": 1, "d": data | {"resume_gateway_url": "ws://127.0.0.1:1"}}


def _guild(rng: random.Random) -> dict[str, Any]:
    channels = [
        {
            "id": _id(rng),
            "type": 0,
            "name": _words(rng, 2),
            "topic": _words(rng, rng.randrange(20)),
            "position": n,
            "parent_id": _id(rng),
            "last_message_id": _id(rng),
            "flags": 0,
            "nsfw": False,
            "rate_limit_per_user": 0,
            "permission_overwrites": [
                {"id": _id(rng), "type": 0, "allow": str(rng.getrandbits(40)), "deny": "0"}
                for _ in range(rng.randrange(4))
            ],
        }
        for n in range(60)
    ]
    roles = [
        {
            "id": _id(rng),
            "name": _words(rng, 2),
            "color": rng.getrandbits(24),
            "permissions": str(rng.getrandbits(50)),
            "position": n,
            "hoist": False,
            "managed": False,
            "mentionable": True,
        }
        for n in range(40)
    ]
    emojis = [{"id": _id(rng), "name": _words(rng, 1), "animated": False, "roles": []} for _ in range(30)]
    return {
        "id": _id(rng),
        "name": _words(rng, 3),
        "channels": channels,
        "roles": roles,
        "emojis": emojis,
    }


def foreign_message(seq: int, rng: random.Random) -> str:
    """Return a message of another user in a foreign channel."""
    author = {"id": _id(rng), "username": _words(rng, 1), "avatar": "ab" * 16, "discriminator": "0"}
    data = {
        "id": _id(rng),
        "channel_id": _id(rng),
        "guild_id": _id(rng),
        "content": _words(rng, rng.randrange(5, 60)),
        "timestamp": "2026-01-01T00:00:00.000000+00:00",
        "author": author,
        "member": {"roles": [_id(rng) for _ in range(5)], "joined_at": "2024-01-01T00:00:00+00:00"},
        "attachments": [],
        "embeds": [],
        "mentions": [author],
        "components": [],
        "type": 0,
        "nonce": _id(rng),
    }
    return json.dumps({"op": 0, "t": "MESSAGE_CREATE", "s": seq, "d": data})


def _id(rng: random.Random) -> str:
    return str(rng.randrange(10**18, 10**19))


def _words(rng: random.Random, number: int) -> str:
    return " ".join("".join(rng.choices("etaoinshrdlu", k=rng.randrange(3, 9))) for _ in range(number))


class NoisyGateway:
    """A gateway that sends the same to each connection."""

    def __init__(self, megabytes: float, rate: int, seconds: float) -> None:
        rng = random.Random(2)
        self._ready = json.dumps(ready(megabytes))
        self._rate = rate
        self._messages = [foreign_message(seq, rng) for seq in range(2, 2 + int(rate * seconds))]

    async def connected(self, request: web.Request) -> web.WebSocketResponse:
        """Send until the client closes the connection."""
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        compressor = zlib.compressobj()
        beats: list[float] = []

        async def send(text: str) -> None:
            await socket.send_bytes(compressor.compress(text.encode()) + compressor.flush(zlib.Z_SYNC_FLUSH))

        await send(json.dumps({"op": 10, "d": {"heartbeat_interval": int(HEARTBEAT * 1000)}}))
        sender: asyncio.Task[None] | None = None
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            opcode = json.loads(message.data)["op"]
            if opcode == Opcode.HEARTBEAT:
                beats.append(time.monotonic())
                await send(json.dumps({"op": 11}))
            elif opcode == Opcode.IDENTIFY:
                await send(self._ready)
                sender = asyncio.create_task(self._send_messages(send))
        if sender is not None:
            sender.cancel()
        print(json.dumps(beats), flush=True)
        return socket

    async def _send_messages(self, send: Any) -> None:
        began, size = time.monotonic(), max(1, self._rate // BURSTS)
        for at in range(0, len(self._messages), size):
            await asyncio.sleep(max(0.0, began + at / self._rate - time.monotonic()))
            for text in self._messages[at : at + size]:
                await send(text)


async def _serve(gateway: NoisyGateway) -> None:
    application = web.Application()
    application.router.add_get("/", gateway.connected)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(NoisyGateway(float(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
