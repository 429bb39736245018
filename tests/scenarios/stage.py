"""The stage for scenarios: a simulator and mjwatch as real processes, and the witness's account of both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mjwatch.inbox.filenames import OWNER_FILE
from tests.helpers.daemons import Daemon, ForkedDaemon
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HANG = deadline(60.0)
"""Seconds after which something that should have happened never will."""

MJWATCH = [sys.executable, "-W", "error", "-m", "mjwatch"]
"""Without Python's development mode, which takes a quarter more CPU: the fault matrix and the simulator's
tests use it."""


def wait_until(happened: Callable[[], Any], what: str, patience: float = HANG) -> Any:
    """Wait for a condition; it fails the test if it hangs."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = happened()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never happened: {what}")


@dataclass
class Stage:
    """One workspace with its simulator."""

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
        """A CLI verb, to its end."""
        command = [*MJWATCH, "--config", str(self.config), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=HANG, input=stdin, check=False, env=environment()
        )

    def start(self, *arguments: str) -> Daemon:
        """The daemon, in the background; ended with the stage."""
        return self.fork("mjwatch", "run", *arguments)

    def fork(self, module: str, *arguments: str) -> Daemon:
        """The program with this module at its top, in the background; ended with the stage."""
        log, config = self.folder / "mjwatch.log", ("--config", str(self.config))
        daemon = ForkedDaemon(module, *config, *arguments, log=log, env=environment())
        self.daemons.append(daemon)
        return daemon

    def start_ready(self) -> Daemon:
        """The daemon, once its gateway session is up, a new one or the one before."""
        before = self._sessions()
        daemon = self.start()
        wait_until(
            lambda: self._sessions() > before or daemon.poll() is not None, "the gateway's READY or RESUMED"
        )
        assert daemon.poll() is None, f"the daemon has ended at once: {self.log[-2000:]}"
        return daemon

    def _sessions(self) -> int:
        log = self.log if (self.folder / "mjwatch.log").exists() else ""
        return log.count("gateway: ready") + log.count("gateway: session resumed")

    def stop(self, daemon: Daemon, number: int = signal.SIGTERM) -> int:
        daemon.send_signal(number)
        return daemon.wait(timeout=HANG)

    def drain(self) -> None:
        """Do all that is in the inbox, then end."""
        try:
            code = self.start("--drain").wait(timeout=HANG * 2)
        except subprocess.TimeoutExpired:
            self.check_witness()  # may say why
            raise AssertionError(f"the drain does not end\n{self.log}") from None
        assert code == 0, self.log

    def drop(self, name: str, text: str) -> None:
        """A prompt file that arrives whole."""
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def set(self, section: str, **settings: object) -> None:
        """Change the configuration that the simulator wrote."""
        lines = self.config.read_text().splitlines()
        at = lines.index(f"[{section}]")
        for key, value in settings.items():
            own = [n for n, line in enumerate(lines) if n > at and line.split("=")[0].strip() == key]
            if own:
                del lines[own[0]]
            lines.insert(at + 1, f"{key} = {json.dumps(value)}")
        self.config.write_text("\n".join(lines) + "\n")

    def left(self) -> list[str]:
        """What lies in the inbox, but for its owner's marker, and in the staging place."""
        places = [place for place in (self.inbox, self.folder / "state" / "staging") if place.exists()]
        return [path.name for place in places for path in place.iterdir() if path.name != OWNER_FILE]

    def state(self) -> dict[str, Any]:
        """What the simulator saw: the witness."""
        with urllib.request.urlopen(f"http://{self.address}/_sim/state", timeout=HANG) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def fault(self, **wish: object) -> None:
        request = urllib.request.Request(
            f"http://{self.address}/_sim/faults",
            data=json.dumps(wish).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=HANG) as answer:
            assert answer.status in {200, 204}

    def manifests(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.outbox.glob("**/manifest.json"))]

    def folders(self) -> dict[str, Path]:
        """The job's folders, by job id."""
        return {
            json.loads(path.read_text())["job"]: path.parent
            for path in sorted(self.outbox.glob("**/manifest.json"))
        }

    def check_witness(self) -> None:
        """Nothing was executed twice, every picture is its own job's, and the token went to no CDN."""
        executed = {str(entry["nonce"]): entry for entry in self.state()["interactions"]}
        done = [manifest for manifest in self.manifests() if manifest["state"] == "done"]
        uuids = [manifest["discord"]["job_uuid"] for manifest in done]
        assert len(set(uuids)) == len(uuids), "two folders have the same pictures"
        for manifest in done:
            own = executed[manifest["discord"]["nonce"]]["job_uuid"]
            assert own == manifest["discord"]["job_uuid"], f"{manifest['job']} has another job's pictures"
        assert len(executed) == len(self.state()["interactions"]), "one nonce was executed twice"
        assert self.state().get("cdn_with_authorization", 0) == 0, "the CDN was sent the token"


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "PYTHONFAULTHANDLER": "1"}


@contextmanager
def staged(folder: Path, *options: str) -> Iterator[Stage]:
    """A simulator with a workspace, for as long as the block lasts; its processes end with it."""
    command = [*MJWATCH, "simulate", "--workspace", str(folder), "--grid", "128", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as simulator:
        stage: Stage | None = None
        try:
            line = simulator.stdout.readline() if simulator.stdout else ""
            assert line.startswith("listening on 127.0.0.1:"), line
            stage = Stage(folder, line.split()[-1])
            yield stage
        finally:
            for daemon in () if stage is None else stage.daemons:
                if daemon.poll() is None:
                    daemon.kill()
                    daemon.wait(timeout=HANG)
            simulator.send_signal(signal.SIGTERM)
            assert simulator.wait(timeout=HANG) == 0
