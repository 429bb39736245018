"""A small client for the simulator's tests, which uses none of the service's code."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import zlib
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, patch

import aiohttp
from PIL import Image

from mjwatch.simulator.options import SimulatorOptions
from mjwatch.simulator.server import serving
from mjwatch.simulator.world import BOT_ID, CHANNEL_ID, DM_CHANNEL_ID, GUILD_ID, USER_TOKEN
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from types import ModuleType

Json = dict[str, Any]


def tiny_png(edge: int = 4) -> bytes:
    """Return a small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (edge, edge), "red").save(buffer, "PNG")
    return buffer.getvalue()


TINY_PNG = tiny_png()

HANG = deadline(20.0)
"""Seconds after which a test counts as hanging."""


class Gateway:
    """One gateway connection of a test."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, compressed: bool) -> None:
        self.socket = socket
        self._inflate = zlib.decompressobj() if compressed else None
        self.seq: int | None = None
        self.session_id = ""
        self.resume_url = ""
        self.dispatches: list[Json] = []

    async def send(self, op: int, data: object) -> None:
        await self.socket.send_str(json.dumps({"op": op, "d": data}))

    async def receive(self) -> Json:
        message = await self.socket.receive()
        if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
            raise ConnectionError(self.socket.close_code)
        assert (message.type is aiohttp.WSMsgType.BINARY) == (self._inflate is not None)
        data = message.data if self._inflate is None else self._inflate.decompress(message.data)
        payload: Json = json.loads(data)
        if payload["op"] == 0:
            self.seq = payload["s"]
            self.dispatches.append(payload)
        return payload

    async def op(self, number: int) -> Json:
        while (payload := await self.receive())["op"] != number:
            pass
        return payload

    async def event(self, name: str, fits: Callable[[Json], object] = lambda data: True) -> Json:
        while (payload := await self.receive())["t"] != name or not fits(payload["d"]):
            pass
        found: Json = payload["d"]
        return found

    async def final(self) -> Json:
        return await self.event("MESSAGE_CREATE", lambda message: message["attachments"])

    async def modal(self) -> Json:
        return await self.event("INTERACTION_MODAL_CREATE")

    async def refusal(self) -> Json:
        return await self.event("MESSAGE_CREATE", lambda message: message["embeds"])

    async def identify(self, token: str = USER_TOKEN, **fields: object) -> Json:
        await self.send(2, {"token": token, "properties": {"os": "Linux"}, **fields})
        ready = await self.event("READY")
        self.session_id, self.resume_url = ready["session_id"], ready["resume_gateway_url"]
        return ready

    async def resume(self, other: Gateway, seq: int | None = None) -> None:
        wanted = other.seq if seq is None else seq
        await self.send(6, {"token": USER_TOKEN, "session_id": other.session_id, "seq": wanted})

    async def close_code(self) -> int | None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self.receive()
        return self.socket.close_code


class Client:
    """REST and gateway of one simulated person."""

    def __init__(self, http: aiohttp.ClientSession, host: str) -> None:
        self.http = http
        self.host = host
        self.token = USER_TOKEN
        self._nonces = 0

    async def call(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
        headers = {"Authorization": self.token} if path.startswith("/api/") else {}
        async with self.http.request(
            method, f"http://{self.host}{path}", headers=headers, **kwargs
        ) as answer:
            text = await answer.text()
            if text:
                assert answer.headers["Content-Type"] == "application/json"
            return answer.status, json.loads(text) if text else None

    async def download(self, url: str, **kwargs: Any) -> tuple[int, bytes]:
        async with self.http.get(url, **kwargs) as answer:
            return answer.status, await answer.read()

    async def state(self) -> Any:
        return (await self.call("GET", "/_sim/state"))[1]

    async def fault(self, name: str, **fields: object) -> None:
        status, _ = await self.call("POST", "/_sim/faults", json={"fault": name, **fields})
        assert status == 200

    async def command(self, name: str) -> Json:
        _, index = await self.call("GET", f"/api/v9/guilds/{GUILD_ID}/application-command-index")
        found: Json = next(command for command in index["application_commands"] if command["name"] == name)
        return found

    async def body(self, prompt: str = "a red cat", session_id: str = "none", **changes: object) -> Json:
        command = await self.command("imagine")
        self._nonces += 1
        data = {
            "id": command["id"],
            "version": command["version"],
            "name": "imagine",
            "type": 1,
            "options": [{"type": 3, "name": "prompt", "value": prompt}],
            "attachments": [],
        }
        return {
            "type": 2,
            "application_id": BOT_ID,
            "guild_id": GUILD_ID,
            "channel_id": CHANNEL_ID,
            "session_id": session_id,
            "nonce": f"90000000000000{self._nonces:05}",
            "data": data,
            **changes,
        }

    async def post(self, body: object) -> tuple[int, Any]:
        return await self.call("POST", "/api/v9/interactions", json=body)

    async def imagine(self, prompt: str, gateway: Gateway, *, dm: bool = False) -> Json:
        channel = {"guild_id": None, "channel_id": DM_CHANNEL_ID} if dm else {}
        body = await self.body(prompt, gateway.session_id, **channel)
        assert await self.post(body) == (204, None)
        return body

    async def info(self, gateway: Gateway) -> Json:
        command = await self.command("info")
        data = {"id": command["id"], "version": command["version"], "name": "info", "type": 1, "options": []}
        body = await self.body("", gateway.session_id, data=data)
        assert await self.post(body) == (204, None)
        return body

    async def press(self, gateway: Gateway, message: Json, custom_id: str, **changes: object) -> Json:
        """Press a button of this message."""
        body = await self.press_body(gateway, message, custom_id, **changes)
        assert await self.post(body) == (204, None)
        return body

    async def press_body(self, gateway: Gateway, message: Json, custom_id: str, **changes: object) -> Json:
        """Return the request body for a press of a button of this message."""
        fields = {"type": 3, "message_id": message["id"], "message_flags": message["flags"]}
        data = {"component_type": 2, "custom_id": custom_id}
        application_id = message["author"]["id"]
        return await self.body(
            "",
            gateway.session_id,
            **{**fields, "application_id": application_id, "data": data, **changes},
        )

    async def submission(self, gateway: Gateway, modal: Json, text: str) -> Json:
        """Return the request body that submits this modal with this text in its field."""
        ((field,),) = [row["components"] for row in modal["components"]]
        written = {"type": 4, "custom_id": field["custom_id"], "value": text}
        data = {"id": modal["id"], "custom_id": modal["custom_id"]}
        data["components"] = [{"type": 1, "components": [written]}]
        return await self.body(
            "", gateway.session_id, type=5, application_id=modal["application"]["id"], data=data
        )

    async def submit(self, gateway: Gateway, modal: Json, text: str) -> Json:
        """Submit this modal."""
        body = await self.submission(gateway, modal, text)
        assert await self.post(body) == (204, None)
        return body

    async def run(
        self, gateway: Gateway, name: str, *options: Json, attachments: list[Json] | None = None
    ) -> Json:
        """Run a command."""
        command = await self.command(name)
        data = {key: command[key] for key in ("id", "version", "name", "type")}
        data |= {"options": list(options), "attachments": attachments or []}
        body = await self.body("", gateway.session_id, data=data)
        assert await self.post(body) == (204, None)
        return body

    async def grid(self, gateway: Gateway, prompt: str = "a red cat") -> tuple[Json, str]:
        """Return a finished grid and its job's uuid."""
        await self.imagine(prompt, gateway)
        final = await gateway.final()
        return final, await self.last_uuid()

    async def single(self, gateway: Gateway, prompt: str = "a red cat", number: int = 1) -> tuple[Json, str]:
        """Return one picture of a grid and its job's uuid."""
        grid, grid_uuid = await self.grid(gateway, prompt)
        await self.press(gateway, grid, f"MJ::JOB::upsample::{number}::{grid_uuid}")
        final = await gateway.final()
        return final, await self.last_uuid()

    async def last_uuid(self) -> str:
        """Return the uuid of the newest job."""
        job_uuid: str = (await self.state())["renderings"][-1]["job_uuid"]
        return job_uuid

    async def outcomes(self) -> list[str]:
        """Return the outcome of each interaction, when none runs any more."""
        while True:
            found = [interaction["outcome"] for interaction in (await self.state())["interactions"]]
            if "running" not in found and "queued" not in found:
                return found
            await asyncio.sleep(0.01)

    async def slots(self, *files: tuple[str, int]) -> list[Json]:
        """Return upload slots for files with these names and sizes."""
        asked = [{"id": str(n), "filename": name, "file_size": size} for n, (name, size) in enumerate(files)]
        path = f"/api/v9/channels/{CHANNEL_ID}/attachments"
        status, answer = await self.call("POST", path, json={"files": asked})
        assert status == 200
        slots: list[Json] = answer["attachments"]
        return slots

    async def uploaded(self, *names: str, data: bytes = TINY_PNG) -> list[Json]:
        """Return the `attachments` of an interaction or a message for these uploaded files."""
        slots = await self.slots(*((name, len(data)) for name in names))
        for slot in slots:
            async with self.http.put(slot["upload_url"], data=data) as put:
                assert put.status == 200
        return [
            {"id": slot["id"], "filename": name, "uploaded_filename": slot["upload_filename"]}
            for slot, name in zip(slots, names, strict=True)
        ]

    async def say(self, content: str = "", **fields: object) -> tuple[int, Any]:
        """Post a message as the person."""
        path = f"/api/v9/channels/{CHANNEL_ID}/messages"
        return await self.call("POST", path, json={"content": content, **fields})

    async def history(self, **query: int) -> list[Json]:
        params = {name: str(value) for name, value in query.items()}
        status, page = await self.call("GET", f"/api/v9/channels/{CHANNEL_ID}/messages", params=params)
        assert status == 200
        assert isinstance(page, list)
        return page

    @contextlib.asynccontextmanager
    async def gateway(self, url: str = "", *, compress: bool = False) -> AsyncIterator[Gateway]:
        query = "/?v=9&encoding=json" + ("&compress=zlib-stream" if compress else "")
        socket = await self.http.ws_connect((url or f"ws://{self.host}") + query, autoclose=False)
        try:
            yield Gateway(socket, compressed=compress)
        finally:
            await socket.close(code=4000)


class Steps:
    """The pauses of a part of the simulator; while they are held, each ends when the test allows it."""

    def __init__(self) -> None:
        self._held = False
        self._allowed = asyncio.Semaphore(0)

    def hold(self) -> None:
        """Let all pauses from now on wait for the test, however slow it is."""
        self._held = True

    def allow(self, count: int = 100) -> None:
        """Let so many pauses end."""
        for _ in range(count):
            self._allowed.release()

    async def pause(self, seconds: float) -> None:
        await (self._allowed.acquire() if self._held else asyncio.sleep(seconds))


@contextlib.contextmanager
def steps_of(part: ModuleType) -> Iterator[Steps]:
    """Give the pauses of this module of the simulator to the test."""
    steps = Steps()
    with patch.object(part, "asyncio", Mock(wraps=asyncio, sleep=steps.pause)):
        yield steps


@contextlib.asynccontextmanager
async def simulated(**options: Any) -> AsyncIterator[Client]:
    """Run a simulator with quick, small jobs, and give a client for it."""
    chosen = SimulatorOptions(**{"seconds_per_job": 0.05, "grid": 64, "seed": 1, **options})
    async with serving(chosen) as host, aiohttp.ClientSession() as http:
        yield Client(http, host)


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the coroutine of a test; only a hang ends it early."""
    asyncio.run(asyncio.wait_for(scenario(), HANG))
