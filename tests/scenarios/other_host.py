"""Another host on this machine: a process that sees another name and another machine id. Needs root."""

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
_BECOME = f"""
hostname "$1" && {{ [ ! -e {MACHINE_ID} ] || mount --bind "$2" {MACHINE_ID}; }} && shift 2 && exec "$@"
"""


@dataclass
class OtherHost(Stage):
    """A workspace of its own at the same simulator, with an inbox that another host has, too."""

    name: str = "faraway"

    def start(self, *arguments: str) -> Daemon:
        """The daemon over there, in the background."""
        machine_id = self.folder / "machine-id"
        machine_id.write_text(f"{self.name.encode().hex():0<32}\n")
        become = [program("unshare"), "--mount", "--uts", program("sh"), "-c", _BECOME, "sh"]
        command = [*become, self.name, str(machine_id), *MJWATCH, "--config", str(self.config), "run"]
        with (self.folder / "mjwatch.log").open("a") as log:
            daemon = subprocess.Popen(
                [*command, *arguments], stdout=log, stderr=log, text=True, env=environment()
            )
        self.daemons.append(daemon)
        return daemon


def is_refused(stage: Stage, by: str) -> None:
    """The daemon does not start there, and says whose the inbox is."""
    assert stage.start().wait(timeout=HANG) == 3
    told = stage.log.splitlines()[-1]
    assert f'belongs to mjwatch on "{by}"' in told
    assert "mjwatch run --take-over" in told


@contextmanager
def other_host(folder: Path, stage: Stage, inbox: Path) -> Iterator[OtherHost]:
    """For as long as the block lasts; ``inbox`` is where it sees the inbox of the ``stage``."""
    other = OtherHost(folder, stage.address)
    (other.folder / "keys").mkdir(parents=True)
    for key in (stage.folder / "keys").iterdir():
        (other.folder / "keys" / key.name).write_bytes(key.read_bytes())
        (other.folder / "keys" / key.name).chmod(0o600)
    # One machine lets only one process send to one address; this is the same simulator by another name.
    text = stage.config.read_text()
    other.config.write_text(text.replace("http://127.0.0.1:", "http://localhost:"))
    other.set("inbox", path=str(inbox))
    try:
        yield other
    finally:
        for daemon in other.daemons:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait(timeout=HANG)
