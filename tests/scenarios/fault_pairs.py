"""Run random pairs of faults, and report which promises were broken.

``python -m tests.scenarios.fault_pairs [--seed N] [--count N]`` runs as many pairs as you want.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from mjwatch.model import State
from mjwatch.simulator.world import NEW_USER_TOKEN, USER_TOKEN
from tests.helpers.timeouts import deadline, workers
from tests.scenarios.fault_runs import (
    faults_to_arm,
    open_threaded_stage,
    read_journal,
    read_meta,
    reuse_session_ids,
    run_verb,
    start_daemon,
)
from tests.scenarios.fault_table import (
    FAULTS_BEFORE_START,
    FAULTS_DURING_JOB,
    ONE_JOB_FAULTS,
    PAUSING_FAULTS,
    Row,
)
from tests.scenarios.stage import Stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.model import Job
    from tests.helpers.daemons import Daemon

PARALLEL_RUNS = 2 * workers()
PROMPTS = 3
DOUBT_TIMEOUT = 15.0
"""Seconds after which a doubt that can be resolved without a person has been resolved."""
SETTLE_TIMEOUT = deadline(45.0)
"""Seconds within which every job must be settled."""

FAULTS = [*ONE_JOB_FAULTS, *PAUSING_FAULTS, *FAULTS_BEFORE_START, *FAULTS_DURING_JOB]


@dataclass(frozen=True)
class Pair:
    """Two rows of the table, and the seed of the simulator."""

    seed: int
    first: Row
    second: Row

    @property
    def name(self) -> str:
        return f"seed {self.seed}: {self.first.name} + {self.second.name}"


def draw_pairs(seed: int, count: int) -> list[Pair]:
    """Return this many pairs, always the same for a seed. The seed of a pair draws that pair alone."""
    pairs = []
    for number in range(seed, seed + count):
        first, second = Random(number).sample(FAULTS, 2)
        pairs.append(Pair(number, first, second))
    return pairs


def run_pair(folder: Path, pair: Pair) -> list[str]:
    """Run this pair of faults with some prompts, and return the broken promises."""
    options: dict[str, Any] = {"seconds_per_job": 0.6, "seed": pair.seed}
    for row in (pair.first, pair.second):
        options |= row.options
    with open_threaded_stage(folder, **options) as stage:
        reuse_session_ids(stage, pair.name)
        _arm(stage, pair, during_job=False)
        for number in range(PROMPTS):
            stage.drop(f"{number}.ready.txt", f"picture number {number}\n")
        daemon = start_daemon(stage)
        if _has_fault_during_job(pair):
            _wait_for_job(stage)
            _arm(stage, pair, during_job=True)
        daemon, broken = _check_settled(stage, daemon)
        if stage.stop(daemon) != 0:
            broken.append("the daemon ended with an error")
        broken += _log_errors(stage.log)
        return [f"{pair.name}: {promise}\n{stage.log}" for promise in broken]


def _has_fault_during_job(pair: Pair) -> bool:
    return pair.first in FAULTS_DURING_JOB or pair.second in FAULTS_DURING_JOB


def _arm(stage: Stage, pair: Pair, *, during_job: bool) -> None:
    for row in (pair.first, pair.second):
        if (row in FAULTS_DURING_JOB) is during_job:
            for fault in faults_to_arm(row, alone=True):
                stage.arm_fault(**fault)


def _wait_for_job(stage: Stage) -> None:
    """Wait until a job is in progress, or the other fault prevents it."""
    wait_until(
        lambda: (
            stage.simulator_state()["interactions"]
            or read_meta(stage, "paused")
            or read_meta(stage, "trouble")
        ),
        "a job in progress",
    )


def _jobs(stage: Stage) -> list[Job]:
    return read_journal(stage, lambda journal: journal.listed(None, 100)) or []


def _check_settled(stage: Stage, daemon: Daemon) -> tuple[Daemon, list[str]]:
    """Return the daemon, and the broken promises once all jobs are settled.

    Journal and outbox are not read at the same moment: they are read again if a job has changed meanwhile.
    """
    end = time.monotonic() + 2 * SETTLE_TIMEOUT
    while True:
        daemon = _wait_until_settled(stage, daemon)
        jobs = _jobs(stage)
        broken = list(_broken_promises(stage, jobs))
        if not broken or _jobs(stage) == jobs or time.monotonic() > end:
            return daemon, broken


def _wait_until_settled(stage: Stage, daemon: Daemon) -> Daemon:
    """Wait until all jobs are settled; resume the service when it needs a person."""
    end = time.monotonic() + SETTLE_TIMEOUT
    while time.monotonic() < end and daemon.poll() is None:
        if read_meta(stage, "paused"):
            code, _ = run_verb(stage, "resume")
            if code:
                stage.stop(daemon)
                daemon = start_daemon(stage)
                time.sleep(1)
        jobs = _jobs(stage)
        if len(jobs) == PROMPTS and all(map(_is_settled, jobs)):
            break
        time.sleep(0.2)
    return daemon


def _is_settled(job: Job) -> bool:
    if job.state is State.IN_DOUBT:
        # After a lost session nothing can prove that a POST was not executed.
        return job.in_doubt_since is None or time.time() > job.in_doubt_since + DOUBT_TIMEOUT
    return job.state is State.DONE or (job.state is State.FAILED and job.published is not None)


def _broken_promises(stage: Stage, jobs: list[Job]) -> Iterator[str]:
    if len(jobs) != PROMPTS:
        yield f"{len(jobs)} jobs for {PROMPTS} prompts"
    try:
        stage.check_simulator_record()
    except AssertionError as error:
        yield f"the record of the simulator disagrees: {error}"
    manifests = stage.manifests()
    for job in jobs:
        entries = [
            entry for entry in stage.simulator_state()["interactions"] if entry["prompt"] == job.prompt.text
        ]
        executed = [entry for entry in entries if entry["outcome"] != "refused"]
        if len(executed) > 1:
            yield f"{job.prompt.text} was executed {len(executed)} times"
        has_no_result = job.state not in {State.DONE, State.IN_DOUBT} and job.result is None
        if has_no_result and any(entry["outcome"] == "done" for entry in executed):
            event = job.history[-1].event
            yield f"{job.prompt.text} has a picture at Midjourney, but is {job.state}: {event}"
        yield from _publication_errors(stage, job, [each for each in manifests if each["job"] == job.id])


def _publication_errors(stage: Stage, job: Job, manifests: list[dict[str, Any]]) -> Iterator[str]:
    states = [manifest["state"] for manifest in manifests]
    if states != ([str(job.state)] if job.state in _PUBLISHED else []):
        yield f"{job!r} has manifests with the states {states}"
    if job.state is State.DONE:
        return
    show = run_verb(stage, "show", job.id)[1]
    if not (show["error"] and show["mend"]) and not show["waits"]:
        yield f"{job!r}: show does not report what happened and what to do: {show}"
    if not _is_settled(job) and not read_meta(stage, "trouble"):
        yield f"{job!r} is not settled: {[note.event for note in job.history]}"


_PUBLISHED = {State.DONE, State.FAILED}


def _log_errors(log: str) -> list[str]:
    forbidden = (USER_TOKEN, NEW_USER_TOKEN, "Traceback", "Warning")
    return [f"the log contains {text!r}" for text in forbidden if text in log]


def run_pairs(folder: Path, pairs: list[Pair]) -> list[str]:
    """Run these pairs, several in parallel, and return the broken promises."""
    with ThreadPoolExecutor(PARALLEL_RUNS) as pool:
        found = pool.map(lambda pair: run_pair(folder / str(pair.seed), pair), pairs)
        return [promise for broken in found for promise in broken]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broken = run_pairs(Path(folder), draw_pairs(options.seed, options.count))
    print(
        "\n\n".join(
            [*broken, f"{options.count} pairs from seed {options.seed}: {len(broken)} promises broken"]
        )
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
