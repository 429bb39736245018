"""What can happen, as frozen values: every room that learns something puts one into the one queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class GatewayReady:
    """A new gateway session began (READY). What happened before it must be read from the history."""

    session_id: str
    resume_gateway_url: str
    user_id: str
    user_name: str
    guild_ids: frozenset[str]
    private_channel_ids: frozenset[str]
    seq: int
    required_action: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayResumed:
    """The session goes on and the replay of what was missed has ended (RESUMED)."""

    session_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class GatewayDispatch:
    """One dispatch that concerns us, live or replayed: its name (``t``), its data (``d``) and its ``seq``."""

    name: str
    data: Mapping[str, Any]
    seq: int


@dataclass(frozen=True, slots=True)
class GatewayDown:
    """The connection is lost; another try follows in ``retry_in`` seconds. ``reason`` is one line."""

    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class GatewayStopped:
    """The gateway won't let us in again until a person has acted (close 4004, 4010-4014)."""

    reason: str
    code: int | None


GatewayEvent = GatewayReady | GatewayResumed | GatewayDispatch | GatewayDown | GatewayStopped
