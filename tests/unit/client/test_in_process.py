"""Jobs that run in this process: what an interruption, a pause or missing keys leave of them."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mjwatch.client import submit as client
from mjwatch.client.in_process import Listener, run_jobs
from mjwatch.client.submit import StoppedError, single_prompt, submit_and_wait
from mjwatch.config import Config
from mjwatch.errors import ConfigError, LimitedError, PausedError, UnreachableError
from mjwatch.host.lock import daemon_lock
from mjwatch.jobs.status_text import quiet_text
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.journal.requests import ask
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, Prompt, State
from tests.helpers.check_workspace import write_keys
from tests.helpers.job_factory import made_job
from tests.helpers.wire_servers import free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration with keys, and without a server that answers; no other test run has this address."""
    address = f"127.0.0.1:{free_port()}"
    text = f'[discord]\napi_url = "http://{address}"\ngateway_url = "ws://{address}"\n'
    (tmp_path / "keys").mkdir(0o700)
    write_keys(tmp_path, authToken="an-invented-token", API_channel_id="1111000000000000003")
    return Config.from_toml(f"{text}[outbox]\ngallery = false\n", tmp_path / "config.toml", environ={})


def the_job(config: Config, submission: client.Submission) -> Job | None:
    with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        return reader.job(*submission.prompts)


def accept(config: Config, submission: client.Submission) -> None:
    """Have the jobs accepted, as a daemon does that stops before it sends them."""
    with closing(Journal(config.state.path / JOURNAL_FILE)):
        pass
    client.submit(config, submission)


def test_a_request_that_is_written_when_ctrl_c_comes_is_not_left_for_the_next_start(config: Config) -> None:
    submission = single_prompt("a cat")

    def submit() -> None:
        ask(config.state.path / JOURNAL_FILE, "give", submission.arguments(), time.time(), submission.file())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(config, list(submission.prompts), submit, Listener())
    job = the_job(config, submission)
    assert job is not None
    assert job.state is State.CANCELLED
    with closing(Journal(config.state.path / JOURNAL_FILE)) as journal:
        assert journal.open_requests() == []


def test_ctrl_c_before_the_request_is_written_leaves_nothing(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    submission = single_prompt("a cat")

    def submit() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(config, list(submission.prompts), submit, Listener())
    assert the_job(config, submission) is None
    assert "not in the journal" not in caplog.text


def test_a_job_that_a_stopped_daemon_has_accepted_is_cancelled_where_sending_is_paused(
    config: Config,
) -> None:
    submission = single_prompt("a cat")
    accept(config, submission)
    with closing(Journal(config.state.path / JOURNAL_FILE)) as journal:
        journal.remember({"paused": {"reason": "Discord asks for a captcha", "kind": "account"}})
    with pytest.raises(PausedError, match="is not kept: submit it again"):
        run_jobs(config, list(submission.prompts), lambda: None, Listener())
    job = the_job(config, submission)
    assert job is not None
    assert job.state is State.CANCELLED


@pytest.mark.parametrize(("hours", "is_given_up"), [(6, True), (0, False)])
def test_a_prompt_is_not_kept_waiting_for_hours_until_it_may_be_sent(
    config: Config, monkeypatch: pytest.MonkeyPatch, hours: int, is_given_up: bool
) -> None:
    patience = 1e9 if is_given_up else 0.0  # the hours are the reason, not the server that is not there
    monkeypatch.setattr("mjwatch.client.in_process.CONNECT_PATIENCE", patience)
    opens = datetime.now().astimezone() + timedelta(hours=hours, minutes=-2)
    span = f"{opens:%H:%M}-{opens + timedelta(minutes=9):%H:%M}"
    config = replace(config, pace=replace(config.pace, run_between=(span,)))
    submission, troubles = single_prompt("a cat"), list[str]()
    error = LimitedError if is_given_up else UnreachableError
    with pytest.raises(error) as raised:
        submit_and_wait(config, submission, Listener(trouble=troubles.append))
    quiet = (
        f"prompts wait until {opens:%H:%M}"
        if opens.date() == datetime.now().date()
        else "prompts wait until 20"
    )
    assert (quiet in raised.value.message) == is_given_up
    assert any(text.startswith(quiet) for text in troubles) == is_given_up
    job = the_job(config, submission)
    assert job is not None
    assert job.state is State.CANCELLED


@pytest.mark.parametrize("priority", [0, 9])
def test_a_wait_for_a_daemon_names_the_end_of_the_hours_that_hold_the_job(
    config: Config, priority: int
) -> None:
    noon = datetime(2026, 6, 1, 12).timestamp()
    config = replace(config, pace=replace(config.pace, run_between=("22:00-07:00",), urgent_priority=9))
    job = replace(made_job(), prompt=Prompt("a cat", priority=priority), state=State.QUEUED)
    text = client._quiet_text(config, [job], noon)
    assert text == (None if priority else quiet_text(noon + 10 * 3600, noon))
    assert client._quiet_text(config, [replace(job, state=State.RUNNING)], noon) is None


def test_without_keys_a_job_that_a_stopped_daemon_has_accepted_is_reported_as_kept(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = single_prompt("a cat")
    accept(config, submission)
    lock = daemon_lock(config.state.path)

    def sleep(seconds: float) -> None:
        lock.__exit__(None, None, None)  # the daemon stops

    with pytest.raises(StoppedError) as stopped, monkeypatch.context() as patched:
        patched.setattr("mjwatch.client.submit.time.sleep", sleep)
        lock.__enter__()
        (config.keys.path / "authToken.key").unlink()
        submit_and_wait(config, submission, Listener())
    assert isinstance(stopped.value.__cause__, ConfigError)
    job = the_job(config, submission)
    assert job is not None
    assert job.state is State.QUEUED
