"""The time from the return of the gateway until a job that finished in the gap is in the outbox."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from bench.figures import Figure
from tests.scenarios.gateway_gaps import Gap, seconds_to_delivery

AIM = 5.0
"""Seconds."""


def figures(quick: bool) -> list[Figure]:
    """Measure each kind of gap in several rounds. The gaps of a round run in parallel."""
    lengths, rounds = ((1, 5), 1) if quick else ((1, 10, 60), 3)
    gaps = [Gap(seconds, lost) for seconds in lengths for lost in (False, True)]
    took: dict[Gap, list[float]] = {gap: [] for gap in gaps}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(gaps)) as pool:
        for number in range(rounds):
            folders = [Path(folder) / f"{number}-{at}" for at in range(len(gaps))]
            for gap, seconds in zip(gaps, pool.map(seconds_to_delivery, folders, gaps), strict=True):
                took[gap].append(seconds)
    return [Figure(f"a gap of {gap.name}", median(seen), "s", at_most=AIM) for gap, seen in took.items()]
