"""kill -9 at random moments of a run, and an account of what became of every prompt.

``python -m tests.scenarios.random_kills [--kills N] [--prompts N] [--seed N]`` runs it twice, side by side: with
gateway sessions that can be resumed, and with sessions that never can.
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
from typing import TYPE_CHECKING

from mjwatch.journal.reader import JournalReader
from mjwatch.journal.requests import ask
from mjwatch.model import Job, State
from tests.helpers.timeouts import deadline
from tests.scenarios.picture_checks import has_own_pictures
from tests.scenarios.stage import Stage, staged, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.daemons import Daemon

OPTIONS = ("--seconds-per-job", "1", "--format", "png")
DRAIN_PATIENCE = deadline(150.0)
QUIET_TIME = 5
ALWAYS = 1_000_000
DOUBTS_ALLOWED = 2
"""Prompts that may stay in doubt although every session could be resumed."""
SESSIONS_ALLOWED = 3
"""Some kills come before the first session is in the journal."""


@dataclass(frozen=True)
class Plan:
    """A run: how often it is killed, how many prompts it has, and what chance is made of."""

    kills: int
    prompts: int
    seed: int
    resumable: bool

    @property
    def longest_life(self) -> float:
        """Seconds; a start whose session is lost must wait some before it may begin another."""
        return 2.5 if self.resumable else 7.0


@dataclass
class Account:
    """What was found at the end, the first time and after a person's word."""

    plan: Plan
    seconds: float = 0.0
    cuts: int = 0
    executed: int = 0
    done: int = 0
    in_doubt: int = 0
    done_after_retry: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        plan, sessions = self.plan, "resumable" if self.plan.resumable else "lost"
        lines = [
            f"sessions {sessions}, seed {plan.seed}: {plan.kills} kills and {self.cuts} cuts of the gateway"
            f" in {self.seconds:.0f} s",
            f"  {plan.prompts} prompts: {self.done} done, {self.in_doubt} in doubt, {self.executed} executed;"
            f" {self.done_after_retry} done after a person's word",
            *(f"  WRONG: {line}" for line in self.wrong),
        ]
        return "\n".join(lines)


def run_kills(folder: Path, plan: Plan) -> Account:
    """Play the plan in a workspace of its own; ``wrong`` is empty where every promise was kept."""
    account = Account(plan)
    with staged(folder, *OPTIONS, "--seed", str(plan.seed)) as stage:
        stage.set("pace", quiet_time=QUIET_TIME, max_in_flight=5)
        # What takes a moment is hit by few kills: so a POST, its echo and a download take as long as a job.
        stage.fault(fault="post_slow", seconds=0.4, count=ALWAYS)
        stage.fault(fault="told_late", seconds=0.4, count=ALWAYS)
        stage.fault(fault="cdn_slow", seconds=0.5, count=ALWAYS)
        if not plan.resumable:
            stage.fault(fault="gateway_invalid_session", count=ALWAYS)
        began = time.monotonic()
        _kill_again_and_again(stage, account, random.Random(plan.seed))
        _drain(stage, account)
        account.seconds = time.monotonic() - began
        _judge(stage, account)
        _retry(stage, account)
    return account


def _kill_again_and_again(stage: Stage, account: Account, rng: random.Random) -> None:
    plan = account.plan
    names = iter([f"lantern-{number:03}" for number in range(plan.prompts)])
    for kill in range(plan.kills):
        _drop(stage, names, plan.prompts * (kill + 1) // plan.kills - plan.prompts * kill // plan.kills)
        daemon = _begin(stage, rng)
        life = rng.uniform(0.1, plan.longest_life)
        if rng.random() < 0.3:
            life -= (before := life * rng.random())
            time.sleep(before)
            stage.fault(fault="gateway_cut")
            account.cuts += 1
        time.sleep(life)
        if daemon.poll() is not None:
            account.wrong.append(f"start {kill} had ended by itself with {daemon.returncode}")
        stage.stop(daemon, signal.SIGKILL)


def _begin(stage: Stage, rng: random.Random) -> Daemon:
    """The daemon, mostly up already: else most kills would hit nothing but its start."""
    starts = _starts(stage)
    daemon = stage.start()
    if rng.random() < 0.8:
        wait_until(lambda: _starts(stage) > starts or daemon.poll() is not None, "the daemon is up")
    return daemon


def _starts(stage: Stage) -> int:
    log = stage.folder / "mjwatch.log"
    return log.read_text().count("watching ") if log.exists() else 0


def _drop(stage: Stage, names: Iterator[str], count: int) -> None:
    for _, name in zip(range(count), names, strict=False):
        stage.drop(f"{name}.ready.txt", f"{prompt_of(name)}\n")


def prompt_of(name: str) -> str:
    return f"a paper {name} over water"


def _drain(stage: Stage, account: Account) -> None:
    code = stage.start("--drain").wait(timeout=DRAIN_PATIENCE)
    if code not in {0, 4}:
        account.wrong.append(f"the drain ended with {code}")


def _jobs(stage: Stage) -> list[Job]:
    with closing(JournalReader(stage.folder / "state" / "journal.sqlite3")) as journal:
        return journal.listed(None, 10_000)


def _judge(stage: Stage, account: Account) -> None:
    """Hold what mjwatch says against the witness."""
    plan, jobs, executed = account.plan, _jobs(stage), stage.state()["interactions"]
    account.executed = len(executed)
    account.done = sum(1 for job in jobs if job.state is State.DONE)
    doubts = [job for job in jobs if job.state is State.IN_DOUBT]
    account.in_doubt = len(doubts)
    if plan.resumable and len(doubts) > DOUBTS_ALLOWED:
        account.wrong.append(f"{len(doubts)} are in doubt although their sessions could be resumed")
    if plan.resumable and (begun := stage.state()["identifies"]) > SESSIONS_ALLOWED:
        account.wrong.append(f"{begun} sessions were begun although the first could be resumed")
    if len(jobs) != plan.prompts or account.done + len(doubts) != plan.prompts:
        account.wrong.append(f"of {plan.prompts} prompts became {sorted(str(job.state) for job in jobs)}")
    prompts = [str(entry["prompt"]) for entry in executed]
    account.wrong += [f"executed twice: {one}" for one in sorted(set(prompts)) if prompts.count(one) > 1]
    # The history is readable and every prompt another, so what was executed must have been found.
    account.wrong += [
        f"{job.id} is in doubt, and was executed: {[note.event for note in job.history]}"
        for job in doubts
        if job.prompt.text in prompts
    ]
    _judge_outbox(stage, account, jobs)


def _judge_outbox(stage: Stage, account: Account, jobs: list[Job]) -> None:
    executed = {str(entry["nonce"]): str(entry["job_uuid"]) for entry in stage.state()["interactions"]}
    folders = stage.folders()
    if len(stage.manifests()) != len(folders) or set(folders) != {
        job.id for job in jobs if job.state is State.DONE
    }:
        account.wrong.append("the outbox does not have one folder for each job that is done")
    for job in jobs:
        if job.id in folders and not has_own_pictures(folders[job.id], executed):
            account.wrong.append(f"{job.id} has not its own pictures")
    if left := stage.left():
        account.wrong.append(f"left lying: {left}")


def _retry(stage: Stage, account: Account) -> None:
    """A person says "again" of all that is in doubt; none of it was executed, so nothing runs twice."""
    doubts = {job.id: len(job.nonces) for job in _jobs(stage) if job.state is State.IN_DOUBT}
    if doubts:
        ask(stage.folder / "state" / "journal.sqlite3", "retry", {"jobs": doubts}, time.time())
        _drain(stage, account)
        _judge_outbox(stage, account, _jobs(stage))
    account.done_after_retry = sum(1 for job in _jobs(stage) if job.state is State.DONE)
    prompts = [entry["prompt"] for entry in stage.state()["interactions"]]
    if account.done_after_retry != account.plan.prompts or len(set(prompts)) != len(prompts):
        account.wrong.append(f"{account.done_after_retry} are done after a person's word")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.random_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    plans = [Plan(asked.kills, asked.prompts, asked.seed, resumable) for resumable in (True, False)]
    with tempfile.TemporaryDirectory(prefix="mjwatch-kills-") as folder, ThreadPoolExecutor(2) as pool:
        folders = [Path(folder) / "resumable", Path(folder) / "lost"]
        accounts = list(pool.map(run_kills, folders, plans))
    for account in accounts:
        print(account)
    return 1 if any(account.wrong for account in accounts) else 0


if __name__ == "__main__":
    sys.exit(main())
