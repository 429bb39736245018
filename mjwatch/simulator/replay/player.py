"""Plays a script: answers requests and sends dispatches in the recorded order.

The script stops at each POST of an interaction until the client sends one; everything else happens without
the client's doing. What the client asks for beside that, the simulator answers as always.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import defaultdict, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from aiohttp import web

from mjwatch.simulator.cdn.render import Picture
from mjwatch.simulator.http.api import INTERACTIONS, account
from mjwatch.simulator.http.errors import html_answer, json_answer, reset_connection
from mjwatch.simulator.replay.script import Line, Script, Substitution
from mjwatch.simulator.world import CHANNEL_ID, CHANNELS, USER_ID, Json

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from mjwatch.simulator.cdn.store import ImageStore, Signer
    from mjwatch.simulator.gateway.sessions import Sessions
    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.recorder import Recorder
    from mjwatch.simulator.world import SnowflakeGenerator

LONGEST_GAP = 0.3
"""Seconds between two lines; nobody wants to wait for a job's minutes again."""
EDGE = 256
"""Pixels of the longer side of the pictures that stand for the recorded ones."""
NO_ANSWER = 503

_FILES = ("/attachments/", "/ephemeral-attachments/")
_KINDS = {"png": "png", "webp": "webp", "jpg": "jpeg", "jpeg": "jpeg", "gif": "gif"}
_MAGIC = ("89504e47", "52494646", "ffd8ff", "47494638")
_API = re.compile(r"/api/v\d+")
_NUMBER = re.compile(r"\d{5,}")


class Player:
    """Plays one script once."""

    def __init__(
        self,
        script: Script,
        sessions: Sessions,
        history: History,
        signer: Signer,
        pictures: ImageStore,
        snowflakes: SnowflakeGenerator,
        recorder: Recorder,
    ) -> None:
        self._script = script
        self._sessions = sessions
        self._history = history
        self._signer = signer
        self._pictures = pictures
        self._recorder = recorder
        self._ids = Substitution(script.account, snowflakes.next)
        self._posts: asyncio.Queue[tuple[Any, asyncio.Future[Line | None]]] = asyncio.Queue()
        self._errors: defaultdict[str, deque[Line]] = defaultdict(deque)
        self._downloads: defaultdict[str, deque[Json]] = defaultdict(deque)
        self._late: list[tuple[float, asyncio.Future[Line | None], Line]] = []
        self._task: asyncio.Task[None] | None = None
        self._played = 0
        self.unexpected: list[str] = []
        """What the client sent although the bundle has no answer to it."""

    def start(self) -> None:
        """Begin to play, in the running event loop."""
        self._task = asyncio.create_task(self._play())

    async def close(self) -> None:
        """End the play."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def body(self) -> Json:
        """Return how far the play is, for /_sim/state."""
        left = len(self._script.lines) - self._played
        return {"played": self._played, "left": left, "unexpected": self.unexpected}

    # ---- the script

    async def _play(self) -> None:
        for line in self._script.lines:
            if line.kind == "download":
                self._downloads[unquote(self._ids.applied(line.name))].append(line.data)
        history, before = self._script.history_by_line(), 0.0
        for number, line in enumerate(self._script.lines):
            await asyncio.sleep(min(LONGEST_GAP, max(0.0, line.at - before)))
            before = line.at
            self._answer_until(line.at)
            for message in history.get(number, ()):
                await self._store_recorded(message)
            await self._play_line(line)
            self._played += 1
        self._answer_until(math.inf)
        while True:
            body, answer = await self._posts.get()
            self.unexpected.append(f"POST {INTERACTIONS}, nonce {_nonce_of(body)}")
            answer.set_result(None)

    async def _play_line(self, line: Line) -> None:
        if line.kind == "http" and line.name == f"POST {INTERACTIONS}":
            body, answer = await self._posts.get()
            self._ids.learn(_nonce_of(line.data.get("sent")), _nonce_of(body))
            self._late.append((line.at + float(line.data.get("took") or 0.0), answer, line))
        elif line.kind == "http" and line.data.get("status") != 200:
            self._errors[_NUMBER.sub("{id}", line.name)].append(line)
        elif line.kind == "dispatch":
            await self._dispatch(line)
        elif line.kind == "closed":
            self._cut(line)
        elif line.kind == "session":
            while not self._sessions.connected():
                await asyncio.sleep(0.05)

    def _answer_until(self, at: float) -> None:
        """Answer the POSTs that were answered by then; their events may have come before that."""
        for due, answer, line in self._late:
            if due <= at and not answer.done():
                answer.set_result(line)
        self._late = [late for late in self._late if not late[1].done()]

    async def _store_recorded(self, message: Json) -> None:
        found = _with_paths(self._ids.applied(message))
        await self._render(found)
        self._store(found)

    async def _dispatch(self, line: Line) -> None:
        data = _with_paths(self._ids.applied(line.data))
        await self._render(data)
        if line.name in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
            self._store(data)
        elif line.name.startswith("MESSAGE_DELETE"):
            for number in data.get("ids", [data.get("id")]):
                self._history.of(CHANNEL_ID).remove(int(number))
        signed = self._signed(data)
        if line.name.startswith("INTERACTION_"):
            self._sessions.to_user("", line.name, signed)
        else:
            self._sessions.to_channel(CHANNELS[CHANNEL_ID], line.name, signed)

    def _cut(self, line: Line) -> None:
        """End the connection as it ended then; the session too, if a new one followed."""
        code, links = line.data.get("code"), self._sessions.links()
        later = self._script.lines[self._played + 1 :]
        if next((one.name for one in later if one.kind == "session"), None) != "RESUMED":
            self._sessions.end_all()
        for link in links:
            if isinstance(code, int):
                link.close(code)
            else:
                link.cut()

    def _store(self, message: Json) -> None:
        """Add a message, or what an edit changes in it, to the history; ephemeral ones are never there."""
        if int(message.get("flags") or 0) & 64:
            return
        channel = self._history.of(CHANNEL_ID)
        empty: Json = {
            "attachments": [],
            "embeds": [],
            "components": [],
            "flags": 0,
            "channel_id": CHANNEL_ID,
        }
        kept = channel.get(int(message["id"])) or empty
        changed = {key: value for key, value in message.items() if key not in ("nonce", "guild_id")}
        channel.put({**kept, **changed})

    # ---- pictures

    async def _render(self, value: Any) -> None:
        """Render a picture for each file that was downloaded, and say its size where the file is named."""
        if isinstance(value, list):
            for item in value:
                await self._render(item)
        elif isinstance(value, dict):
            path = str(value.get("url"))
            if path in self._downloads:
                await self._add_picture(path, value)
            for item in value.values():
                await self._render(item)

    async def _add_picture(self, path: str, media: Json) -> None:
        width, height = int(media.get("width") or EDGE), int(media.get("height") or EDGE)
        scale = min(1.0, EDGE / max(width, height))
        size = (max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2))
        kind = _KINDS.get(path.rpartition(".")[2].lower(), "png")
        length = await self._pictures.add(path, Picture(path, "", size, kind))  # type: ignore[arg-type]
        media.update({"width": size[0], "height": size[1]})
        if "size" in media:
            media["size"] = length

    def _signed(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._signed(item) for item in value]
        if not isinstance(value, dict):
            return value
        signed = {key: self._signed(item) for key, item in value.items()}
        if str(value.get("url")).startswith(_FILES):
            signed |= {
                "url": self._signer.url(value["url"]),
                "proxy_url": self._signer.proxy_url(value["url"]),
            }
        return signed

    # ---- requests

    def middleware(self) -> Middleware:
        """Return the middleware that answers what the bundle has an answer for."""

        @web.middleware
        async def replay(request: web.Request, handler: Handler) -> web.StreamResponse:
            path = unquote(request.raw_path.partition("?")[0])
            if path.startswith(_FILES):
                return await self._download(path, request, handler)
            route = _API.sub("", path, count=1)
            if not path.startswith("/api/") or account(request) != USER_ID:
                return await handler(request)
            if request.method == "POST" and route == INTERACTIONS:
                return await self._post(request)
            waiting = self._errors.get(_NUMBER.sub("{id}", f"{request.method} {route}"))
            return self._answer(request, waiting.popleft()) if waiting else await handler(request)

        return replay

    async def _post(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except ValueError:
            body = None
        answer: asyncio.Future[Line | None] = asyncio.get_running_loop().create_future()
        self._posts.put_nowait((body, answer))
        line = await answer
        status = NO_ANSWER if line is None else line.data.get("status")
        self._recorder.posted(_nonce_of(body), status)
        return json_answer({}, NO_ANSWER) if line is None else self._answer(request, line)

    def _answer(self, request: web.Request, line: Line) -> web.Response:
        status, body = line.data.get("status"), line.data.get("body")
        if status is None:
            return reset_connection(request)
        recorded: dict[str, str] = line.data.get("headers") or {}
        headers = {name: value for name, value in recorded.items() if name != "content-type"}
        if body is None and "html" in recorded.get("content-type", ""):
            page = html_answer(int(status), "<html><body>replayed</body></html>")
            page.headers.update(headers)
            return page
        if body is None:
            return web.Response(status=int(status), headers=headers)
        answer = json_answer(self._ids.applied(body), int(status))
        answer.headers.update(headers)
        return answer

    async def _download(self, path: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer as the file was answered then; its last answer is repeated."""
        outcomes = self._downloads.get(path)
        if not outcomes:
            return await handler(request)
        outcome = outcomes.popleft() if len(outcomes) > 1 else outcomes[0]
        status, begins = outcome.get("status"), str(outcome.get("begins") or "")
        if status is None:
            return reset_connection(request)
        if status != 200:
            return web.Response(status=int(status), text="as it was answered then")
        data = await self._pictures.read(path) or b""
        if outcome.get("failed"):
            return web.Response(body=data[: len(data) // 2])
        if begins and not begins.startswith(_MAGIC):
            return web.Response(body=bytes.fromhex(begins).ljust(len(data), b" "))
        return await handler(request)


def _nonce_of(body: object) -> object:
    return body.get("nonce") if isinstance(body, dict) else None


def _with_paths(value: Any) -> Any:
    """Return a message with paths in place of the addresses of files on the CDN."""
    if isinstance(value, list):
        return [_with_paths(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_paths(item) for key, item in value.items()}
    path = urlsplit(str(value.get("url"))).path
    return {**found, "url": unquote(path)} if path.startswith(_FILES) else found
