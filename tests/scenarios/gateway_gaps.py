"""Jobs that finish while the gateway is away: how long after its return their folder is there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.scenarios.fault_runs import simulated
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from pathlib import Path

JOB = 1.0
"""Seconds that a job takes, about: it ends within the shortest gap, or soon after it."""


@dataclass(frozen=True)
class Gap:
    """One gap: the gateway lets nobody in for so many seconds."""

    seconds: float
    lose_session: bool

    @property
    def name(self) -> str:
        return f"{self.seconds:g} s, {'session lost' if self.lose_session else 'resumed'}"


def after_return(folder: Path, gap: Gap, patience: float = 150.0) -> float:
    """Seconds from the gateway's return, or from the job's end if that is later, to the folder."""
    with simulated(folder, seconds_per_job=JOB) as stage:
        daemon = stage.start()
        stage.drop("cat.ready.txt", "a cat that is finished while nobody looks\n")
        wait_until(lambda: stage.state()["interactions"], "the job")
        stage.fault(fault="gateway_down", seconds=gap.seconds, lose_session=gap.lose_session)
        returns = time.monotonic() + gap.seconds
        wait_until(lambda: stage.state()["interactions"][0]["outcome"] == "done", "the job's end")
        can_be_known = max(returns, time.monotonic())
        wait_until(stage.manifests, "the folder", patience)
        took = time.monotonic() - can_be_known
        (manifest,) = stage.manifests()
        assert manifest["state"] == "done"
        stage.check_witness()
        assert stage.stop(daemon) == 0
        return took
