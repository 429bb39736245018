"""A new session under the id of the lost one proves nothing about a POST of the lost session.

Seen to catch: a proof of silence that goes by the session's id. The prompt was executed twice, and the first
picture was dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.scenarios.fault_runs import answers_blocked, open_threaded_stage
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def test_an_unanswered_post_before_a_session_of_the_same_id_is_executed_once(tmp_path: Path) -> None:
    with open_threaded_stage(tmp_path / "w", seconds_per_job=0.3) as stage:
        stage.arm_fault(fault="session_id_reused", count=99)
        stage.arm_fault(fault="post_reset_executed")
        with answers_blocked():
            daemon = stage.start()
            stage.drop("cat.ready.txt", "a cat\n")
            wait_until(lambda: stage.simulator_state()["interactions"], "the job")
            stage.arm_fault(fault="gateway_down", seconds=2, lose_session=True)
        wait_until(stage.manifests, "the folder")
        (executed,) = stage.simulator_state()["interactions"]
        (manifest,) = stage.manifests()
        assert (manifest["state"], manifest["discord"]["job_uuid"]) == ("done", executed["job_uuid"])
        stage.check_simulator_record()
        assert stage.stop(daemon) == 0
        assert stage.simulator_state()["identifies"] == 2
