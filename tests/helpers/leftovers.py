"""Ends every process that a test run has started, however the run ends: Ctrl-C and kill -9 included.

A guard in a session of its own waits for the end of the run. It finds the processes by a variable in their
environment, which they inherit through any number of programs.
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
"""The variable: the marks of the run and of the runs around it."""

_ROUNDS = 5
"""A process may be starting another one while it is looked for."""


def marked(mark: str) -> list[int]:
    """Return the ids of all other processes with this mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return [pid for pid in found if pid != os.getpid()]


def guard_run() -> str:
    """Mark the processes that this one starts from now on, and end them after it. Returns the mark."""
    mark = uuid.uuid4().hex
    os.environ[MARKS] = f"{os.environ.get(MARKS, '')} {mark}".strip()
    read, _write = os.pipe()  # nothing is ever written; the system closes it at the end of this process
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
