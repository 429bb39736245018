"""Plays two faults at once, drawn by chance, and says which promise was broken.

``python -m tests.scenarios.fault_pairs [--seed N] [--count N]`` plays as many as you have time for.
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
from tests.scenarios.fault_runs import armed, begin, read, recall, simulated, verb
from tests.scenarios.fault_table import BEFORE_THE_START, BESIDE, IN_TURN, WHILE_IT_RUNS, Row
from tests.scenarios.stage import Stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.model import Job
    from tests.helpers.daemons import Daemon

AT_ONCE = 2 * workers()
PROMPTS = 3
LONG_DOUBT = 15.0
"""Seconds after which a doubt that could settle itself would have done so."""
PATIENCE = deadline(45.0)
"""Seconds until every job must have come to rest."""

FAULTS = [*BESIDE, *IN_TURN, *BEFORE_THE_START, *WHILE_IT_RUNS]


@dataclass(frozen=True)
class Pair:
    """Two rows of the table, and the chance that orders what happens."""

    seed: int
    first: Row
    second: Row

    @property
    def name(self) -> str:
        return f"seed {self.seed}: {self.first.name} + {self.second.name}"


def drawn(seed: int, count: int) -> list[Pair]:
    """So many pairs; the same for the same seed. A pair's own seed draws it alone."""
    pairs = []
    for number in range(seed, seed + count):
        first, second = Random(number).sample(FAULTS, 2)
        pairs.append(Pair(number, first, second))
    return pairs


def play(folder: Path, pair: Pair) -> list[str]:
    """Play this pair on some prompts; what was broken, nothing if all held."""
    options: dict[str, Any] = {"seconds_per_job": 0.6, "seed": pair.seed}
    for row in (pair.first, pair.second):
        options |= row.options
    with simulated(folder, **options) as stage:
        _arm(stage, pair, strikes_later=False)
        for number in range(PROMPTS):
            stage.drop(f"{number}.ready.txt", f"picture number {number}\n")
        daemon = begin(stage)
        if _arms_later(pair):
            _wait_for_work(stage)
            _arm(stage, pair, strikes_later=True)
        daemon = _until_rest(stage, daemon)
        broken = list(_broken(stage, _jobs(stage)))
        if stage.stop(daemon) != 0:
            broken.append("the daemon did not end well")
        broken += _wrong_in_log(stage.log)
        return [f"{pair.name}: {one}\n{stage.log}" for one in broken]


def _arms_later(pair: Pair) -> bool:
    return pair.first in WHILE_IT_RUNS or pair.second in WHILE_IT_RUNS


def _arm(stage: Stage, pair: Pair, *, strikes_later: bool) -> None:
    for row in (pair.first, pair.second):
        if (row in WHILE_IT_RUNS) is strikes_later:
            for one in armed(row, alone=True):
                stage.fault(**one)


def _wait_for_work(stage: Stage) -> None:
    """Until a job is at work, or the other fault keeps all from it."""
    wait_until(
        lambda: stage.state()["interactions"] or recall(stage, "paused") or recall(stage, "trouble"),
        "a job at work",
    )


def _jobs(stage: Stage) -> list[Job]:
    return read(stage, lambda journal: journal.listed(None, 100)) or []


def _until_rest(stage: Stage, daemon: Daemon) -> Daemon:
    """Until nothing moves any more; where a person is asked for, one comes."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and daemon.poll() is None:
        if recall(stage, "paused"):
            code, _ = verb(stage, "resume")
            if code:
                stage.stop(daemon)
                daemon = begin(stage)
                time.sleep(1)
        jobs = _jobs(stage)
        if len(jobs) == PROMPTS and all(map(_rests, jobs)):
            break
        time.sleep(0.2)
    return daemon


def _rests(job: Job) -> bool:
    if job.state is State.IN_DOUBT:
        # After a lost session nothing can prove any more that a POST was not executed.
        return job.in_doubt_since is None or time.time() > job.in_doubt_since + LONG_DOUBT
    return job.state is State.DONE or (job.state is State.FAILED and job.published is not None)


def _broken(stage: Stage, jobs: list[Job]) -> Iterator[str]:
    if len(jobs) != PROMPTS:
        yield f"{len(jobs)} jobs for {PROMPTS} prompts"
    try:
        stage.check_witness()
    except AssertionError as error:
        yield f"the witness objects: {error}"
    manifests = stage.manifests()
    for job in jobs:
        ran = [one for one in stage.state()["interactions"] if one["prompt"] == job.prompt.text]
        executed = [one for one in ran if one["outcome"] != "refused"]
        if len(executed) > 1:
            yield f"{job.prompt.text} was executed {len(executed)} times"
        lost = job.state not in {State.DONE, State.IN_DOUBT} and job.result is None
        if lost and any(one["outcome"] == "done" for one in executed):
            words = job.history[-1].event
            yield f"{job.prompt.text} has a picture at Midjourney, and is {job.state}: {words}"
        yield from _badly_answered(stage, job, [one for one in manifests if one["job"] == job.id])


def _badly_answered(stage: Stage, job: Job, manifests: list[dict[str, Any]]) -> Iterator[str]:
    if [one["state"] for one in manifests] != ([str(job.state)] if job.state in _ANSWERED else []):
        yield f"{job!r} has the answers {[one['state'] for one in manifests]}"
    if job.state is State.DONE:
        return
    show = verb(stage, "show", job.id)[1]
    if not (show["error"] and show["mend"]) and not show["waits"]:
        yield f"{job!r}: show says neither what happened nor what to do: {show}"
    if not _rests(job) and not recall(stage, "trouble"):
        yield f"{job!r} still moves: {[note.event for note in job.history]}"


_ANSWERED = {State.DONE, State.FAILED}


def _wrong_in_log(log: str) -> list[str]:
    words = (USER_TOKEN, NEW_USER_TOKEN, "Traceback", "Warning")
    return [f"the log has {word!r}" for word in words if word in log]


def play_all(folder: Path, pairs: list[Pair]) -> list[str]:
    """Play these pairs, some at once; what was broken."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda pair: play(folder / str(pair.seed), pair), pairs)
        return [one for broken in found for one in broken]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broken = play_all(Path(folder), drawn(wish.seed, wish.count))
    print("\n\n".join([*broken, f"{wish.count} pairs from seed {wish.seed}: {len(broken)} promises broken"]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
