"""Run the faults of the fault table against a real daemon, and collect the results."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from queue import Queue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch
from zlib import crc32

from typer.testing import CliRunner

from mjwatch.cli.app import app
from mjwatch.errors import JournalError
from mjwatch.journal.reader import JournalReader
from mjwatch.model import Job, State
from mjwatch.simulator.midjourney.bot import MidjourneyBot
from mjwatch.simulator.midjourney.job import RenderJob
from mjwatch.simulator.options import SimulatorOptions
from mjwatch.simulator.server import serving
from tests.helpers.timeouts import deadline, slowed
from tests.scenarios.fault_table import End, Fault, Row
from tests.scenarios.stage import Stage, environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.helpers.daemons import Daemon

T = TypeVar("T")

SHORT_TIMEOUTS_MODULE = "tests.scenarios.short_timeouts"
MANY = 50
"""A fault with at least this count is not expected to be used up."""
_VERB_LOCK = Lock()
PATIENCE = deadline(90.0)
"""Seconds within which a row must reach its expected end."""


@dataclass(frozen=True)
class RowResult:
    """The results of one row."""

    reached: bool
    job: Job | None
    show: dict[str, Any]
    paused: str
    trouble: str
    status: dict[str, Any]
    status_code: int
    manifests: list[dict[str, Any]]
    interactions: list[dict[str, Any]]
    posts: tuple[int | None, ...]
    state: dict[str, Any]
    log: str
    all_faults_occurred: bool = True
    daemon_code: int | None = None
    afterwards: RowResult | None = None
    """The results after the resume, if one was needed."""

    def __str__(self) -> str:
        history = [note.event for note in self.job.history] if self.job else []
        reasons = f"paused: {self.paused}\ntrouble: {self.trouble}\nshow: {self.show.get('error')}"
        return "\n".join([repr(self.job), *history, reasons, self.log])


def prompt_of(row: Row) -> str:
    """Return the prompt of a row. No prompt is part of another one."""
    return f"picture {row.name} here"


def file_of(row: Row) -> str:
    return "".join(char if char.isalnum() else "_" for char in row.name) + ".ready.txt"


def faults_to_arm(row: Row, *, alone: bool) -> list[Fault]:
    """Return the faults to post. Unless the row runs ``alone``, they apply only to its prompt."""
    soon = int(time.time()) + 3
    ready = [
        {key: value.format(soon=soon) if isinstance(value, str) else value for key, value in fault.items()}
        for fault in row.faults
    ]
    return ready if alone else [{**fault, "match": prompt_of(row)} for fault in ready]


def start_daemon(stage: Stage, *arguments: str, dev_mode: bool = False) -> Daemon:
    """Start the daemon with short timeouts. Python's development mode makes it slow."""
    if not dev_mode:
        return stage.fork(SHORT_TIMEOUTS_MODULE, "run", *arguments)
    with (stage.folder / "mjwatch.log").open("a") as log:
        python = [sys.executable, "-X", "dev", "-W", "error", "-m", SHORT_TIMEOUTS_MODULE]
        command = [*python, "--config", str(stage.config), "run", *arguments]
        daemon = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=environment())
    stage.daemons.append(daemon)
    return daemon


@contextmanager
def open_threaded_stage(folder: Path, **options: Any) -> Iterator[Stage]:
    """Open a stage whose simulator is a thread of this process, which starts faster than a process."""
    ready: Queue[str | BaseException] = Queue()
    stop, loop = asyncio.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        chosen = SimulatorOptions(**{"workspace": folder, "grid": 128, "seconds_per_job": 1.0, **options})
        async with serving(chosen) as host:
            ready.put(host)
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except OSError as error:
            ready.put(error)
        finally:
            loop.close()

    thread = Thread(target=run, name=f"simulator {folder.name}")
    thread.start()
    host = ready.get(timeout=PATIENCE)
    assert isinstance(host, str), host
    stage = Stage(folder, host)
    try:
        shorten_timeouts(stage)
        yield stage
    finally:
        for daemon in stage.daemons:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait(timeout=PATIENCE)
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def open_patient_stage(folder: Path, **options: Any) -> Iterator[Stage]:
    """Open a stage with a simulator in this process and the usual time limits: jobs may be held for long."""
    with open_threaded_stage(folder, **{"seconds_per_job": 0.3, **options}) as stage:
        stage.set_config("pace", start_timeout=900, silence_timeout=3600, quiet_time=60)
        yield stage


def renders_blocked() -> AbstractContextManager[None]:
    """Block the rendering of all jobs in the simulators of this process until the end of the block."""
    return _blocked(RenderJob, "_render_with_progress")


@contextmanager
def progress_blocked() -> Iterator[Callable[[], None]]:
    """Block the jobs in these simulators after each percentage; yield a function that lets the next come."""
    shown: dict[str, int] = {}
    allowed = [1]
    show = RenderJob._show

    async def wait(job: RenderJob, percent: int, progress: dict[str, Any]) -> None:
        number = shown[job.uuid] = shown.get(job.uuid, 0) + 1
        while number > allowed[0]:
            await asyncio.sleep(0.05)
        await show(job, percent, progress)

    def show_next() -> None:
        allowed[0] += 1

    try:
        with patch.object(RenderJob, "_show", wait):
            yield show_next
    finally:
        allowed[0] = 100


def answers_blocked() -> AbstractContextManager[None]:
    """Block all events about interactions in these simulators, from the first on."""
    return _blocked(MidjourneyBot, "_answer")


@contextmanager
def _blocked(owner: type, name: str) -> Iterator[None]:
    """Let each call of this method wait for the end of the block."""
    released = Event()
    original = getattr(owner, name)

    async def wait(*arguments: Any) -> None:
        while not released.is_set():
            await asyncio.sleep(0.05)
        await original(*arguments)

    try:
        with patch.object(owner, name, wait):
            yield
    finally:
        released.set()


def shorten_timeouts(stage: Stage) -> None:
    stage.set_config("pace", start_timeout=slowed(4), silence_timeout=slowed(6), quiet_time=slowed(5))


def find_job(stage: Stage, row: Row) -> Job | None:
    return jobs_by_prompt(stage).get(prompt_of(row))


def jobs_by_prompt(stage: Stage) -> dict[str, Job]:
    jobs = read_journal(stage, lambda journal: journal.listed(None, 1000)) or []
    return {job.prompt.text: job for job in reversed(jobs)}


def read_meta(stage: Stage, key: str) -> Any:
    return read_journal(stage, lambda journal: journal.recall(key))


def read_journal(stage: Stage, query: Callable[[JournalReader], T]) -> T | None:
    """Return what the query reads from the journal, or None while there is no journal."""
    try:
        with closing(JournalReader(stage.folder / "state" / "journal.sqlite3")) as journal:
            return query(journal)
    except JournalError:
        return None


def has_expected_end(stage: Stage, row: Row, job: Job | None) -> bool:
    """Return whether the row has reached its expected end."""
    if job is None:
        return False
    match row.end:
        case End.DONE:
            return job.state is State.DONE
        case End.FAILED:
            return job.state is State.FAILED and job.published is not None
        case End.IN_DOUBT:
            return job.state is State.IN_DOUBT and job.in_doubt_since is None
        case End.NEEDS_PERSON:
            return read_meta(stage, "paused") is not None and job.state is not State.SUBMITTING
        case End.WAITING:
            return read_meta(stage, "trouble") is not None and job.state is State.QUEUED


def wait_for_end(stage: Stage, row: Row, daemon: Daemon) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and daemon.poll() is None:
        if has_expected_end(stage, row, find_job(stage, row)):
            return True
        time.sleep(0.1)
    return False


def still_armed(stage: Stage) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"http://{stage.address}/_sim/faults", timeout=PATIENCE) as answer:
        found: list[dict[str, Any]] = json.load(answer)["armed"]
        return found


def run_verb(stage: Stage, *arguments: str) -> tuple[int, Any]:
    """Run a CLI command in this process, and return its exit code and its JSON output."""
    with _VERB_LOCK:  # the runner replaces sys.stdout
        result = CliRunner().invoke(app, ["--config", str(stage.config), *arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def belongs_to(fault: dict[str, Any], row: Row) -> bool:
    """Return whether this armed fault belongs to this row, and not to another row of the same daemon."""
    return not fault["match"].startswith("picture ") or fault["match"] == prompt_of(row)


def observe(stage: Stage, row: Row, *, reached: bool) -> RowResult:
    """Return the results of this row so far. CLI output is included unless the job is expected to be done."""
    job, state = find_job(stage, row), stage.simulator_state()
    ask_cli = job is not None and row.end is not End.DONE
    show = run_verb(stage, "show", job.id)[1] if job is not None and ask_cli else {}
    code, status = run_verb(stage, "status") if ask_cli else (0, {})
    nonces = [] if job is None else list(job.nonces)
    return RowResult(
        reached=reached,
        job=job,
        show=show,
        paused=str(read_meta(stage, "paused") or ""),
        trouble=str(read_meta(stage, "trouble") or ""),
        status=status,
        status_code=code,
        manifests=[each for each in stage.manifests() if job is not None and each["job"] == job.id],
        interactions=[each for each in state["interactions"] if each["prompt"] == prompt_of(row)],
        posts=tuple(post["status"] for post in state["posts"] if post["nonce"] in nonces),
        state=state,
        log=stage.log,
        all_faults_occurred=not [
            each for each in still_armed(stage) if each["count"] < MANY and belongs_to(each, row)
        ],
    )


def run_together(folder: Path, rows: Sequence[Row], **options: Any) -> dict[str, RowResult]:
    """Run all these rows at the same time in one daemon."""
    with open_threaded_stage(folder, seconds_per_job=0.4, max_running=50, **options) as stage:
        for row in rows:
            for fault in faults_to_arm(row, alone=False):
                stage.arm_fault(**fault)
            stage.drop(file_of(row), prompt_of(row) + "\n")
        daemon = start_daemon(stage, dev_mode=True)
        end = time.monotonic() + PATIENCE
        missing = list(rows)
        while missing and time.monotonic() < end and daemon.poll() is None:
            jobs = jobs_by_prompt(stage)
            missing = [row for row in missing if not has_expected_end(stage, row, jobs.get(prompt_of(row)))]
            time.sleep(0.2)
        code = stage.stop(daemon)
        stage.check_simulator_record()
        return {
            row.name: replace(observe(stage, row, reached=row not in missing), daemon_code=code)
            for row in rows
        }


def run_in_turn(folder: Path, rows: Sequence[Row]) -> dict[str, RowResult]:
    """Run these rows one after another in one daemon: each row pauses the daemon, then it is resumed."""
    found = {}
    with open_threaded_stage(folder, seconds_per_job=0.3) as stage:
        daemon = start_daemon(stage, dev_mode=True)
        for row in rows:
            for fault in faults_to_arm(row, alone=True):
                stage.arm_fault(**fault)
            stage.drop(file_of(row), prompt_of(row) + "\n")
            result = observe(stage, row, reached=wait_for_end(stage, row, daemon))
            resume_after_fix(stage, row, daemon)
            done = replace(row, end=End.DONE)
            afterwards = observe(stage, done, reached=wait_for_end(stage, done, daemon))
            found[row.name] = replace(result, afterwards=afterwards)
        code = stage.stop(daemon)
        stage.check_simulator_record()
        return {name: replace(result, daemon_code=code, log=stage.log) for name, result in found.items()}


def run_with_early_fault(folder: Path, row: Row) -> RowResult:
    """Run this row alone, with its fault armed before the daemon starts."""

    def start(stage: Stage) -> Daemon:
        for fault in faults_to_arm(row, alone=True):
            stage.arm_fault(**fault)
        stage.drop(file_of(row), prompt_of(row) + "\n")
        return start_daemon(stage)

    return _run_alone(folder, row, start)


def run_with_late_fault(folder: Path, row: Row) -> RowResult:
    """Run this row alone, with its fault armed while the job runs."""

    def start(stage: Stage) -> Daemon:
        stage.drop(file_of(row), prompt_of(row) + "\n")
        with renders_blocked():
            daemon = start_daemon(stage)
            wait_until(lambda: find_job(stage, row) and _is_running(find_job(stage, row)), f"{row.name} runs")
            for fault in faults_to_arm(row, alone=True):
                stage.arm_fault(**fault)
        return daemon

    return _run_alone(folder, row, start)


def resume_after_fix(stage: Stage, row: Row, daemon: Daemon) -> Daemon:
    """Resume sending as a person does, and return the daemon: a new one if a restart is needed."""
    code, answer = run_verb(stage, "resume")
    assert (code == 0) is not row.restart, answer
    if not row.restart:
        return daemon
    assert "restart the service" in str(answer)
    assert stage.stop(daemon) == 0
    return start_daemon(stage)


def _is_running(job: Job | None) -> bool:
    return job is not None and job.state is State.RUNNING


def reuse_session_ids(stage: Stage, case: str) -> None:
    """Have each new session get the id of the last one, in half of all cases; ``case`` is the name of one."""
    if crc32(case.encode()) % 2:
        stage.arm_fault(fault="session_id_reused", count=10 * MANY)


def _run_alone(folder: Path, row: Row, start: Callable[[Stage], Daemon]) -> RowResult:
    with open_threaded_stage(folder, **row.options) as stage:
        reuse_session_ids(stage, row.name)
        daemon = start(stage)
        reached = wait_for_end(stage, row, daemon)
        result = observe(stage, row, reached=reached)
        afterwards = None
        if row.end is End.NEEDS_PERSON and reached:
            done = replace(row, end=End.DONE)
            daemon = resume_after_fix(stage, row, daemon)
            afterwards = observe(stage, done, reached=wait_for_end(stage, done, daemon))
        code = stage.stop(daemon, signal.SIGTERM)
        stage.check_simulator_record()
        return replace(result, daemon_code=code, afterwards=afterwards, log=stage.log)
