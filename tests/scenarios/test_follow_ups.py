"""Follow-ups of prompt files: all of them, each of its own parent, in equal company and through kill -9."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.scenarios.stage import Stage, staged, wait_until

if TYPE_CHECKING:
    from pathlib import Path

FILE = 'prompt = "a red kite over the sea"\nthen = ["all", "vary strong", "zoom 2x"]\nlabel = "{}"\n'
SIX = ["U1", "U2", "U3", "U4", "vary strong", "zoom 2x"]


def _family(stage: Stage, label: str) -> list[dict[str, Any]]:
    return [one for one in stage.manifests() if one["label"] == label]


def _executed(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.state()["interactions"]
    return found


def _wait_for_interactions(stage: Stage, count: int) -> None:
    wait_until(lambda: len(_executed(stage)) >= count, f"{count} interactions")


@pytest.mark.begun_early
@pytest.mark.parametrize("profile", ["2023", "2026"])
def test_two_equal_prompts_get_six_follow_ups_each_despite_kills(tmp_path: Path, profile: str) -> None:
    with staged(tmp_path / "work", "--seconds-per-job", "1", "--profile", profile) as stage:
        daemon = stage.start_ready()
        for label in ("one", "two"):
            stage.drop(f"{label}.ready.toml", FILE.format(label))
        for number in (1, 4, 9):
            _wait_for_interactions(stage, number + 1)
            stage.stop(daemon, signal.SIGKILL)
            daemon = stage.start_ready()
        wait_until(lambda: len(stage.manifests()) == 14, "two grids and twelve follow-ups", 150)
        assert stage.stop(daemon) == 0

        for label in ("one", "two"):
            family = _family(stage, label)
            assert Counter(one["state"] for one in family) == {"done": 7}, stage.log
            assert sorted(one["action"] for one in family if one["action"]) == SIX
            (grid,) = [one for one in family if one["action"] is None]
            first = next(one for one in family if one["action"] == "U1")
            for one in family:
                after = first if one["action"] in {"vary strong", "zoom 2x"} else grid
                assert one is grid or one["parent"] == after["job"]
                assert one["source"]["path"] == f"{label}.ready.toml"
        executed = {one["nonce"]: one for one in _executed(stage)}
        finals = {one["job_uuid"]: one for one in executed.values()}
        for one in stage.manifests():
            ours = executed[one["discord"]["nonce"]]
            assert one["discord"]["job_uuid"] == ours["job_uuid"]
            if one["parent"] is not None:  # it pressed a button of its own parent's message
                parent = next(other for other in stage.manifests() if other["job"] == one["parent"])
                assert parent["discord"]["job_uuid"] in ours["custom_id"]
        assert len(finals) == len(executed) == 14
