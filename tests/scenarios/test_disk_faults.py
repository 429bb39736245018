"""Disks that are full, read-only or missing: no partial folders, nothing sent in vain, everything done later.

Seen to catch: a full disk that fails the job; an event dropped after its commit failed; a journal that was
moved and is still written, has lost its -wal file, or is damaged and opened; a missing disk of a mount point
not noticed; leftovers in staging after a failure.
"""

from __future__ import annotations

import json
import shutil
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.outbox.publisher import STAGING
from mjwatch.outbox.status_file import read_status
from tests.scenarios.disks import FILLER, small_disk
from tests.scenarios.fault_runs import open_patient_stage, renders_blocked
from tests.scenarios.stage import HANG, Stage, open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.daemons import Daemon

OURS = {"_gallery", "index.html", "status.json"}
"""Entries of the outbox that are no folders of jobs."""

RETRY_TIME = 3.0
"""Seconds for about ten retries with the delays of short_retries.py."""


def start(stage: Stage, *arguments: str) -> Daemon:
    """Start the daemon with short delays between retries."""
    return stage.fork("tests.scenarios.short_retries", "run", *arguments)


def start_ready(stage: Stage) -> Daemon:
    daemon = start(stage)
    wait_until(lambda: "gateway: ready" in stage.log, "the gateway's READY")
    return daemon


def wait_for_log(stage: Stage, text: str) -> None:
    wait_until(lambda: text in stage.log, f"{text!r} in the log")


def jobs(stage: Stage) -> dict[str, str]:
    """Return the states of the jobs by prompt."""
    found = json.loads(stage.run("list", "--json").stdout)
    return {job["prompt"]: job["state"] for job in found}


def trouble(stage: Stage) -> str | None:
    """Return why Discord or the disk can't be used, as ``status`` shows it."""
    found: str | None = json.loads(stage.run("status", "--json").stdout)["trouble"]
    return found


def job_files(stage: Stage) -> list[str]:
    """Return the files of jobs in the outbox."""
    files = [path.relative_to(stage.outbox) for path in stage.outbox.rglob("*") if path.is_file()]
    return [str(path) for path in files if path.parts[0] not in {STAGING, FILLER, *OURS}]


def check_all_done(stage: Stage, daemon: Daemon, count: int) -> None:
    """Check that every prompt has its folder and was sent once, and that nothing is left over."""
    wait_until(lambda: len(stage.manifests()) == count, "all folders")
    assert stage.stop(daemon) == 0, stage.log
    assert {manifest["state"] for manifest in stage.manifests()} == {"done"}
    assert len(stage.simulator_state()["posts"]) == count
    stage.check_simulator_record()
    for staging in (stage.outbox / STAGING, stage.folder / "state/staging"):
        assert not staging.exists() or list(staging.iterdir()) == []
    assert "Traceback" not in stage.log


# ---- small disks


@pytest.mark.real
@pytest.mark.start_early
def test_a_full_outbox_has_no_partial_folders_and_gets_all_folders_once_there_is_space(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "w"
    with small_disk(folder / "outbox") as disk, open_stage(folder, "--seconds-per-job", "0.2") as stage:
        daemon = start_ready(stage)
        disk.fill()
        for name in ("cat", "dog"):
            stage.drop(f"{name}.ready.txt", f"a {name}\n")
        wait_for_log(stage, "No space left on device")
        wait_until(lambda: [*jobs(stage).values()] == ["collecting"] * 2, "both results")
        time.sleep(RETRY_TIME)
        assert job_files(stage) == []
        assert set(jobs(stage).values()) == {"collecting"}
        sentence = f"the outbox {stage.outbox} can't be written: its disk has too little room left"
        assert stage.log.count(f"WARNING {sentence}; ") == 1
        wait_until(lambda: trouble(stage) == sentence, "the trouble in status")
        # It is written into its own blocks, as no others are left.
        wait_until(lambda: read_status(stage.outbox).get("trouble") == sentence, "status.json")
        disk.free_space()
        wait_for_log(stage, "resolved after ")
        assert stage.log.count(sentence) == 2
        check_all_done(stage, daemon, 2)


@pytest.mark.real
def test_after_a_kill_with_a_full_outbox_the_leftover_staging_folder_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    with small_disk(folder / "outbox") as disk, open_stage(folder, "--seconds-per-job", "0.2") as stage:
        daemon = start_ready(stage)
        disk.fill()
        stage.drop("cat.ready.txt", "a cat\n")
        wait_for_log(stage, "No space left on device")
        daemon.kill()
        daemon.wait(timeout=HANG)
        (stage.outbox / STAGING / "half").mkdir(parents=True, exist_ok=True)
        (stage.outbox / STAGING / "half" / "cat_1.webp").touch()
        disk.free_space()
        check_all_done(stage, start(stage), 1)


@pytest.mark.real
def test_a_read_only_outbox_gets_all_folders_once_it_is_writable(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    with small_disk(folder / "outbox") as disk, open_stage(folder, "--seconds-per-job", "0.2") as stage:
        daemon = start_ready(stage)
        disk.set_read_only(True)
        stage.drop("cat.ready.txt", "a cat\n")
        wait_for_log(stage, "Read-only file system")
        assert job_files(stage) == []
        disk.set_read_only(False)
        check_all_done(stage, daemon, 1)


@pytest.mark.real
def test_nothing_is_written_below_the_mount_point_of_an_unmounted_outbox(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    with small_disk(folder / "outbox") as disk, open_stage(folder, "--seconds-per-job", "0.2") as stage:
        daemon = start_ready(stage)
        disk.unmount()
        stage.drop("cat.ready.txt", "a cat\n")
        wait_for_log(stage, "is not mounted any more")
        time.sleep(RETRY_TIME / 3)
        assert job_files(stage) == []
        disk.mount()
        check_all_done(stage, daemon, 1)


@pytest.mark.real
def test_nothing_is_sent_or_taken_while_the_disk_of_the_journal_is_full(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    with small_disk(folder / "state") as disk, open_patient_stage(folder) as stage:
        stage.set_config("pace", max_in_flight=1)
        daemon = start_ready(stage)
        with renders_blocked():
            stage.drop("cat.ready.txt", "a cat\n")
            wait_until(lambda: len(stage.simulator_state()["interactions"]) == 1, "the first POST")
            stage.drop("dog.ready.txt", "a dog\n")  # would be the next POST
            wait_until(lambda: jobs(stage).get("a dog") == "queued", "the queued second job")
            disk.fill()
        stage.drop("owl.ready.txt", "an owl\n")
        wait_for_log(stage, "disk is full")
        time.sleep(RETRY_TIME)
        assert len(stage.simulator_state()["posts"]) == 1
        assert stage.manifests() == []
        assert (stage.inbox / "owl.ready.txt").exists()
        sentence = "disk is full; nothing is sent and no file is taken"
        assert stage.log.count(f"{sentence}; make room on its disk") == 1
        disk.free_space()
        wait_for_log(stage, "resolved after ")
        check_all_done(stage, daemon, 3)
        assert stage.leftovers() == []


@pytest.mark.real
def test_a_stop_and_a_start_with_a_full_disk_for_the_journal_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    with small_disk(folder / "state") as disk, open_patient_stage(folder) as stage:
        daemon = start_ready(stage)
        with renders_blocked():
            stage.drop("cat.ready.txt", "a cat\n")
            wait_until(lambda: len(stage.simulator_state()["interactions"]) == 1, "the POST")
            disk.fill()
        wait_for_log(stage, "disk is full")
        assert stage.stop(daemon) == 0, stage.log
        disk.fill()  # closing the journal at the stop has freed space
        reported = stage.log.count("disk is full")
        second = start(stage)
        wait_until(lambda: stage.log.count("disk is full") > reported, "the report of the second start")
        assert stage.manifests() == []
        disk.free_space()
        check_all_done(stage, second, 1)


@pytest.mark.real
def test_a_read_only_state_folder_stops_the_start_with_a_message(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    with small_disk(folder / "state") as disk, open_stage(folder, "--seconds-per-job", "0.2") as stage:
        disk.set_read_only(True)
        stage.drop("cat.ready.txt", "a cat\n")
        assert start(stage).wait(timeout=HANG) == 3
        assert "Read-only file system" in stage.log
        assert "Traceback" not in stage.log
        disk.set_read_only(False)
        check_all_done(stage, start(stage), 1)


# ---- folders that disappear, on any disk


def test_an_outbox_that_is_removed_while_a_job_runs_is_created_again(tmp_path: Path) -> None:
    with open_patient_stage(tmp_path / "w") as stage:
        daemon = start_ready(stage)
        with renders_blocked():
            stage.drop("clients/cat.ready.txt", "a cat\n")
            wait_until(lambda: stage.simulator_state()["interactions"], "the POST")
            # A rename is atomic: the gallery is being written.
            gone = stage.outbox.rename(stage.folder / "gone")
            shutil.rmtree(gone, ignore_errors=True)  # a file of the gallery may go meanwhile
        check_all_done(stage, daemon, 1)


def test_an_inbox_that_is_removed_and_created_again_is_used_again(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2") as stage:
        daemon = start_ready(stage)
        removed = stage.inbox.rename(stage.folder / "removed")  # at once: the daemon may be writing there
        wait_for_log(stage, "can't be read, so nothing is taken: the folder is missing")
        shutil.rmtree(removed)
        time.sleep(RETRY_TIME / 3)
        stage.drop("cat.ready.txt", "a cat\n")
        wait_for_log(stage, "resolved after ")
        check_all_done(stage, daemon, 1)
        assert stage.log.count("can't be read") == 2  # when it began, and when it was resolved


def test_nothing_is_sent_while_the_journal_is_moved_away(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2") as stage:
        daemon = start_ready(stage)
        state = stage.folder / "state"
        state.rename(stage.folder / "elsewhere")
        stage.drop("cat.ready.txt", "a cat\n")
        wait_for_log(stage, "it was moved, removed or replaced")
        time.sleep(RETRY_TIME / 3)
        assert stage.simulator_state()["posts"] == []
        assert (stage.inbox / "cat.ready.txt").exists()
        if state.exists():
            shutil.rmtree(state)
        (stage.folder / "elsewhere").rename(state)
        check_all_done(stage, daemon, 1)


def test_a_removed_wal_file_stops_the_sending_is_reported_and_costs_nothing(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.5") as stage:
        stage.set_config("pace", max_in_flight=1, delay=600)
        daemon = start_ready(stage)
        stage.drop("cat.ready.txt", "a cat\n")
        wait_until(lambda: stage.simulator_state()["interactions"], "the POST")
        stage.drop("dog.ready.txt", "a dog\n")  # would be the next POST
        wait_until(lambda: jobs(stage).get("a dog") == "queued", "the queued second job")
        (stage.folder / "state/journal.sqlite3-wal").unlink()
        stage.drop("owl.ready.txt", "an owl\n")
        wait_for_log(stage, "has lost journal.sqlite3-wal")
        status = stage.outbox / "status.json"
        wait_until(lambda: "has lost" in (json.loads(status.read_bytes())["journal_trouble"] or ""), "status")
        assert "has lost journal.sqlite3-wal" in stage.run("status").stdout
        assert len(stage.simulator_state()["posts"]) == 1
        daemon.kill()
        daemon.wait(timeout=HANG)
        stage.set_config("pace", delay=0)
        check_all_done(stage, start(stage), 3)


def test_a_damaged_journal_fails_the_start_and_the_check_with_a_hint(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2") as stage:
        stage.drop("cat.ready.txt", "a cat\n")
        stage.drain()
        journal = stage.folder / "state" / "journal.sqlite3"
        data = journal.read_bytes()
        damaged = data[:8192] + b"\xff" * 8192 + data[16384:]
        journal.write_bytes(damaged)
        assert start(stage).wait(timeout=HANG) == 3
        assert "it is damaged: move it away" in stage.log.splitlines()[-1]
        checked = stage.run("check", "--json")
        assert checked.returncode == 1
        (line,) = [line for line in json.loads(checked.stdout) if line["name"] == "journal"]
        assert line["state"] == "fail"
        assert journal.read_bytes() == damaged
        journal.write_bytes(data)
        assert stage.run("check").returncode == 0


# ---- notifications


class _Webhook(BaseHTTPRequestHandler):
    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        assert "Authorization" not in self.headers
        type(self).received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_notification_script_and_a_webhook_receive_the_events(tmp_path: Path) -> None:
    _Webhook.received = []
    script = tmp_path / "notify.sh"
    notes = tmp_path / "notes.txt"
    script.write_text(
        "#!/bin/sh\n"
        f'echo "$MJWATCH_EVENT $MJWATCH_STATE $MJWATCH_PROMPT $1 ${{MJWATCH_TOKEN-none}}" >>{notes}\n'
        f'[ -z "$MJWATCH_FOLDER" ] || cat "$MJWATCH_MANIFEST" >/dev/null || echo "no manifest" >>{notes}\n'
    )
    script.chmod(0o755)
    with (
        HTTPServer(("127.0.0.1", 0), _Webhook) as webhook,
        open_stage(tmp_path / "w", "--seconds-per-job", "0.2") as stage,
    ):
        listener = Thread(target=webhook.serve_forever, args=(0.01,))
        listener.start()
        with stage.config.open("a") as config:
            config.write(f'\n[notify]\nexec = ["{script}", "hello"]\n')
            config.write(f'webhook = "http://127.0.0.1:{webhook.server_port}/s3cret"\n')
        stage.drop("cat.ready.txt", "a cat\n")
        stage.drop("dog.ready.toml", "prompt = 7\n")
        stage.drain()
        stage.arm_fault(fault="captcha", count=1)
        stage.drop("owl.ready.txt", "an owl\n")
        assert start(stage, "--drain").wait(timeout=HANG) == 4
        assert start(stage, "--drain").wait(timeout=HANG) == 4  # the same cause is not reported again
        webhook.shutdown()
        listener.join()
        assert "s3cret" not in stage.log
    lines = sorted(notes.read_text().splitlines())
    assert lines == ["done done a cat hello none", "failed rejected  hello none", "needs_person   hello none"]
    by_event = {event["event"]: event for event in _Webhook.received}
    assert sorted(event["event"] for event in _Webhook.received) == ["done", "failed", "needs_person"]
    assert by_event["done"]["prompt"] == "a cat"
    assert (tmp_path / "w/outbox" / by_event["done"]["folder"] / "manifest.json").is_file()
    assert by_event["failed"]["folder"].startswith("_failed/")
    assert by_event["needs_person"]["job"] is None
    assert "captcha" in by_event["needs_person"]["reason"].lower()
