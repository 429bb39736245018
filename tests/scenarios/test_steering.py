"""Commands to a real service while it runs, while it is stopped, and after it was killed.

Seen to catch: a pause that is not journaled, that a start or READY ends, or that does not stop sending; a job
that failed where a person was needed.
"""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from mjwatch.cli.app import app
from mjwatch.errors import NoJournalError
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import Job, State
from tests.helpers.daemons import ForkedDaemon
from tests.scenarios.stage import HANG, Stage, environment, open_stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.helpers.daemons import Daemon


@pytest.fixture(scope="module")
def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("steering") / "w", "--seconds-per-job", "0.6") as stage:
        yield stage


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    """One simulator for all tests; when a test begins or ends, no daemon runs and nothing is paused."""
    yield shared_stage
    for daemon in shared_stage.daemons:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait(timeout=HANG)
    shared_stage.check_simulator_record()
    run_verb(shared_stage, "resume")


def run_verb(stage: Stage, *arguments: str) -> tuple[int, Any]:
    """Run a command, and return its exit code and its answer."""
    result = CliRunner().invoke(app, ["--config", str(stage.config), *arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def start_command(stage: Stage, *arguments: str) -> Callable[[], tuple[int, str]]:
    """Start a command in a process of its own; return a function that waits for its exit code and output."""
    out = stage.folder / f"{len(stage.daemons)}-{arguments[0]}.out"
    process = ForkedDaemon("mjwatch", "--config", str(stage.config), *arguments, log=out, env=environment())
    stage.daemons.append(process)  # so that the fixture ends it if the test fails

    return lambda: (process.wait(HANG), out.read_text())


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
    return sum(entry["prompt"] == prompt for entry in stage.simulator_state()["interactions"])


def has_open_requests(stage: Stage, number: int) -> bool:
    """Return whether the journal has this many unanswered requests."""
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

    wait_until(stopped_idle, "a stopped daemon")


def in_doubt(stage: Stage, prompt: str) -> Job:
    """Return a job in doubt: its POST had no answer, and was not executed."""
    stage.arm_fault(fault="post_reset", match=prompt)
    drop(stage, prompt)
    return wait_for(stage, prompt, State.IN_DOUBT)


def test_a_paused_service_still_takes_files_and_continues_after_resume(stage: Stage) -> None:
    daemon = stage.start_ready()
    drop(stage, "a running cat")
    wait_until(lambda: executed(stage, "a running cat"), "its POST")
    assert run_verb(stage, "pause", "lunch")[1]["done"]
    drop(stage, "a patient cat")
    drop(stage, "an unwanted cat")
    unwanted = wait_for(stage, "an unwanted cat", State.QUEUED)
    wait_for(stage, "a patient cat", State.QUEUED)
    wait_for(stage, "a running cat", State.DONE)
    assert run_verb(stage, "status")[1]["paused"] == "paused by hand: lunch"
    assert run_verb(stage, "cancel", unwanted.id)[1][0]["done"]
    wait_until(lambda: "cancelled" in {manifest["state"] for manifest in stage.manifests()}, "its manifest")
    assert executed(stage, "a patient cat") == 0
    assert run_verb(stage, "prune")[1]["jobs"] == 0
    assert run_verb(stage, "resume")[1]["words"] == "resumed; it was paused: paused by hand: lunch"
    wait_for(stage, "a patient cat", State.DONE)
    assert stage.stop(daemon) == 0
    assert executed(stage, "an unwanted cat") == 0


def test_commands_also_work_for_a_stopped_service(stage: Stage) -> None:
    stage.drain()
    assert run_verb(stage, "pause")[1]["done"]
    daemon = stage.start_ready()
    for prompt in ("a stopped cat", "a refused cat"):
        drop(stage, prompt)
        wait_for(stage, prompt, State.QUEUED)
    assert stage.stop(daemon) == 0
    refused = wait_for(stage, "a refused cat", State.QUEUED)
    assert run_verb(stage, "cancel", refused.id)[1][0]["words"] == "cancelled before it was sent"
    assert stage.start("--drain").wait(timeout=HANG) == 4
    assert executed(stage, "a stopped cat") == 0
    assert run_verb(stage, "resume")[0] == 0
    assert run_verb(stage, "retry", refused.id)[1][0]["words"] == "queued again"
    stage.drain()
    assert wait_for(stage, "a stopped cat", State.DONE).folder
    assert wait_for(stage, "a refused cat", State.DONE).folder


def test_commands_carry_out_requests_that_a_killed_service_left_unanswered(stage: Stage) -> None:
    daemon = stage.start_ready()
    doubtful = in_doubt(stage, "a doubtful cat")
    stage.drop("doubtful-equal.ready.txt", "a doubtful cat\n")
    equal = wait_for(stage, "a doubtful cat", State.QUEUED)
    run_verb(stage, "pause", "enough")
    freeze(stage, daemon)
    requests = [
        ("resume",),
        ("retry", doubtful.id),
        ("retry", doubtful.id),
        ("cancel", equal.id),
        ("pause", "no"),
    ]
    ends = []
    for arguments in requests:
        ends.append(start_command(stage, *arguments))
        wait_until(partial(has_open_requests, stage, len(ends)), f"the request {arguments}")
    assert stage.stop(daemon, signal.SIGKILL) == -signal.SIGKILL
    outputs = [end() for end in ends]
    assert [code for code, _ in outputs] == [0] * len(requests), outputs
    expected = (
        "resumed",
        "queued again",
        "is in the queue already",
        "cancelled before",
        "paused by hand: no",
    )
    for text, (_, output) in zip(expected, outputs, strict=True):
        assert text in output
    assert run_verb(stage, "prune")[1]["jobs"] == 0
    assert stage.start("--drain", "--resume").wait(timeout=HANG) == 0, stage.log
    wait_for(stage, "a doubtful cat", State.DONE)
    assert executed(stage, "a doubtful cat") == 1


def test_a_job_in_doubt_is_sent_only_once_more_for_concurrent_retries(stage: Stage) -> None:
    daemon = stage.start_ready()
    job = in_doubt(stage, "a twice wanted cat")
    answer = run_verb(stage, "show", job.id)[1]
    assert f" retry {job.id}`" in answer["mend"]
    ends = [start_command(stage, "retry", job.id) for _ in range(2)]
    outputs = [end()[1] for end in ends]
    assert sum("queued again" in output for output in outputs) == 1, outputs
    wait_for(stage, "a twice wanted cat", State.DONE)
    assert stage.stop(daemon) == 0
    assert executed(stage, "a twice wanted cat") == 1
    nonces = wait_for(stage, "a twice wanted cat", State.DONE).nonces
    assert sum(post["nonce"] in nonces for post in stage.simulator_state()["posts"]) == len(nonces) == 2


def test_after_cancelling_a_job_in_doubt_the_equal_prompt_is_sent(stage: Stage) -> None:
    daemon = stage.start_ready()
    job = in_doubt(stage, "a given up cat")
    stage.drop("equal.ready.txt", "a given up cat\n")
    wait_until(lambda: len(jobs(stage, "a given up cat")) == 2, "the equal prompt")
    equal = next(each for each in jobs(stage, "a given up cat") if each.id != job.id)
    assert f"job {job.id}, is in doubt" in run_verb(stage, "show", equal.id)[1]["waits"]
    assert "if Midjourney still runs it" in run_verb(stage, "cancel", job.id)[1][0]["words"]
    wait_for(stage, "a given up cat", State.DONE)
    code, answer = run_verb(stage, "cancel", equal.id)
    assert (code, answer[0]["words"]) == (1, "is done already")
    assert stage.stop(daemon) == 0


def test_a_captcha_pauses_sending_until_it_is_resumed_also_across_a_restart(stage: Stage) -> None:
    stage.arm_fault(fault="captcha", match="a guarded cat")
    daemon = stage.start_ready()
    drop(stage, "a guarded cat")
    code, status = wait_until(
        lambda: answer if (answer := run_verb(stage, "status"))[0] == 4 else None, "the pause"
    )
    assert (code, status["paused_kind"]) == (4, "account")
    assert stage.stop(daemon) == 0
    daemon = stage.start_ready()
    assert run_verb(stage, "status")[0] == 4
    assert executed(stage, "a guarded cat") == 0
    assert run_verb(stage, "resume")[0] == 0
    wait_for(stage, "a guarded cat", State.DONE)
    assert stage.stop(daemon) == 0


def test_a_corrected_token_is_used_by_the_next_start(stage: Stage) -> None:
    token = stage.folder / "keys" / "authToken.key"
    right = token.read_text()
    token.write_text("aaaa.bbbb.cccc\n")
    try:
        daemon = stage.start()
        wait_until(lambda: run_verb(stage, "status")[1]["paused_kind"] == "token", "the pause")
        drop(stage, "a locked out cat")
        code, answer = run_verb(stage, "resume")
        assert (code, answer["done"]) == (4, False)
        assert "restart the service" in answer["words"]
        assert stage.stop(daemon) == 0
    finally:
        token.write_text(right)
    stage.drain()
    wait_for(stage, "a locked out cat", State.DONE)
    assert run_verb(stage, "status")[1]["paused"] is None
