"""Ages as people write them: ``30min``, ``48h``, ``30d``, ``12w``."""

from __future__ import annotations

import re

import typer

_AGE = re.compile(r"(\d{1,5})(min|h|d|w)")
_UNITS = {"min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


def seconds(age: str, option: str, least: float = 0.0) -> float:
    """How many seconds that are. Raises BadParameter, for this option, where it is no age or too short."""
    found = _AGE.fullmatch(age)
    length = int(found[1]) * _UNITS[found[2]] if found else -1.0
    if length < least or not found:
        more = ", a day at least" if least else ""
        raise typer.BadParameter(f"an age is a number with min, h, d or w{more}", param_hint=option)
    return length
