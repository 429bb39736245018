"""A machine made of namespaces, with a real systemd as its first process. Needs root."""

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
    """A booted machine. ``pid`` is the process id of its first process on the host."""

    pid: int

    def run(
        self, *command: str, check: bool = True, timeout: float = HANG
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine as root, and return its result."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", *_ALL, *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TMPDIR": "/run"},
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def in_its_network(self, *command: str) -> list[str]:
        """Return a command that runs on the host, but with the loopback interface of the machine."""
        return ["nsenter", f"--target={self.pid}", "--net", *command]

    def show(self, unit: str, *properties: str) -> list[str]:
        """Return the values of these properties of a unit."""
        lines = self.run("systemctl", "show", unit, f"--property={','.join(properties)}").stdout.splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return [found[name] for name in properties]

    def journal(self, unit: str) -> list[dict[str, Any]]:
        """Return the journal entries of the unit since the boot."""
        output = self.run("journalctl", f"--unit={unit}", "--output=json", "--all", "--no-pager").stdout
        return [json.loads(line) for line in output.splitlines()]


def require_programs() -> None:
    """Fail the test with a message if anything is missing."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    missing += [] if SYSTEMD.exists() else [str(SYSTEMD)]
    if missing:
        pytest.fail(
            f"missing: {', '.join(missing)}; they are in the packages systemd, util-linux, mount and passwd",
            False,
        )
    if os.geteuid() != 0:
        pytest.fail("booting systemd in namespaces needs root", pytrace=False)


@contextmanager
def booted(folder: Path, *paths: str) -> Iterator[Machine]:
    """Boot a machine until the end of the block. Its folders at ``paths`` are stored below ``folder``."""
    require_programs()
    for path in paths:
        (folder / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    cgroup = f"mjwatch-test-{os.getpid()}"
    log = folder / "boot.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["unshare", "--mount", str(SCRIPT), cgroup, str(folder), *paths], stdout=output, stderr=output
        )
    try:
        yield _wait_for_boot(process, log)
    finally:
        process.kill()  # this also kills its child, the first process of the machine
        process.wait(timeout=HANG)
        wait_until(lambda: _is_removed(cgroup), "the end of the machine's processes")


def _wait_for_boot(process: subprocess.Popen[bytes], log: Path) -> Machine:
    def first_process() -> Machine | None:
        if process.poll() is not None:
            pytest.fail(f"the machine does not boot: {log.read_text()}", pytrace=False)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
            return None
        machine = Machine(int(children[0]))
        return machine if _is_running(machine) else None

    found: Machine = wait_until(first_process, f"the boot of the machine; {log}")
    return found


def _is_running(machine: Machine) -> bool:
    return machine.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"


def _is_removed(cgroup: str) -> bool:
    command = ["unshare", "--mount", "sh", "-c", _REMOVE, cgroup]
    return subprocess.run(command, capture_output=True, timeout=HANG, check=False).returncode == 0
