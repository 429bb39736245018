"""The commands that steer, without a daemon and beside an apparent one."""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from typer.testing import CliRunner

from mjwatch import __main__
from mjwatch.cli.app import app
from mjwatch.client import submit as client
from mjwatch.client.submit import request
from mjwatch.config import Config
from mjwatch.errors import DaemonError, JournalError, MjwatchError
from mjwatch.host.lock import daemon_lock
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.journal.requests import Outcome
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, State
from tests.helpers.message_shapes import a_job
from tests.helpers.timeouts import deadline
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD = a_job("oldaaaaa", state=State.DONE, published=2.0, accepted=1.0)
DOUBTFUL = a_job("jobaaaaa", state=State.IN_DOUBT)
QUEUED = a_job("jobbbbbb", state=State.QUEUED, nonces=())
RUNNING = a_job("runaaaaa", state=State.RUNNING)


ARGUMENTS = {
    "retry": ["jobaaaaa"],
    "cancel": ["jobaaaaa"],
    "assign": ["jobaaaaa", "700"],
    "dismiss": ["https://discord.com/channels/@me/1/700"],
}


class SteerResult(NamedTuple):
    """The exit code, the output and the error of a command."""

    code: int
    out: str
    error: MjwatchError | None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Found without being named, so that no message names it.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("mjwatch.config.SYSTEM_CONFIG", tmp_path / "config.toml")
    for name in ("inbox", "outbox", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "config.toml").write_text("")
    return tmp_path


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    with closing(Journal(folder / "state" / JOURNAL_FILE)) as journal:
        for job in (OLD, DOUBTFUL, QUEUED, RUNNING):
            journal.accept(None, [(job, job.id)], job.accepted)
        yield journal


def run(folder: Path, *arguments: str) -> SteerResult:
    result = CliRunner().invoke(app, ["--config", str(folder / "config.toml"), *arguments])
    error = result.exception if isinstance(result.exception, MjwatchError) else None
    if result.exception is not None and not isinstance(result.exception, SystemExit | MjwatchError):
        raise result.exception
    return SteerResult(error.exit_code if error else result.exit_code, result.stdout, error)


def state_of(journal: Journal, job_id: str) -> State:
    job = journal.job(job_id)
    assert job is not None
    return job.state


@pytest.mark.usefixtures("journal")
def test_a_pause_is_kept_shown_and_ended_without_a_daemon(folder: Path) -> None:
    result = run(folder, "pause", "on \x1b[31mholiday")
    assert (result.code, "paused by hand: on \\x1b[31mholiday" in result.out) == (0, True)
    status = run(folder, "status")
    assert status.code == 4
    assert "`mjwatch resume` continues" in status.out
    assert json.loads(run(folder, "status", "--json").out)["paused_kind"] == "person"
    assert "sending is paused" in run(folder, "show", "jobb").out
    again = run(folder, "resume", "--json")
    assert json.loads(again.out)["done"] is True
    assert run(folder, "resume").out == "was not paused\n"


def test_a_command_to_copy_names_a_configuration_that_is_not_found_by_itself(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command from ``status`` is run as it stands, where another configuration would be found first."""
    journal.remember({"paused": {"reason": "a captcha", "kind": "account"}})
    own = (folder / "config.toml").rename(folder / "my own.toml")
    (folder / "xdg/mjwatch").mkdir(parents=True)
    (folder / "xdg/mjwatch/config.toml").write_text("")
    monkeypatch.setenv("MJWATCH_CONFIG", str(own))
    facts = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    command = re.search("`mjwatch (.*)`", facts["mend"])
    assert command is not None
    assert command[0] in CliRunner().invoke(app, ["status"]).stdout
    monkeypatch.delenv("MJWATCH_CONFIG")
    assert CliRunner().invoke(app, shlex.split(command[1])).exit_code == 0
    assert journal.recall("paused") is None
    monkeypatch.setattr(sys, "argv", ["mjwatch", "--config", str(own), "show", "nonejob2"])
    with pytest.raises(SystemExit):
        __main__.main()
    assert f"`mjwatch --config '{own}' list` shows the jobs" in capsys.readouterr().err


def test_a_job_is_steered_by_the_beginning_of_its_id(folder: Path, journal: Journal) -> None:
    assert run(folder, "retry", "joba").out.startswith("jobaaaaa  queued again")
    assert state_of(journal, "jobaaaaa") is State.QUEUED
    assert run(folder, "cancel", "jobb").out == "jobbbbbb  cancelled before it was sent\n"
    assert state_of(journal, "jobbbbbb") is State.CANCELLED


@pytest.mark.parametrize("verb", ["retry", "cancel"])
@pytest.mark.parametrize("prefix", ["r", "run"])
def test_a_short_beginning_of_an_id_names_no_job(
    folder: Path, journal: Journal, verb: str, prefix: str
) -> None:
    result = run(folder, verb, prefix)
    assert (result.code, journal.open_requests()) == (1, [])
    assert str(result.error) == (
        f'"{prefix}" is too short for the id of a job (give at least 4 of its characters)'
    )


def test_a_job_that_can_not_be_steered_fails_the_command_and_the_others_are_steered(
    folder: Path, journal: Journal
) -> None:
    result = run(folder, "cancel", "runaaaaa", "jobbbbbb", "--json")
    assert result.code == 1
    assert [outcome["done"] for outcome in json.loads(result.out)] == [False, True]
    assert state_of(journal, "jobbbbbb") is State.CANCELLED


@pytest.mark.parametrize(
    ("prefix", "words"), [("runa", "several job ids begin with"), ("none", "there is no job")]
)
def test_a_job_that_is_not_clear_changes_nothing(
    folder: Path, journal: Journal, prefix: str, words: str
) -> None:
    other = a_job("runabbbb", state=State.RUNNING)
    journal.accept(None, [(other, other.id)], other.accepted)
    result = run(folder, "cancel", "jobbbbbb", prefix)
    assert result.code == 1
    assert words in str(result.error)
    assert state_of(journal, "jobbbbbb") is State.QUEUED
    assert journal.open_requests() == []


@pytest.mark.parametrize("verb", ["pause", "resume", "retry", "cancel", "prune", "assign", "dismiss"])
def test_where_nothing_has_run_yet_there_is_nothing_to_steer(folder: Path, verb: str) -> None:
    result = run(folder, verb, *ARGUMENTS.get(verb, ()))
    assert result.code == 3
    assert "start the service with `mjwatch run`" in str(result.error)
    assert list((folder / "state").iterdir()) == []


@pytest.mark.parametrize("verb", ["pause", "resume", "retry", "cancel", "prune", "assign", "dismiss"])
def test_without_the_right_the_error_names_who_has_it(verb: str) -> None:
    with unprivileged() as folder:
        (folder / "config.toml").write_text("")
        (folder / "state").mkdir()
        with closing(Journal(folder / "state" / JOURNAL_FILE)) as journal:
            journal.accept(None, [(DOUBTFUL, "a cat")], 1.0)
        (folder / "state").chmod(0o500)
        result = run(folder, verb, *ARGUMENTS.get(verb, ()))
        assert result.code == 3
        assert 'belongs to user "' in str(result.error)


# ---- prune


def test_pruning_counts_first_and_then_removes(folder: Path, journal: Journal) -> None:
    assert run(folder, "prune", "--dry-run").out == "1 job would be removed from the journal\n"
    assert journal.job("oldaaaaa") == OLD
    assert json.loads(run(folder, "prune", "--json").out) == {
        "jobs": 1,
        "older_than": "30d",
        "dry_run": False,
    }
    assert journal.job("oldaaaaa") is None
    assert run(folder, "prune", "--older-than", "48h").out == "0 jobs were removed from the journal\n"


@pytest.mark.parametrize("age", ["30", "d", "-3d", "23h", "0w", "1.5d", "30 d", ""])
@pytest.mark.usefixtures("journal")
def test_an_age_that_is_none_is_a_usage_error(folder: Path, age: str) -> None:
    assert run(folder, "prune", "--older-than", age).code == 2


# ---- beside a daemon


def answer_soon(folder: Path, journal: Journal, outcome: Outcome) -> threading.Thread:
    """Start a thread that answers the next request with this outcome, as a daemon would."""

    def work() -> None:
        end = time.monotonic() + deadline(20)
        while not (requests := journal.open_requests()) and time.monotonic() < end:
            time.sleep(0.01)
        journal.answer(requests[0].id, [outcome], time.time())

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_daemon_is_left_to_answer(folder: Path, journal: Journal) -> None:
    with daemon_lock(folder / "state"):
        daemon = answer_soon(folder, journal, Outcome(None, False, "still paused", needs_person=True))
        result = run(folder, "resume")
        daemon.join()
    assert result == SteerResult(4, "still paused\n", None)


def test_a_daemon_that_does_not_answer_is_reported_and_the_request_is_kept(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_PATIENCE", 0.05)
    monkeypatch.setattr(client, "WAKE_INTERVAL", 0.01)
    with daemon_lock(folder / "state"):
        result = run(folder, "pause")
    assert result.code == 3
    assert "has not answered" in str(result.error)
    assert [request.verb for request in journal.open_requests()] == ["pause"]
    assert run(folder, "resume").out == "resumed; it was paused: paused by hand\n"


def test_what_a_daemon_left_undone_when_it_died_is_done_here(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = iter([True, False])
    monkeypatch.setattr(client, "daemon_runs", lambda state: next(runs, False))
    monkeypatch.setattr(client, "WAKE_INTERVAL", 0.01)
    config = Config.load(folder / "config.toml")
    assert request(config, "cancel", {"jobs": {"jobbbbbb": 0}})[0].done
    assert state_of(journal, "jobbbbbb") is State.CANCELLED


@pytest.mark.usefixtures("journal")
def test_another_who_is_faster_to_take_the_lock_does_it(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = iter([False, True, True])
    monkeypatch.setattr(client, "daemon_runs", lambda state: next(runs, True))
    monkeypatch.setattr("mjwatch.host.lock.LOCK_TIMEOUT", 0.01)
    with daemon_lock(folder / "state"):
        daemon = answer_soon(folder, journal, Outcome(None, True, "was not paused"))
        assert run(folder, "resume").out == "was not paused\n"
        daemon.join()


def test_a_lock_that_can_not_be_taken_is_reported(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(state: Path) -> Any:
        raise DaemonError("the state folder can't be used", "fix it")

    monkeypatch.setattr("mjwatch.client.in_process.daemon_lock", closed)
    assert "can't be used" in str(run(folder, "resume").error)


def test_a_turn_without_a_daemon_leaves_what_follows_to_the_next_start(
    folder: Path, journal: Journal
) -> None:
    sending = a_job("jobccccc", state=State.SUBMITTING)
    collecting = a_job("jobddddd", state=State.COLLECTING)
    for job in (sending, collecting):
        journal.accept(None, [(job, job.id)], 1.0)
    before = journal.recall("gateway"), journal.recall("newest")
    run(folder, "cancel", "jobbbbbb")
    assert (journal.recall("gateway"), journal.recall("newest")) == before
    assert state_of(journal, "jobccccc") is State.IN_DOUBT
    assert state_of(journal, "jobddddd") is State.COLLECTING
    assert list((folder / "outbox").iterdir()) == []


def test_an_error_of_the_journal_is_reported(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Journal, job: Job, **_: object) -> None:
        raise JournalError("disk full", "make room")

    monkeypatch.setattr(Journal, "update", fail)
    assert "disk full" in str(run(folder, "cancel", "jobbbbbb").error)
    monkeypatch.undo()
    with closing(JournalReader(journal.path)) as reader:
        assert reader.job("jobbbbbb") == QUEUED
