"""How soon after the gateway's return a job that finished meanwhile is in the outbox."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.scenarios.gaps import Gap, after_return

AIM = 5.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of gap, and the seconds from the gateway's return to the folder."""

    gap: Gap
    best: float
    middle: float
    worst: float


def run(quick: bool) -> list[Row]:
    """Measures each kind of gap some times; those of one round at once, since they only wait."""
    lengths, rounds = ((1, 10), 1) if quick else ((1, 10, 60), 3)
    gaps = [Gap(seconds, lost) for seconds in lengths for lost in (False, True)]
    took: dict[Gap, list[float]] = {gap: [] for gap in gaps}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(gaps)) as pool:
        for number in range(rounds):
            places = [Path(folder) / f"{number}-{at}" for at in range(len(gaps))]
            for gap, seconds in zip(gaps, pool.map(after_return, places, gaps), strict=True):
                took[gap].append(seconds)
    return [Row(gap, min(seconds), median(seconds), max(seconds)) for gap, seconds in took.items()]


def table(rows: list[Row]) -> str:
    """The rows as text."""
    lines = [f"{'gap':24}{'best':>8}{'median':>8}{'worst':>8}"]
    lines += [f"{row.gap.name:24}{row.best:8.1f}{row.middle:8.1f}{row.worst:8.1f}" for row in rows]
    return "\n".join([*lines, f"(seconds; the aim is {AIM:g})"])
