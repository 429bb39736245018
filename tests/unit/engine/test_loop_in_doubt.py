"""Jobs that were given up may have run all the same: an equal prompt never gets their late pictures."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mjwatch import events as ev
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, Prompt, Refusal, RefusalClass, State
from tests.helpers.button_shapes import single
from tests.helpers.message_shapes import UUID_B, create, delete, result, started
from tests.unit.engine.test_loop import READY, EngineHarness
from tests.unit.engine.test_scheduler import finished, give

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWERED = ev.ForJob("job00001", ev.Published("_failed/a-job00001", failed=True))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        harness = EngineHarness(journal)
        harness.online()
        yield harness


def cancelled_in_doubt(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    harness.feed(ev.ForJob("job00001", ev.CancelRequested()))


def late_final_beside_a_duplicate(harness: EngineHarness, nonce: str) -> Job:
    """An equal prompt is at work when the late final of the first one comes, without any id."""
    harness.drop("b.txt", "a red cat\n", mtime=5000.0)
    job = harness.submits()[-1].job
    harness.feed(ev.ForJob(job.id, ev.Accepted()))
    harness.feed(create(started("600", nonce=nonce)), create(result("700", uuid=UUID_B)))
    return harness.job(job.id)


@pytest.mark.parametrize("published", [False, True])
def test_a_cancelled_jobs_late_result_is_not_an_equal_prompts(
    harness: EngineHarness, published: bool
) -> None:
    cancelled_in_doubt(harness)
    if published:
        harness.feed(ANSWERED)
    assert late_final_beside_a_duplicate(harness, "nonce-2").state is State.RUNNING


def test_a_cancelled_jobs_late_result_after_a_kill_is_not_an_equal_prompts(harness: EngineHarness) -> None:
    cancelled_in_doubt(harness)
    harness.feed(ANSWERED)
    again = EngineHarness(harness.journal, first_nonce=100, now=harness.now)
    again.engine._acceptance._new_id = lambda: "otherjob"
    again.engine.load()
    again.feed(replace(READY, session_id="session-2"), ev.HistoryRead((), "500"))
    assert late_final_beside_a_duplicate(again, "nonce-100").state is State.RUNNING


def test_the_late_result_of_a_job_whose_start_was_deleted_is_not_an_equal_prompts(
    harness: EngineHarness,
) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("590", nonce="nonce-1")), delete("590"))
    harness.now += 61
    harness.feed()
    harness.feed(ev.HistoryRead((), None))
    assert harness.job().state is State.FAILED
    harness.feed(ANSWERED)
    assert late_final_beside_a_duplicate(harness, "nonce-2").state is State.RUNNING


def test_a_job_that_was_never_executed_takes_no_result_from_others(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.NotSent("no route")), ev.ForJob("job00001", ev.CancelRequested()))
    harness.feed(ANSWERED)
    assert late_final_beside_a_duplicate(harness, "nonce-2").state is State.COLLECTING


def test_a_follow_up_that_was_put_back_and_cancelled_takes_no_result_from_its_siblings(
    harness: EngineHarness,
) -> None:
    give(harness, "parentaa", Prompt("a red cat"))
    finished(harness, "parentaa")
    give(harness, "childone", Prompt("", action="U1", parent="parentaa"), None)
    slow = Refusal(RefusalClass.RETRY, "Slow Down!", "", retry_after=500.0)
    harness.feed(ev.ForJob("childone", ev.Accepted()), ev.ForJob("childone", ev.Refused(slow)))
    harness.feed(ev.ForJob("childone", ev.CancelRequested()))
    harness.feed(ev.ForJob("childone", ev.Published("_failed/x", failed=True)))
    give(harness, "childtwo", Prompt("", action="U2", parent="parentaa"), None)
    harness.feed(ev.ForJob("childtwo", ev.Accepted()), create(single("90000", 2, UUID_B, "700")))
    assert harness.job("childtwo").state is State.COLLECTING
