"""Jobs at work are stopped by Midjourney's own button where it is offered; others are told as paid for.

Seen to catch: a press that a restart forgets, a press while the sending is paused, a second press.
"""

from __future__ import annotations

import signal
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.errors import NoJournalError
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import Job, State
from tests.scenarios.fault_runs import jobs_held, simulated, verb
from tests.scenarios.stage import Stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with simulated(tmp_path / "w") as stage:
        stage.set("pace", start_timeout=900, silence_timeout=3600)
        yield stage


def cancelled(stage: Stage, job_id: str) -> tuple[int, str]:
    code, ((outcome),) = verb(stage, "cancel", job_id)
    return code, outcome["words"]


def job_of(stage: Stage, job_id: str) -> Job:
    with closing(JournalReader(stage.folder / "state" / JOURNAL_FILE)) as reader:
        job = reader.job(job_id)
    assert job is not None
    return job


def reaches(stage: Stage, job_id: str, state: State, *, offered: bool = False) -> Job:
    def found() -> Job | None:
        job = job_of(stage, job_id)
        return job if job.state is state and (job.cancel_button is not None or not offered) else None

    job: Job = wait_until(found, f"{job_id} is {state}")
    return job


def submitted(stage: Stage, prompt: str) -> str:
    stage.drop(f"{prompt.replace(' ', '-')}.ready.txt", prompt + "\n")
    path = stage.folder / "state" / JOURNAL_FILE

    def taken() -> str | None:
        with suppress(NoJournalError), closing(JournalReader(path)) as reader:
            return next((job.id for job in reader.listed(None, 10) if job.prompt.text == prompt), None)
        return None

    return str(wait_until(taken, f"{prompt} is taken"))


def varied(stage: Stage, parent: str) -> str:
    """A follow-up that is at work, and can be stopped."""
    job_id = str(verb(stage, "act", parent, "V1")[1][0]["job"])
    reaches(stage, job_id, State.RUNNING, offered=True)
    return job_id


def presses(stage: Stage) -> list[dict[str, Any]]:
    entries = stage.state()["interactions"]
    return [entry for entry in entries if "CancelJob" in (entry["custom_id"] or "")]


def test_a_running_follow_up_is_stopped_but_a_running_prompt_is_paid_for(stage: Stage) -> None:
    daemon = stage.start_ready()
    with jobs_held():
        parent = submitted(stage, "a paid cat")
        reaches(stage, parent, State.RUNNING)
        code, words = cancelled(stage, parent)
        assert (code, "is paid for" in words) == (1, True)
    assert reaches(stage, parent, State.DONE).folder
    assert presses(stage) == []

    with jobs_held():
        unwanted = varied(stage, parent)
        code, words = cancelled(stage, unwanted)
        assert (code, words.startswith("Midjourney's Cancel Job is pressed for it")) == (0, True)
        cancelled(stage, unwanted)
        assert reaches(stage, unwanted, State.CANCELLED).result is None
    wait_until(lambda: job_of(stage, unwanted).folder, "its answer")
    (press,) = presses(stage)
    assert press["outcome"] == "done"
    assert {"cancelled", "done"} == {one["state"] for one in stage.manifests()}
    assert stage.stop(daemon) == 0
    stage.check_witness()


def test_cancellations_requested_in_a_pause_or_after_a_crash_are_pressed_later(stage: Stage) -> None:
    daemon = stage.start_ready()
    parent = submitted(stage, "a patient cat")
    reaches(stage, parent, State.DONE)
    with jobs_held():
        both = [varied(stage, parent) for _ in range(2)]
        verb(stage, "pause")
        assert "`mjwatch resume`" in cancelled(stage, both[0])[1]
        assert stage.stop(daemon, signal.SIGKILL) == -signal.SIGKILL
        assert cancelled(stage, both[1])[0] == 0
        assert presses(stage) == []
        verb(stage, "resume")
        daemon = stage.start_ready()
        wait_until(lambda: not any(job_of(stage, job_id).open for job_id in both), "both have ended")
    assert stage.stop(daemon) == 0
    jobs = [job_of(stage, job_id) for job_id in both]
    assert [job.state for job in jobs] == [State.CANCELLED] * 2
    pressed = [press["custom_id"] for press in presses(stage)]
    assert sorted(pressed) == sorted(f"MJ::CancelJob::ByJobid::{job.job_uuid}" for job in jobs)
    stage.check_witness()
