"""Another host on this machine: a process that sees a different host name and machine id. Needs root."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.scenarios.required_programs import program
from tests.scenarios.stage import HANG, MJWATCH, Stage, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.daemons import Daemon

MACHINE_ID = "/etc/machine-id"
_RUN_AS_OTHER_HOST = f"""
hostname "$1" && {{ [ ! -e {MACHINE_ID} ] || mount --bind "$2" {MACHINE_ID}; }} && shift 2 && exec "$@"
"""


@dataclass
class OtherHost(Stage):
    """A stage at the same simulator with its own workspace, but with an inbox that another host also uses."""

    name: str = "remote"

    def start(self, *arguments: str) -> Daemon:
        """Start the daemon of the other host in the background."""
        machine_id = self.folder / "machine-id"
        machine_id.write_text(f"{self.name.encode().hex():0<32}\n")
        as_other_host = [
            program("unshare"),
            "--mount",
            "--uts",
            program("sh"),
            "-c",
            _RUN_AS_OTHER_HOST,
            "sh",
        ]
        command = [*as_other_host, self.name, str(machine_id), *MJWATCH, "--config", str(self.config), "run"]
        with (self.folder / "mjwatch.log").open("a") as log:
            daemon = subprocess.Popen(
                [*command, *arguments], stdout=log, stderr=log, text=True, env=environment()
            )
        self.daemons.append(daemon)
        return daemon


def check_refused(stage: Stage, by: str) -> None:
    """Check that the daemon does not start, and reports the owner of the inbox."""
    assert stage.start().wait(timeout=HANG) == 3
    message = stage.log.splitlines()[-1]
    assert f'belongs to mjwatch on "{by}"' in message
    assert "run --take-over`" in message


@contextmanager
def other_host(folder: Path, stage: Stage, inbox: Path) -> Iterator[OtherHost]:
    """Open the stage of another host until the end of the block. ``inbox``: its path of the shared inbox."""
    other = OtherHost(folder, stage.address)
    (other.folder / "keys").mkdir(parents=True)
    for key in (stage.folder / "keys").iterdir():
        (other.folder / "keys" / key.name).write_bytes(key.read_bytes())
        (other.folder / "keys" / key.name).chmod(0o600)
    # On one machine only one process may send to an address, so this host uses another name of the simulator.
    text = stage.config.read_text()
    other.config.write_text(text.replace("http://127.0.0.1:", "http://localhost:"))
    other.set_config("inbox", path=str(inbox))
    try:
        yield other
    finally:
        for daemon in other.daemons:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait(timeout=HANG)
