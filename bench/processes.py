"""Start the measured programs, and read their use of resources from the system."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANG = 120.0
"""Seconds after which a measurement stops waiting."""

STOP_TIMEOUT = 10.0
"""Seconds within which a program must end after SIGTERM."""

_TICKS = os.sysconf("SC_CLK_TCK")


def wait_until(happened: Callable[[], Any], what: str, timeout: float = HANG, pause: float = 0.02) -> Any:
    """Wait until the condition is true, and return its value."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if found := happened():
            return found
        time.sleep(pause)
    raise RuntimeError(f"never happened: {what}")


def environment() -> dict[str, str]:
    """Return the environment without settings of mjwatch, and without a proxy for loopback."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MJWATCH_")}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


@contextmanager
def program(*command: str, log: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the end of the block. Without a ``log`` its output is a pipe."""
    with ExitStack() as stack:
        output = subprocess.PIPE if log is None else stack.enter_context(log.open("a"))
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=None if log is None else output,
            text=True,
            env=environment(),
            start_new_session=True,
        )
        stack.callback(_end, process)
        yield process


def _end(process: subprocess.Popen[str]) -> None:
    """Send SIGTERM to the process group, then SIGKILL, even after a second Ctrl-C."""
    try:
        _signal_group(process, signal.SIGTERM)
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal_group(process, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _signal_group(process: subprocess.Popen[str], what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, what)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a program has used from its start to its end: CPU seconds, and peak memory in MiB."""

    cpu: float
    peak_mib: float


def usage_at_end(process: subprocess.Popen[str], timeout: float) -> Usage:
    """Wait for the end of a program and return what it has used; kill it if it takes longer (seconds)."""
    killer = threading.Timer(timeout, process.kill)
    killer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        killer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Usage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@contextmanager
def simulator(workspace: Path, *options: str, picture: Path | None = None) -> Iterator[tuple[str, int]]:
    """Start ``mjwatch simulate`` with a workspace, and yield its address and process id.

    With a ``picture`` it answers at once, always with this picture. Else its pictures are WebP, so that
    figures of different days can be compared.
    """
    module = (
        ["mjwatch", "simulate", "--format", "webp"]
        if picture is None
        else ["bench.instant_simulator", str(picture)]
    )
    command = [sys.executable, "-m", *module, "--workspace", str(workspace), *options]
    with program(*command) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("listening on "):
            raise RuntimeError(f"the simulator does not start: {line!r}")
        yield line.split()[-1], process.pid


@contextmanager
def daemon(workspace: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start ``mjwatch run``, and yield its process once its gateway session is ready."""
    log = workspace / "mjwatch.log"
    log.touch()
    before = sessions(log)
    command = [sys.executable, "-m", "mjwatch", "--config", str(workspace / "config.toml"), "run", *arguments]
    with program(*command, log=log) as process:
        wait_until(
            lambda: sessions(log) > before or process.poll() is not None, "the gateway's READY", pause=0.005
        )
        if process.poll() is not None:
            raise RuntimeError(f"the daemon does not start: {log.read_text(encoding='utf-8')[-1000:]}")
        yield process


def sessions(log: Path) -> int:
    """Return how many times a gateway session became ready, according to the log of the daemon."""
    text = log.read_text(encoding="utf-8")
    return text.count("gateway: ready") + text.count("gateway: session resumed")


def set_in_config(workspace: Path, section: str, **settings: object) -> None:
    """Add settings to a section of the configuration."""
    path = workspace / "config.toml"
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.split("=")[0].strip() not in settings
    ]
    if f"[{section}]" not in lines:
        lines.append(f"[{section}]")
    at = lines.index(f"[{section}]") + 1
    lines[at:at] = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def simulator_state(address: str) -> dict[str, Any]:
    """Return what the simulator has recorded."""
    with urllib.request.urlopen(f"http://{address}/_sim/state", timeout=60) as answer:
        return dict(json.load(answer))


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process so far, in user and system mode, of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mib(pid: int, what: str = "VmRSS") -> float:
    """Return the resident memory now (``VmRSS``) or at its peak (``VmHWM``) in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"there is no {what}")


def drop(workspace: Path, name: str, text: str) -> float:
    """Rename a prompt file into the inbox; return the time just before it, in seconds since 1970."""
    aside = workspace / f"{name}.new"
    aside.write_text(text, encoding="utf-8")
    at = time.time()
    aside.rename(workspace / "inbox" / name)
    return at
