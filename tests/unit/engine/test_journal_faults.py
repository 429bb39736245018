"""The journal fails at each of its writes, in every way: nothing is sent before it is committed.

Seen to catch: a POST handed out before its attempt is committed.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.errors import JournalError
from mjwatch.journal.reader import JournalReader
from mjwatch.journal.writer import Journal
from mjwatch.model import State
from tests.helpers.message_shapes import create, result, started
from tests.unit.engine.test_loop import READY, EngineHarness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESSAGES = (
    "database or disk is full",  # ENOSPC
    "disk I/O error",  # EIO
    "attempt to write a readonly database",  # EROFS, EACCES
    "unable to open database file",  # the folder went
)


@dataclass
class Failing:
    """A connection on which the nth writing statement fails; all others succeed."""

    db: sqlite3.Connection
    message: str
    left: int
    writes: int = 0

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if not statement.startswith(("SELECT", "PRAGMA", "ROLLBACK")):
            self.writes += 1
            self.left -= 1
            if self.left == 0:
                raise sqlite3.OperationalError(self.message)
        return self.db.execute(statement, *values)

    @property
    def in_transaction(self) -> bool:
        return self.db.in_transaction

    def close(self) -> None:
        self.db.close()


@dataclass
class Full(Failing):
    """A connection on which each writing statement fails while it is full."""

    is_full: bool = True

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        self.left = 1 if self.is_full else 0
        return super().execute(statement, *values)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "journal.sqlite3"
    Journal(path).close()
    yield path


def whole_life(path: Path, message: str = "", nth: int = 0) -> tuple[EngineHarness, int]:
    """One prompt from the inbox to the outbox; the nth write of the journal fails once."""
    with closing(Journal(path)) as journal:
        failing = Failing(journal._db, message, nth)
        harness = EngineHarness(journal)
        harness.effects = Checked(path)
        journal._db = failing  # type: ignore[assignment]
        harness.feed(READY, ev.HistoryRead((), "500"))
        harness.drop("cat.txt", "a cat\n")
        pass_time(harness)
        for event in ("accepted", "started", "finished", "published"):
            harness.feed(event_of(harness, event))
            pass_time(harness)
        return harness, failing.writes


def pass_time(harness: EngineHarness) -> None:
    """Long enough for what has failed to be tried again."""
    for _ in range(2):
        harness.now += 10.0
        harness.feed(ev.InboxScanned(0))


def event_of(harness: EngineHarness, name: str) -> ev.LoopEvent:
    (submit,) = harness.submits()
    job_id, nonce = submit.job.id, submit.job.nonce
    match name:
        case "accepted":
            return ev.ForJob(job_id, ev.Accepted(), nonce)
        case "started":
            return create(started("600", "a cat", nonce=nonce))
        case "finished":
            return create(result("700", "a cat", nonce=nonce))
        case _:
            return ev.ForJob(job_id, ev.Published("cat-job00001"))


class Checked(list[ef.Effect]):
    """Effects as they are handed out: what each hangs on must be in the file by then."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def append(self, effect: ef.Effect) -> None:
        with closing(JournalReader(self._path)) as reader:
            job = next(iter(reader.listed(None, 2)), None)
            match effect:
                case ef.Submit():
                    assert job is not None
                    assert (job.state, job.nonce) == (State.SUBMITTING, effect.job.nonce)
                    assert len(reader.attempts_since(0.0)) == 1
                case ef.FetchResult():
                    assert job is not None
                    assert job.result is not None
                case ef.RemoveFile():
                    assert job is not None
                    assert reader.file_of(job.id) is not None
                case ef.SendNotification(trouble=None):
                    assert job is not None
                    assert job.published is not None
                case _:
                    pass
        super().append(effect)


def kinds(harness: EngineHarness) -> list[str]:
    """Return the names of the effects, but not of those that read, or report that the journal failed."""
    return [
        type(effect).__name__
        for effect in harness.effects
        if not isinstance(effect, ef.ReadHistory) and getattr(effect, "trouble", None) is None
    ]


WRITES = 84
"""More than one whole life makes; the first test counts the writes."""


def test_a_run_without_faults_makes_between_40_and_84_writes(path: Path) -> None:
    harness, writes = whole_life(path)
    assert kinds(harness) == ["RemoveFile", "Submit", "FetchResult", "SendNotification"]
    assert 40 < writes < WRITES


# Every write fails in one way in `make test`, and in the other three ways in `make test-long`.
@pytest.mark.parametrize(
    ("nth", "message"),
    [
        pytest.param(nth, message, marks=[] if nth % len(MESSAGES) == way else [pytest.mark.long])
        for nth in range(1, WRITES)
        for way, message in enumerate(MESSAGES)
    ],
)
def test_a_write_that_fails_is_repeated_and_no_effect_comes_before_it_or_twice(
    path: Path, nth: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    harness, writes = whole_life(path, message, nth)
    assert kinds(harness) == ["RemoveFile", "Submit", "FetchResult", "SendNotification"]
    assert (message in caplog.text) == (nth <= writes)
    with closing(JournalReader(path)) as reader:
        (job,) = reader.listed(None, 2)
        assert (job.state, job.folder, len(job.nonces)) == (State.DONE, "cat-job00001", 1)
        assert len(reader.attempts_since(0.0)) == 1


# ---- a start while nothing can be written


def begun_while_full(path: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> EngineHarness:
    """Return a start with one job whose POST was under way, and one that waits."""
    with closing(Journal(path)) as journal:
        before = EngineHarness(journal)
        before.online()
        before.drop("cat.txt", "a cat\n")
        before.drop("dog.txt", "a cat\n")
        assert before.job().state is State.SUBMITTING
    journal = stack.enter_context(closing(Journal(path)))
    monkeypatch.setattr(journal, "_db", Full(journal._db, MESSAGES[0], 0))
    return EngineHarness(journal, first_nonce=100)


def test_a_start_on_a_full_disk_waits_for_room_and_handles_nothing_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        harness = begun_while_full(path, monkeypatch, stack)
        harness.engine.load(patient=True)
        pass_time(harness)
        harness.feed(ev.GatewayResumed("session-1", 9))
        (trouble,) = harness.engine.service.troubles.current
        assert "disk is full; nothing is sent and no file is taken" in str(trouble)
        assert kinds(harness) == []
        assert harness.job().state is State.SUBMITTING
        harness.engine._journal._db.is_full = False  # type: ignore[attr-defined]
        pass_time(harness)
        assert (harness.job().state, harness.job("job00002").state) == (State.IN_DOUBT, State.QUEUED)
        assert list(harness.engine.service.troubles.current) == []
        assert kinds(harness) == []


def test_a_start_on_a_full_disk_can_be_stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        harness = begun_while_full(path, monkeypatch, stack)
        harness.engine.load(patient=True)
        harness.engine.put(ev.StopRequested())
        harness.engine.run()
        assert harness.engine.stopping


def test_without_a_loop_a_start_on_a_full_disk_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        harness = begun_while_full(path, monkeypatch, stack)
        with pytest.raises(JournalError, match="disk is full"):
            harness.engine.load()
