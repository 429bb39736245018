"""A machine with a real systemd as its first process, made of namespaces; it takes root's rights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.scenarios.stage import HANG, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).with_name("systemd_machine.sh")
SYSTEMD = Path("/usr/lib/systemd/systemd")
PROGRAMS = (
    *("systemctl", "journalctl", "systemd-sysusers", "systemd-analyze"),
    *("unshare", "nsenter", "setpriv", "mount", "useradd", "ldconfig"),
)

_ALL = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
_REMOVE = 'mount -t cgroup2 cgroup /sys/fs/cgroup; find "/sys/fs/cgroup/$0" -depth -type d -exec rmdir {} +'


@dataclass
class Machine:
    """One that is up. ``pid`` is its first process, as the host numbers it."""

    pid: int

    def run(
        self, *command: str, check: bool = True, patience: float = HANG
    ) -> subprocess.CompletedProcess[str]:
        """A command in it, as root, to its end, which comes within so many seconds."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", *_ALL, *command],
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TMPDIR": "/run"},
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def in_its_network(self, *command: str) -> list[str]:
        """A command of the host's that meets the machine's loopback instead of the host's."""
        return ["nsenter", f"--target={self.pid}", "--net", *command]

    def show(self, unit: str, *properties: str) -> list[str]:
        """What systemd knows of a unit: the values of these properties."""
        lines = self.run("systemctl", "show", unit, f"--property={','.join(properties)}").stdout.splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return [found[name] for name in properties]

    def journal(self, unit: str) -> list[dict[str, Any]]:
        """What the unit has logged since the machine is up."""
        said = self.run("journalctl", f"--unit={unit}", "--output=json", "--all", "--no-pager").stdout
        return [json.loads(line) for line in said.splitlines()]


def require_parts() -> None:
    """Fail, and say what is missing."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    missing += [] if SYSTEMD.exists() else [str(SYSTEMD)]
    if missing:
        pytest.fail(
            f"missing: {', '.join(missing)}; they are in the packages systemd, util-linux, mount and passwd",
            False,
        )
    if os.geteuid() != 0:
        pytest.fail("namespaces with a systemd in them take root's rights", pytrace=False)


@contextmanager
def booted(folder: Path, *places: str) -> Iterator[Machine]:
    """A machine, for as long as the block lasts. Each of ``places`` is a folder of its below ``folder``."""
    require_parts()
    for place in places:
        (folder / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
    cgroup = f"mjwatch-test-{os.getpid()}"
    log = folder / "boot.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["unshare", "--mount", str(SCRIPT), cgroup, str(folder), *places], stdout=output, stderr=output
        )
    try:
        yield _up(process, log)
    finally:
        process.kill()  # its child, which is the machine's first process, goes with it
        process.wait(timeout=HANG)
        wait_until(lambda: _is_removed(cgroup), "the end of the machine's processes")


def _up(process: subprocess.Popen[bytes], log: Path) -> Machine:
    def first_process() -> Machine | None:
        if process.poll() is not None:
            pytest.fail(f"no machine can be made here: {log.read_text()}", pytrace=False)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
            return None
        machine = Machine(int(children[0]))
        return machine if _is_running(machine) else None

    found: Machine = wait_until(first_process, f"the machine is up; {log}")
    return found


def _is_running(machine: Machine) -> bool:
    return machine.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"


def _is_removed(cgroup: str) -> bool:
    command = ["unshare", "--mount", "sh", "-c", _REMOVE, cgroup]
    return subprocess.run(command, capture_output=True, timeout=HANG, check=False).returncode == 0
