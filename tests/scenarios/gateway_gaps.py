"""Jobs that finish while the gateway is down: the time from its return to their folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.helpers.timeouts import deadline
from tests.scenarios.fault_runs import open_threaded_stage
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from pathlib import Path

JOB_TIME = 1.0
"""Seconds that a job takes: it finishes within the shortest gap, or soon after it."""


@dataclass(frozen=True)
class Gap:
    """A gap: the gateway refuses connections for this many seconds."""

    seconds: float
    lose_session: bool
    reuse_id: bool = False
    """Whether the session after the gap has the id of the lost one."""

    @property
    def name(self) -> str:
        outcome = "session lost" if self.lose_session else "resumed"
        return f"{self.seconds:g} s, {outcome}{', same id' if self.reuse_id else ''}"


def seconds_to_delivery(folder: Path, gap: Gap, timeout: float = deadline(150.0)) -> float:
    """Return the seconds from the return of the gateway, or the end of the job if later, to the folder."""
    with open_threaded_stage(folder, seconds_per_job=JOB_TIME) as stage:
        daemon = stage.start()
        stage.drop("cat.ready.txt", "a cat that is finished during the gap\n")
        wait_until(lambda: stage.simulator_state()["interactions"], "the job")
        if gap.reuse_id:
            stage.arm_fault(fault="session_id_reused")
        stage.arm_fault(fault="gateway_down", seconds=gap.seconds, lose_session=gap.lose_session)
        gateway_returns = time.monotonic() + gap.seconds
        wait_until(lambda: stage.simulator_state()["interactions"][0]["outcome"] == "done", "the job's end")
        can_be_known = max(gateway_returns, time.monotonic())
        wait_until(stage.manifests, "the folder", timeout)
        took = time.monotonic() - can_be_known
        (manifest,) = stage.manifests()
        assert manifest["state"] == "done"
        stage.check_simulator_record()
        assert stage.stop(daemon) == 0
        return took
