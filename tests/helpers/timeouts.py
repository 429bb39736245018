"""Timeouts of tests, adjusted to the speed and load of the machine.

Timeouts only catch hangs. No test passes or fails because of the speed of the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

SLOWNESS = "TEST_RUN_SLOWNESS"
"""The environment variable that passes the measured slowness to the processes of a test run."""

FAST_LOOP_SECONDS = 0.25
"""Seconds that the loops take on a fast, idle machine."""

LEAST_FACTOR = 2.0
"""A test is never alone on the machine: the workers of its run compete with each other."""

_LOOP = "sum(i * i for i in range(2_000_000))"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slowness() -> float:
    """Return how many times slower than a fast, idle machine this one is; it is measured once per run."""
    if SLOWNESS not in os.environ:
        os.environ[SLOWNESS] = f"{_measured():.2f}"
    return float(os.environ[SLOWNESS])


def _measured() -> float:
    """Run one loop per core at once: a CPU quota and other processes count like slow cores."""
    began = time.monotonic()
    loops = [subprocess.Popen([sys.executable, "-I", "-S", "-c", _LOOP]) for _ in range(cores())]
    for loop in loops:
        loop.wait()
    return max(1.0, (time.monotonic() - began) / FAST_LOOP_SECONDS)


def deadline(seconds: float) -> float:
    """Return the timeout for an operation that takes ``seconds`` at most on a fast, idle machine."""
    load = os.getloadavg()[0] / cores()  # the load that was added since the measurement
    return seconds * max(LEAST_FACTOR, slowness()) * max(1.0, load)


def slowed(seconds: float) -> float:
    """Return the time on this machine that corresponds to ``seconds`` on a fast one."""
    return seconds * slowness()


def workers() -> int:
    """Return how many tests may run at once: on fast cores scenarios wait more than they compute."""
    return max(2, min(8, cores() * (3 if slowness() < 2 else 1)))
