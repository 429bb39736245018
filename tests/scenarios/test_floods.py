"""Many prompt files at once: all are taken, none twice, and memory use stays small."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.scenarios.stage import HANG, Stage, environment, open_stage, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long]

BURST = 10_000
FLOOD = 20_000
"""Five times as many as the inotify queue of the kernel can hold."""

MOST_MEMORY_KIB = 120 * 1024


def start(stage: Stage) -> subprocess.Popen[str]:
    """Start the daemon as users run it: the checks of Python's development mode use more memory."""
    with (stage.folder / "mjwatch.log").open("a") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "mjwatch", "--config", str(stage.config), "run"],
            stdout=log,
            stderr=log,
            text=True,
            env=environment(),
        )
    stage.daemons.append(daemon)
    wait_until(lambda: "gateway: ready" in stage.log, "the gateway's READY")
    return daemon


def drop_many(stage: Stage, name: str, count: int) -> set[str]:
    """Drop this many prompt files, and return their paths."""
    folder = stage.inbox / name
    folder.mkdir()
    for number in range(count):
        (folder / f"p{number}.txt").write_text(f"a picture of {name} number {number}\n")
    return {f"{name}/p{number}.txt" for number in range(count)}


def queued(stage: Stage) -> list[str]:
    """Return the paths of the prompt files of all queued jobs."""
    with closing(sqlite3.connect(f"file:{stage.folder}/state/journal.sqlite3?mode=ro", uri=True)) as journal:
        rows = journal.execute(
            "SELECT files.path FROM jobs JOIN files ON files.id = jobs.file WHERE state='queued'"
        )
        return [path for (path,) in rows]


def peak_memory(pid: int) -> int:
    """Return the peak memory of the process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def wait_until_all_taken(stage: Stage, dropped: set[str]) -> None:
    wait_until(lambda: not list((stage.inbox).glob("*/*.txt")), "an empty inbox", HANG * 4)
    found = queued(stage)
    assert len(found) == len(dropped)
    assert set(found) == dropped
    assert "Traceback" not in stage.log


def test_a_flood_of_files_is_taken_completely_and_no_file_twice(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w") as stage:
        daemon = start(stage)
        assert stage.run("pause").returncode == 0
        dropped = drop_many(stage, "burst", BURST)
        wait_until_all_taken(stage, dropped)
        os.kill(daemon.pid, signal.SIGSTOP)
        dropped |= drop_many(stage, "flood", FLOOD)
        os.kill(daemon.pid, signal.SIGCONT)
        wait_until_all_taken(stage, dropped)
        assert peak_memory(daemon.pid) < MOST_MEMORY_KIB  # this includes the burst
        assert stage.stop(daemon) == 0
        assert stage.simulator_state()["posts"] == []
