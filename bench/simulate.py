"""The throughput of the simulator, which must not limit the programs that are measured with it."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, WSMsgType

from bench.figures import Figure
from bench.processes import cpu_seconds, simulator

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse

IN_FLIGHT = 12
AIM = 20
"""Jobs a second."""


def figures(quick: bool) -> list[Figure]:
    """Measure with a client that only sends, waits and downloads, and keeps all slots busy."""
    jobs = 40 if quick else 600
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "simulated"
        options = ("--grid", "256", "--seconds-per-job", "0", "--heartbeat-interval", "3600")
        with simulator(workspace, *options) as (_, pid):
            before = cpu_seconds(pid)
            took = asyncio.run(LoadClient(workspace, jobs).work())
            cpu = cpu_seconds(pid) - before
    return [
        Figure("jobs a second of 256x256, drawn and downloaded", jobs / took, "/s", at_least=AIM),
        Figure("the simulator's CPU for each", 1000 * cpu / jobs, "ms"),
    ]


class LoadClient:
    """A client that sends prompts, several in flight, and downloads the results."""

    def __init__(self, workspace: Path, jobs: int) -> None:
        config = tomllib.loads((workspace / "config.toml").read_text(encoding="utf-8"))
        self._api, self._gateway = config["discord"]["api_url"], config["discord"]["gateway_url"]
        self._application = config["midjourney"]["application_id"]
        self._token, self._guild, self._channel = (
            (workspace / "keys" / f"{name}.key").read_text(encoding="utf-8").strip()
            for name in ("authToken", "API_guild_id", "API_channel_id")
        )
        self._jobs = jobs
        self._sent = 0
        self._session_id = ""
        self._command: dict[str, Any] = {}

    async def work(self) -> float:
        """Run all jobs, and return the seconds that they took."""
        address = f"{self._gateway}/?v=9&encoding=json"
        async with (
            ClientSession(headers={"Authorization": self._token}) as http,
            ClientSession() as cdn,
            http.ws_connect(address, max_msg_size=0) as socket,
        ):
            identity = {"token": self._token, "capabilities": 0, "properties": {"os": "Linux"}}
            await socket.send_json({"op": 2, "d": identity})
            self._session_id = (await self._next(socket, "READY"))["session_id"]
            self._command = await self._imagine(http)
            began = time.monotonic()
            await asyncio.gather(*(self._send(http) for _ in range(min(IN_FLIGHT, self._jobs))))
            for _ in range(self._jobs):
                final = await self._final(socket)
                following = asyncio.create_task(self._send(http)) if self._sent < self._jobs else None
                async with cdn.get(final["attachments"][0]["url"]) as answer:
                    await answer.read()
                if following is not None:
                    await following
            return time.monotonic() - began

    async def _next(self, socket: ClientWebSocketResponse, name: str) -> dict[str, Any]:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                payload = json.loads(message.data)
                if payload["t"] == name:
                    return dict(payload["d"])
        raise RuntimeError("the gateway has closed")

    async def _final(self, socket: ClientWebSocketResponse) -> dict[str, Any]:
        while True:
            message = await self._next(socket, "MESSAGE_CREATE")
            if message["attachments"] and message["components"]:
                return message

    async def _imagine(self, http: ClientSession) -> dict[str, Any]:
        address = f"{self._api}/guilds/{self._guild}/application-command-index"
        async with http.get(address) as answer:
            commands = (await answer.json())["application_commands"]
        own = [each for each in commands if each["application_id"] == self._application]
        found = next(each for each in own if each["name"] == "imagine")
        return {key: found[key] for key in ("id", "version", "name", "type")}

    async def _send(self, http: ClientSession) -> None:
        self._sent += 1
        option = {"type": 3, "name": "prompt", "value": f"a lighthouse, take {self._sent}"}
        body = {
            "type": 2,
            "application_id": self._application,
            "guild_id": self._guild,
            "channel_id": self._channel,
            "session_id": self._session_id,
            "nonce": str(10**18 + self._sent),
            "data": {**self._command, "options": [option], "attachments": []},
        }
        async with http.post(f"{self._api}/interactions", json=body) as answer:
            answer.raise_for_status()
