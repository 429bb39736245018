"""mjwatch installed as a systemd service in its own machine, with the simulator on the loopback interface."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.scenarios.stage import HANG, environment, wait_until
from tests.scenarios.systemd_machine import Machine, booted

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

PROGRAM = "/opt/mjwatch/bin/mjwatch"
FOLDERS, CONFIG = "/srv/mjwatch", "/etc/mjwatch"
"""The folder of inbox and outbox and the folder of configuration and keys in the shipped unit."""

HOLD = "hold-renders"
"""While this file exists, the simulator's jobs don't end."""

_GET = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=60).read().decode())"


@dataclass
class InstalledService:
    """The machine with mjwatch. ``root``: the folder on the host that contains the folders of the machine."""

    machine: Machine
    root: Path
    address: str

    @property
    def simulator_workspace(self) -> Path:
        return self.root / "simulator"

    @property
    def inbox(self) -> Path:
        return self.root / f"{FOLDERS}/inbox".lstrip("/")

    @property
    def outbox(self) -> Path:
        return self.root / f"{FOLDERS}/outbox".lstrip("/")

    @property
    def config(self) -> Path:
        return self.root / f"{CONFIG}/config.toml".lstrip("/")

    @property
    def token(self) -> Path:
        return self.root / f"{CONFIG}/keys/authToken.key".lstrip("/")

    def configure(self, folder: Path, **paths: str) -> None:
        """Copy the configuration and keys of the simulator to a folder, with these paths in it."""
        (folder / "keys").mkdir(parents=True, mode=0o700)
        for key in (self.simulator_workspace / "keys").iterdir():
            shutil.copy(key, folder / "keys" / key.name)
        text = (self.simulator_workspace / "config.toml").read_text()
        for name, path in paths.items():
            text = text.replace(f'path = "{name}"', f'path = "{path}"')
        (folder / "config.toml").write_text(text)

    def drop(self, *prompts: str) -> None:
        for prompt in prompts:
            (self.inbox / f"{prompt.replace(' ', '-')}.txt").write_text(f"{prompt}\n")

    def done(self, outbox: Path | None = None) -> dict[str, Path]:
        """Return the folders of the jobs that are done, by prompt."""
        found = {}
        for path in (outbox or self.outbox).glob("*/manifest.json"):
            manifest = json.loads(path.read_text())
            if manifest["state"] == "done":
                found[manifest["prompt"]["submitted"]] = path.parent
        return found

    def wait_for(self, *prompts: str) -> None:
        """Wait until all these prompts have pictures."""
        wait_until(lambda: set(prompts) <= set(self.done()), f"pictures of {prompts}")

    def executed(self) -> dict[str, list[str]]:
        """Return the outcomes of all executions by prompt, as the simulator has recorded them."""
        address = f"http://{self.address}/_sim/state"
        command = self.machine.in_its_network(sys.executable, "-c", _GET, address)
        output = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=True).stdout
        outcomes: dict[str, list[str]] = {}
        for entry in json.loads(output)["interactions"]:
            outcomes.setdefault(entry["prompt"], []).append(entry["outcome"])
        return outcomes

    @contextmanager
    def in_flight(self, *prompts: str) -> Iterator[None]:
        """Drop these prompts, and wait until all are rendered; none ends before the end of the block."""
        hold = self.root / HOLD
        hold.touch()
        try:
            self.drop(*prompts)
            wanted = {prompt: ["running"] for prompt in prompts}
            wait_until(lambda: wanted.items() <= self.executed().items(), f"{prompts} in flight")
            yield
        finally:
            hold.unlink()


@contextmanager
def installed_service(root: Path, *paths: str) -> Iterator[InstalledService]:
    """Boot a machine with our wheel, the simulator and a configuration for it. No service runs yet.

    ``paths``: other folders of the machine that are also stored below ``root``.
    """
    with booted(root, FOLDERS, CONFIG, *paths) as machine:
        _install(machine, _wheel(root))
        with _simulator(machine, root / "simulator", root / HOLD) as address:
            service = InstalledService(machine, root, address)
            folders = {
                "inbox": f"{FOLDERS}/inbox",
                "outbox": f"{FOLDERS}/outbox",
                "state": "/var/lib/mjwatch",
            }
            service.configure(service.config.parent, **folders)
            yield service


def _wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def _install(machine: Machine, wheel: Path) -> None:
    """Install the wheel in its own environment, which a service may read, with the libraries of the tests."""
    version = f"python3.{sys.version_info.minor}"
    for source, target in (
        (sys.base_prefix, "/opt/python"),
        (sysconfig.get_path("purelib"), "/opt/libraries"),
    ):
        machine.run("mkdir", target)
        machine.run("mount", "--bind", source, target)
    # An interpreter that was built for another folder finds its shared library with this.
    machine.run("sh", "-c", "echo /opt/python/lib >/etc/ld.so.conf.d/mjwatch-test.conf; ldconfig")
    machine.run(f"/opt/python/bin/{version}", "-m", "venv", "--without-pip", "/opt/mjwatch")
    pip = (sys.executable, "-m", "pip", "--isolated", "--python", "/opt/mjwatch/bin/python")
    machine.run(*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    libraries = f"/opt/mjwatch/lib/{version}/site-packages/libraries.pth"
    machine.run("sh", "-c", f"echo /opt/libraries >{libraries}")


@contextmanager
def _simulator(machine: Machine, workspace: Path, hold: Path) -> Iterator[str]:
    """Start the simulator, and yield its address on the loopback interface of the machine."""
    options = ("--workspace", str(workspace), "--grid", "128", "--seconds-per-job", "1")
    python = (sys.executable, "-W", "error", "-m", "tests.scenarios.held_simulator", str(hold))
    command = machine.in_its_network(*python, "simulate", *options)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment(), cwd=ROOT
    ) as simulator:
        try:
            line = simulator.stdout.readline() if simulator.stdout else ""
            found = re.fullmatch(r"listening on (127\.0\.0\.1:\d+)", line.strip())
            assert found, line
            yield found[1]
        finally:
            simulator.send_signal(signal.SIGTERM)
            simulator.wait(timeout=HANG)
