"""A sync tool that delivers the same files repeatedly: they run once, and are held in unclear cases."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.required_programs import program
from tests.scenarios.stage import HANG, Stage, open_stage, wait_until

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
    """Return how many finished jobs these files have."""
    return sum(manifest["source"]["path"] in names for manifest in stage.manifests())


def test_redelivered_files_run_once_or_are_held(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.1") as stage:
        daemon = stage.start_ready()
        same, newer = make_source(tmp_path / "same", "same"), make_source(tmp_path / "newer", "newer")
        for _ in range(LOOPS):
            rsync(tmp_path / "same", stage, "-a")
            wait_until(lambda: inbox_is_empty(stage), "an empty inbox")
        repeated = FILES * (LOOPS - 1)
        wait_until(lambda: stage.log.count("was delivered again unchanged") >= repeated, "the last log entry")
        assert stage.log.count("was delivered again unchanged") == repeated

        for _ in (1, 2):
            rsync(tmp_path / "newer", stage, "-r")
            wait_until(lambda: inbox_is_empty(stage), "an empty inbox")
            time.sleep(2.1)  # closer modification times count as the same delivery
        for _ in (3, 4):
            rsync(tmp_path / "newer", stage, "-r")
            wait_until(lambda: held(stage) == FILES, "held files in status")
            time.sleep(2.1)
        assert {path.name for path in stage.inbox.glob("*.txt")} == newer

        wait_until(lambda: len(stage.manifests()) >= FILES * 3, "all folders")
        assert stage.stop(daemon) == 0
        assert (jobs_of(stage, same), jobs_of(stage, newer)) == (FILES, FILES * 2)
        assert len(stage.simulator_state()["posts"]) == FILES * 3
        stage.check_simulator_record()


def held(stage: Stage) -> int:
    left = json.loads(stage.run("status", "--json").stdout)["left"]
    counts = (left or {}).get("counts", {})
    return sum(count for why, count in counts.items() if "twice within an hour" in why)
