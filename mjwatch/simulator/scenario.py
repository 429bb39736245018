"""A scenario file: faults that are armed at the start, or some seconds later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.simulator.account import Account
from mjwatch.simulator.faults import FaultError, checked_fault

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scenario:
    """What to arm when: (seconds after the start, fault)."""

    parts: tuple[tuple[float, object], ...]


def read_scenario(path: Path) -> Scenario:
    """Read a JSON list of faults, each as it would be posted, with `after` in seconds beside.

    Raises OSError if the file can't be read, FaultError if it is not understood.
    """
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FaultError(f"{path} is not JSON: {error}") from None
    if not isinstance(parts, list):
        raise FaultError(f"{path} is not a list of faults")
    return Scenario(tuple(_part(part, path) for part in parts))


def _part(part: object, path: Path) -> tuple[float, object]:
    try:
        fault = checked_fault(part)
        if fault.name == "account":
            Account().change(fault.details)
    except FaultError as error:
        raise FaultError(f"{path}: {error}") from None
    delay = part.get("after", 0) if isinstance(part, dict) else 0
    if not isinstance(delay, int | float) or delay < 0:
        raise FaultError(f"{path}: after is a number of seconds")
    return float(delay), part
