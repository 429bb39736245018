"""A stop is quick even while everything is slow, and the next start continues the work.

Seen to catch: a stop that waits for a POST or a hook, a second signal that interrupts the stop.
"""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.helpers.timeouts import deadline
from tests.scenarios.stage import Stage, open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

STOP_LIMIT = deadline(20)
"""Seconds within which a stop must finish."""

SLOW = round(2 * STOP_LIMIT)
"""Seconds that a POST, a download and a hook take."""

HOOKED, DOWNLOADED, POSTED = "a hooked cat", "a slow cat", "a late cat"


@pytest.mark.start_early
def test_a_stop_does_not_wait_for_a_post_a_download_or_a_hook(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.5") as stage:
        config = stage.config.read_text()
        stage.config.write_text(f'{config}\n[notify]\nexec = ["sleep", "{SLOW}"]\n')
        daemon = stage.start("--log-format", "json")
        stage.drop("hooked.txt", f"{HOOKED}\n")
        wait_until(lambda: stage.manifests(), "the event for the hook")
        stage.arm_fault(fault="cdn_slow", seconds=SLOW)
        stage.drop("slow.txt", f"{DOWNLOADED}\n")
        wait_until(lambda: "finished" in log_of(stage, DOWNLOADED), "the download")
        stage.arm_fault(fault="post_slow", seconds=SLOW, match=POSTED)
        stage.drop("late.txt", f"{POSTED}\n")
        wait_until(lambda: "submitting" in log_of(stage, POSTED), "the POST")
        daemon.send_signal(signal.SIGTERM)
        wait_until(lambda: any(entry["message"] == "stopping" for entry in entries(stage)), "the stop")
        daemon.send_signal(signal.SIGTERM)  # a second signal must not interrupt the clean stop
        assert daemon.wait(timeout=STOP_LIMIT) == 0
        assert {entry["level"] for entry in entries(stage)} <= {"info", "warning"}
        stage.config.write_text(config)
        stage.start_ready()
        wait_until(lambda: len(stage.manifests()) == 3, "all pictures")
        assert {manifest["state"] for manifest in stage.manifests()} == {"done"}
        stage.check_simulator_record()


def entries(stage: Stage) -> list[dict[str, str]]:
    """Return the log entries of the daemon: each line is a JSON object."""
    return [json.loads(line) for line in stage.log.splitlines()]


def log_of(stage: Stage, prompt: str) -> str:
    """Return all log messages about the job of this prompt, found by its prompt file."""
    file = f"{prompt.split()[1]}.txt taken: "
    taken = [entry["message"] for entry in entries(stage) if entry["message"].startswith(file)]
    job = taken[0].removeprefix(file) if taken else None
    return " ".join(entry["message"] for entry in entries(stage) if entry["job"] == job is not None)
