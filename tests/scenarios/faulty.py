"""Plays the fault table: faults, prompts, a real daemon, and what came of it."""

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

from typer.testing import CliRunner

from mjwatch.cli.app import app
from mjwatch.errors import JournalError
from mjwatch.journal.reader import JournalReader
from mjwatch.model import Job, State
from mjwatch.simulator.midjourney.job import RenderJob
from mjwatch.simulator.options import SimulatorOptions
from mjwatch.simulator.server import serving
from tests.helpers.patience import deadline, slowed
from tests.scenarios.fault_table import End, Fault, Row
from tests.scenarios.stage import Stage, environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.helpers.daemons import Daemon

T = TypeVar("T")

HURRIED = "tests.scenarios.hurried"
MANY = 50
"""A count that is not meant to be used up."""
_ONE_VERB = Lock()
PATIENCE = deadline(90.0)
"""Seconds after which a row has not come to its end."""


@dataclass(frozen=True)
class Seen:
    """What came of one row."""

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
    struck: bool = True
    """Whether every fault had its occasion."""
    daemon_code: int | None = None
    afterwards: Seen | None = None
    """After a person has told it to go on, where one had to."""

    def __str__(self) -> str:
        history = [note.event for note in self.job.history] if self.job else []
        words = f"paused: {self.paused}\ntrouble: {self.trouble}\nshow: {self.show.get('error')}"
        return "\n".join([repr(self.job), *history, words, self.log])


def prompt_of(row: Row) -> str:
    """A prompt of its own for each row, that is no part of another's."""
    return f"picture {row.name} here"


def file_of(row: Row) -> str:
    return "".join(char if char.isalnum() else "_" for char in row.name) + ".ready.txt"


def armed(row: Row, *, alone: bool) -> list[Fault]:
    """The faults as they are posted; beside other jobs each is meant for its own."""
    soon = int(time.time()) + 3
    ready = [
        {key: value.format(soon=soon) if isinstance(value, str) else value for key, value in one.items()}
        for one in row.faults
    ]
    return ready if alone else [{**one, "match": prompt_of(row)} for one in ready]


def begin(stage: Stage, *arguments: str, watched: bool = False) -> Daemon:
    """The hurried daemon; ``watched`` by Python's development mode, which makes it slow."""
    if not watched:
        return stage.fork(HURRIED, "run", *arguments)
    with (stage.folder / "mjwatch.log").open("a") as log:
        python = [sys.executable, "-X", "dev", "-W", "error", "-m", HURRIED]
        command = [*python, "--config", str(stage.config), "run", *arguments]
        daemon = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=environment())
    stage.daemons.append(daemon)
    return daemon


@contextmanager
def simulated(folder: Path, **options: Any) -> Iterator[Stage]:
    """A stage whose simulator is a thread of this process: it starts at once."""
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
        hasten(stage)
        yield stage
    finally:
        for daemon in stage.daemons:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait(timeout=PATIENCE)
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def jobs_held() -> Iterator[None]:
    """Have jobs of the simulators in this process stay at work as they begin, until the block ends."""
    go_on = Event()
    pass_time = RenderJob._render_with_progress

    async def held(job: RenderJob) -> None:
        while not go_on.is_set():
            await asyncio.sleep(0.05)
        await pass_time(job)

    try:
        with patch.object(RenderJob, "_render_with_progress", held):
            yield
    finally:
        go_on.set()


def hasten(stage: Stage) -> None:
    stage.set("pace", start_timeout=slowed(4), silence_timeout=slowed(6), quiet_time=slowed(5))


def find(stage: Stage, row: Row) -> Job | None:
    return jobs_by_prompt(stage).get(prompt_of(row))


def jobs_by_prompt(stage: Stage) -> dict[str, Job]:
    jobs = read(stage, lambda journal: journal.listed(None, 1000)) or []
    return {job.prompt.text: job for job in reversed(jobs)}


def recall(stage: Stage, key: str) -> Any:
    return read(stage, lambda journal: journal.recall(key))


def read(stage: Stage, question: Callable[[JournalReader], T]) -> T | None:
    """What the journal says; None as long as there is none."""
    try:
        with closing(JournalReader(stage.folder / "state" / "journal.sqlite3")) as journal:
            return question(journal)
    except JournalError:
        return None


def is_at_end(stage: Stage, row: Row, job: Job | None) -> bool:
    """Whether the row has come to its expected end."""
    if job is None:
        return False
    match row.end:
        case End.DONE:
            return job.state is State.DONE
        case End.FAILED:
            return job.state is State.FAILED and job.published is not None
        case End.IN_DOUBT:
            return job.state is State.IN_DOUBT and job.in_doubt_since is None
        case End.PERSON:
            return recall(stage, "paused") is not None and job.state is not State.SUBMITTING
        case End.WAITS:
            return recall(stage, "trouble") is not None and job.state is State.QUEUED


def wait_for_end(stage: Stage, row: Row, daemon: Daemon) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and daemon.poll() is None:
        if is_at_end(stage, row, find(stage, row)):
            return True
        time.sleep(0.1)
    return False


def still_armed(stage: Stage) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"http://{stage.address}/_sim/faults", timeout=PATIENCE) as answer:
        found: list[dict[str, Any]] = json.load(answer)["armed"]
        return found


def verb(stage: Stage, *arguments: str) -> tuple[int, Any]:
    """What a CLI verb prints as JSON, and its exit code; it runs in this process, which saves its start."""
    with _ONE_VERB:  # it replaces sys.stdout for a while
        result = CliRunner().invoke(app, ["--config", str(stage.config), *arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def meant(one: dict[str, Any], row: Row) -> bool:
    """Whether this armed fault is this row's, and not that of a row beside it."""
    return not one["match"].startswith("picture ") or one["match"] == prompt_of(row)


def look(stage: Stage, row: Row, *, reached: bool) -> Seen:
    """What there is to be seen of this row; where a person must understand it, by the CLI."""
    job, state = find(stage, row), stage.state()
    told = job is not None and row.end is not End.DONE
    show = verb(stage, "show", job.id)[1] if job is not None and told else {}
    code, status = verb(stage, "status") if told else (0, {})
    nonces = [] if job is None else list(job.nonces)
    return Seen(
        reached=reached,
        job=job,
        show=show,
        paused=str(recall(stage, "paused") or ""),
        trouble=str(recall(stage, "trouble") or ""),
        status=status,
        status_code=code,
        manifests=[one for one in stage.manifests() if job is not None and one["job"] == job.id],
        interactions=[one for one in state["interactions"] if one["prompt"] == prompt_of(row)],
        posts=tuple(post["status"] for post in state["posts"] if post["nonce"] in nonces),
        state=state,
        log=stage.log,
        struck=not [one for one in still_armed(stage) if one["count"] < MANY and meant(one, row)],
    )


def play_beside(folder: Path, rows: Sequence[Row], **options: Any) -> dict[str, Seen]:
    """All these rows in one daemon."""
    with simulated(folder, seconds_per_job=0.4, max_running=50, **options) as stage:
        for row in rows:
            for one in armed(row, alone=False):
                stage.fault(**one)
            stage.drop(file_of(row), prompt_of(row) + "\n")
        daemon = begin(stage, watched=True)
        end = time.monotonic() + PATIENCE
        missing = list(rows)
        while missing and time.monotonic() < end and daemon.poll() is None:
            jobs = jobs_by_prompt(stage)
            missing = [row for row in missing if not is_at_end(stage, row, jobs.get(prompt_of(row)))]
            time.sleep(0.2)
        code = stage.stop(daemon)
        stage.check_witness()
        return {
            row.name: replace(look(stage, row, reached=row not in missing), daemon_code=code) for row in rows
        }


def play_in_turn(folder: Path, rows: Sequence[Row]) -> dict[str, Seen]:
    """These rows one after another in one daemon: each pauses it, and a person lets it go on."""
    found = {}
    with simulated(folder, seconds_per_job=0.3) as stage:
        daemon = begin(stage, watched=True)
        for row in rows:
            for one in armed(row, alone=True):
                stage.fault(**one)
            stage.drop(file_of(row), prompt_of(row) + "\n")
            seen = look(stage, row, reached=wait_for_end(stage, row, daemon))
            go_on(stage, row, daemon)
            done = replace(row, end=End.DONE)
            afterwards = look(stage, done, reached=wait_for_end(stage, done, daemon))
            found[row.name] = replace(seen, afterwards=afterwards)
        code = stage.stop(daemon)
        stage.check_witness()
        return {name: replace(seen, daemon_code=code, log=stage.log) for name, seen in found.items()}


def play_before(folder: Path, row: Row) -> Seen:
    """This row alone, its fault armed before the daemon starts."""

    def strike(stage: Stage) -> Daemon:
        for one in armed(row, alone=True):
            stage.fault(**one)
        stage.drop(file_of(row), prompt_of(row) + "\n")
        return begin(stage)

    return _play_alone(folder, row, strike)


def play_running(folder: Path, row: Row) -> Seen:
    """This row alone, its fault striking while the job is at work."""

    def strike(stage: Stage) -> Daemon:
        stage.drop(file_of(row), prompt_of(row) + "\n")
        with jobs_held():
            daemon = begin(stage)
            wait_until(lambda: find(stage, row) and _runs(find(stage, row)), f"{row.name} runs")
            for one in armed(row, alone=True):
                stage.fault(**one)
        return daemon

    return _play_alone(folder, row, strike)


def go_on(stage: Stage, row: Row, daemon: Daemon) -> Daemon:
    """A person has acted, and says so; gives the daemon that goes on."""
    code, told = verb(stage, "resume")
    assert (code == 0) is not row.restart, told
    if not row.restart:
        return daemon
    assert "restart the service" in str(told)
    assert stage.stop(daemon) == 0
    return begin(stage)


def _runs(job: Job | None) -> bool:
    return job is not None and job.state is State.RUNNING


def _play_alone(folder: Path, row: Row, strike: Callable[[Stage], Daemon]) -> Seen:
    with simulated(folder, **row.options) as stage:
        daemon = strike(stage)
        reached = wait_for_end(stage, row, daemon)
        seen = look(stage, row, reached=reached)
        afterwards = None
        if row.end is End.PERSON and reached:
            done = replace(row, end=End.DONE)
            daemon = go_on(stage, row, daemon)
            afterwards = look(stage, done, reached=wait_for_end(stage, done, daemon))
        code = stage.stop(daemon, signal.SIGTERM)
        stage.check_witness()
        return replace(seen, daemon_code=code, afterwards=afterwards, log=stage.log)
