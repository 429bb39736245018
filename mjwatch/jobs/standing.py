"""What the service does now, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mjwatch.jobs.reason import to_go_on
from mjwatch.model import IN_FLIGHT, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.model import Pause


@dataclass(frozen=True, slots=True)
class Standing:
    """How many jobs there are, and what stands in their way.

    ``jobs``: the open ones, by state. ``capped_until``: when the daily cap lets the next one go, in words.
    """

    jobs: Mapping[State, int] = field(default_factory=dict)
    connected: bool = True
    trouble: str | None = None
    paused: Pause | None = None
    journal_fails: bool = False
    inbox_trouble: str | None = None
    capped_until: str | None = None


def sentence(standing: Standing) -> str:
    """For a line of a status display: what is in the way, and how much there is to do."""
    parts = [*_obstacle(standing), _work(standing.jobs)]
    words = "; ".join(part for part in parts if part) or "nothing to do"
    return f"{words[0].upper()}{words[1:]}."


def _obstacle(standing: Standing) -> list[str]:
    if standing.journal_fails:
        return ["the journal can't be written, nothing is sent"]
    inbox = [] if standing.inbox_trouble is None else [standing.inbox_trouble]
    if standing.paused is not None:
        return [f"paused: {standing.paused.reason}", to_go_on(standing.paused), *inbox]
    if not standing.connected:
        return [f"no gateway: {standing.trouble}" if standing.trouble else "waits for the gateway", *inbox]
    if standing.capped_until and State.QUEUED in standing.jobs:
        return [f"the daily cap is reached until {standing.capped_until}", *inbox]
    return inbox


def _work(jobs: Mapping[State, int]) -> str:
    counts = {
        "in flight": sum(jobs.get(state, 0) for state in IN_FLIGHT),
        "queued": jobs.get(State.QUEUED, 0),
        "to be saved": jobs.get(State.COLLECTING, 0),
        "in doubt": jobs.get(State.IN_DOUBT, 0),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
