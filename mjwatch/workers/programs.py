"""Run a program with a time limit; it ends with everything that it has started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

STOP_INTERVAL = 0.5
"""Seconds within which a running program ends when mjwatch ends."""

_MOST_OUTPUT = 64 << 10
"""Bytes at the end of its output that are returned."""


class Ended(NamedTuple):
    """``code`` is the exit code; None if it was killed at the limit or at mjwatch's end."""

    code: int | None
    output: str


def run_program(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    limit: float,
    stopping: threading.Event,
    stdin: bytes | None = None,
) -> Ended:
    """Run a program for at most ``limit`` seconds. Raise OSError if it can't be started.

    With ``stdin`` it is one of ours: its output is what it prints, and its errors, which may name a secret,
    are dropped. Otherwise its output is what it writes to standard error.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.DEVNULL if stdin is None else output,
            stderr=output if stdin is None else subprocess.DEVNULL,
            start_new_session=True,
        )
        with process:
            if process.stdin is not None:
                with contextlib.suppress(OSError), process.stdin as pipe:  # it ended before it read all
                    pipe.write(stdin or b"")
            code = _wait(process, limit, stopping)
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - _MOST_OUTPUT))
        return Ended(code, output.read().decode("utf-8", "replace"))


def _wait(process: subprocess.Popen[bytes], limit: float, stopping: threading.Event) -> int | None:
    end = time.monotonic() + limit
    while not stopping.is_set() and (left := end - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(min(left, STOP_INTERVAL))
    _kill(process)
    return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and the processes that it has started, its process group (not on Windows)."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
