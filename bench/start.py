"""What a long history costs at a start, and what it costs to wait: time, memory, and CPU when idle."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.journals import put_finished
from bench.processes import cpu_seconds, daemon, memory_mib, simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY, MORE_MEMORY = 45, 5
"""MiB: of an idle daemon, and what a long history may add to it."""

WARM = 15.0
"""Seconds after its start in which a daemon is not idle yet: it writes its status, and looks once more."""


def figures(quick: bool) -> list[Figure]:
    """Starts in turns; then two daemons idle side by side for the same minutes."""
    jobs, rounds, files, minutes = (20_000, 2, 2_000, 0.1) if quick else (1_000_000, 9, 100_000, 2.0)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        return _starts(place, jobs, rounds) + _idle(place, files, minutes)


def _starts(place: Path, jobs: int, rounds: int) -> list[Figure]:
    with simulator(place / "new"), simulator(place / "old"):
        put_finished(place / "old" / "state", jobs)
        took: dict[str, list[float]] = {"new": [], "old": []}
        size: dict[str, list[float]] = {"new": [], "old": []}
        for _ in range(rounds + 1):
            for name in took:
                with _started(place / name) as (pid, seconds):
                    took[name].append(seconds)
                    time.sleep(0.5)
                    size[name].append(memory_mib(pid))
    times = {name: 1000 * median(seconds[1:]) for name, seconds in took.items()}
    sizes = {name: median(mib[1:]) for name, mib in size.items()}
    return [
        Figure(
            f"start with {jobs:,} finished jobs, until it is ready",
            *(times["old"], "ms", times["new"], "with none"),
            at_most=1.5,
        ),
        Figure(
            f"memory that {jobs:,} finished jobs add", sizes["old"] - sizes["new"], "MiB", at_most=MORE_MEMORY
        ),
    ]


def _idle(place: Path, files: int, minutes: float) -> list[Figure]:
    """A new daemon, and one with so many files of other people's in its inbox."""
    names = ("small", "full")
    with simulator(place / "small"), simulator(place / "full"):
        for number in range(5):
            (place / "small" / "inbox" / f"note{number}.md").touch()
        for number in range(files):
            (place / "full" / "inbox" / f"IMG_{number:06}.jpg").touch()
        with _started(place / "small") as (small, _), _started(place / "full") as (full, _):
            pids = dict(zip(names, (small, full), strict=True))
            time.sleep(WARM)
            before = {name: cpu_seconds(pid) for name, pid in pids.items()}
            time.sleep(60 * minutes)
            cpu = {name: 1000 * (cpu_seconds(pid) - before[name]) / minutes for name, pid in pids.items()}
            memory = memory_mib(small)
    return [
        Figure("CPU a minute when idle, a few files in the inbox", cpu["small"], "ms", at_most=100),
        Figure(
            f"CPU a minute when idle, {files:,} foreign files in the inbox", cpu["full"], "ms", at_most=250
        ),
        Figure("memory when idle, before the first picture", memory, "MiB", at_most=MEMORY),
    ]


@contextmanager
def _started(workspace: Path) -> Iterator[tuple[int, float]]:
    """A daemon's process id, and the seconds until its session was up."""
    began = time.perf_counter()
    with daemon(workspace) as started:
        yield started.pid, time.perf_counter() - began
