"""A remote machine connected only by Syncthing: it drops prompts and receives complete folders."""

from __future__ import annotations

import json
import os
import platform
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.published import manifest_paths
from tests.scenarios.other_host import check_refused, other_host
from tests.scenarios.stage import Stage, open_stage, wait_until
from tests.scenarios.syncthing_pair import Syncthing, syncthing_pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = 20


@dataclass
class Machines:
    """The machine that runs mjwatch, and the remote machine with only the two shared folders."""

    stage: Stage
    local: Syncthing
    remote: Syncthing

    @property
    def inbox(self) -> Path:
        return self.remote.folders["inbox"]

    @property
    def outbox(self) -> Path:
        return self.remote.folders["outbox"]

    def waiting(self) -> list[Path]:
        """Return the prompt files in the remote inbox."""
        return sorted(self.inbox.glob("*.txt"))

    def complete(self) -> list[dict[str, Any]]:
        """Return the manifests in the remote outbox of which all files have arrived."""
        return [m for m in map(complete_manifest, manifest_paths(self.outbox)) if m is not None]


def complete_manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest if every listed file exists with its size and SHA-256."""
    manifest: dict[str, Any] = json.loads(path.read_text())
    for entry in (*manifest["images"], *manifest["files"], *filter(None, [manifest["grid"]])):
        try:
            data = (path.parent / entry["file"]).read_bytes()
        except FileNotFoundError:
            return None
        if (len(data), sha256(data).hexdigest()) != (entry["bytes"], entry["sha256"]):
            return None
    return manifest


@contextmanager
def synced(folder: Path) -> Iterator[Machines]:
    with open_stage(folder / "w", "--seconds-per-job", "0.1") as stage:
        remote = {name: folder / "remote" / name for name in ("inbox", "outbox")}
        for path in remote.values():
            path.mkdir(parents=True)
        (remote["inbox"] / "clash.txt").write_text("a conflicting file from the remote machine\n")
        os.utime(remote["inbox"] / "clash.txt", (1_700_000_000, 1_700_000_000))
        stage.drop("clash.txt", "a conflicting file from the local machine\n")
        with syncthing_pair(folder / "syncthing", {"inbox": stage.inbox, "outbox": stage.outbox}, remote) as (
            local,
            remote_instance,
        ):
            yield Machines(stage, local, remote_instance)


@pytest.mark.real
def test_a_remote_machine_drops_prompts_and_receives_complete_folders(tmp_path: Path) -> None:
    with synced(tmp_path) as machines:
        stage = machines.stage
        wait_until(lambda: list(stage.inbox.glob("clash.sync-conflict-*.txt")), "the conflict copy")
        daemon = stage.start_ready()
        prompts = {f"p{number}.txt": f"a remote picture, number {number}" for number in range(FILES)}
        for name, prompt in prompts.items():
            (machines.inbox / name).write_text(f"{prompt}\n")
        prompts["clash.txt"] = "a conflicting file from the local machine"
        wait_until(
            lambda: len(machines.complete()) == len(prompts), "all folders, complete, on the remote machine"
        )
        wait_until(lambda: len(machines.waiting()) == 1, "an empty inbox on the remote machine")
        submitted = {m["source"]["path"]: m["prompt"]["submitted"] for m in machines.complete()}
        assert submitted == prompts
        left = json.loads(stage.run("status", "--json").stdout)["left"]
        assert left
        assert ".sync-conflict-" in json.dumps(left)
        with other_host(tmp_path / "remote_instance", stage, machines.inbox) as remote_host:
            check_refused(remote_host, by=platform.node())
        check_restored_file_does_not_run_again(machines, daemon.pid)
        assert stage.stop(daemon) == 0, stage.log
        assert len(stage.simulator_state()["posts"]) == len(prompts) + 1
        stage.check_simulator_record()


def check_restored_file_does_not_run_again(machines: Machines, daemon: int) -> None:
    """Change a file on the remote machine while it is taken here: Syncthing restores it here."""
    stage, file = machines.stage, machines.inbox / "ghost.txt"
    os.kill(daemon, signal.SIGSTOP)
    file.write_text("a ghost\n")
    wait_until(lambda: (stage.inbox / file.name).exists(), "the arrival of the file")
    machines.remote.stop()
    os.kill(daemon, signal.SIGCONT)
    wait_until(lambda: not (stage.inbox / file.name).exists(), "the removal of the taken file")
    file.chmod(0o600)
    machines.remote.start()
    wait_until(lambda: "ghost.txt was delivered again" in stage.log, "the restored file")
    wait_until(lambda: not file.exists(), "the removal on the remote machine")
    wait_until(lambda: any(m["source"]["path"] == file.name for m in machines.complete()), "its folder")
