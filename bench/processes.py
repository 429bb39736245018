"""Starts the programs that are measured, and asks the system what they take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANG = 120.0
"""Seconds after which something that should have happened never will."""

PATIENCE = 10.0
"""Seconds that a program has to end by itself."""

_TICKS = os.sysconf("SC_CLK_TCK")


def wait_until(happened: Callable[[], Any], what: str, patience: float = HANG, pause: float = 0.02) -> Any:
    """Wait for a condition; what it gave."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := happened():
            return found
        time.sleep(pause)
    raise RuntimeError(f"never happened: {what}")


def environment() -> dict[str, str]:
    """The environment without settings of mjwatch, and with this machine reached directly."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MJWATCH_")}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


@contextmanager
def program(*command: str, log: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run it, and end it and all that it started with the block. Without a ``log`` its output can be read."""
    with ExitStack() as stack:
        output = subprocess.PIPE if log is None else stack.enter_context(log.open("a"))
        one = subprocess.Popen(
            command,
            stdout=output,
            stderr=None if log is None else output,
            text=True,
            env=environment(),
            start_new_session=True,
        )
        stack.callback(_end, one)
        yield one


def _end(one: subprocess.Popen[str]) -> None:
    """Ask its whole group to end, then end it; not even a second Ctrl-C leaves anything of it."""
    try:
        _signal_group(one, signal.SIGTERM)
        one.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal_group(one, signal.SIGKILL)
        one.wait()
        if one.stdout is not None:
            one.stdout.close()


def _signal_group(one: subprocess.Popen[str], what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(one.pid, what)


@contextmanager
def simulator(workspace: Path, *options: str, picture: Path | None = None) -> Iterator[tuple[str, int]]:
    """``mjwatch simulate`` with a workspace; its address and process id.

    With a ``picture`` it answers at once, and always with it.
    """
    module = ["mjwatch", "simulate"] if picture is None else ["bench.instant_simulator", str(picture)]
    command = [sys.executable, "-m", *module, "--workspace", str(workspace), *options]
    with program(*command) as one:
        line = one.stdout.readline() if one.stdout else ""
        if not line.startswith("listening on "):
            raise RuntimeError(f"the simulator does not start: {line!r}")
        yield line.split()[-1], one.pid


@contextmanager
def daemon(workspace: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``mjwatch run``, from the moment at which its gateway's session is up."""
    log = workspace / "mjwatch.log"
    log.touch()
    before = sessions(log)
    command = [sys.executable, "-m", "mjwatch", "--config", str(workspace / "config.toml"), "run", *arguments]
    with program(*command, log=log) as one:
        wait_until(
            lambda: sessions(log) > before or one.poll() is not None, "the gateway's READY", pause=0.005
        )
        if one.poll() is not None:
            raise RuntimeError(f"the daemon does not start: {log.read_text(encoding='utf-8')[-1000:]}")
        yield one


def sessions(log: Path) -> int:
    """How often a gateway's session has come up, as the daemon's log tells."""
    text = log.read_text(encoding="utf-8")
    return text.count("gateway: ready") + text.count("gateway: session resumed")


def set_in_config(workspace: Path, section: str, **settings: object) -> None:
    """Add settings to a section of the workspace's configuration."""
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


def witness(address: str) -> dict[str, Any]:
    """What the simulator saw."""
    with urllib.request.urlopen(f"http://{address}/_sim/state", timeout=60) as answer:
        return dict(json.load(answer))


def cpu_seconds(pid: int) -> float:
    """What a process has computed so far, in user and system mode, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mib(pid: int, what: str = "VmRSS") -> float:
    """Resident memory now (``VmRSS``) or at its peak (``VmHWM``)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"there is no {what}")


def drop(workspace: Path, name: str, text: str) -> float:
    """Put a prompt file into the inbox by a rename; the time just before it, in seconds since 1970."""
    aside = workspace / f"{name}.new"
    aside.write_text(text, encoding="utf-8")
    at = time.time()
    aside.rename(workspace / "inbox" / name)
    return at
