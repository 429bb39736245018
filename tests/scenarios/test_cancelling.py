"""Cancelling presses the Cancel button of Midjourney if a job has one; other running jobs are paid for.

Seen to catch: a press that a restart forgets, a press while sending is paused, a second press.
"""

from __future__ import annotations

import signal
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.errors import NoJournalError
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import Job, State
from tests.scenarios.fault_runs import open_patient_stage, renders_blocked, run_verb
from tests.scenarios.stage import Stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with open_patient_stage(tmp_path / "w", seconds_per_job=1.0) as stage:
        yield stage


def cancel(stage: Stage, job_id: str) -> tuple[int, str]:
    code, ((outcome),) = run_verb(stage, "cancel", job_id)
    return code, outcome["words"]


def job_of(stage: Stage, job_id: str) -> Job:
    with closing(JournalReader(stage.folder / "state" / JOURNAL_FILE)) as reader:
        job = reader.job(job_id)
    assert job is not None
    return job


def wait_for_state(stage: Stage, job_id: str, state: State, *, with_button: bool = False) -> Job:
    def found() -> Job | None:
        job = job_of(stage, job_id)
        return job if job.state is state and (job.cancel_button is not None or not with_button) else None

    job: Job = wait_until(found, f"{job_id} is {state}")
    return job


def submit(stage: Stage, prompt: str) -> str:
    stage.drop(f"{prompt.replace(' ', '-')}.ready.txt", prompt + "\n")
    path = stage.folder / "state" / JOURNAL_FILE

    def job_id() -> str | None:
        with suppress(NoJournalError), closing(JournalReader(path)) as reader:
            return next((job.id for job in reader.listed(None, 10) if job.prompt.text == prompt), None)
        return None

    return str(wait_until(job_id, f"the job of {prompt}"))


def start_variation(stage: Stage, parent: str) -> str:
    """Start a follow-up, wait until it runs and can be cancelled, and return its id."""
    job_id = str(run_verb(stage, "act", parent, "V1")[1][0]["job"])
    wait_for_state(stage, job_id, State.RUNNING, with_button=True)
    return job_id


def presses(stage: Stage) -> list[dict[str, Any]]:
    entries = stage.simulator_state()["interactions"]
    return [entry for entry in entries if "CancelJob" in (entry["custom_id"] or "")]


def test_a_running_follow_up_is_stopped_but_a_running_prompt_is_paid_for(stage: Stage) -> None:
    daemon = stage.start_ready()
    with renders_blocked():
        parent = submit(stage, "a paid cat")
        wait_for_state(stage, parent, State.RUNNING)
        code, message = cancel(stage, parent)
        assert (code, "is paid for" in message) == (1, True)
    assert wait_for_state(stage, parent, State.DONE).folder
    assert presses(stage) == []

    with renders_blocked():
        unwanted = start_variation(stage, parent)
        code, message = cancel(stage, unwanted)
        assert (code, message.startswith("Midjourney's Cancel Job is pressed for it")) == (0, True)
        cancel(stage, unwanted)
        assert wait_for_state(stage, unwanted, State.CANCELLED).result is None
    wait_until(lambda: job_of(stage, unwanted).folder, "its manifest")
    (press,) = presses(stage)
    assert press["outcome"] == "done"
    assert {"cancelled", "done"} == {manifest["state"] for manifest in stage.manifests()}
    assert stage.stop(daemon) == 0
    stage.check_simulator_record()


def test_cancellations_requested_in_a_pause_or_after_a_crash_are_pressed_later(stage: Stage) -> None:
    daemon = stage.start_ready()
    parent = submit(stage, "a patient cat")
    wait_for_state(stage, parent, State.DONE)
    with renders_blocked():
        both = [start_variation(stage, parent) for _ in range(2)]
        run_verb(stage, "pause")
        assert " resume`" in cancel(stage, both[0])[1]
        assert stage.stop(daemon, signal.SIGKILL) == -signal.SIGKILL
        assert cancel(stage, both[1])[0] == 0
        assert presses(stage) == []
        run_verb(stage, "resume")
        daemon = stage.start_ready()
        wait_until(lambda: not any(job_of(stage, job_id).open for job_id in both), "the end of both")
    assert stage.stop(daemon) == 0
    jobs = [job_of(stage, job_id) for job_id in both]
    assert [job.state for job in jobs] == [State.CANCELLED] * 2
    pressed = [press["custom_id"] for press in presses(stage)]
    assert sorted(pressed) == sorted(f"MJ::CancelJob::ByJobid::{job.job_uuid}" for job in jobs)
    stage.check_simulator_record()
