"""Jobs that were given up or refused may have run all the same.

Their late pictures are delivered where an id says whose they are, and never go to an equal prompt. What may
have run is not sent again.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mjwatch import events as ev
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, Prompt, Refusal, RefusalClass, State
from tests.helpers.button_shapes import single
from tests.helpers.message_shapes import ME, UUID_B, create, delete, message, refused, result, started
from tests.unit.engine.test_loop import READY, EngineHarness
from tests.unit.engine.test_scheduler import finished, give

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


# ---- late signs of what ran all the same


def given_up(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(ev.ForJob("job00001", ev.CancelRequested()))
    harness.now += 700
    harness.feed(ev.ForJob("job00001", ev.CancelRequested()))


def refused_by_discord(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a red cat\n")
    refusal = Refusal(RefusalClass.USER, None, "a wrong form")
    harness.feed(ev.ForJob("job00001", ev.Refused(refusal, executed=False)))


@pytest.mark.parametrize("end", [cancelled_in_doubt, given_up, refused_by_discord])
@pytest.mark.parametrize("published", [False, True])
def test_an_ended_job_whose_start_comes_late_gets_its_result(
    harness: EngineHarness, end: Callable[[EngineHarness], None], published: bool
) -> None:
    end(harness)
    assert harness.job().state in {State.CANCELLED, State.FAILED}
    if published:
        harness.feed(ANSWERED)
    harness.feed(create(started("600", nonce="nonce-1")), create(result("700", reply_to="600")))
    assert harness.job().state is State.COLLECTING
    assert len(harness.submits()) == 1


def test_an_ended_jobs_result_that_a_gap_hid_is_delivered(harness: EngineHarness) -> None:
    given_up(harness)
    harness.feed(create(started("600", nonce="nonce-1")), ANSWERED)
    harness.feed(ev.GatewayDown("x", 1.0, session_lost=True), replace(READY, session_id="session-2"))
    final = result("700", reply_to="600")
    harness.feed(ev.HistoryRead((final,), "500"))
    assert harness.job().state is State.COLLECTING


FAILURE = ev.GatewayDispatch("INTERACTION_FAILURE", {"id": "550", "nonce": "nonce-1", "reason_code": 2}, 2)
NOTICE = create(
    message(
        "600",
        "Some words about your job",
        nonce="nonce-1",
        interaction={"id": "550", "type": 2, "name": "imagine", "user": {"id": ME}},
    )
)


@pytest.mark.parametrize(("sign", "state"), [(FAILURE, State.IN_DOUBT), (NOTICE, State.SUBMITTED)])
@pytest.mark.parametrize("sent", [ev.OutcomeUnknown("reset"), ev.NotSent("a limit")])
def test_what_names_the_nonce_shows_that_the_post_was_executed(
    harness: EngineHarness, sent: ev.JobEvent, sign: ev.GatewayDispatch, state: State
) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", sent))
    harness.feed(sign)
    assert harness.job().state is state
    harness.now += 61
    harness.feed()
    harness.feed(ev.GatewayAlive("session-1"))
    harness.now += 3600
    harness.feed()
    assert len(harness.submits()) == 1
    assert len(harness.journal.attempts_since(0)) == 1


@pytest.mark.parametrize("title", ["Queue full", "Banned prompt", "Slow Down!"])
def test_a_refusal_without_ids_sends_nothing_again_and_loses_no_result(
    harness: EngineHarness, title: str
) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(refused("590", title)))
    assert harness.job().state is State.IN_DOUBT
    assert title in (harness.job().doubt or "")
    harness.now += 3600
    harness.feed()
    assert len(harness.submits()) == 1
    assert len(harness.journal.attempts_since(0)) == 1
    harness.feed(create(started("600", nonce="nonce-1")), create(result("700", reply_to="600")))
    assert harness.job().state is State.COLLECTING


@pytest.mark.parametrize("sent", [ev.NotSent("no network"), ev.OutcomeUnknown("reset")])
def test_a_refusal_without_ids_keeps_no_job_from_being_proven_unsent(
    harness: EngineHarness, sent: ev.JobEvent
) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.feed(create(refused("590", "Banned prompt")))
    assert harness.job().state is State.SUBMITTING
    harness.feed(ev.ForJob("job00001", sent))
    harness.feed(create(refused("591", "Banned prompt")))
    harness.now += 61
    harness.feed()
    harness.feed(ev.GatewayAlive("session-1"))
    assert len(harness.submits()) == 2


def test_a_full_queue_makes_all_wait_whoever_is_told(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(refused("590", "Queue full")))
    harness.drop("b.txt", "a blue dog\n", mtime=5000.0)
    assert len(harness.submits()) == 1


def test_a_refusal_without_ids_that_needs_a_person_pauses_the_sending(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(refused("590", "Action required to continue")))
    assert harness.job().state is State.IN_DOUBT
    assert harness.engine.paused
