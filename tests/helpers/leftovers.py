"""End every process that a test run has started, however the run ends, also after Ctrl-C and kill -9.

A guard process in its own session waits for the end of the run. It finds the processes by an environment
variable, which they inherit through any number of programs.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

MARKS = "TEST_RUN_MARKS"
"""The environment variable with the marks of the run and of the runs that contain it."""

_ROUNDS = 5
"""Several rounds, because a process can start another one during a search."""


def marked(mark: str) -> list[int]:
    """Return the ids of all other processes with this mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return [pid for pid in found if pid != os.getpid()]


def guard_run() -> str:
    """Mark the processes that this process starts from now on, to end them after it; return the mark."""
    mark = uuid.uuid4().hex
    os.environ[MARKS] = f"{os.environ.get(MARKS, '')} {mark}".strip()
    read, _write = os.pipe()  # nothing is written; the system closes the pipe at the end of this process
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", __file__, mark],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, read, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setsid=True,
    )
    os.close(read)
    return mark


def _end_all(mark: str) -> None:
    for _ in range(_ROUNDS):
        for pid in marked(mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    _end_all(sys.argv[1])
