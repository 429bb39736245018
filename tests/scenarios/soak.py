"""A long run with random faults, to find growth of memory, threads and file descriptors, and warnings.

``python -m tests.scenarios.soak [--minutes N] [--seed N]``. Linux with glibc only.

Memory that is kept of each prompt shows in what is in use (``InUse``), which is counted exactly while the
daemon is idle. The resident memory does not show it, because it follows the largest load so far: Python
returns memory to the system in pieces of 1 MiB, and keeps a piece as long as anything in it is in use. So the
resident memory rises by a step when more messages than ever before are read from the history after a lost
session (500 of them: 6 MB), and then stays, because later ones use the same pieces again. With these faults
and six times as many prompts a minute it was 58 MiB after 300 prompts, 63 after 600, 74 from 2,100 to 3,900,
and 82 from 4,800 to 5,400, where 1,000 pools of 16 KiB in those pieces were free. In use there were 20.6 MiB
of Python's objects after 300 prompts, and 21.2 after 5,400.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.journal.reader import JournalReader
from mjwatch.model import Job, State
from tests.helpers.memory import FIGURES, InUse
from tests.helpers.timeouts import deadline
from tests.scenarios.picture_checks import has_own_pictures
from tests.scenarios.stage import Stage, open_stage, wait_until

if TYPE_CHECKING:
    from tests.helpers.daemons import Daemon

MEASURED_MODULE = "tests.scenarios.measured"

OPTIONS = ("--fast-hours", "100000", "--seconds-per-job", "1", "--format", "png", "--heartbeat-interval", "5")
PAUSE = 0.7
"""Seconds between two prompts."""
FAULT_EVERY = 4
"""Prompts per fault."""
GATEWAY_FAULTS_APART = 35.0
"""Seconds between gateway faults: after more frequent ones reconnecting backs off, and nothing is sent."""
DONE_AT_LEAST = 0.9
"""The share of prompts that must be done for a valid run."""
WARM_UP = 1 / 3
"""The share of the time after which nothing may grow.

SQLite's cache of 2 MiB is full after some 500 prompts; a much shorter run counts that as growth.
"""
OBJECTS_A_PROMPT, HEAP_A_PROMPT = 5.0, 1024.0
"""The most small objects, and bytes of other memory, that may stay in use of each prompt after warming up.

A prompt itself takes some 200 objects while it is open.
"""
MOST_RESIDENT = 100.0
"""MiB of resident memory under this load, at any time."""
SPARE_DESCRIPTORS = 5
"""The number of open connections can differ by this much between two idle phases."""
IDLE_TIME = 20.0
IDLE_TIMEOUT = deadline(200.0)

GATEWAY_FAULTS = (
    *("gateway_cut", "gateway_reconnect", "gateway_heartbeat", "gateway_split", "gateway_close"),
    *("gateway_invalid_session", "gateway_invalid_session_resumable", "hello_late", "reconnect_first"),
    *("heartbeat_ignored", "ready_large", "session_id_reused"),
)
OTHER_FAULTS = (
    *("post_429", "post_500", "post_500_executed", "post_reset", "post_reset_executed", "post_slow"),
    *("stale_version", "cdn_404", "cdn_truncated", "cdn_corrupt", "cdn_error", "cdn_slow"),
    *("index_202", "history_empty", "success_never", "no_start", "no_progress", "loading_first"),
    *("foreign_twin", "preview_without_uuid", "no_preview", "components_v2", "final_edited"),
    *("duplicate_dispatch", "passive_only", "silent", "moderated", "refuse:Invalid parameter"),
)
PARAMETERS: dict[str, dict[str, object]] = {"ready_large": {"megabytes": 2}, "cdn_slow": {"seconds": 2}}
FAULTS: list[dict[str, Any]] = [
    *({"fault": name, **PARAMETERS.get(name, {})} for name in (*GATEWAY_FAULTS, *OTHER_FAULTS)),
    {"fault": "gateway_close", "code": 4009},
    {"fault": "account_limited", "seconds": 3},
    {"fault": "post_429_html", "retry_after": 2},
    {"fault": "refuse:Queue full"},
    {"fault": "post_error", "status": 400, "code": 40043, "count": 4},  # more than the circuit breaker allows
]
"""All faults except those that pause sending until a person has acted."""

ALARMING = re.compile(r".*(?:Warning:|Traceback|Exception ignored|unforeseen|unexpected error).*")


@dataclass(frozen=True)
class Sample:
    """The resources of the process at one moment. ``rss`` is in MiB."""

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


@dataclass(frozen=True)
class Idle:
    """The daemon at a moment when all prompts were settled. ``prompts``: how many there were until then."""

    prompts: int
    sample: Sample
    memory: InUse

    def __str__(self) -> str:
        used = (
            f"{self.memory.objects:,} objects and {self.memory.heap / 2**20:.2f} MiB of other memory in use"
        )
        return f"{self.prompts} prompts, {self.sample}; {used}"


@dataclass
class Soak:
    """A run."""

    stage: Stage
    daemon: Daemon
    rng: random.Random
    dropped: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    next_gateway_fault: float = 0.0
    samples: list[Sample] = field(default_factory=list)

    def work(self, seconds: float) -> None:
        """Drop prompts and arm faults for this long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.stage.drop(f"kite-{self.dropped:05}.ready.txt", f"a kite number {self.dropped:05}\n")
            self.dropped += 1
            if self.dropped % FAULT_EVERY == 0:
                self.arm_random_fault()
            self.sample()
            time.sleep(self.rng.uniform(0, 2 * PAUSE))

    def arm_random_fault(self) -> None:
        """Arm a fault. Gateway faults are rare enough that the gateway is mostly up."""
        fault = self.rng.choice(FAULTS)
        if str(fault["fault"]) in GATEWAY_FAULTS:
            if time.monotonic() < self.next_gateway_fault:
                return
            self.next_gateway_fault = time.monotonic() + GATEWAY_FAULTS_APART
        self.stage.arm_fault(**fault)
        self.faults[str(fault["fault"])] += 1

    def sample(self) -> None:
        code = self.daemon.poll()
        assert code is None, f"the daemon ended with {code}\n{self.stage.log[-3000:]}"
        self.samples.append(Sample.of(self.daemon.pid))

    def idle(self) -> Idle:
        """Wait until all prompts are settled and for the idle time, and measure the process."""
        end = time.monotonic() + IDLE_TIMEOUT
        while waiting := self.waiting():
            assert time.monotonic() < end, f"never settled: {waiting}\n{self.stage.log[-3000:]}"
            time.sleep(1)
        time.sleep(IDLE_TIME)
        self.sample()
        figures = self.stage.folder / FIGURES
        figures.unlink(missing_ok=True)
        self.daemon.send_signal(signal.SIGUSR1)
        wait_until(figures.exists, "the figures of the memory in use")
        return Idle(self.dropped, self.samples[-1], InUse(**json.loads(figures.read_text())))

    def jobs(self) -> list[Job]:
        with closing(JournalReader(self.stage.folder / "state" / "journal.sqlite3")) as journal:
            return journal.listed(None, 1_000_000)

    def waiting(self) -> list[str]:
        """Return the prompts that are not settled, without those that wait for a person."""
        jobs = [repr(job) for job in self.jobs() if job.open and job.state is not State.IN_DOUBT]
        return jobs + self.stage.leftovers()


def soak(folder: Path, minutes: float, seed: int) -> list[str]:
    """Run the test, and return the errors, one line each."""
    with open_stage(folder, *OPTIONS, "--seed", str(seed)) as stage:
        stage.set_config("pace", quiet_time=5, start_timeout=20, silence_timeout=40)
        run = Soak(stage, stage.fork(MEASURED_MODULE, "run"), random.Random(seed))
        run.work(minutes * 60 * WARM_UP)
        early = run.idle()
        run.work(minutes * 60 * (1 - WARM_UP))
        late = run.idle()
        print(f"{run.dropped} prompts: {dict(Counter(str(job.state) for job in run.jobs()))}")
        print(f"{sum(run.faults.values())} faults: {dict(sorted(run.faults.items()))}")
        print(f"idle after warming up: {early}\nidle at the end:       {late}")
        errors = [*growth(early, late), *leaks(early.sample, late.sample), *outcome_errors(run)]
        errors += too_large(run.samples)
        code = stage.stop(run.daemon)
        errors += [f"the daemon ended with {code}"] if code else []
        return errors + sorted(set(ALARMING.findall(stage.log)))


def growth(early: Idle, late: Idle) -> list[str]:
    """Return what stays in use of each prompt, if that is too much."""
    prompts = late.prompts - early.prompts
    objects = (late.memory.objects - early.memory.objects) / prompts
    heap = (late.memory.heap - early.memory.heap) / prompts
    print(f"kept of each of {prompts} prompts: {objects:.2f} objects, {heap:.0f} bytes of other memory")
    found = [f"{objects:.1f} objects are kept of each prompt"] if objects > OBJECTS_A_PROMPT else []
    return found + ([f"{heap:.0f} bytes are kept of each prompt"] if heap > HEAP_A_PROMPT else [])


def too_large(samples: list[Sample]) -> list[str]:
    """Return whether the process was ever too large; also print how its resident memory developed."""
    tenth = max(1, len(samples) // 10)
    steps = [max(sample.rss for sample in samples[at : at + tenth]) for at in range(0, len(samples), tenth)]
    print(f"resident, largest of each tenth: {', '.join(f'{rss:.1f}' for rss in steps)} MiB")
    return [f"{max(steps):.1f} MiB are resident"] if max(steps) > MOST_RESIDENT else []


def leaks(early: Sample, late: Sample) -> list[str]:
    found = []
    if late.threads > early.threads:
        found.append(f"threads: {early.threads} after warming up, {late.threads} at the end")
    if late.descriptors > early.descriptors + SPARE_DESCRIPTORS:
        found.append(f"descriptors: {early.descriptors} after warming up, {late.descriptors} at the end")
    return found


def outcome_errors(run: Soak) -> list[str]:
    """Return where the journal and the outbox differ from what the simulator has recorded."""
    entries = [
        entry for entry in run.stage.simulator_state()["interactions"] if entry["outcome"] != "refused"
    ]
    executed = {str(entry["nonce"]): str(entry["job_uuid"]) for entry in entries}
    twice = [prompt for prompt, count in Counter(entry["prompt"] for entry in entries).items() if count > 1]
    folders = run.stage.folders()
    errors = [f"executed twice: {prompt}" for prompt in twice]
    jobs = run.jobs()
    done = sum(1 for job in jobs if job.state is State.DONE)
    if done < run.dropped * DONE_AT_LEAST:
        errors.append(f"only {done} of {run.dropped} prompts are done")
    for job in jobs:
        if job.state is State.DONE and not has_own_pictures(folders[job.id], executed):
            errors.append(f"{job.id} has pictures of another job")
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mjwatch-soak-") as folder:
        errors = soak(Path(folder), options.minutes, options.seed)
    print("\n".join(f"ERROR: {line}" for line in errors) or "no growth, no leaks, no warnings")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
