"""Run mjwatch, kill it at random moments, and report the outcome of every prompt.

``python -m tests.scenarios.random_kills [--kills N] [--prompts N] [--seed N]`` does two runs in parallel: one
with gateway sessions that can be resumed, and one with sessions that are always lost.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.journal.reader import JournalReader
from mjwatch.journal.requests import ask
from mjwatch.model import Job, State
from tests.helpers.timeouts import deadline
from tests.scenarios.fault_runs import read_journal
from tests.scenarios.picture_checks import has_own_pictures
from tests.scenarios.stage import SHORT_LIMITS_MODULE, Stage, open_stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.daemons import Daemon

OPTIONS = ("--seconds-per-job", "1", "--format", "png")
DRAIN_TIMEOUT = deadline(150.0)
QUIET_TIME = 5
ALWAYS = 1_000_000
DOUBTS_ALLOWED = 2
"""Prompts that may stay in doubt although every session can be resumed."""
LIMITS: tuple[dict[str, Any], ...] = (
    {"fault": "account_limited", "seconds": 1.5},
    {"fault": "post_429", "scope": "global", "retry_after": 1},
    {"fault": "post_error", "status": 400, "code": 40043, "count": 4},
)
"""Limits, and refusals in a row, more than the circuit breaker allows."""
SHARE_OF_LIMITS = 0.3


@dataclass(frozen=True)
class Plan:
    """The parameters of a run."""

    kills: int
    prompts: int
    seed: int
    resumable: bool

    @property
    def longest_run(self) -> float:
        """Seconds between start and kill. After a lost session a start must wait before it opens another."""
        return 2.5 if self.resumable else 7.0


@dataclass
class Report:
    """The outcome of a run: after the drain, and after a retry of the jobs in doubt."""

    plan: Plan
    seconds: float = 0.0
    cuts: int = 0
    limits: int = 0
    executed: int = 0
    done: int = 0
    in_doubt: int = 0
    done_after_retry: int = 0
    errors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        plan, sessions = self.plan, "resumable" if self.plan.resumable else "lost"
        lines = [
            f"sessions {sessions}, seed {plan.seed}: {plan.kills} kills, {self.cuts} cuts of the gateway and"
            f" {self.limits} limits or outages in {self.seconds:.0f} s",
            f"  {plan.prompts} prompts: {self.done} done, {self.in_doubt} in doubt, {self.executed} executed;"
            f" {self.done_after_retry} done after a retry",
            *(f"  ERROR: {line}" for line in self.errors),
        ]
        return "\n".join(lines)


def run_kills(folder: Path, plan: Plan) -> Report:
    """Run the plan in its own workspace. ``errors`` of the report is empty if every promise was kept."""
    report = Report(plan)
    with open_stage(folder, *OPTIONS, "--seed", str(plan.seed)) as stage:
        stage.set_config("pace", quiet_time=QUIET_TIME, max_in_flight=5)
        # Few kills hit a step that is quick, so a POST, its echo and a download are made as slow as a job.
        stage.arm_fault(fault="post_slow", seconds=0.4, count=ALWAYS)
        stage.arm_fault(fault="told_late", seconds=0.4, count=ALWAYS)
        stage.arm_fault(fault="cdn_slow", seconds=0.5, count=ALWAYS)
        if not plan.resumable:
            stage.arm_fault(fault="gateway_invalid_session", count=ALWAYS)
            if plan.seed % 2:
                stage.arm_fault(fault="session_id_reused", count=ALWAYS)
        began = time.monotonic()
        _kill_repeatedly(stage, report, random.Random(plan.seed))
        _drain(stage, report)
        report.seconds = time.monotonic() - began
        _check(stage, report)
        _retry(stage, report)
    return report


def _kill_repeatedly(stage: Stage, report: Report, rng: random.Random) -> None:
    plan = report.plan
    names = iter([f"lantern-{number:03}" for number in range(plan.prompts)])
    for kill in range(plan.kills):
        _drop(stage, names, plan.prompts * (kill + 1) // plan.kills - plan.prompts * kill // plan.kills)
        _limit(stage, report, rng, kill)
        opened = _has_session(stage) and stage.simulator_state()["identifies"]
        daemon = _start(stage, rng)
        remaining = rng.uniform(0.1, plan.longest_run)
        if rng.random() < 0.3:
            remaining -= (before := remaining * rng.random())
            time.sleep(before)
            stage.arm_fault(fault="gateway_cut")
            report.cuts += 1
        time.sleep(remaining)
        if daemon.poll() is not None:
            report.errors.append(f"start {kill} ended before its kill with {daemon.returncode}")
        stage.stop(daemon, signal.SIGKILL)
        if plan.resumable and opened and stage.simulator_state()["identifies"] > opened:
            report.errors.append(f"start {kill} opened a session although the last one can be resumed")


def _has_session(stage: Stage) -> bool:
    gateway = read_journal(stage, lambda journal: journal.recall("gateway"))
    return bool((gateway or {}).get("session_id"))


def _limit(stage: Stage, report: Report, rng: random.Random, kill: int) -> None:
    """At times limit the account, or let POSTs be refused often enough to open the circuit breaker.

    That is over before the last kills: a drain does not wait for an outage that lasts.
    """
    if kill >= report.plan.kills * 2 // 3 or rng.random() >= SHARE_OF_LIMITS:
        return
    stage.arm_fault(**rng.choice(LIMITS))
    report.limits += 1


def _start(stage: Stage, rng: random.Random) -> Daemon:
    """Start the daemon, and mostly wait until it is up: otherwise most kills would only hit its start."""
    starts = _starts(stage)
    daemon = stage.fork(SHORT_LIMITS_MODULE, "run")
    if rng.random() < 0.8:
        wait_until(lambda: _starts(stage) > starts or daemon.poll() is not None, "the start of the daemon")
    return daemon


def _starts(stage: Stage) -> int:
    log = stage.folder / "mjwatch.log"
    return log.read_text().count("watching ") if log.exists() else 0


def _drop(stage: Stage, names: Iterator[str], count: int) -> None:
    for _, name in zip(range(count), names, strict=False):
        stage.drop(f"{name}.ready.txt", f"{prompt_of(name)}\n")


def prompt_of(name: str) -> str:
    return f"a paper {name} over water"


def _drain(stage: Stage, report: Report) -> None:
    code = stage.fork(SHORT_LIMITS_MODULE, "run", "--drain").wait(timeout=DRAIN_TIMEOUT)
    if code not in {0, 4}:
        report.errors.append(f"the drain ended with {code}")


def _jobs(stage: Stage) -> list[Job]:
    with closing(JournalReader(stage.folder / "state" / "journal.sqlite3")) as journal:
        return journal.listed(None, 10_000)


def _check(stage: Stage, report: Report) -> None:
    """Compare the journal with what the simulator has recorded."""
    plan, jobs, executed = report.plan, _jobs(stage), stage.simulator_state()["interactions"]
    report.executed = len(executed)
    report.done = sum(1 for job in jobs if job.state is State.DONE)
    doubts = [job for job in jobs if job.state is State.IN_DOUBT]
    report.in_doubt = len(doubts)
    if plan.resumable and len(doubts) > DOUBTS_ALLOWED:
        report.errors.append(f"{len(doubts)} are in doubt although their sessions can be resumed")
    if len(jobs) != plan.prompts or report.done + len(doubts) != plan.prompts:
        report.errors.append(
            f"{plan.prompts} prompts have the states {sorted(str(job.state) for job in jobs)}"
        )
    prompts = [str(entry["prompt"]) for entry in executed]
    report.errors += [f"executed twice: {text}" for text in sorted(set(prompts)) if prompts.count(text) > 1]
    # The history is readable and all prompts differ, so every executed prompt must have been found.
    report.errors += [
        f"{job.id} is in doubt, but was executed: {[note.event for note in job.history]}"
        for job in doubts
        if job.prompt.text in prompts
    ]
    _check_outbox(stage, report, jobs)


def _check_outbox(stage: Stage, report: Report, jobs: list[Job]) -> None:
    executed = {
        str(entry["nonce"]): str(entry["job_uuid"]) for entry in stage.simulator_state()["interactions"]
    }
    folders = stage.folders()
    if len(stage.manifests()) != len(folders) or set(folders) != {
        job.id for job in jobs if job.state is State.DONE
    }:
        report.errors.append("the outbox does not have one folder for each job that is done")
    for job in jobs:
        if job.id in folders and not has_own_pictures(folders[job.id], executed):
            report.errors.append(f"{job.id} has pictures of another job")
    if leftovers := stage.leftovers():
        report.errors.append(f"left over: {leftovers}")


def _retry(stage: Stage, report: Report) -> None:
    """Retry all jobs in doubt. None of them was executed, so nothing runs twice."""
    doubts = {job.id: len(job.nonces) for job in _jobs(stage) if job.state is State.IN_DOUBT}
    if doubts:
        ask(stage.folder / "state" / "journal.sqlite3", "retry", {"jobs": doubts}, time.time())
        _drain(stage, report)
        _check_outbox(stage, report, _jobs(stage))
    report.done_after_retry = sum(1 for job in _jobs(stage) if job.state is State.DONE)
    prompts = [entry["prompt"] for entry in stage.simulator_state()["interactions"]]
    if report.done_after_retry != report.plan.prompts or len(set(prompts)) != len(prompts):
        report.errors.append(f"{report.done_after_retry} are done after a retry")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.random_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    plans = [Plan(options.kills, options.prompts, options.seed, resumable) for resumable in (True, False)]
    with tempfile.TemporaryDirectory(prefix="mjwatch-kills-") as folder, ThreadPoolExecutor(2) as pool:
        folders = [Path(folder) / "resumable", Path(folder) / "lost"]
        reports = list(pool.map(run_kills, folders, plans))
    for report in reports:
        print(report)
    return 1 if any(report.errors for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
