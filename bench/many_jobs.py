"""What a job costs when thousands come at once, against what it costs among few."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.backlog import drained, picture_of
from bench.figures import Figure


def figures(quick: bool) -> list[Figure]:
    """Small pictures, rendered at once: what is left is what mjwatch does for each job."""
    few, many = (20, 200) if quick else (100, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        picture = picture_of(place, 256)
        one = drained(place / "one", 1, picture, 0)
        small, large = (drained(place / str(jobs), jobs, picture, 0) for jobs in (few, many))
    costs = [1000 * (run.cpu - one.cpu) / (run.jobs - 1) for run in (large, small)]
    return [
        Figure(f"CPU a job of 256x256, of {many:,}", costs[0], "ms", costs[1], f"of {few}", at_most=1.1),
        Figure(f"jobs a second, of {many:,}", large.jobs / large.seconds, "/s"),
        Figure(f"peak memory with {many:,}", large.peak_mib, "MiB", small.peak_mib, f"with {few}"),
        Figure("the simulator's CPU a job", 1000 * large.simulators_cpu / large.jobs, "ms"),
    ]
