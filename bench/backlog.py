"""What a long queue takes: time against the sum of its rendering, and what each job costs."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure
from bench.grids import encoded, grid
from bench.processes import cpu_seconds, program, simulator

IN_FLIGHT = 12
ENOUGH_HOURS = 100_000
"""Fast hours of the simulated account: what thousands of jobs take must not run out."""

MEMORY = 120
"""MiB that the daemon may take at its peak."""


@dataclass(frozen=True, slots=True)
class Run:
    """A queue that was worked off by a daemon of its own, from its start to its end."""

    jobs: int
    seconds: float
    cpu: float
    simulators_cpu: float
    peak_mib: float


def figures(quick: bool) -> list[Figure]:
    """A backlog as after a holiday."""
    jobs, edge, seconds = (24, 256, 1) if quick else (240, 2048, 10)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        picture = picture_of(place, edge)
        one = drained(place / "one", 1, picture, 0)
        run = drained(place / "holiday", jobs, picture, seconds)
    least = jobs / IN_FLIGHT * seconds + one.seconds
    name = f"{jobs} prompts, {edge}x{edge}, {IN_FLIGHT} in flight, {seconds} s a job"
    rounds = f"{jobs // IN_FLIGHT} x {seconds} s, and one job's own time"
    return [
        Figure(f"{name}: from start to end", run.seconds, "s", least, rounds, at_most=1.05),
        Figure("CPU a job", 1000 * (run.cpu - one.cpu) / (jobs - 1), "ms"),
        Figure("peak memory", run.peak_mib, "MiB", at_most=MEMORY),
        Figure("start to end with one job, at once", one.seconds, "s"),
    ]


def picture_of(place: Path, edge: int) -> Path:
    """A grid as a file there."""
    path = place / f"{edge}.png"
    path.write_bytes(encoded(grid((edge, edge))))
    return path


def queue(workspace: Path, jobs: int) -> None:
    """Put so many prompt files into the inbox."""
    for number in range(jobs):
        file = workspace / "inbox" / f"job{number:05}.ready.txt"
        file.write_text(f"a lighthouse, take {number}\n", encoding="utf-8")


def drained(workspace: Path, jobs: int, picture: Path, seconds: int) -> Run:
    """Put so many files into an inbox, and have a daemon work until nothing is left."""
    options = ("--seconds-per-job", str(seconds), "--fast-hours", str(ENOUGH_HOURS))
    with simulator(workspace, *options, picture=picture) as (_, pid):
        queue(workspace, jobs)
        before, began = cpu_seconds(pid), time.monotonic()
        cpu, peak = _drain(workspace)
        took, theirs = time.monotonic() - began, cpu_seconds(pid) - before
    made = len(list((workspace / "outbox").glob("job*/manifest.json")))
    if made != jobs:
        raise RuntimeError(f"{made} of {jobs} jobs are in the outbox")
    return Run(jobs, took, cpu, theirs, peak)


def _drain(workspace: Path) -> tuple[float, float]:
    """Its CPU seconds, and its memory at the peak."""
    config = str(workspace / "config.toml")
    command = [sys.executable, "-m", "mjwatch", "--config", config, "run", "--drain"]
    with program(*command, log=workspace / "mjwatch.log") as daemon:
        _, status, usage = os.wait4(daemon.pid, 0)
        daemon.returncode = os.waitstatus_to_exitcode(status)
    if daemon.returncode != 0:
        raise RuntimeError((workspace / "mjwatch.log").read_text(encoding="utf-8")[-2000:])
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
