"""An inbox that keeps what was taken: no restart, no tidying and no loss runs it again."""

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
from tests.scenarios.stage import HANG, Stage, staged, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.daemons import Daemon

FILES = 5

_numbers = itertools.count(1)


def posts(stage: Stage) -> int:
    return len(stage.state()["posts"])


def only_this_is_run(stage: Stage, name: str | None = None) -> None:
    """Drop a file, wait for its folder, and see that nothing else was sent meanwhile."""
    before = posts(stage)
    name = name or f"new{next(_numbers)}.txt"
    stage.drop(name, f"a picture of {name}\n")
    wait_until(lambda: is_done(stage, f"a picture of {name}"), f"the folder of {name}")
    assert posts(stage) == before + 1


def is_done(stage: Stage, prompt: str) -> bool:
    return any(manifest["prompt"]["submitted"] == prompt for manifest in stage.manifests())


@contextmanager
def kept(folder: Path) -> Iterator[tuple[Stage, Daemon]]:
    """A daemon that has run five files, and keeps them."""
    with staged(folder / "w", "--seconds-per-job", "0.1") as stage:
        stage.set("inbox", after="keep")
        daemon = stage.start_ready()
        for number in range(FILES):
            stage.drop(f"birds/p{number}.txt", f"bird number {number}\n")
        wait_until(lambda: len(stage.manifests()) == FILES, "their folders")
        yield stage, daemon
        assert posts(stage) == len(stage.manifests())
        assert "Traceback" not in stage.log
        stage.check_witness()


def restarted(stage: Stage, daemon: Daemon) -> Daemon:
    assert stage.stop(daemon) == 0, stage.log
    return stage.start_ready()


@pytest.mark.begun_early
def test_kept_files_do_not_run_again_after_restarts_renames_pruning_or_touching(tmp_path: Path) -> None:
    with kept(tmp_path) as (stage, daemon):
        daemon = restarted(stage, daemon)
        only_this_is_run(stage)
        (stage.inbox / "birds").rename(stage.inbox / "fowls")
        only_this_is_run(stage)
        now = time.time() + 2 * LEAST_AGE
        assert prune(stage.folder / "state" / JOURNAL_FILE, now - LEAST_AGE, now) >= FILES
        daemon = restarted(stage, daemon)
        only_this_is_run(stage)
        (stage.inbox / "fowls").rename(stage.inbox / "birds")
        daemon = restarted(stage, daemon)
        only_this_is_run(stage)
        for path in stage.inbox.rglob("*.txt"):
            os.utime(path)
        only_this_is_run(stage)
        time.sleep(COPY_PATIENCE + 1)  # so long it may take for a copy to be run
        only_this_is_run(stage)
        only_this_is_run(stage, "birds/p0.txt")  # with other content it is another request
        assert stage.stop(daemon) == 0
        assert len(list(stage.inbox.rglob("*.txt"))) == FILES + 6


def test_after_losing_the_journal_nothing_runs_until_existing_files_are_accepted(tmp_path: Path) -> None:
    with kept(tmp_path) as (stage, daemon):
        assert stage.stop(daemon) == 0
        shutil.rmtree(stage.folder / "state")
        stage.drop("new.txt", "a new picture\n")
        assert stage.start("--drain").wait(timeout=HANG) == 4
        daemon = stage.start_ready()
        wait_until(lambda: stage.log.count("--accept-existing") == 2, "the log says what to do")
        stage.drop("newer.txt", "a newer picture\n")
        wait_until(lambda: "--accept-existing" in stage.run("status").stdout, "so does status")
        assert stage.stop(daemon) == 0
        assert posts(stage) == FILES
        shutil.rmtree(stage.inbox / "birds")
        daemon = stage.start("--accept-existing")
        wait_until(lambda: len(stage.manifests()) == FILES + 2, "the two new ones")
        daemon = restarted(stage, daemon)
        only_this_is_run(stage)
        assert stage.stop(daemon) == 0
