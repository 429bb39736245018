"""The armed faults, each waiting for its occasions, and the faults of one job."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from mjwatch.discord.protocol import FLAG_EPHEMERAL
from mjwatch.simulator.faults.catalogue import CATALOGUE
from mjwatch.simulator.gateway.delivery import DeliveryMode

if TYPE_CHECKING:
    from mjwatch.simulator.world import Json


_NUMBERS = ("retry_after", "seconds", "status", "code", "megabytes", "edge", "reason", "color")
_KEYS = frozenset({"fault", "count", "match", "after"})


@dataclass(slots=True)
class ArmedFault:
    """A fault that waits for its occasion."""

    name: str
    count: int
    match: str
    details: Json = field(default_factory=dict)

    def number(self, key: str, default: float) -> float:
        """Return a number of the request."""
        return float(self.details.get(key, default))

    @property
    def retry_after(self) -> float | None:
        """The seconds to wait, if the request names them."""
        return self.number("retry_after", 0) if "retry_after" in self.details else None

    def text(self, key: str, default: str) -> str:
        """Return a text of the request."""
        return str(self.details.get(key, default))


class FaultError(ValueError):
    """The requested fault does not exist or is not understood."""


class FaultRegistry:
    """The armed faults; each is used up after as many occasions as its count."""

    def __init__(self) -> None:
        self._armed: list[ArmedFault] = []
        self.limit_ends = float("-inf")
        """Until when every request of the account is refused (``time.monotonic``)."""

    def arm(self, request: object) -> ArmedFault:
        """Arm the fault of a control request. Raise FaultError."""
        armed = _parsed(request)
        self._armed.append(armed)
        return armed

    def take(self, name: str, text: str = "") -> ArmedFault | None:
        """Use up one occasion of this fault, and return it, if it is armed and its match is in the text."""
        for armed in self._armed:
            if armed.name == name and armed.match in text:
                armed.count -= 1
                if armed.count <= 0:
                    self._armed.remove(armed)
                return armed
        return None

    def disarm(self, name: str) -> None:
        """Disarm this fault."""
        self._armed = [armed for armed in self._armed if armed.name != name]

    def clear(self) -> None:
        """Disarm all faults."""
        self._armed.clear()
        self.limit_ends = float("-inf")

    def body(self) -> Json:
        """Return the catalogue and the armed faults."""
        armed = [
            {"fault": one.name, "count": one.count, "match": one.match, **one.details} for one in self._armed
        ]
        return {"faults": CATALOGUE, "armed": armed}


def checked_fault(request: object) -> ArmedFault:
    """Return the requested fault, not armed yet. Raise FaultError if it is not a request for a fault."""
    return _parsed(request)


def _parsed(request: object) -> ArmedFault:
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
    return ArmedFault(name, count, match, details)


@dataclass(frozen=True, slots=True)
class JobFaults:
    """The faults of one job: each field is a fault of that name, taken when the job starts."""

    no_start: bool = False
    no_progress: bool = False
    loading_first: bool = False
    moderated: bool = False
    no_preview: bool = False
    preview_without_uuid: bool = False
    duplicate_dispatch: bool = False
    passive_only: bool = False
    components_v2: bool = False
    four_pictures: bool = False
    four_in_gallery: bool = False
    final_edited: bool = False
    final_twice: bool = False
    final_lost: bool = False
    nonce_on_final: bool = False
    paused: bool = False
    footer: bool = False
    ephemeral_job: bool = False
    out_of_order: bool = False
    delete_bulk: bool = False
    stopped: bool = False
    as_gif: bool = False

    @classmethod
    def taken(cls, faults: FaultRegistry, prompt: str) -> JobFaults:
        """Use up the armed faults that match this prompt."""
        return cls(**{quirk.name: faults.take(quirk.name, prompt) is not None for quirk in fields(cls)})

    @property
    def delivery_mode(self) -> DeliveryMode:
        """How the gateway delivers the job's messages."""
        if self.passive_only:
            return DeliveryMode.PASSIVE
        if self.out_of_order:
            return DeliveryMode.SWAPPED
        return DeliveryMode.TWICE if self.duplicate_dispatch else DeliveryMode.ONCE

    @property
    def final_delivery(self) -> DeliveryMode:
        """How the gateway delivers the result."""
        return DeliveryMode.HISTORY_ONLY if self.final_lost else self.delivery_mode

    @property
    def shows_gallery(self) -> bool:
        """Whether the result is in components instead of attachments."""
        return self.components_v2 or self.four_in_gallery

    @property
    def flags(self) -> int:
        """The flags of the job's messages."""
        return FLAG_EPHEMERAL if self.ephemeral_job else 0

    @property
    def footer_text(self) -> str:
        """The small print at the end of every content."""
        return "\n-# Create, explore, and organize on the website" if self.footer else ""

    @property
    def shows_progress(self) -> bool:
        """Whether the start message is edited while the job runs."""
        return not self.no_start and not self.no_progress
