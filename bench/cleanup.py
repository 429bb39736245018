"""End what a run of the measurements leaves behind, also after SIGKILL.

Everything that a run starts inherits a variable with the run's name, in whichever process group it is. A
helper process without this variable waits until the pipe from the run is closed, which the system does at any
end of the run; then it kills all processes that have the variable, and removes the run's temporary files.
"""

from __future__ import annotations

import ctypes
import multiprocessing.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "BENCH_RUN"

CLEANUP_TIMEOUT = 10.0
"""Seconds for which killed processes may take to disappear."""

_PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""

_ITS_OWN = "from multiprocessing."
"""In the command lines of helpers of Python's multiprocessing, which end with their program."""


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Run the block; kill and report whatever it leaves behind, or what is there when this process dies.

    The block has its own folder for temporary files, which is removed too.
    """
    name, folder = secrets.token_hex(8), tempfile.mkdtemp(prefix="bench-")
    # Outside of the folder: it is removed after that, when this process ends. After SIGKILL it stays, empty.
    multiprocessing.util.get_temp_dir()
    helper = subprocess.Popen(
        [sys.executable, __file__, name, folder],
        stdin=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for the run, not for the helper
        env={key: value for key, value in os.environ.items() if key != VARIABLE},
    )
    variables = patch.dict(os.environ, {VARIABLE: name, "TMPDIR": folder})
    try:
        with variables, patch.object(tempfile, "tempdir", None):  # None: the variable is read again
            yield
    finally:
        if helper.stdin is not None:
            helper.stdin.close()
        helper.wait(2 * CLEANUP_TIMEOUT)


def end_with_parent() -> None:
    """Have Linux kill this process when its parent has ended, in whatever way; the helper does the rest.

    SIGTERM would have to wait for threads.
    """
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has ended")


def processes_of(name: str) -> dict[int, str]:
    """Return the processes that inherited the name of this run, by id, with their command lines."""
    sign = f"{VARIABLE}={name}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is not ours
            if sign in (folder / "environ").read_bytes().split(b"\0"):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = line.decode(errors="replace").strip()
    return found


def main(name: str, folder: str) -> None:
    """Wait for the end of the run, then kill what is left of it, and remove its files."""
    sys.stdin.buffer.read()
    end = time.monotonic() + CLEANUP_TIMEOUT
    reported: set[int] = set()
    empty = 0
    # Twice: a program that is just being started has no environment for a moment.
    while empty < 2 and time.monotonic() < end:
        left = processes_of(name)
        empty = 0 if left else empty + 1
        for pid, command in left.items():
            if pid not in reported and _ITS_OWN not in command:
                print(f"the measurement has left behind, and is killed: {pid} {command}", file=sys.stderr)
                reported.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
