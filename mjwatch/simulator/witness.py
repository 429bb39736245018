"""What really happened, for tests and people: every POST, every command that ran, and counts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .identity import Json

Outcome = Literal["running", "done", "refused", "queued", "cancelled"]


@dataclass(slots=True)
class Executed:
    """A command or button that ran."""

    nonce: str | int | None
    command: str | None
    prompt: str | None
    custom_id: str | None
    at: float = field(default_factory=time.time)
    outcome: Outcome = "running"
    job_uuid: str | None = None

    def body(self) -> Json:
        """The record as /_sim/state shows it."""
        return {
            "nonce": self.nonce,
            "command": self.command,
            "prompt": self.prompt,
            "custom_id": self.custom_id,
            "at": self.at,
            "outcome": self.outcome,
            "job_uuid": self.job_uuid,
        }


class Witness:
    """The log behind /_sim/state."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.interactions: list[Executed] = []
        self.posts: list[Json] = []
        self.identifies = 0
        self.resumes = 0
        self.downloads = 0
        self.cdn_with_authorization = 0
        self.token_leaks = 0
        self.uploads = 0
        self.messages: list[Json] = []

    def posted(self, nonce: object, status: int | None) -> None:
        """Note the answer to a POST /interactions; None means a reset connection."""
        self.posts.append({"nonce": nonce, "status": status, "at": time.time()})

    def said(self, nonce: object, message_id: str, content: str, files: list[str]) -> None:
        """Note a message that the person posted."""
        message = {"nonce": nonce, "message_id": message_id, "content": content, "files": files}
        self.messages.append({**message, "at": time.time()})

    def body(self) -> Json:
        """All of it as JSON."""
        return {
            "interactions": [executed.body() for executed in self.interactions],
            "posts": self.posts,
            "identifies": self.identifies,
            "resumes": self.resumes,
            "downloads": self.downloads,
            "cdn_with_authorization": self.cdn_with_authorization,
            "token_leaks": self.token_leaks,
            "uploads": self.uploads,
            "messages": self.messages,
        }
