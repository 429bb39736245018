"""Start mjwatch from a fork server that has imported it: imports dominate the cost of a short run.

The fork server is that of the standard library. A forked daemon, command or simulator is like one from the
command line: its own process with its own arguments, environment, input, output and exit code. It renders the
gallery's page without another process.
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
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Protocol

PRELOADED = [
    *("mjwatch.cli.app", "mjwatch.cli.service", "mjwatch.daemon", "mjwatch.runtime"),
    *(
        "mjwatch.cli.show",
        "mjwatch.cli.status",
        "mjwatch.cli.steer",
        "mjwatch.cli.submit",
        "mjwatch.cli.tools",
    ),
    # What the first picture needs.
    "mjwatch.pictures.split",
    *(f"PIL.{name}ImagePlugin" for name in ("Bmp", "Gif", "Jpeg", "Ppm", "Png")),
    *("mjwatch.simulator.server", "tests.helpers.preloaded_page", __name__),
]

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
    """``python -W error -m MODULE ARGUMENT...``, with its output appended to a file, or to two."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        log: Path,
        env: dict[str, str],
        errors: Path | None = None,
        stdin: Path = Path(os.devnull),
    ) -> None:
        self._command = module, *arguments
        log.touch()
        streams = (stdin, log, errors or log)
        # As a daemonic process it ends with this process at the latest.
        self._process = _FORK_SERVER.Process(target=_run, args=(module, arguments, streams, env), daemon=True)
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


def run_forked(
    module: str, *arguments: str, env: dict[str, str], timeout: float, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the module with these arguments, and return its exit code and its output."""
    with tempfile.TemporaryDirectory() as folder:
        given, out, errors = (Path(folder, name) for name in ("in", "out", "errors"))
        given.write_text(stdin or "", encoding="utf-8")
        process = ForkedDaemon(module, *arguments, log=out, errors=errors, env=env, stdin=given)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, code, out.read_text("utf-8"), errors.read_text("utf-8"))


def _run(
    module: str, arguments: tuple[str, ...], streams: tuple[Path, Path, Path], env: dict[str, str]
) -> None:
    """Run the module as the main program of this process."""
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number, (path, mode) in enumerate(zip(streams, modes, strict=True)):
        opened = os.open(path, mode, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends
    os.environ.clear()
    os.environ.update(env)
    faulthandler.enable()
    warnings.simplefilter("error")
    sys.argv = ["mjwatch", *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
