"""Figures about the jobs: counts, the age of the queue, and the seconds of each phase."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.journal.reader import JournalReader
from mjwatch.journal.statistics import statistics
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, Prompt, Source, SourceKind, State
from tests.helpers.job_factory import RESULT, made_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_770_001_000.0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def figures(journal: Journal) -> dict[str, Any]:
    with closing(JournalReader(journal.path)) as reader:
        return statistics(reader, NOW)


def keep(journal: Journal, *jobs: Job) -> None:
    journal.accept(None, [(replace(job, state=State.QUEUED), job.id) for job in jobs], NOW)
    for job in jobs:
        journal.update(job)


def done(job_id: str, **changes: Any) -> Job:
    times = {"submitted": 10.0, "started": 15.0, "finished": 75.0, "published": 77.0}
    return made_job(
        job_id,
        **{"accepted": 0.0, "state": State.DONE, "result": RESULT, "folder": job_id, **times, **changes},
    )


def test_an_empty_journal_has_zeros(journal: Journal) -> None:
    found = figures(journal)
    assert found["states"] == dict.fromkeys(State, 0)
    assert found["queue_age"] == 0
    assert found["phases"] == {"queued": [], "submitted": [], "running": [], "collecting": []}


def test_jobs_are_counted_by_state_also_those_that_have_ended(journal: Journal) -> None:
    keep(journal, done("a"), done("b"), made_job("c"), made_job("d", state=State.CANCELLED))
    states = figures(journal)["states"]
    assert {state: number for state, number in states.items() if number} == {
        "done": 2,
        "queued": 1,
        "cancelled": 1,
    }


def test_the_age_is_that_of_the_oldest_job_that_may_be_sent(journal: Journal) -> None:
    keep(journal, made_job("later", accepted=NOW - 900, next_action_at=NOW + 900))
    assert figures(journal)["queue_age"] == 0
    keep(journal, made_job("due", accepted=NOW - 800, next_action_at=NOW - 30))
    assert figures(journal)["queue_age"] == 30
    keep(journal, made_job("a", accepted=NOW - 70), made_job("b", accepted=NOW - 60))
    assert figures(journal)["queue_age"] == 70


def test_the_phases_of_done_jobs_are_measured(journal: Journal) -> None:
    postponed = Prompt("a cat", not_before=8.0)
    keep(journal, done("a"), done("b", prompt=postponed, started=None), done("c", finished=14.0))
    imported = Source("_channel/2023-11/cat.txt", "0" * 64, 1.7e9, kind=SourceKind.CHANNEL)
    keep(journal, done("d", source=imported, submitted=None, started=None, finished=1.7e9))
    assert figures(journal)["phases"] == {
        "queued": [10, 2, 10],
        "submitted": [5, 5],
        "running": [0, 60],
        "collecting": [63, 2, 2],
    }
