"""A sync tool that delivers the same files again and again: run once, and held where that can't be told."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.required_programs import program
from tests.scenarios.stage import HANG, Stage, staged, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

FILES = 5
LOOPS = 20


def rsync(source: Path, stage: Stage, option: str) -> None:
    command = [program("rsync"), option, f"{source}/", f"{stage.inbox}/"]
    subprocess.run(command, check=True, capture_output=True, timeout=HANG)


def make_source(folder: Path, kind: str) -> set[str]:
    folder.mkdir()
    names = {f"{kind}{number}.txt" for number in range(FILES)}
    for name in names:
        (folder / name).write_text(f"a picture of {name.removesuffix('.txt')}\n")
    return names


def inbox_is_empty(stage: Stage) -> bool:
    return not list(stage.inbox.glob("*.txt"))


def jobs_of(stage: Stage, names: set[str]) -> int:
    """How many jobs these files have become, over and done."""
    return sum(manifest["source"]["path"] in names for manifest in stage.manifests())


def test_redelivered_files_run_once_or_are_held(tmp_path: Path) -> None:
    with staged(tmp_path / "w", "--seconds-per-job", "0.1") as stage:
        daemon = stage.start_ready()
        same, anew = make_source(tmp_path / "same", "same"), make_source(tmp_path / "anew", "anew")
        for _ in range(LOOPS):
            rsync(tmp_path / "same", stage, "-a")
            wait_until(lambda: inbox_is_empty(stage), "all of it taken or removed")
        assert stage.log.count("was delivered again unchanged") == FILES * (LOOPS - 1)

        for _ in (1, 2):
            rsync(tmp_path / "anew", stage, "-r")
            wait_until(lambda: inbox_is_empty(stage), "all of it taken")
            time.sleep(2.1)  # two modification times that are nearer than that are the same delivery
        for _ in (3, 4):
            rsync(tmp_path / "anew", stage, "-r")
            wait_until(lambda: held(stage) == FILES, "they are held, and status tells so")
            time.sleep(2.1)
        assert {path.name for path in stage.inbox.glob("*.txt")} == anew

        assert stage.stop(daemon) == 0
        assert (jobs_of(stage, same), jobs_of(stage, anew)) == (FILES, FILES * 2)
        assert len(stage.state()["posts"]) == FILES * 3
        stage.check_witness()


def held(stage: Stage) -> int:
    left = json.loads(stage.run("status", "--json").stdout)["left"]
    counts = (left or {}).get("counts", {})
    return sum(count for why, count in counts.items() if "twice within an hour" in why)
