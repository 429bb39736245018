"""The cost of a long queue: total time compared with the rendering time, and the cost per job."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure
from bench.grids import encoded, grid
from bench.processes import cpu_seconds, program, simulator, usage_at_end

IN_FLIGHT = 12
LONGEST_DRAIN = 1500.0
"""Seconds after which a queue counts as stuck."""

ENOUGH_HOURS = 100_000
"""Fast hours of the simulated account, enough for thousands of jobs."""

MEMORY = 120
"""The limit of the peak memory of the daemon in MiB."""


@dataclass(frozen=True, slots=True)
class Run:
    """The cost of a queue that one daemon has processed, from its start to its end."""

    jobs: int
    seconds: float
    cpu: float
    simulator_cpu: float
    peak_mib: float


def figures(quick: bool) -> list[Figure]:
    """Measure a long backlog."""
    jobs, edge, seconds = (24, 256, 1) if quick else (240, 2048, 10)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        picture = write_picture(root, edge)
        single = drain(root / "single", 1, picture, 0)
        run = drain(root / "backlog", jobs, picture, seconds)
    least = jobs / IN_FLIGHT * seconds + single.seconds
    name = f"{jobs} prompts, {edge}x{edge}, {IN_FLIGHT} in flight, {seconds} s a job"
    rounds = f"{jobs // IN_FLIGHT} x {seconds} s, and one job's own time"
    return [
        Figure(f"{name}: from start to end", run.seconds, "s", least, rounds, at_most=1.05),
        Figure("CPU a job", 1000 * (run.cpu - single.cpu) / (jobs - 1), "ms"),
        Figure("peak memory", run.peak_mib, "MiB", at_most=MEMORY),
        Figure("start to end with one job, at once", single.seconds, "s"),
    ]


def write_picture(folder: Path, edge: int) -> Path:
    """Write a grid into the folder, and return its path."""
    path = folder / f"{edge}.png"
    path.write_bytes(encoded(grid((edge, edge))))
    return path


def queue(workspace: Path, jobs: int) -> None:
    """Put this many prompt files into the inbox."""
    for number in range(jobs):
        file = workspace / "inbox" / f"job{number:05}.ready.txt"
        file.write_text(f"a lighthouse, take {number}\n", encoding="utf-8")


def drain(workspace: Path, jobs: int, picture: Path, seconds: int) -> Run:
    """Put this many files into an inbox, and run a daemon until all jobs are done."""
    options = ("--seconds-per-job", str(seconds), "--fast-hours", str(ENOUGH_HOURS))
    with simulator(workspace, *options, picture=picture) as (_, pid):
        queue(workspace, jobs)
        before, began = cpu_seconds(pid), time.monotonic()
        cpu, peak = _drain(workspace)
        seconds_taken, simulator_cpu = time.monotonic() - began, cpu_seconds(pid) - before
    made = len(list((workspace / "outbox").glob("job*/manifest.json")))
    if made != jobs:
        raise RuntimeError(f"{made} of {jobs} jobs are in the outbox")
    return Run(jobs, seconds_taken, cpu, simulator_cpu, peak)


def _drain(workspace: Path) -> tuple[float, float]:
    """Run the daemon, and return its CPU seconds and its peak memory."""
    config = str(workspace / "config.toml")
    command = [sys.executable, "-m", "mjwatch", "--config", config, "run", "--drain"]
    with program(*command, log=workspace / "mjwatch.log") as daemon:
        usage = usage_at_end(daemon, LONGEST_DRAIN)
    if daemon.returncode != 0:
        raise RuntimeError((workspace / "mjwatch.log").read_text(encoding="utf-8")[-2000:])
    return usage.cpu, usage.peak_mib
