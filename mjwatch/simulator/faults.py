"""What can be made to go wrong: the catalogue of faults, and those that are armed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .identity import Json

CATALOGUE: dict[str, str] = {
    "post_429": "POST /interactions: 429 with retry_after (key `retry_after`, default 0.2); not executed",
    "post_429_executed": "the same answer, but the command runs",
    "post_500": "POST /interactions: 500; not executed",
    "post_500_executed": "POST /interactions: 500, but the command runs",
    "post_reset": "POST /interactions: the connection is reset before anything happens",
    "post_reset_executed": "the connection is reset after the command was taken",
    "captcha": "POST /interactions: 400 with captcha_key; not executed",
    "unauthorized": "POST /interactions: 401; not executed",
    "stale_version": "at once: every command gets a new version; POSTs are stale until the index is read",
    "gateway_cut": "at once: every gateway connection is dropped; count: also later ones as they open",
    "gateway_reconnect": "at once: op 7 to every connection",
    "gateway_invalid_session": "the next RESUME is answered by op 9 false",
    "gateway_invalid_session_resumable": "the next RESUME is answered by op 9 true",
    "identify_limited": "the next IDENTIFY is answered by op 9 false",
    "heartbeat_ignored": "the next heartbeat gets no ACK",
    "cdn_404": "the next download: 404, as for an expired address",
    "cdn_truncated": "the next download ends in the middle",
    "cdn_slow": "the next download drips for some seconds (key `seconds`, default 5)",
    "history_empty": "the next message list is empty, as without READ_MESSAGE_HISTORY",
    "success_never": "no INTERACTION_SUCCESS",
    "no_start": "no start message and no progress; the final comes",
    "no_progress": "a start message, then nothing until the final",
    "silent": "INTERACTION_SUCCESS, then nothing at all, ever",
    "preview_without_uuid": "previews are named plainly grid_0.webp",
    "no_preview": "progress without pictures, as when progress images are disabled",
    "duplicate_dispatch": "every message event of the job is sent twice",
    "refuse": "the bot refuses with the notice named by `title` (also written `refuse:<title>`)",
    "moderated": "the progress message is deleted at some percent and no final comes",
}

_NUMBERS = ("retry_after", "seconds")
_KEYS = frozenset({"fault", "count", "match"})


@dataclass(slots=True)
class Armed:
    """A fault that waits for its occasion."""

    name: str
    count: int
    match: str
    details: Json = field(default_factory=dict)


class FaultError(ValueError):
    """A request for a fault that does not exist or is not understood."""


class Faults:
    """The armed faults; each is used up by as many occasions as its count."""

    def __init__(self) -> None:
        self._armed: list[Armed] = []

    def arm(self, request: object) -> Armed:
        """Arm what a control request asks for. Raises FaultError."""
        armed = _parsed(request)
        self._armed.append(armed)
        return armed

    def take(self, name: str, text: str = "") -> Armed | None:
        """Use up one occasion of this fault, if one is armed whose match is in the text."""
        for armed in self._armed:
            if armed.name == name and armed.match in text:
                armed.count -= 1
                if armed.count <= 0:
                    self._armed.remove(armed)
                return armed
        return None

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def body(self) -> Json:
        """The catalogue with what is armed."""
        armed = [
            {"fault": one.name, "count": one.count, "match": one.match, **one.details} for one in self._armed
        ]
        return {"faults": CATALOGUE, "armed": armed}


def _parsed(request: object) -> Armed:
    if not isinstance(request, dict) or not isinstance(request.get("fault"), str):
        raise FaultError('a fault is an object like {"fault": "post_429", "count": 1}')
    details: dict[str, Any] = {key: request[key] for key in request if key not in _KEYS}
    name, _, title = request["fault"].partition(":")
    if title:
        details["title"] = title
    if name not in CATALOGUE:
        raise FaultError(f"no fault is called {name!r}")
    count, match = request.get("count", 1), request.get("match", "")
    if not isinstance(count, int) or count < 1 or not isinstance(match, str):
        raise FaultError("count is a number from 1, match is a text")
    if not all(isinstance(details.get(key, 0), int | float) for key in _NUMBERS):
        raise FaultError(f"{' and '.join(_NUMBERS)} are numbers of seconds")
    return Armed(name, count, match, details)
