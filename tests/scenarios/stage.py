"""The test stage of scenarios: a workspace with a simulator and mjwatch as real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mjwatch.inbox.filenames import OWNER_FILE
from tests.helpers.daemons import Daemon, ForkedDaemon, run_forked
from tests.helpers.published import manifest_paths
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHORT_LIMITS_MODULE = "tests.scenarios.short_limits"
HANG = deadline(60.0)
"""Seconds after which a test stops waiting: what has not happened by then will not happen."""

LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)\n")
MJWATCH = [sys.executable, "-W", "error", "-m", "mjwatch"]
"""Not in Python's development mode, which takes a quarter more CPU. The fault matrix and the simulator's
tests use that mode."""


def wait_until(happened: Callable[[], Any], what: str, timeout: float = HANG) -> Any:
    """Wait until the condition is true, and return its value; fail the test after the timeout."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = happened()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never happened: {what}")


@dataclass
class Stage:
    """A workspace, its simulator, and the daemons that the test has started in it."""

    folder: Path
    address: str
    daemons: list[Daemon] = field(default_factory=list)

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def log(self) -> str:
        return (self.folder / "mjwatch.log").read_text()

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a CLI command, and return its result."""
        command = ("--config", str(self.config), *arguments)
        return run_forked("mjwatch", *command, env=environment(), timeout=HANG, stdin=stdin)

    def start(self, *arguments: str) -> Daemon:
        """Start the daemon in the background. It is stopped when the stage is closed."""
        return self.fork("mjwatch", "run", *arguments)

    def fork(self, module: str, *arguments: str) -> Daemon:
        """Start this module as the main program in the background. It is stopped when the stage is closed."""
        log, config = self.folder / "mjwatch.log", ("--config", str(self.config))
        daemon = ForkedDaemon(module, *config, *arguments, log=log, env=environment())
        self.daemons.append(daemon)
        return daemon

    def start_ready(self) -> Daemon:
        """Start the daemon, and wait until its gateway session, new or resumed, is ready."""
        before = self._sessions()
        daemon = self.start()
        wait_until(
            lambda: self._sessions() > before or daemon.poll() is not None, "the gateway's READY or RESUMED"
        )
        assert daemon.poll() is None, f"the daemon ended at once: {self.log[-2000:]}"
        return daemon

    def _sessions(self) -> int:
        log = self.log if (self.folder / "mjwatch.log").exists() else ""
        return log.count("gateway: ready") + log.count("gateway: session resumed")

    def stop(self, daemon: Daemon, sig: int = signal.SIGTERM) -> int:
        daemon.send_signal(sig)
        return daemon.wait(timeout=HANG)

    def drain(self) -> None:
        """Process everything in the inbox, and wait for the end of the daemon."""
        try:
            code = self.start("--drain").wait(timeout=HANG * 2)
        except subprocess.TimeoutExpired:
            self.check_simulator_record()  # its failure may show the reason
            raise AssertionError(f"the drain does not end\n{self.log}") from None
        assert code == 0, self.log

    def drop(self, name: str, text: str) -> None:
        """Put a complete prompt file into the inbox."""
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def set_config(self, section: str, **settings: object) -> None:
        """Change the configuration that the simulator wrote."""
        lines = self.config.read_text().splitlines()
        at = lines.index(f"[{section}]")
        for key, value in settings.items():
            existing = [n for n, line in enumerate(lines) if n > at and line.split("=")[0].strip() == key]
            if existing:
                del lines[existing[0]]
            lines.insert(at + 1, f"{key} = {json.dumps(value)}")
        self.config.write_text("\n".join(lines) + "\n")

    def leftovers(self) -> list[str]:
        """Return the names of what is in the inbox, except for its owner file, and in the staging folder."""
        folders = [folder for folder in (self.inbox, self.folder / "state" / "staging") if folder.exists()]
        return [path.name for folder in folders for path in folder.iterdir() if path.name != OWNER_FILE]

    def simulator_state(self) -> dict[str, Any]:
        """Return what the simulator has recorded."""
        with urllib.request.urlopen(f"http://{self.address}/_sim/state", timeout=HANG) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def arm_fault(self, **fault: object) -> None:
        """Arm a fault in the simulator."""
        request = urllib.request.Request(
            f"http://{self.address}/_sim/faults",
            data=json.dumps(fault).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=HANG) as answer:
            assert answer.status in {200, 204}

    def add_past(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Put finished jobs of the past into the channel, and return what the simulator has made of them."""
        request = urllib.request.Request(
            f"http://{self.address}/_sim/past",
            data=json.dumps(jobs).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=HANG) as answer:
            made: list[dict[str, Any]] = json.load(answer)
            return made

    def manifests(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in manifest_paths(self.outbox)]

    def folders(self) -> dict[str, Path]:
        """Return the folders of the jobs by job id."""
        return {json.loads(path.read_text())["job"]: path.parent for path in manifest_paths(self.outbox)}

    def check_simulator_record(self) -> None:
        """Check that nothing ran twice, all pictures belong to their job, and no CDN got the token."""
        executed = {str(entry["nonce"]): entry for entry in self.simulator_state()["interactions"]}
        done = [manifest for manifest in self.manifests() if manifest["state"] == "done"]
        uuids = [uuid for manifest in done if (uuid := manifest["discord"]["job_uuid"])]
        assert len(set(uuids)) == len(uuids), "two folders have the same pictures"
        for manifest in done:
            own = executed[manifest["discord"]["nonce"]]["job_uuid"]
            assert own == manifest["discord"]["job_uuid"], f"{manifest['job']} has another job's pictures"
        assert len(executed) == len(self.simulator_state()["interactions"]), "one nonce was executed twice"
        assert self.simulator_state().get("cdn_with_authorization", 0) == 0, "the CDN was sent the token"


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "PYTHONFAULTHANDLER": "1"}


@contextmanager
def open_stage(folder: Path, *options: str) -> Iterator[Stage]:
    """Start a simulator with a workspace. At the end of the block all its processes are stopped."""
    log = folder.with_name(f"{folder.name}-simulator.log")
    command = ("simulate", "--workspace", str(folder), "--grid", "128", *options)
    simulator = ForkedDaemon("mjwatch", *command, log=log, env=environment())
    stage: Stage | None = None
    try:
        line = wait_until(
            lambda: LISTENING.search(log.read_text()) or simulator.poll() is not None, "a simulator"
        )
        assert simulator.poll() is None, log.read_text()
        stage = Stage(folder, line[1])
        yield stage
    finally:
        for daemon in () if stage is None else stage.daemons:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait(timeout=HANG)
        simulator.send_signal(signal.SIGTERM)
        code = simulator.wait(timeout=HANG)
        assert code == 0, log.read_text()
