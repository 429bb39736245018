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
    """Measure each kind of gap in several rounds. All rounds of one length run in parallel."""
    lengths, rounds = ((1,), 1) if quick else ((1, 10, 60), 3)
    found = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2 * rounds) as pool:
        for seconds in lengths:
            gaps = [Gap(seconds, lost) for lost in (False, True)]
            folders = [Path(folder) / f"{seconds}-{number}" for number in range(len(gaps) * rounds)]
            took = list(pool.map(seconds_to_delivery, folders, gaps * rounds))
            for number, gap in enumerate(gaps):
                middle = median(took[number :: len(gaps)])
                found.append(Figure(f"a gap of {gap.name}", middle, "s", at_most=AIM))
    return found
