"""Steer a real service: each command while it runs, while it is stopped, and when it is killed.

Seen to catch: a pause that is not journaled, that a start or the gateway's welcome ends, or that does not
stop the sending; a job that failed where a person was wanted.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from mjwatch.cli.app import app
from mjwatch.errors import NoJournalError
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import Job, State
from tests.scenarios.stage import HANG, MJWATCH, Stage, environment, staged, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.daemons import Daemon


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("steering") / "w", "--seconds-per-job", "0.6") as stage:
        yield stage


@pytest.fixture
def stage(simulated: Stage) -> Iterator[Stage]:
    """One simulator for all tests; when a test begins or ends, no daemon runs and nothing is paused."""
    yield simulated
    for daemon in simulated.daemons:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait(timeout=HANG)
    simulated.check_witness()
    steer(simulated, "resume")


def steer(stage: Stage, *arguments: str) -> tuple[int, Any]:
    """Run a command, and return its exit code and its answer."""
    result = CliRunner().invoke(app, ["--config", str(stage.config), *arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def begin(stage: Stage, *arguments: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    command = [*MJWATCH, "--config", str(stage.config), *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    stage.daemons.append(process)  # ended with them where a test fails
    return process


def jobs(stage: Stage, prompt: str) -> list[Job]:
    path = stage.folder / "state" / JOURNAL_FILE
    with suppress(NoJournalError), closing(JournalReader(path)) as reader:
        return [job for job in reader.listed(None, 1000) if job.prompt.text == prompt]
    return []


def wait_for(stage: Stage, prompt: str, state: State) -> Job:
    """Wait for a job with this prompt in this state, and return it."""

    def found() -> Job | None:
        return next((job for job in jobs(stage, prompt) if job.state is state), None)

    job: Job = wait_until(found, f"{prompt} is {state}")
    return job


def drop(stage: Stage, prompt: str) -> None:
    """Drop a prompt file that is taken at once."""
    stage.drop(f"{prompt.replace(' ', '-')}.ready.txt", prompt + "\n")


def executed(stage: Stage, prompt: str) -> int:
    return sum(entry["prompt"] == prompt for entry in stage.state()["interactions"])


def are_written(stage: Stage, number: int) -> bool:
    """Return whether the journal has so many requests without an answer."""
    with closing(sqlite3.connect(stage.folder / "state" / JOURNAL_FILE)) as db:
        rows = db.execute("SELECT COUNT(*) FROM requests WHERE answered IS NULL")
        return bool(rows.fetchone()[0] == number)


def freeze(stage: Stage, daemon: Daemon) -> None:
    """Stop the daemon between two transactions: within one it would lock the journal."""

    def stopped_idle() -> bool:
        daemon.send_signal(signal.SIGSTOP)
        with closing(sqlite3.connect(stage.folder / "state" / JOURNAL_FILE, timeout=0.5)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                daemon.send_signal(signal.SIGCONT)
                return False
            db.execute("ROLLBACK")
            return True

    wait_until(stopped_idle, "the daemon stands still")


def in_doubt(stage: Stage, prompt: str) -> Job:
    """Return a job in doubt: its POST had no answer, and was not executed."""
    stage.fault(fault="post_reset", match=prompt)
    drop(stage, prompt)
    return wait_for(stage, prompt, State.IN_DOUBT)


def test_a_running_service_is_paused_takes_files_in_and_goes_on(stage: Stage) -> None:
    daemon = stage.start_ready()
    drop(stage, "a running cat")
    wait_until(lambda: executed(stage, "a running cat"), "it is sent")
    assert steer(stage, "pause", "lunch")[1]["done"]
    drop(stage, "a patient cat")
    drop(stage, "an unwanted cat")
    unwanted = wait_for(stage, "an unwanted cat", State.QUEUED)
    wait_for(stage, "a patient cat", State.QUEUED)
    wait_for(stage, "a running cat", State.DONE)
    assert steer(stage, "status")[1]["paused"] == "paused by hand: lunch"
    assert steer(stage, "cancel", unwanted.id)[1][0]["done"]
    wait_until(lambda: "cancelled" in {one["state"] for one in stage.manifests()}, "its answer")
    assert executed(stage, "a patient cat") == 0
    assert steer(stage, "prune")[1]["jobs"] == 0
    assert steer(stage, "resume")[1]["words"] == "resumed; it was paused: paused by hand: lunch"
    wait_for(stage, "a patient cat", State.DONE)
    assert stage.stop(daemon) == 0
    assert executed(stage, "an unwanted cat") == 0


def test_a_stopped_service_is_steered_all_the_same(stage: Stage) -> None:
    stage.drain()
    assert steer(stage, "pause")[1]["done"]
    daemon = stage.start_ready()
    for prompt in ("a stopped cat", "a refused cat"):
        drop(stage, prompt)
        wait_for(stage, prompt, State.QUEUED)
    assert stage.stop(daemon) == 0
    refused = wait_for(stage, "a refused cat", State.QUEUED)
    assert steer(stage, "cancel", refused.id)[1][0]["words"] == "cancelled before it was sent"
    assert stage.start("--drain").wait(timeout=HANG) == 4
    assert executed(stage, "a stopped cat") == 0
    assert steer(stage, "resume")[0] == 0
    assert steer(stage, "retry", refused.id)[1][0]["words"] == "queued again"
    stage.drain()
    assert wait_for(stage, "a stopped cat", State.DONE).folder
    assert wait_for(stage, "a refused cat", State.DONE).folder


def test_what_a_killed_service_has_left_undone_the_verbs_do_themselves(stage: Stage) -> None:
    daemon = stage.start_ready()
    doubtful = in_doubt(stage, "a doubtful cat")
    stage.drop("doubtful-twin.ready.txt", "a doubtful cat\n")
    twin = wait_for(stage, "a doubtful cat", State.QUEUED)
    steer(stage, "pause", "enough")
    freeze(stage, daemon)
    asked = [
        ("resume",),
        ("retry", doubtful.id),
        ("retry", doubtful.id),
        ("cancel", twin.id),
        ("pause", "no"),
    ]
    processes = []
    for arguments in asked:
        processes.append(begin(stage, *arguments))
        wait_until(partial(are_written, stage, len(processes)), f"{arguments} is written down")
    assert stage.stop(daemon, signal.SIGKILL) == -signal.SIGKILL
    outputs = [process.communicate(timeout=HANG)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(asked), outputs
    words = (
        "resumed",
        "queued again",
        "is in the queue already",
        "cancelled before",
        "paused by hand: no",
    )
    assert [part in line for part, line in zip(words, outputs, strict=True)] == [True] * len(asked), outputs
    assert steer(stage, "prune")[1]["jobs"] == 0
    assert stage.start("--drain", "--resume").wait(timeout=HANG) == 0, stage.log
    wait_for(stage, "a doubtful cat", State.DONE)
    assert executed(stage, "a doubtful cat") == 1


def test_a_doubtful_job_is_sent_once_more_however_many_say_so_at_once(stage: Stage) -> None:
    daemon = stage.start_ready()
    job = in_doubt(stage, "a twice wanted cat")
    answer = steer(stage, "show", job.id)[1]
    assert f"`mjwatch retry {job.id}`" in answer["mend"]
    processes = [begin(stage, "retry", job.id) for _ in range(2)]
    outputs = [process.communicate(timeout=HANG) for process in processes]
    assert sum("queued again" in out for out, _ in outputs) == 1, outputs
    wait_for(stage, "a twice wanted cat", State.DONE)
    assert stage.stop(daemon) == 0
    assert executed(stage, "a twice wanted cat") == 1
    nonces = wait_for(stage, "a twice wanted cat", State.DONE).nonces
    assert sum(post["nonce"] in nonces for post in stage.state()["posts"]) == len(nonces) == 2


def test_a_doubtful_job_is_given_up_and_its_twin_goes(stage: Stage) -> None:
    daemon = stage.start_ready()
    job = in_doubt(stage, "a given up cat")
    stage.drop("twin.ready.txt", "a given up cat\n")
    wait_until(lambda: len(jobs(stage, "a given up cat")) == 2, "the twin")
    twin = next(one for one in jobs(stage, "a given up cat") if one.id != job.id)
    assert f"job {job.id}, is in doubt" in steer(stage, "show", twin.id)[1]["waits"]
    assert "if Midjourney still runs it" in steer(stage, "cancel", job.id)[1][0]["words"]
    wait_for(stage, "a given up cat", State.DONE)
    code, answer = steer(stage, "cancel", twin.id)
    assert (code, answer[0]["words"]) == (1, "is done already")
    assert stage.stop(daemon) == 0


def test_a_captcha_waits_for_a_person_also_over_a_restart(stage: Stage) -> None:
    stage.fault(fault="captcha", match="a guarded cat")
    daemon = stage.start_ready()
    drop(stage, "a guarded cat")
    code, status = wait_until(
        lambda: answer if (answer := steer(stage, "status"))[0] == 4 else None, "the pause"
    )
    assert (code, status["paused_kind"]) == (4, "account")
    assert stage.stop(daemon) == 0
    daemon = stage.start_ready()
    assert steer(stage, "status")[0] == 4
    assert executed(stage, "a guarded cat") == 0
    assert steer(stage, "resume")[0] == 0
    wait_for(stage, "a guarded cat", State.DONE)
    assert stage.stop(daemon) == 0


def test_a_corrected_token_is_used_by_the_next_start(stage: Stage) -> None:
    token = stage.folder / "keys" / "authToken.key"
    right = token.read_text()
    token.write_text("aaaa.bbbb.cccc\n")
    try:
        daemon = stage.start()
        wait_until(lambda: steer(stage, "status")[1]["paused_kind"] == "token", "the pause")
        drop(stage, "a locked out cat")
        code, answer = steer(stage, "resume")
        assert (code, answer["done"]) == (4, False)
        assert "restart the service" in answer["words"]
        assert stage.stop(daemon) == 0
    finally:
        token.write_text(right)
    stage.drain()
    wait_for(stage, "a locked out cat", State.DONE)
    assert steer(stage, "status")[1]["paused"] is None
