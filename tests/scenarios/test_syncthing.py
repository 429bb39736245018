"""A machine that only syncs, by Syncthing: prompts go in there, and whole folders come out there."""

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

from tests.scenarios.other_host import is_refused, other_host
from tests.scenarios.stage import Stage, staged, wait_until
from tests.scenarios.syncthing_pair import Syncthing, pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = 20


@dataclass
class Machines:
    """The machine that works, and the far one that knows only two folders."""

    stage: Stage
    near: Syncthing
    far: Syncthing

    @property
    def inbox(self) -> Path:
        return self.far.folders["inbox"]

    @property
    def outbox(self) -> Path:
        return self.far.folders["outbox"]

    def waiting(self) -> list[Path]:
        """The prompt files that lie in the far inbox."""
        return sorted(self.inbox.glob("*.txt"))

    def whole(self) -> list[dict[str, Any]]:
        """The manifests in the far outbox of which all files have arrived."""
        return [m for m in map(whole_manifest, self.outbox.glob("**/manifest.json")) if m is not None]


def whole_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest, if every file that it names is there with its size and SHA-256."""
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
    with staged(folder / "w", "--seconds-per-job", "0.1") as stage:
        far = {name: folder / "far" / name for name in ("inbox", "outbox")}
        for path in far.values():
            path.mkdir(parents=True)
        (far["inbox"] / "clash.txt").write_text("a clash seen from afar\n")
        os.utime(far["inbox"] / "clash.txt", (1_700_000_000, 1_700_000_000))
        stage.drop("clash.txt", "a clash seen from nearby\n")
        with pair(folder / "syncthing", {"inbox": stage.inbox, "outbox": stage.outbox}, far) as (one, other):
            yield Machines(stage, one, other)


@pytest.mark.real
def test_a_remote_machine_drops_prompts_and_receives_complete_folders(tmp_path: Path) -> None:
    with synced(tmp_path) as machines:
        stage = machines.stage
        wait_until(lambda: list(stage.inbox.glob("clash.sync-conflict-*.txt")), "the conflict copy")
        daemon = stage.start_ready()
        prompts = {f"p{number}.txt": f"a far picture, number {number}" for number in range(FILES)}
        for name, prompt in prompts.items():
            (machines.inbox / name).write_text(f"{prompt}\n")
        prompts["clash.txt"] = "a clash seen from nearby"
        wait_until(lambda: len(machines.whole()) == len(prompts), "all folders, whole, at the far end")
        wait_until(lambda: len(machines.waiting()) == 1, "an empty inbox at the far end")
        submitted = {m["source"]["path"]: m["prompt"]["submitted"] for m in machines.whole()}
        assert submitted == prompts
        left = json.loads(stage.run("status", "--json").stdout)["left"]
        assert left
        assert ".sync-conflict-" in json.dumps(left)
        with other_host(tmp_path / "other", stage, machines.inbox) as there:
            is_refused(there, by=platform.node())
        comes_back_and_is_not_run_again(machines, daemon.pid)
        assert stage.stop(daemon) == 0, stage.log
        assert len(stage.state()["posts"]) == len(prompts) + 1
        stage.check_witness()


def comes_back_and_is_not_run_again(machines: Machines, daemon: int) -> None:
    """A file that was changed over there while it was taken here: Syncthing brings it back."""
    stage, ghost = machines.stage, machines.inbox / "ghost.txt"
    os.kill(daemon, signal.SIGSTOP)
    ghost.write_text("a ghost\n")
    wait_until(lambda: (stage.inbox / ghost.name).exists(), "the file has come here")
    machines.far.stop()
    os.kill(daemon, signal.SIGCONT)
    wait_until(lambda: not (stage.inbox / ghost.name).exists(), "it is taken")
    ghost.chmod(0o600)
    machines.far.start()
    wait_until(lambda: "ghost.txt was delivered again" in stage.log, "it has come again")
    wait_until(lambda: not ghost.exists(), "it is gone at the far end, too")
    wait_until(lambda: any(m["source"]["path"] == ghost.name for m in machines.whole()), "its folder")
