"""How long a test waits before it takes something for a hang, on a machine of any speed and load.

Deadlines only catch hangs. No test passes or fails by how fast the machine is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

SLOWNESS = "TEST_RUN_SLOWNESS"
"""The variable that hands the measured slowness on to the processes of a test run."""

QUICK = 0.25
"""Seconds that the loops take on a quick, idle machine."""

LEAST_FACTOR = 2.0
"""A test run is never alone: its own workers compete with each other."""

_LOOP = "sum(i * i for i in range(2_000_000))"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slowness() -> float:
    """Return how many times slower than a quick, idle machine this one is; it is measured once in a run."""
    if SLOWNESS not in os.environ:
        os.environ[SLOWNESS] = f"{_measured():.2f}"
    return float(os.environ[SLOWNESS])


def _measured() -> float:
    """Run one loop per core at once: a CPU quota and other processes count like slow cores."""
    began = time.monotonic()
    loops = [subprocess.Popen([sys.executable, "-I", "-S", "-c", _LOOP]) for _ in range(cores())]
    for loop in loops:
        loop.wait()
    return max(1.0, (time.monotonic() - began) / QUICK)


def deadline(seconds: float) -> float:
    """Return after how many seconds to give up on what takes ``seconds`` at most on a quick, idle machine."""
    load = os.getloadavg()[0] / cores()  # what has come since the measurement
    return seconds * max(LEAST_FACTOR, slowness()) * max(1.0, load)


def slowed(seconds: float) -> float:
    """Return ``seconds`` of a quick machine as seconds of this one, for what must outlast something else."""
    return seconds * slowness()


def workers() -> int:
    """Return how many tests may run at once: scenarios wait more than they compute, where cores are quick."""
    return max(2, min(8, cores() * (2 if slowness() < 2 else 1)))
