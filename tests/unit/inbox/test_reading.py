"""Reading off the loop: a reader that blocks, fails or ends the process costs one rejected file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from mjwatch.errors import PromptFileError
from mjwatch.inbox import pickup, reading
from mjwatch.inbox.reading import LIGHT, ReadingGuard, read_settled
from mjwatch.prompts.source_text import sha256
from tests.helpers.running_inbox import HANG, move_in, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mjwatch.events import FileSettled

LONG = "# a comment\n" * (LIGHT // 8) + "a cat\n"
"""A text that is read in a thread of its own."""

KILLED = """
import queue, sys, threading
from pathlib import Path
from mjwatch.inbox import pickup, reading
from mjwatch.inbox.inbox import Inbox

reading.SLOW_AFTER, reading.PATIENCE = 0.1, 3600.0
pickup.read_settled = lambda *arguments: threading.Event().wait()
root, note = map(Path, sys.argv[1:])
Inbox(root, print, settle=0.05, settle_incomplete=0.3, scan_interval=0.03, reading_note=note).start()
threading.Event().wait()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "inbox"
    root.mkdir()
    return root


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the readings of long files wait until the event is set."""
    gate = threading.Event()

    def read(path: str, data: bytes, *others: object) -> FileSettled:
        if len(data) > LIGHT:
            gate.wait(HANG)
        return read_settled(path, data, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(pickup, "read_settled", read)
    yield gate
    gate.set()


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def noted(note: Path) -> dict[str, object]:
    first = note.read_bytes().partition(b"\n")[0]
    found = json.loads(first) if first else {}
    return found if isinstance(found, dict) else {}


def fails(guard: ReadingGuard, data: bytes) -> str:
    with pytest.raises(PromptFileError) as caught, guard.reading(data):
        pass
    assert caught.value.hint
    return caught.value.message


def died(note: Path, data: bytes, *, slow: bool = False) -> None:
    """Leave the note of a process that died while it read this content."""
    guard = ReadingGuard()
    guard.open(note)
    with guard.reading(data):
        guard._write(is_slow=slow)
        left = note.read_bytes()
    guard.close()
    note.write_bytes(left)


def opened(note: Path) -> ReadingGuard:
    guard = ReadingGuard()
    guard.open(note)
    return guard


# ---- time


def test_a_file_that_takes_too_long_is_rejected_and_the_next_one_is_read(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    monkeypatch.setattr(reading, "SLOW_AFTER", 0.01)
    monkeypatch.setattr(reading, "PATIENCE", 0.05)
    move_in(root / "a.txt", LONG)
    move_in(root / "b.txt", "a dog\n")
    with running(root, reading_note=tmp_path / "note") as it:
        slow, quick = it.settled(), it.settled()
        assert slow.error is not None
        assert "could not read this file within" in slow.error.message
        assert [prompt.text for prompt in quick.prompts] == ["a dog"]
        assert it.inbox.healthy
        monkeypatch.setattr(reading, "PATIENCE", HANG)
        gate.set()
        (root / "a.txt").unlink()
        move_in(root / "c.txt", LONG)  # the same content is read when it comes again
        assert it.settled().error is None


def test_a_reading_that_lasts_is_noted_and_the_note_ends_with_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    monkeypatch.setattr(reading, "SLOW_AFTER", 0.01)
    monkeypatch.setattr(reading, "PATIENCE", 2 * HANG)
    note = tmp_path / "note"
    move_in(root / "a.txt", LONG)
    with running(root, reading_note=note) as it:
        wait_until(lambda: note.exists() and noted(note).get("slow") is True)
        assert noted(note)["reading"] == sha256(LONG.encode())
        gate.set()
        assert it.settled().error is None
        wait_until(lambda: noted(note)["reading"] == "")


@pytest.mark.parametrize("size", [0, LIGHT + 1])
def test_what_a_reader_raises_comes_through(size: int) -> None:
    def read() -> None:
        raise RecursionError

    guard = ReadingGuard()
    with pytest.raises(RecursionError), guard.reading(b"x"):
        guard.run(size, read)
    assert guard.run(size, lambda: 5) == 5


# ---- death


def test_a_file_that_was_being_read_when_the_process_was_killed_is_rejected_once(
    root: Path, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    move_in(root / "cat.txt", LONG)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(root), str(note)])
    try:
        wait_until(lambda: note.exists() and noted(note).get("slow") is True)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(HANG)
    with running(root, reading_note=note) as it:
        file = it.settled()
        assert (file.path, file.data, file.prompts) == ("cat.txt", LONG.encode(), ())
        assert file.error is not None
        assert file.error.message == "mjwatch died while it was reading this file"
        (root / "cat.txt").unlink()
        it.scans()
        move_in(root / "cat.txt", LONG)  # a person has put it back
        again = it.settled()
        assert (again.error, len(again.prompts)) == (None, 1)


def test_a_process_that_dies_during_a_short_reading_may_have_died_of_something_else(tmp_path: Path) -> None:
    note = tmp_path / "note"
    died(note, b"a cat")
    with opened(note).reading(b"a cat"), opened(note).reading(b"a dog"):
        pass
    died(note, b"a cat")
    guard = opened(note)
    assert "died" in fails(guard, b"a cat")
    with guard.reading(b"a dog"):
        pass
    guard.forget(b"a cat")
    for either in (guard, opened(note)):
        with either.reading(b"a cat"):
            pass


def test_two_deaths_count_although_other_files_were_read_between_them(tmp_path: Path) -> None:
    note = tmp_path / "note"
    died(note, b"a cat")
    died(note, b"a dog")
    died(note, b"a cat")
    assert "died" in fails(opened(note), b"a cat")
    with opened(note).reading(b"a dog"):
        pass


def test_a_process_that_ends_between_readings_leaves_no_suspicion(tmp_path: Path) -> None:
    note = tmp_path / "note"
    guard = opened(note)
    for _ in range(3):
        with guard.reading(b"a cat"):
            pass
    assert noted(note) == {"reading": "", "slow": False, "deaths": {}}


def test_the_note_is_kept_where_the_system_has_no_pread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has neither pread nor pwrite."""
    for name in ("pread", "pwrite"):
        monkeypatch.delattr(os, name)
    note = tmp_path / "note"
    for _ in range(2):
        died(note, b"a cat")
    assert "died" in fails(opened(note), b"a cat")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"deaths": 5}', b'{"reading": {}, "deaths": {"a": []}}', b"\xff" * 99, b"[" * 99999],
)
def test_a_note_that_is_none_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "note").write_bytes(content)
    with opened(tmp_path / "note").reading(b"a cat"):
        assert noted(tmp_path / "note")["reading"] == sha256(b"a cat")


def _link(note: Path) -> None:
    (note.parent / "other").write_text("kept")
    note.symlink_to(note.parent / "other")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, _link])
def test_whatever_lies_where_the_note_belongs_is_left_alone(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "note")
    with opened(tmp_path / "note").reading(b"a cat"):
        pass
    if make is _link:
        assert (tmp_path / "other").read_text() == "kept"
