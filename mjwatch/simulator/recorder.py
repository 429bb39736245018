"""A record of what really happened: every POST, every executed command, counts, and leaks of the token.

A leak is the account's token anywhere but at the API and the gateway.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from aiohttp import web

from mjwatch.simulator.world import NEW_USER_TOKEN, USER_TOKEN

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from mjwatch.simulator.messages.modals import Interaction
    from mjwatch.simulator.world import Json


Outcome = Literal["running", "done", "refused", "queued", "cancelled", "modal", "asked"]


@dataclass(slots=True)
class ExecutedInteraction:
    """A command, a press or a modal that was executed."""

    nonce: str | int | None
    type: int
    """The interaction's: 2 command, 3 press, 5 modal."""
    command: str | None
    prompt: str | None
    custom_id: str | None
    pressed: str | None
    """For a modal, the custom_id of the button that opened it."""
    message_id: str | None
    """The message whose button it was, or that a message command was for."""
    at: float = field(default_factory=time.time)
    outcome: Outcome = "running"
    job_uuid: str | None = None

    @classmethod
    def of(cls, interaction: Interaction) -> ExecutedInteraction:
        """Return the record of an interaction before its execution."""
        return cls(
            nonce=interaction.nonce,
            type=interaction.kind,
            command=interaction.command,
            prompt=interaction.prompt,
            custom_id=interaction.custom_id,
            pressed=interaction.modal.press.custom_id if interaction.modal is not None else None,
            message_id=interaction.message_id or interaction.target_id,
        )

    def body(self) -> Json:
        """Return the record as /_sim/state shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Rendering:
    """A job that was started and paid for."""

    job_uuid: str
    nonce: str | int | None
    """The nonce of its interaction; one interaction may start several jobs."""
    prompt: str
    custom_id: str | None
    fast_hours: float
    """The job's cost."""
    at: float = field(default_factory=time.time)

    def body(self) -> Json:
        """Return the record as /_sim/state shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


class Recorder:
    """The record behind /_sim/state."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Delete the whole record."""
        self.interactions: list[ExecutedInteraction] = []
        self.renderings: list[Rendering] = []
        self.posts: list[Json] = []
        self.messages: list[Json] = []
        self.identifies = 0
        self.resumes = 0
        self.downloads = 0
        self.uploads = 0
        self.cdn_with_authorization = 0
        self.token_leaks = 0

    def posted(self, nonce: object, status: int | None) -> None:
        """Record the answer to a POST /interactions; None means a reset connection."""
        self.posts.append({"nonce": nonce, "status": status, "at": time.time()})

    def message_posted(self, nonce: object, message_id: str, content: str, files: list[str]) -> None:
        """Record a message that the person posted."""
        message = {"nonce": nonce, "message_id": message_id, "content": content, "files": files}
        self.messages.append({**message, "at": time.time()})

    def body(self) -> Json:
        """Return the whole record as JSON."""
        return {
            "interactions": [executed.body() for executed in self.interactions],
            "renderings": [rendering.body() for rendering in self.renderings],
            "posts": self.posts,
            "messages": self.messages,
            "identifies": self.identifies,
            "resumes": self.resumes,
            "downloads": self.downloads,
            "uploads": self.uploads,
            "cdn_with_authorization": self.cdn_with_authorization,
            "token_leaks": self.token_leaks,
        }


_TOKENS = (USER_TOKEN, NEW_USER_TOKEN)


def leak_watch(recorder: Recorder) -> Middleware:
    """Return the middleware that counts tokens in addresses, and logins outside the API."""

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _leaks(request):
            recorder.token_leaks += 1
        return await handler(request)

    return watch


def _leaks(request: web.Request) -> bool:
    if any(token in unquote(request.path_qs) for token in _TOKENS):
        return True
    if request.path.startswith("/api/"):
        return False
    headers = " ".join(request.headers.values())
    return "Authorization" in request.headers or any(token in headers for token in _TOKENS)
