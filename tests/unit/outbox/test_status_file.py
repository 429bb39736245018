"""``outbox/status.json``: always whole, new only where something matters, and nothing hangs on it.

Seen to catch: no last version at the stop; a version for each percent; the file written in place; an error
that ends the thread; a version that could not be written taken for written, or never tried again.
"""

from __future__ import annotations

import errno
import itertools
import json
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.errors import JournalError, OutboxError
from mjwatch.outbox.status_file import StatusFile, last_sign_of_life
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0
HANG = deadline(20.0)


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no version be tried again while a test stands still."""
    monkeypatch.setattr("mjwatch.outbox.status_file.RETRY_DELAY", 3600.0)


class Service:
    """Facts that a test changes, and a note of each look at them and of each version that is written."""

    def __init__(self, outbox: Path) -> None:
        self.facts: dict[str, Any] = {"daemon": True, "paused": None, "live": [{"job": "a", "percent": 1}]}
        self.versions: list[dict[str, Any]] = []
        self.seen: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.notified = threading.Event()
        self.tried: list[OSError | OutboxError | None] = []
        self.file = StatusFile(outbox, self.look, lambda: NOW, self.written, self.tried.append, interval=0.0)

    def start(self) -> None:
        """Start the thread, and wait until it has looked at the facts."""
        self.file.start()
        self.wait_for_look()

    def look(self) -> dict[str, Any]:
        facts = self.facts
        self.seen.put(facts)
        return facts

    def wait_for_look(self) -> None:
        """Wait until the thread has looked at the facts as they are now."""
        while self.seen.get(timeout=HANG) is not self.facts:
            pass

    def written(self, status: dict[str, Any]) -> None:
        self.versions.append(status)
        self.notified.set()

    def change(self, **facts: Any) -> None:
        """Something has changed, and the thread has looked at it."""
        self.facts = self.facts | facts
        self.file.changed()
        self.wait_for_look()

    def stop(self) -> None:
        """Stop the thread, however long its last version takes."""
        self.file.stop(HANG)


def read(outbox: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((outbox / "status.json").read_bytes())
    return found


def test_it_says_what_the_service_does_and_at_last_that_it_has_stopped(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.start()
    service.change(paused="a captcha", capped_until=NOW, sending_limit={"why": "slow", "until": NOW})
    service.stop()
    assert [version["paused"] for version in service.versions] == [None, "a captcha", "a captcha"]
    assert [version["service"] for version in service.versions] == ["running", "running", "stopped"]
    last = read(tmp_path)
    assert last == service.versions[-1]
    assert (last["schema"], last["at"]) == ("mjwatch/status/1", "2027-01-15T08:00:00.000Z")
    assert last["capped_until"] == last["sending_limit"]["until"] == "2027-01-15T08:00:00.000Z"
    assert "daemon" not in last
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_an_idle_service_writes_a_version_at_each_heartbeat(tmp_path: Path) -> None:
    versions: list[dict[str, Any]] = []
    seen = threading.Semaphore(0)

    def written(status: dict[str, Any]) -> None:
        versions.append(status)
        seen.release()

    file = StatusFile(tmp_path, dict, time.time, written, interval=0.0, heartbeat=0.2)
    file.start()
    for _ in range(4):
        assert seen.acquire(timeout=HANG)
    file.stop(HANG)
    running, stopped = versions[:4], versions[-1]
    assert all(before["at"] < after["at"] for before, after in itertools.pairwise(running))
    assert all(version["at"] < version["expected_by"] for version in running)
    assert (stopped["service"], stopped["expected_by"]) == ("stopped", None)


@pytest.mark.parametrize(
    ("heartbeat", "later", "is_written"),
    [(300.0, 269.0, False), (300.0, 270.0, True), (300.0, -1.0, True), (0.0, 9999.0, False)],
)
def test_the_next_version_comes_before_it_is_expected(
    tmp_path: Path, heartbeat: float, later: float, is_written: bool
) -> None:
    now, versions = [NOW], list[dict[str, Any]]()
    file = StatusFile(tmp_path, dict, lambda: now[0], versions.append, heartbeat=heartbeat)
    file._write(running=True)
    now[0] += later
    file._write(running=True)
    assert len(versions) == 1 + is_written
    expected = "2027-01-15T08:05:00.000Z" if heartbeat else None
    assert versions[0]["expected_by"] == expected


@pytest.mark.parametrize(
    ("status", "journal_written", "died"),
    [
        ({"service": "running", "at": "2027-01-15T08:00:00.000Z"}, None, NOW),
        ({"service": "running", "at": "2027-01-15T08:00:00.000Z"}, NOW - 5, NOW),
        ({"service": "running", "at": "2027-01-15T08:00:00.000Z"}, NOW + 5, NOW + 5),
        ({"service": "running", "at": ["yesterday"]}, NOW, NOW),
        ({"service": "running", "at": "yesterday"}, None, None),
        ({"service": "stopped", "at": "2027-01-15T08:00:00.000Z"}, NOW + 5, None),
        ({}, NOW, None),
    ],
)
def test_the_last_sign_of_life(
    status: dict[str, Any], journal_written: float | None, died: float | None
) -> None:
    assert last_sign_of_life(status, journal_written) == died


def test_a_percentage_alone_is_not_worth_a_new_version(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.start()
    service.change(live=[{"job": "a", "percent": 50}])
    service.change(live=[{"job": "a", "percent": 60}, {"job": "b", "percent": 0}])
    service.stop()
    shown = [
        [job["job"] for job in version["live"]]
        for version in service.versions
        if version["service"] == "running"
    ]
    assert shown == [["a"], ["a", "b"]]


def test_an_error_of_writing_is_reported_once_and_tried_at_the_next_change(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    service = Service(outbox)
    service.start()
    service.change(paused="one")
    outbox.mkdir()
    service.change(paused="two")
    service.stop()
    assert read(outbox)["paused"] == "two"
    assert [type(error) for error in service.tried] == [FileNotFoundError, type(None)]


def test_an_outbox_without_room_is_reported_though_the_file_itself_has_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    full = OSError(errno.ENOSPC, "No space left", "~syncthing~status.json.tmp")
    service = Service(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("mjwatch.outbox.status_file.replace_or_overwrite", lambda *_: full)
        service.file.start()
        assert service.notified.wait(timeout=HANG)
        service.change(paused="one")
    service.change(paused="two")
    service.stop()
    assert service.tried == [full, None]
    assert f"{tmp_path}/status.json can't be written: No space left\n" in caplog.text


def test_a_version_that_could_not_be_written_is_written_later_though_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mjwatch.outbox.status_file.RETRY_DELAY", 0.02)
    outbox = tmp_path / "outbox"
    service = Service(outbox)
    service.start()
    service.change(paused="a captcha")
    service.wait_for_look()  # by then the first try to write this has failed
    outbox.mkdir()
    assert service.notified.wait(timeout=HANG)
    assert read(outbox)["paused"] == "a captcha"
    service.stop()


def test_a_journal_that_can_not_be_read_ends_nothing(tmp_path: Path) -> None:
    def look() -> dict[str, Any]:
        raise JournalError("it is locked")

    file = StatusFile(tmp_path, look, lambda: NOW, interval=0.0)
    file.start()
    file.stop(HANG)
    assert list(tmp_path.iterdir()) == []


def test_an_unexpected_error_is_logged_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(tmp_path)
    service.facts = {"live": {1, 2}}  # no JSON has a set
    service.start()
    service.change(paused="one")
    service.change(live=[])
    service.stop()
    assert [version["service"] for version in service.versions] == ["running", "stopped"]
    assert (
        len([record for record in caplog.records if "because of an unexpected error" in record.message]) == 1
    )


def test_a_stop_waits_for_no_disk_that_hangs(tmp_path: Path) -> None:
    reached, over = threading.Event(), threading.Event()

    def look() -> dict[str, Any]:
        reached.set()
        over.wait(HANG)
        return {}

    file = StatusFile(tmp_path, look, lambda: NOW, interval=0.0)
    file.start()
    assert reached.wait(HANG)
    file.stop(patience=0.01)
    assert list(tmp_path.iterdir()) == []
    over.set()
    file.stop(HANG)
    assert read(tmp_path)["service"] == "stopped"


def test_what_a_crash_left_half_written_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "~syncthing~status.json.tmp").write_bytes(b"{")
    service = Service(tmp_path)
    service.file.start()
    service.stop()
    assert read(tmp_path)["service"] == "stopped"
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]
