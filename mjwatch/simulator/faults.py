"""What can be made to go wrong: the catalogue of faults, and those that are armed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .identity import Json

CATALOGUE: dict[str, str] = {
    "post_error": "POST /interactions: any error, by the keys `status`, `code`, `message`; not executed",
    "post_429_html": "POST /interactions: 429 as a firewall gives it, in HTML and without retry_after",
    "post_slow": "the answer to POST /interactions comes late (key `seconds`, default 1); the command runs",
    "post_429": "POST /interactions: 429 with retry_after (key `retry_after`, default 0.2); not executed",
    "post_429_executed": "the same answer, but the command runs",
    "post_500": "POST /interactions: 500; not executed",
    "post_500_executed": "POST /interactions: 500, but the command runs",
    "post_reset": "POST /interactions: the connection is reset before anything happens",
    "post_reset_executed": "the connection is reset after the command was taken",
    "captcha": "POST /interactions: 400 with captcha_key; not executed",
    "unauthorized": "POST /interactions: 401; not executed",
    "stale_version": "at once: new versions, so that the next POST is stale; count: later ones are anyway",
    "gateway_cut": "at once: every gateway connection is dropped; count: also later ones as they open",
    "gateway_reconnect": "at once: op 7 to every connection",
    "gateway_close": "at once: every connection is closed by the server (key `code`, default 4000)",
    "gateway_heartbeat": "at once: op 1 to every connection, which must be answered by a heartbeat",
    "gateway_split": "the next zlib-stream connection gets each message in several WebSocket messages",
    "hello_late": "the next connection gets HELLO late (key `seconds`, default 1)",
    "reconnect_first": "the next connection gets op 7 in place of HELLO",
    "ready_large": "the next READY has some megabytes (key `megabytes`, default 8)",
    "required_action": "the next READY says that the account is limited (key `action`, default AGREEMENTS)",
    "gateway_invalid_session": "the next RESUME is answered by op 9 false",
    "gateway_invalid_session_resumable": "the next RESUME is answered by op 9 true",
    "identify_limited": "the next IDENTIFY is answered by op 9 false",
    "heartbeat_ignored": "the next heartbeat gets no ACK",
    "cdn_404": "the next download: 404, as for an expired address",
    "cdn_truncated": "the next download ends in the middle",
    "cdn_corrupt": "the next download has the right length and a damaged middle",
    "cdn_error": "the next download: a status of its own (key `status`, default 503)",
    "cdn_slow": "the next download drips for some seconds (key `seconds`, default 5)",
    "index_202": "the next command index is not ready: 202 with code 110000 and retry_after",
    "history_empty": "the next message list is empty, as without READ_MESSAGE_HISTORY",
    "success_never": "no INTERACTION_SUCCESS",
    "no_start": "no start message and no progress; the final comes",
    "no_progress": "a start message, then nothing until the final",
    "loading_first": "the job starts with a LOADING message that is edited into the start",
    "foreign_twin": "a stranger's job with the same prompt runs beside this one in the channel",
    "silent": "INTERACTION_SUCCESS, then nothing at all, ever",
    "preview_without_uuid": "previews are named plainly grid_0.webp",
    "no_preview": "progress without pictures, as when progress images are disabled",
    "components_v2": "the final has its picture in components alone: no content, no attachments",
    "final_edited": "the final is edited at once without a visible change",
    "passive_only": "the job's messages are told by PASSIVE_UPDATE_V2 only, as in an unsubscribed guild",
    "duplicate_dispatch": "every message event of the job is sent twice",
    "refuse": "the bot refuses with the notice named by `title` (also written `refuse:<title>`)",
    "moderated": "the progress message is deleted at some percent and no final comes",
}

_NUMBERS = ("retry_after", "seconds", "status", "code", "megabytes")
_KEYS = frozenset({"fault", "count", "match", "after"})


@dataclass(slots=True)
class Armed:
    """A fault that waits for its occasion."""

    name: str
    count: int
    match: str
    details: Json = field(default_factory=dict)

    def number(self, key: str, default: float) -> float:
        """A number that the request gave along."""
        return float(self.details.get(key, default))

    def text(self, key: str, default: str) -> str:
        """A text that the request gave along."""
        return str(self.details.get(key, default))


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

    def disarm(self, name: str) -> None:
        """Forget this fault."""
        self._armed = [armed for armed in self._armed if armed.name != name]

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def body(self) -> Json:
        """The catalogue with what is armed."""
        armed = [
            {"fault": one.name, "count": one.count, "match": one.match, **one.details} for one in self._armed
        ]
        return {"faults": CATALOGUE, "armed": armed}


def check_fault(request: object) -> None:
    """Raises FaultError if this is no request for a fault."""
    _parsed(request)


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
        raise FaultError(f"{', '.join(_NUMBERS)} are numbers")
    return Armed(name, count, match, details)
