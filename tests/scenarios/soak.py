"""A long run under random faults, that looks for what grows: memory, threads, file descriptors, warnings.

``python -m tests.scenarios.soak [--minutes N] [--seed N]``. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from mjwatch.journal.reader import JournalReader
from mjwatch.model import Job, State
from tests.helpers.timeouts import deadline
from tests.scenarios.picture_checks import has_own_pictures
from tests.scenarios.stage import Stage, staged

if TYPE_CHECKING:
    from tests.helpers.daemons import Daemon

OPTIONS = ("--fast-hours", "100000", "--seconds-per-job", "1", "--format", "png", "--heartbeat-interval", "5")
PAUSE = 0.7
"""Seconds between two prompts."""
FAULT_EVERY = 4
"""Prompts to a fault."""
GATEWAY_FAULTS_APART = 35.0
"""Seconds; a gateway that is lost more often is tried again ever more slowly, and nothing is sent."""
DONE_AT_LEAST = 0.9
"""The share of prompts without which it was no soak."""
WARM_UP = 0.2
"""The share of the time after which nothing may grow any more."""
GROWTH = 1.2
SPARE_DESCRIPTORS = 5
"""Connections that are kept open differ by so many from one rest to the next."""
RESTED = 20.0
REST_PATIENCE = deadline(200.0)

OF_THE_GATEWAY = (
    *("gateway_cut", "gateway_reconnect", "gateway_heartbeat", "gateway_split", "gateway_close"),
    *("gateway_invalid_session", "gateway_invalid_session_resumable", "hello_late", "reconnect_first"),
    *("heartbeat_ignored", "ready_large"),
)
OTHERS = (
    *("post_429", "post_500", "post_500_executed", "post_reset", "post_reset_executed", "post_slow"),
    *("stale_version", "cdn_404", "cdn_truncated", "cdn_corrupt", "cdn_error", "cdn_slow"),
    *("index_202", "history_empty", "success_never", "no_start", "no_progress", "loading_first"),
    *("foreign_twin", "preview_without_uuid", "no_preview", "components_v2", "final_edited"),
    *("duplicate_dispatch", "passive_only", "silent", "moderated", "refuse:Invalid parameter"),
)
DETAILS: dict[str, dict[str, object]] = {"ready_large": {"megabytes": 2}, "cdn_slow": {"seconds": 2}}
FAULTS = [
    *({"fault": name, **DETAILS.get(name, {})} for name in (*OF_THE_GATEWAY, *OTHERS)),
    {"fault": "gateway_close", "code": 4009},
]
"""All but those that pause the sending until a person has acted."""

ALARMING = re.compile(r".*(?:Warning:|Traceback|Exception ignored|unforeseen|unexpected error).*")


@dataclass(frozen=True)
class Sample:
    """The process at one moment. ``rss`` is in MiB."""

    at: float
    rss: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Sample:
        process = Path("/proc") / str(pid)
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        rss = int(status["VmRSS"].split()[0]) / 1024
        descriptors = sum(1 for _ in (process / "fd").iterdir())
        return cls(time.monotonic(), rss, int(status["Threads"]), descriptors)

    def __str__(self) -> str:
        return f"{self.rss:.1f} MiB, {self.threads} threads, {self.descriptors} descriptors"


@dataclass
class Soak:
    """One run."""

    stage: Stage
    daemon: Daemon
    rng: random.Random
    dropped: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    gateway_faults_from: float = 0.0
    samples: list[Sample] = field(default_factory=list)

    def work(self, seconds: float) -> None:
        """Drop prompts and arm faults for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.stage.drop(f"kite-{self.dropped:05}.ready.txt", f"a kite number {self.dropped:05}\n")
            self.dropped += 1
            if self.dropped % FAULT_EVERY == 0:
                self.spoil()
            self.look()
            time.sleep(self.rng.uniform(0, 2 * PAUSE))

    def spoil(self) -> None:
        """Arm a fault; those of the gateway with so much time between that it is mostly up."""
        fault = self.rng.choice(FAULTS)
        if str(fault["fault"]) in OF_THE_GATEWAY:
            if time.monotonic() < self.gateway_faults_from:
                return
            self.gateway_faults_from = time.monotonic() + GATEWAY_FAULTS_APART
        self.stage.fault(**fault)
        self.faults[str(fault["fault"])] += 1

    def look(self) -> None:
        code = self.daemon.poll()
        assert code is None, f"the daemon has ended with {code}\n{self.stage.log[-3000:]}"
        self.samples.append(Sample.of(self.daemon.pid))

    def rest(self) -> Sample:
        """Wait until all has its answer and a while longer; what the process holds then."""
        end = time.monotonic() + REST_PATIENCE
        while waiting := self.waiting():
            assert time.monotonic() < end, f"never answered: {waiting}\n{self.stage.log[-3000:]}"
            time.sleep(1)
        time.sleep(RESTED)
        self.look()
        return self.samples[-1]

    def jobs(self) -> list[Job]:
        with closing(JournalReader(self.stage.folder / "state" / "journal.sqlite3")) as journal:
            return journal.listed(None, 1_000_000)

    def waiting(self) -> list[str]:
        """The prompts that still wait for anything but a person."""
        jobs = [repr(job) for job in self.jobs() if job.open and job.state is not State.IN_DOUBT]
        return jobs + self.stage.left()


def soak(folder: Path, minutes: float, seed: int) -> list[str]:
    """Run; what is wrong at the end, one line each."""
    with staged(folder, *OPTIONS, "--seed", str(seed)) as stage:
        stage.set("pace", quiet_time=5, start_timeout=20, silence_timeout=40)
        run = Soak(stage, stage.start(), random.Random(seed))
        run.work(minutes * 60 * WARM_UP)
        early = run.rest()
        begun = len(run.samples)
        run.work(minutes * 60 * (1 - WARM_UP))
        late = run.rest()
        print(f"{run.dropped} prompts: {dict(Counter(str(job.state) for job in run.jobs()))}")
        print(f"{sum(run.faults.values())} faults: {dict(sorted(run.faults.items()))}")
        print(f"at rest after warming up: {early}\nat rest at the end:       {late}")
        wrong = [*growth(run.samples[begun:]), *leaks(early, late), *misjudged(run)]
        code = stage.stop(run.daemon)
        wrong += [f"the daemon ended with {code}"] if code else []
        return wrong + sorted(set(ALARMING.findall(stage.log)))


def growth(samples: list[Sample]) -> list[str]:
    fifth = max(1, len(samples) // 5)
    before, after = (median(one.rss for one in part) for part in (samples[:fifth], samples[-fifth:]))
    print(f"at work: {before:.1f} MiB in the first fifth, {after:.1f} MiB in the last ({after / before:.0%})")
    return [f"memory grew from {before:.1f} to {after:.1f} MiB"] if after > before * GROWTH else []


def leaks(early: Sample, late: Sample) -> list[str]:
    found = []
    if late.threads > early.threads:
        found.append(f"threads: {early.threads} at rest, {late.threads} in the end")
    if late.descriptors > early.descriptors + SPARE_DESCRIPTORS:
        found.append(f"descriptors: {early.descriptors} at rest, {late.descriptors} in the end")
    return found


def misjudged(run: Soak) -> list[str]:
    """What mjwatch says of its prompts that the witness does not."""
    entries = [one for one in run.stage.state()["interactions"] if one["outcome"] != "refused"]
    executed = {str(one["nonce"]): str(one["job_uuid"]) for one in entries}
    twice = [prompt for prompt, count in Counter(one["prompt"] for one in entries).items() if count > 1]
    folders = run.stage.folders()
    wrong = [f"executed twice: {prompt}" for prompt in twice]
    jobs = run.jobs()
    done = sum(1 for job in jobs if job.state is State.DONE)
    if done < run.dropped * DONE_AT_LEAST:
        wrong.append(f"only {done} of {run.dropped} prompts are done")
    for job in jobs:
        if job.state is State.DONE and not has_own_pictures(folders[job.id], executed):
            wrong.append(f"{job.id} has not its own pictures")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mjwatch-soak-") as folder:
        wrong = soak(Path(folder), asked.minutes, asked.seed)
    print("\n".join(f"WRONG: {line}" for line in wrong) or "nothing grew, nothing leaked, nothing warned")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
