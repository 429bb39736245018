"""Pruning: what is deleted, and what never is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.jobs.pacing import DAY
from mjwatch.journal import maintenance
from mjwatch.journal.database import transaction
from mjwatch.journal.maintenance import prunable, prune
from mjwatch.journal.reader import TakenFile
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, State
from tests.helpers.job_factory import RESULT
from tests.helpers.message_shapes import UUID_A, UUID_B, a_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_800_000_000.0
OLD, YOUNG = NOW - 40 * DAY, NOW - 20 * DAY
BEFORE = NOW - 30 * DAY


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def store(journal: Journal, *jobs: Job, name: str = "") -> None:
    """Jobs of one file, each with an attempt."""
    name = name or f"{jobs[0].id}.txt"
    file = TakenFile(name, "0" * 64, 1.0, b"content")
    journal.accept(file, [(job, job.id) for job in jobs], jobs[0].accepted)
    for job in jobs:
        journal.update(job, attempt_at=job.accepted + 1.0)


def job(job_id: str, accepted: float, published: float | None = None, **facts: Any) -> Job:
    values: dict[str, Any] = {"state": State.DONE, "accepted": accepted, "nonces": (f"nonce-{job_id}",)}
    values["published"] = published or accepted + 60.0
    return a_job(job_id, **(values | facts))


def rows(journal: Journal, query: str) -> list[Any]:
    with closing(sqlite3.connect(journal.path)) as db:
        return [row[0] for row in db.execute(query)]


def test_jobs_that_ended_long_ago_are_deleted_and_the_others_stay(journal: Journal) -> None:
    store(journal, job("old", OLD))
    store(journal, job("young", YOUNG))
    store(journal, job("late", OLD, published=YOUNG))
    store(journal, job("failed", OLD, state=State.FAILED))
    assert prunable(journal.path, BEFORE) == 2
    assert prune(journal.path, BEFORE, NOW) == 2
    assert {found.id for found in journal.listed(None, 10)} == {"young", "late"}
    assert rows(journal, "SELECT nonce FROM attempts ORDER BY nonce") == ["nonce-late", "nonce-young"]
    assert prune(journal.path, BEFORE, NOW) == 0


def test_the_results_of_deleted_jobs_stay_known(journal: Journal) -> None:
    old, files = job("old", OLD, result=RESULT, job_uuid=UUID_A), replace(RESULT, message_id="")
    store(journal, old)
    store(journal, job("file1", OLD, result=files, job_uuid=UUID_B))
    store(journal, job("file2", OLD, result=files, job_uuid="dddddddd-0000-4000-8000-00000000000d"))
    store(journal, job("failed", OLD, state=State.FAILED))
    assert prune(journal.path, BEFORE, NOW) == 4
    assert journal.owner_of(job_uuid=UUID_A) is None
    assert journal.has_result(RESULT.message_id, None)
    assert journal.has_result(None, UUID_A)
    assert journal.has_result(None, UUID_B)
    assert journal.has_result(None, "dddddddd-0000-4000-8000-00000000000d")
    assert not journal.has_result("701", None)
    assert not journal.has_result(None, None)
    assert not journal.has_result("", None)


def test_an_open_job_is_never_deleted(journal: Journal) -> None:
    for number, state in enumerate(State):
        store(journal, job(f"open{number}", OLD, state=state, published=None))
        journal.update(a_job(f"open{number}", state=state, accepted=OLD, published=None))
    assert prune(journal.path, BEFORE, NOW) == 0
    assert len(journal.listed(None, 100)) == len(State)


def test_an_accepted_file_stays_known_and_its_content_goes_with_the_last_of_its_jobs(
    journal: Journal,
) -> None:
    store(journal, job("olda", OLD), job("oldb", OLD), name="both.txt")
    store(journal, job("oldc", OLD), job("young", OLD, published=YOUNG), name="one.txt")
    prune(journal.path, BEFORE, NOW)
    assert journal.was_taken("both.txt", "0" * 64)
    assert rows(journal, "SELECT content FROM files ORDER BY id") == [b"", b"content"]
    file = journal.file_of("young")
    assert file is not None
    assert file.content == b"content"


def test_a_job_younger_than_a_day_stays_whatever_is_requested(journal: Journal) -> None:
    store(journal, job("today", NOW - 3600.0))
    store(journal, job("yesterday", NOW - 2 * DAY))
    assert prune(journal.path, NOW, NOW) == 1
    assert journal.attempts_since(NOW - DAY) == [NOW - 3599.0]


def test_many_jobs_are_deleted_in_short_transactions(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "BATCH_SIZE", 4)
    monkeypatch.setattr(maintenance, "BATCH_PAUSE", 0.0)
    for number in range(10):
        store(journal, job(f"old{number}", OLD))
        store(journal, job(f"young{number}", YOUNG))
    assert prune(journal.path, BEFORE, NOW) == 10
    assert rows(journal, "SELECT COUNT(*) FROM attempts") == [10]
    assert rows(journal, "SELECT COUNT(*) FROM files WHERE content=x''") == [10]


def test_a_job_that_is_opened_again_meanwhile_stays(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(journal, job("old", OLD, state=State.FAILED))

    def opened_first(db: sqlite3.Connection, path: Path) -> Any:
        journal.update(a_job("old", state=State.QUEUED, accepted=OLD, published=None))
        return transaction(db, path)

    monkeypatch.setattr(maintenance, "transaction", opened_first)
    assert prune(journal.path, BEFORE, NOW) == 0
    assert journal.job("old") is not None
