"""Start daemons from a fork server that has imported mjwatch: imports dominate the cost of a short run.

The fork server is that of the standard library. A forked daemon is like one from the command line: its own
process with its own arguments, environment, output and exit code.
"""

from __future__ import annotations

import faulthandler
import math
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

PRELOADED = ["mjwatch.cli.app", "mjwatch.cli.service", "mjwatch.daemon", "mjwatch.runtime", __name__]

_PROCESS_LOCK = threading.Lock()
"""A start polls all processes; if two threads poll the same process, one of them gets a wrong exit code."""

_FORK_SERVER = multiprocessing.get_context("forkserver")
_FORK_SERVER.set_forkserver_preload(PRELOADED)


class Daemon(Protocol):
    """A process in the background, such as ``subprocess.Popen``."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float = ...) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class ForkedDaemon:
    """``python -W error -m MODULE ARGUMENT...``, with all its output appended to a file."""

    def __init__(self, module: str, *arguments: str, log: Path, env: dict[str, str]) -> None:
        self._command = module, *arguments
        log.touch()
        # As a daemonic process it ends with this process at the latest.
        self._process = _FORK_SERVER.Process(target=_run, args=(module, arguments, log, env), daemon=True)
        with _PROCESS_LOCK:
            self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        with _PROCESS_LOCK:
            return self._process.exitcode

    def wait(self, timeout: float = math.inf) -> int:
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(self._command, timeout)
            time.sleep(0.02)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(module: str, arguments: tuple[str, ...], log: Path, env: dict[str, str]) -> None:
    """Run the module as the main program of this process."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    os.environ.clear()
    os.environ.update(env)
    faulthandler.enable()
    warnings.simplefilter("error")
    sys.argv = ["mjwatch", *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
