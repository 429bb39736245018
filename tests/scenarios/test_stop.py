"""A stop is soon over also while everything takes long, and the next start takes up what was left.

Seen to catch: a POST or a hook that is waited for, a second signal that cuts the stop short.
"""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.helpers.timeouts import deadline
from tests.scenarios.stage import Stage, staged, wait_until

if TYPE_CHECKING:
    from pathlib import Path

STOP_LIMIT = deadline(20)
"""Seconds within which a stop is promised to be over."""

FOR_LONG = round(2 * STOP_LIMIT)
"""Seconds that a POST and a download take, and that a hook would."""

HOOKED, DOWNLOADED, POSTED = "a told cat", "a dripping cat", "a late cat"


@pytest.mark.begun_early
def test_a_stop_does_not_wait_for_a_post_a_download_or_a_hook(tmp_path: Path) -> None:
    with staged(tmp_path / "w", "--seconds-per-job", "0.5") as stage:
        config = stage.config.read_text()
        stage.config.write_text(f'{config}\n[notify]\nexec = ["sleep", "{FOR_LONG}"]\n')
        daemon = stage.start("--log-format", "json")
        stage.drop("told.txt", f"{HOOKED}\n")
        wait_until(lambda: stage.manifests(), "the news for the hook")
        stage.fault(fault="cdn_slow", seconds=FOR_LONG)
        stage.drop("dripping.txt", f"{DOWNLOADED}\n")
        wait_until(lambda: "finished" in said_of(stage, DOWNLOADED), "the download")
        stage.fault(fault="post_slow", seconds=FOR_LONG, match=POSTED)
        stage.drop("late.txt", f"{POSTED}\n")
        wait_until(lambda: "submitting" in said_of(stage, POSTED), "the POST")
        daemon.send_signal(signal.SIGTERM)
        wait_until(lambda: any(entry["message"] == "stopping" for entry in entries(stage)), "the stop")
        daemon.send_signal(signal.SIGTERM)  # whoever is impatient gets a clean stop all the same
        assert daemon.wait(timeout=STOP_LIMIT) == 0
        assert {entry["level"] for entry in entries(stage)} <= {"info", "warning"}
        stage.config.write_text(config)
        stage.start_ready()
        wait_until(lambda: len(stage.manifests()) == 3, "all pictures")
        assert {manifest["state"] for manifest in stage.manifests()} == {"done"}
        stage.check_witness()


def entries(stage: Stage) -> list[dict[str, str]]:
    """What the daemon has logged: each line is one object."""
    return [json.loads(line) for line in stage.log.splitlines()]


def said_of(stage: Stage, prompt: str) -> str:
    """All that the log has of this prompt's job, found by the file that it came from."""
    file = f"{prompt.split()[1]}.txt taken: "
    taken = [entry["message"] for entry in entries(stage) if entry["message"].startswith(file)]
    job = taken[0].removeprefix(file) if taken else None
    return " ".join(entry["message"] for entry in entries(stage) if entry["job"] == job is not None)
