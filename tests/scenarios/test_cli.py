"""The command line and the Python API in real processes, with a simulator."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import MidjourneyAPI
from mjwatch.api import JobFailedError, Pictures
from mjwatch.model import State
from tests.scenarios.fault_runs import answers_blocked, open_patient_stage
from tests.scenarios.stage import HANG, MJWATCH, Stage, environment, open_stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One simulator for all tests. No daemon runs at the beginning and the end of a test."""
    with open_stage(tmp_path_factory.mktemp("cli") / "w", "--seconds-per-job", "0.6") as stage:
        yield stage


def start_command(stage: Stage, *arguments: str) -> subprocess.Popen[str]:
    """Start a command in the background."""
    return subprocess.Popen(
        [*MJWATCH, "--config", str(stage.config), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def interrupt(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Send Ctrl-C, and return standard output and standard error."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=HANG)


def wait_for_line(process: subprocess.Popen[str], text: str) -> str:
    """Wait for a line with this text on standard error, and return it."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return line
    raise AssertionError(f"{text!r} was never written: {lines}")


def test_imagine_gives_four_pictures_and_a_manifest_without_a_daemon(stage: Stage, tmp_path: Path) -> None:
    done = stage.run("imagine", "# a [bold]red[/bold] cat", "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    manifest = json.loads(done.stdout)
    assert manifest["prompt"]["submitted"] == "# a [bold]red[/bold] cat"
    (folder,) = (tmp_path / "out").iterdir()
    assert manifest["folder"] == str(folder)
    assert (folder / "manifest.json").exists()
    assert len([image for image in manifest["images"] if (folder / image["file"]).exists()]) == 4
    lines = done.stderr.splitlines()
    assert lines[0].endswith(" queued  # a [bold]red[/bold] cat")
    assert " running " in "".join(lines)
    assert lines[-1].endswith(" done  # a [bold]red[/bold] cat")


def test_a_refused_prompt_reports_its_reason_as_text_as_json_and_in_the_api(stage: Stage) -> None:
    for _ in range(3):
        stage.arm_fault(fault="refuse", title="Banned prompt detected", match="nasty")
    done = stage.run("imagine", "a nasty cat")
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("mjwatch: job ")
    assert "got no pictures: Banned prompt detected: The word" in last
    done = stage.run("imagine", "a nasty cat", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["title"] == "Banned prompt detected"
    with pytest.raises(JobFailedError, match="Banned prompt detected") as failed:
        MidjourneyAPI(stage.config).imagine("a nasty cat")
    assert failed.value.job.state is State.FAILED


def test_the_api_works_from_several_threads_with_one_output_folder(stage: Stage, tmp_path: Path) -> None:
    found: list[Pictures] = []

    def imagine(prompt: str) -> None:
        found.append(MidjourneyAPI(stage.config).imagine(prompt, tmp_path / "out"))

    threads = [threading.Thread(target=imagine, args=(f"cat number {number}",)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=HANG)
    assert len(found) == 2
    assert len({picture for pictures in found for picture in pictures.pictures}) == 8
    assert all(picture.stat().st_size for pictures in found for picture in pictures.pictures)
    assert {pictures.manifest["prompt"]["submitted"] for pictures in found} == {
        "cat number 1",
        "cat number 2",
    }
    assert {pictures.folder for pictures in found} == set((tmp_path / "out").iterdir())


def test_ctrl_c_in_imagine_prints_one_line_and_a_sent_job_is_fetched_later(tmp_path: Path) -> None:
    with open_patient_stage(tmp_path / "w") as stage:
        check_interrupted_imagine(stage)


def check_interrupted_imagine(stage: Stage) -> None:
    with answers_blocked():
        process = start_command(stage, "imagine", "an interrupted cat")
        wait_for_line(process, " submitted")
        out, err = interrupt(process)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1].endswith(" run` fetches its pictures")
    stage.drain()
    (manifest,) = [each for each in stage.manifests() if each["prompt"]["submitted"] == "an interrupted cat"]
    assert manifest["state"] == "done"
    stage.check_simulator_record()


def test_a_daemon_serves_submit_imagine_and_the_api_and_status_shows_progress(
    stage: Stage, tmp_path: Path
) -> None:
    daemon = stage.start_ready()
    try:
        stage.arm_fault(fault="silent", match="silent")
        waiting = start_command(stage, "submit", "a silent cat", "--wait")
        wait_for_line(waiting, " submitted")
        done = stage.run("submit", "a twice submitted dog")
        assert stage.run("submit", "a twice submitted dog").stdout != done.stdout
        assert len(MidjourneyAPI(stage.config).imagine("a bird", tmp_path).pictures) == 4
        wait_until(lambda: len(dogs(stage)) == 2, "both dogs")

        def live() -> list[tuple[str, str]]:
            return [(job["state"], job["prompt"]) for job in live_status(stage)["live"]]

        # A folder is there before the journal has its job as done.
        wait_until(lambda: live() == [("submitted", "a silent cat")], "only the silent cat at work")
        status = live_status(stage)
        assert status["daemon"] is True
        assert status["connected_since"] is not None
        out, err = interrupt(waiting)
        assert (waiting.returncode, out) == (130, "")
        assert err == "mjwatch: stopped waiting; the daemon continues the work\n"
    finally:
        assert stage.stop(daemon) == 0


def live_status(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stage.run("status", "--json").stdout)
    return found


def dogs(stage: Stage) -> list[dict[str, Any]]:
    return [each for each in stage.manifests() if each["prompt"]["submitted"] == "a twice submitted dog"]


def test_submit_wait_prints_each_jobs_folder_or_reason_for_failure(stage: Stage, tmp_path: Path) -> None:
    daemon = stage.start_ready()
    try:
        stage.arm_fault(fault="refuse", title="Banned prompt detected", match="nasty")
        file = tmp_path / "two.list.txt"
        file.write_text("a nasty fox\na good fox\n")
        done = stage.run("submit", str(file), "--wait")
    finally:
        assert stage.stop(daemon) == 0
    assert done.returncode == 1
    failed, reason, good = done.stdout.splitlines()
    assert failed.split()[1] == "failed"
    assert reason.strip().startswith("Banned prompt detected: The word")
    assert good.split()[1] == "done"
    assert str(stage.outbox) in good


def test_a_closed_output_pipe_is_no_error(stage: Stage) -> None:
    assert stage.run("imagine", "a cat in a pipe").returncode == 0
    command = " ".join(
        [*MJWATCH, "--config", str(stage.config), "list", "--limit", "1000", "|", "head", "-1"]
    )
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=HANG, check=False, env=environment()
    )
    assert (done.stdout.split()[:1], done.stderr) == (["JOB"], "")


def test_characters_missing_in_the_output_encoding_are_escaped(stage: Stage) -> None:
    command = [*MJWATCH, "--config", str(stage.config), "submit", "漢字"]
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=HANG,
        check=False,
        env=environment() | {"PYTHONIOENCODING": "latin-1"},
    )
    assert done.returncode == 0
    assert done.stdout.strip().endswith(rb"\u6f22\u5b57.ready.txt")
    next(stage.inbox.glob("漢字*")).unlink()


def test_a_stopped_demo_leaves_no_simulator_and_says_what_to_do(tmp_path: Path) -> None:
    command, err = interrupted_demo(tmp_path)
    assert err.splitlines()[-1].startswith("mjwatch: the demo was stopped; remove ")
    second = subprocess.run(
        command, capture_output=True, text=True, timeout=HANG, env=environment(), check=False
    )
    assert second.returncode == 1
    assert "has unfinished jobs of a stopped demo" in second.stderr


def interrupted_demo(folder: Path) -> tuple[list[str], str]:
    """Start demos until one of them is interrupted at work; return its command and standard error.

    Its jobs take some seconds. Where this test stands still for longer, the demo ends, and another begins.
    """
    for number in range(5):
        command = [*MJWATCH, "demo", str(folder / f"demo{number}")]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        wait_for_line(process, " running")
        _, err = interrupt(process)
        if process.returncode != 0:
            assert process.returncode == 130
            return command, err
    raise AssertionError("each demo ended before it was interrupted")
