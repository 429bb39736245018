"""The cost of a job among thousands, compared with its cost among a few."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.backlog import drain, write_picture
from bench.figures import Figure


def figures(quick: bool) -> list[Figure]:
    """Measure jobs with small pictures that are rendered at once: the rest is the work of mjwatch per job."""
    few, many = (3, 12) if quick else (100, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        picture = write_picture(root, 256)
        single = drain(root / "single", 1, picture, 0)
        small, large = (drain(root / str(jobs), jobs, picture, 0) for jobs in (few, many))
    costs = [1000 * (run.cpu - single.cpu) / (run.jobs - 1) for run in (large, small)]
    return [
        Figure(f"CPU a job of 256x256, of {many:,}", costs[0], "ms", costs[1], f"of {few}", at_most=1.1),
        Figure(f"jobs a second, of {many:,}", large.jobs / large.seconds, "/s"),
        Figure(f"peak memory with {many:,}", large.peak_mib, "MiB", small.peak_mib, f"with {few}"),
        Figure("the simulator's CPU a job", 1000 * large.simulator_cpu / large.jobs, "ms"),
    ]
