"""Follow-ups in prompt files: each belongs to its own parent, with equal prompts and across kill -9."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.timeouts import deadline
from tests.scenarios.stage import Stage, open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

FILE = 'prompt = "a red kite over the sea"\nthen = ["all", "vary strong", "zoom 2x"]\nlabel = "{}"\n'
SIX = ["U1", "U2", "U3", "U4", "vary strong", "zoom 2x"]


def _family(stage: Stage, label: str) -> list[dict[str, Any]]:
    return [manifest for manifest in stage.manifests() if manifest["label"] == label]


def _executed(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.simulator_state()["interactions"]
    return found


def _wait_for_interactions(stage: Stage, count: int) -> None:
    wait_until(lambda: len(_executed(stage)) >= count, f"{count} interactions")


@pytest.mark.start_early
# In 2023 nothing tells equal prompts apart: they run one at a time, which takes a minute.
@pytest.mark.parametrize("profile", [pytest.param("2023", marks=pytest.mark.long), "2026"])
def test_two_equal_prompts_get_six_follow_ups_each_despite_kills(tmp_path: Path, profile: str) -> None:
    with open_stage(tmp_path / "work", "--seconds-per-job", "1", "--profile", profile) as stage:
        daemon = stage.start_ready()
        for label in ("one", "two"):
            stage.drop(f"{label}.ready.toml", FILE.format(label))
        for number in (1, 4, 9):
            _wait_for_interactions(stage, number + 1)
            stage.stop(daemon, signal.SIGKILL)
            daemon = stage.start_ready()
        wait_until(lambda: len(stage.manifests()) == 14, "two grids and twelve follow-ups", deadline(150))
        assert stage.stop(daemon) == 0

        for label in ("one", "two"):
            family = _family(stage, label)
            assert Counter(job["state"] for job in family) == {"done": 7}, stage.log
            assert sorted(job["action"] for job in family if job["action"]) == SIX
            (grid,) = [job for job in family if job["action"] is None]
            first = next(job for job in family if job["action"] == "U1")
            for job in family:
                parent = first if job["action"] in {"vary strong", "zoom 2x"} else grid
                assert job is grid or job["parent"] == parent["job"]
                assert job["source"]["path"] == f"{label}.ready.toml"
        executed = {entry["nonce"]: entry for entry in _executed(stage)}
        finals = {entry["job_uuid"]: entry for entry in executed.values()}
        for job in stage.manifests():
            entry = executed[job["discord"]["nonce"]]
            assert job["discord"]["job_uuid"] == entry["job_uuid"]
            if job["parent"] is not None:  # it pressed a button in the message of its own parent
                parent = next(other for other in stage.manifests() if other["job"] == job["parent"])
                assert parent["discord"]["job_uuid"] in entry["custom_id"]
        assert len(finals) == len(executed) == 14
