"""The cost of a start with a long history, and of an idle daemon: time, memory and CPU."""

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
"""Limits in MiB: of an idle daemon, and of the memory that a long history adds."""

WARM_UP, QUICK_WARM_UP = 15.0, 0.5
"""Seconds after its start until a daemon is idle: it still writes its status, and scans the inbox again."""


def figures(quick: bool) -> list[Figure]:
    """Measure alternating starts, then two daemons that are idle at the same time."""
    jobs, rounds, files, minutes = (2_000, 1, 200, 0.02) if quick else (1_000_000, 5, 100_000, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        return _starts(root, jobs, rounds) + _idle(root, files, QUICK_WARM_UP if quick else WARM_UP, minutes)


def _starts(root: Path, jobs: int, rounds: int) -> list[Figure]:
    with simulator(root / "new"), simulator(root / "old"):
        put_finished(root / "old" / "state", jobs)
        took: dict[str, list[float]] = {"new": [], "old": []}
        size: dict[str, list[float]] = {"new": [], "old": []}
        for _ in range(rounds + 1):
            for name in took:
                with _started(root / name) as (pid, seconds):
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


def _idle(root: Path, files: int, warm_up: float, minutes: float) -> list[Figure]:
    """Measure a new daemon, and one with this many foreign files in its inbox."""
    names = ("small", "full")
    with simulator(root / "small"), simulator(root / "full"):
        for number in range(5):
            (root / "small" / "inbox" / f"note{number}.md").touch()
        for number in range(files):
            (root / "full" / "inbox" / f"IMG_{number:06}.jpg").touch()
        with _started(root / "small") as (small, _), _started(root / "full") as (full, _):
            pids = dict(zip(names, (small, full), strict=True))
            time.sleep(warm_up)
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
    """Start a daemon, and yield its process id and the seconds until its session was ready."""
    began = time.perf_counter()
    with daemon(workspace) as started:
        yield started.pid, time.perf_counter() - began
