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
from tests.unit.engine.test_loop import READY, House
from tests.unit.engine.test_scheduler import finished, give

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWERED = ev.ForJob("job00001", ev.Published("_failed/a-job00001", failed=True))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        house = House(journal)
        house.online()
        yield house


def cancelled_in_doubt(house: House) -> None:
    house.drop("a.txt", "a red cat\n")
    house.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    house.feed(ev.ForJob("job00001", ev.CancelRequested()))


def late_final_beside_a_duplicate(house: House, nonce: str) -> Job:
    """An equal prompt is at work when the late final of the first one comes, without any id."""
    house.drop("b.txt", "a red cat\n", mtime=5000.0)
    job = house.submits()[-1].job
    house.feed(ev.ForJob(job.id, ev.Accepted()))
    house.feed(create(started("600", nonce=nonce)), create(result("700", uuid=UUID_B)))
    return house.job(job.id)


@pytest.mark.parametrize("published", [False, True])
def test_a_cancelled_jobs_late_result_is_not_an_equal_prompts(house: House, published: bool) -> None:
    cancelled_in_doubt(house)
    if published:
        house.feed(ANSWERED)
    assert late_final_beside_a_duplicate(house, "nonce-2").state is State.RUNNING


def test_a_cancelled_jobs_late_result_after_a_kill_is_not_an_equal_prompts(house: House) -> None:
    cancelled_in_doubt(house)
    house.feed(ANSWERED)
    again = House(house.journal, first_nonce=100, now=house.now)
    again.engine._acceptance._new_id = lambda: "otherjob"
    again.engine.load()
    again.feed(replace(READY, session_id="session-2"), ev.HistoryRead((), "500"))
    assert late_final_beside_a_duplicate(again, "nonce-100").state is State.RUNNING


def test_the_late_result_of_a_job_whose_start_was_deleted_is_not_an_equal_prompts(house: House) -> None:
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("590", nonce="nonce-1")), delete("590"))
    house.now += 61
    house.feed()
    house.feed(ev.HistoryRead((), None))
    assert house.job().state is State.FAILED
    house.feed(ANSWERED)
    assert late_final_beside_a_duplicate(house, "nonce-2").state is State.RUNNING


def test_a_job_that_was_never_executed_takes_no_result_from_others(house: House) -> None:
    house.drop("a.txt", "a red cat\n")
    house.feed(ev.ForJob("job00001", ev.NotSent("no route")), ev.ForJob("job00001", ev.CancelRequested()))
    house.feed(ANSWERED)
    assert late_final_beside_a_duplicate(house, "nonce-2").state is State.COLLECTING


def test_a_follow_up_that_was_put_back_and_cancelled_takes_no_result_from_its_siblings(house: House) -> None:
    give(house, "parentaa", Prompt("a red cat"))
    finished(house, "parentaa")
    give(house, "childone", Prompt("", action="U1", parent="parentaa"), None)
    slow = Refusal(RefusalClass.RETRY, "Slow Down!", "", retry_after=500.0)
    house.feed(ev.ForJob("childone", ev.Accepted()), ev.ForJob("childone", ev.Refused(slow)))
    house.feed(ev.ForJob("childone", ev.CancelRequested()))
    house.feed(ev.ForJob("childone", ev.Published("_failed/x", failed=True)))
    give(house, "childtwo", Prompt("", action="U2", parent="parentaa"), None)
    house.feed(ev.ForJob("childtwo", ev.Accepted()), create(single("90000", 2, UUID_B, "700")))
    assert house.job("childtwo").state is State.COLLECTING
