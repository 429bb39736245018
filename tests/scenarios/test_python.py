"""mjwatch from Python: the examples of the page, many prompts at once, and a timeout that loses nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch import Config, JobFailedError, MidjourneyAPI, MjwatchError, State, WaitTimeoutError
from mjwatch.client.submit import request, single_prompt, submit
from mjwatch.journal.reader import JOURNAL_FILE
from mjwatch.journal.writer import Journal
from mjwatch.model import IN_FLIGHT
from tests.scenarios.fault_runs import open_patient_stage, renders_blocked
from tests.scenarios.stage import HANG, Stage, open_stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch import Job

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "python.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One simulator for all tests."""
    options = ("--seconds-per-job", "0.1", "--grid", "16")
    with open_stage(tmp_path_factory.mktemp("python") / "w", *options) as stage:
        yield stage
        stage.check_simulator_record()


def test_the_examples_of_the_page_run(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MJWATCH_CONFIG", str(stage.config))
    monkeypatch.chdir(tmp_path)
    daemon = stage.start_ready()
    try:
        for example in EXAMPLES:
            exec(compile(example, str(PAGE), "exec"), {"__name__": "__main__"})
    finally:
        assert stage.stop(daemon) == 0
    printed = capsys.readouterr().out
    assert "failed:" not in printed
    assert "still at work" not in printed
    assert len(list(tmp_path.glob("pictures/*/manifest.json"))) >= 5
    assert list(tmp_path.glob("pictures/*.*")) == []


def test_a_strict_type_checker_accepts_the_examples(tmp_path: Path) -> None:
    for number, example in enumerate(EXAMPLES):
        (tmp_path / f"example_{number}.py").write_text(example)
    command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path)]
    # In the project's folder, because its cache makes this ten times as fast.
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG * 3, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class InFlight:
    """The number of jobs that were in flight at the same time, as the journal has it."""

    def __init__(self, jobs: list[Job]) -> None:
        moments = [(job.submitted, 1) for job in jobs if job.submitted]
        moments += [(job.finished, -1) for job in jobs if job.finished]
        running = 0
        self.most = 0
        for _, change in sorted(moments):
            running += change
            self.most = max(self.most, running)


def test_many_prompts_are_in_flight_at_once_and_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    with open_patient_stage(tmp_path / "w", seconds_per_job=0.1, grid=16) as stage:
        check_many_in_flight(stage, tmp_path)


def check_many_in_flight(stage: Stage, tmp_path: Path) -> None:
    stage.arm_fault(fault="refuse", title="Banned prompt detected", match="nasty")
    prompts = [f"heron number {number}" for number in range(23)] + ["a nasty one"]
    api = MidjourneyAPI(str(stage.config))
    with ThreadPoolExecutor(1) as pool:
        with renders_blocked():
            running = pool.submit(lambda: list(api.imagine_many(prompts, tmp_path / "out")))
            wait_until(lambda: len(stage.simulator_state()["posts"]) >= 12, "twelve prompts in flight")
            time.sleep(0.5)  # time for one too many
        answers = running.result(HANG)
    assert sorted(answer.index for answer in answers) == list(range(24))
    assert all(prompts[answer.index] == answer.prompt for answer in answers)
    (failed,) = [answer for answer in answers if answer.error]
    assert failed.prompt == "a nasty one"
    with pytest.raises(JobFailedError, match="Banned prompt"):
        failed.result()
    found = [answer.result() for answer in answers if answer is not failed]
    assert {pictures.folder.parent for pictures in found} == {tmp_path / "out"}
    assert len({picture for pictures in found for picture in pictures.pictures}) == 23 * 4
    assert InFlight([api.job(answer.job) for answer in answers if answer is not failed]).most == 12


def test_a_timeout_leaves_a_job_that_is_found_again_and_collected(stage: Stage, tmp_path: Path) -> None:
    api = MidjourneyAPI(stage.config)
    job = late_job(api, stage)
    assert api.job(job).state in IN_FLIGHT
    assert job in [each.id for each in api.jobs()]
    assert job in [each["job"] for each in api.status()["live"]]
    posts = len(stage.simulator_state()["interactions"])
    first = api.collect(job, tmp_path)
    assert api.collect(job, str(tmp_path)).folder == first.folder == tmp_path / first.folder.name
    assert len(stage.simulator_state()["interactions"]) == posts
    with pytest.raises(MjwatchError, match="there is no job"):
        api.collect("aaaaaaaa")


def late_job(api: MidjourneyAPI, stage: Stage) -> str:
    """Return the id of a job that was sent, and that nobody has waited for."""
    for patience in (0.5, 2.0, 8.0, 30.0):
        stage.arm_fault(fault="told_late", seconds=3 * patience, match="late")
        try:
            api.imagine("a late heron", timeout=patience)
        except WaitTimeoutError as late:
            assert isinstance(late, TimeoutError)
            if late.jobs:
                return late.jobs[0]
            assert [api.job(job).state for job in late.withdrawn] == [State.CANCELLED]  # the machine is slow
    raise AssertionError("no prompt was sent in time")


def test_the_threads_of_a_block_share_one_session_and_what_nobody_waits_for_is_not_sent(
    stage: Stage, tmp_path: Path
) -> None:
    asked = len(stage.simulator_state()["interactions"])
    found: list[Path] = []
    config = Config.load(stage.config)
    with closing(Journal(config.state.path / JOURNAL_FILE)):
        pass
    (old,) = submit(config, single_prompt("a heron that was in the queue before"))
    assert old.job
    with MidjourneyAPI(stage.config) as api:
        request(config, "pause", {"reason": None})

        def give_up() -> None:
            with pytest.raises(WaitTimeoutError) as late:
                api.imagine("nobody waits for this heron", timeout=0.0)
            assert late.value.withdrawn
            assert api.job(late.value.withdrawn[0]).state is State.CANCELLED

        give_up()
        request(config, "resume", {})
        threads = [
            threading.Thread(target=lambda: found.append(api.imagine("a shared heron", tmp_path).folder))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        nested = MidjourneyAPI(stage.config).imagine("a heron of another object")
        for thread in threads:
            thread.join(timeout=HANG)
        assert [outcome.done for outcome in api.cancel(nested.manifest["job"])] == [False]
        assert api.job(old.job).state is State.QUEUED
        assert len(stage.simulator_state()["interactions"]) == asked + 4
        assert api.collect(old.job).pictures
    assert len(set(found)) == 3
    assert len(stage.simulator_state()["interactions"]) == asked + 5
