"""An inbox that keeps taken files: they do not run again after a restart, a cleanup or a lost journal."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mjwatch.jobs.intake import COPY_PATIENCE
from mjwatch.journal.maintenance import LEAST_AGE, prune
from mjwatch.journal.reader import JOURNAL_FILE
from tests.scenarios.stage import HANG, Stage, open_stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.daemons import Daemon

FILES = 5

_numbers = itertools.count(1)


def posts(stage: Stage) -> int:
    return len(stage.simulator_state()["posts"])


def check_only_new_file_runs(stage: Stage, name: str | None = None) -> None:
    """Drop a file, wait for its folder, and check that nothing else was sent meanwhile."""
    before = posts(stage)
    name = name or f"new{next(_numbers)}.txt"
    prompt = f"a picture of {name.removesuffix('.txt')}"
    stage.drop(name, f"{prompt}\n")
    wait_until(lambda: is_done(stage, prompt), f"the folder of {name}")
    assert posts(stage) == before + 1


def is_done(stage: Stage, prompt: str) -> bool:
    return any(manifest["prompt"]["submitted"] == prompt for manifest in stage.manifests())


@contextmanager
def kept(folder: Path) -> Iterator[tuple[Stage, Daemon]]:
    """Start a daemon that has run five files and keeps them."""
    with open_stage(folder / "w", "--seconds-per-job", "0.1") as stage:
        stage.set_config("inbox", after="keep")
        daemon = stage.start_ready()
        for number in range(FILES):
            stage.drop(f"birds/p{number}.txt", f"bird number {number}\n")
        wait_until(lambda: len(stage.manifests()) == FILES, "their folders")
        yield stage, daemon
        assert posts(stage) == len(stage.manifests())
        assert "Traceback" not in stage.log
        stage.check_simulator_record()


def restarted(stage: Stage, daemon: Daemon) -> Daemon:
    assert stage.stop(daemon) == 0, stage.log
    return stage.start_ready()


@pytest.mark.start_early
def test_kept_files_do_not_run_again_after_restarts_renames_pruning_or_touching(tmp_path: Path) -> None:
    with kept(tmp_path) as (stage, daemon):
        daemon = restarted(stage, daemon)
        check_only_new_file_runs(stage)
        (stage.inbox / "birds").rename(stage.inbox / "renamed")
        check_only_new_file_runs(stage)
        now = time.time() + 2 * LEAST_AGE
        assert prune(stage.folder / "state" / JOURNAL_FILE, now - LEAST_AGE, now) >= FILES
        daemon = restarted(stage, daemon)
        check_only_new_file_runs(stage)
        (stage.inbox / "renamed").rename(stage.inbox / "birds")
        daemon = restarted(stage, daemon)
        check_only_new_file_runs(stage)
        for path in stage.inbox.rglob("*.txt"):
            os.utime(path)
        check_only_new_file_runs(stage)
        time.sleep(COPY_PATIENCE + 1)  # time within which a copy would run
        check_only_new_file_runs(stage)
        check_only_new_file_runs(stage, "birds/p0.txt")  # a file with new content is a new prompt
        assert stage.stop(daemon) == 0
        assert len(list(stage.inbox.rglob("*.txt"))) == FILES + 6


def test_after_losing_the_journal_nothing_runs_until_existing_files_are_accepted(tmp_path: Path) -> None:
    with kept(tmp_path) as (stage, daemon):
        assert stage.stop(daemon) == 0
        shutil.rmtree(stage.folder / "state")
        stage.drop("new.txt", "a new picture\n")
        assert stage.start("--drain").wait(timeout=HANG) == 4
        daemon = stage.start_ready()
        wait_until(lambda: stage.log.count("--accept-existing") >= 2, "the hint in the log")
        stage.drop("newer.txt", "a newer picture\n")
        wait_until(lambda: "--accept-existing" in stage.run("status").stdout, "the hint in status")
        assert stage.stop(daemon) == 0
        assert posts(stage) == FILES
        shutil.rmtree(stage.inbox / "birds")
        daemon = stage.start("--accept-existing")
        wait_until(lambda: len(stage.manifests()) == FILES + 2, "the two new folders")
        daemon = restarted(stage, daemon)
        check_only_new_file_runs(stage)
        assert stage.stop(daemon) == 0
