"""A job whose messages stay as they are is silent, however often they are read; a person can give it up."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.engine.job_table import PROGRESS_DELAY
from mjwatch.jobs.status_text import clock
from mjwatch.journal.requests import Outcome, ask, read_answer
from mjwatch.journal.writer import Journal
from mjwatch.model import State
from tests.helpers.message_shapes import UUID_A, create, delete, progress, result, started, update
from tests.unit.engine.test_held_results import started_again
from tests.unit.engine.test_loop import EngineHarness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = 3600.0


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        harness = EngineHarness(journal)
        harness.online()
        harness.drop("a.txt", "a red cat\n")
        harness.accept_all()
        harness.feed(
            create(started("600", nonce="nonce-1")), update(progress("600", uuid=UUID_A, percent=31))
        )
        yield harness


def test_mere_progress_is_stored_a_second_later_or_with_the_next_step(harness: EngineHarness) -> None:
    def stored() -> int | None:
        job = harness.journal.job("job00001")
        return None if job is None else job.percent

    assert stored() == 31  # it came with the uuid, by which results are matched
    harness.feed(update(progress("600", uuid=UUID_A, percent=46)))
    assert (harness.job().percent, stored()) == (46, 31)
    harness.now += PROGRESS_DELAY
    harness.feed()
    assert stored() == 46
    harness.feed(update(progress("600", uuid=UUID_A, percent=62)))
    harness.engine.finish()
    assert stored() == 62
    harness.feed(update(progress("600", uuid=UUID_A, percent=78)))
    harness.feed(create(result("700", uuid=UUID_A)))
    assert harness.job().state is State.COLLECTING
    assert harness.journal.job("job00001") == harness.job()


def test_a_job_is_committed_once_for_each_step_that_says_something_new(tmp_path: Path) -> None:
    with (
        closing(Journal(tmp_path / "journal.sqlite3")) as journal,
        patch.object(journal, "update", wraps=journal.update) as update_journal,
    ):
        harness = EngineHarness(journal)
        harness.online()
        harness.drop("a.txt", "a red cat\n")
        interaction = {"id": "550", "nonce": "nonce-1"}
        harness.feed(ev.GatewayDispatch("INTERACTION_CREATE", interaction, 1))
        harness.accept_all()
        harness.feed(
            ev.GatewayDispatch("INTERACTION_SUCCESS", interaction, 2),
            create(started("600", nonce="nonce-1")),
            *(update(progress("600", uuid=UUID_A, percent=percent)) for percent in (0, 31, 62, 93)),
            create(result("700", uuid=UUID_A, reply_to="600")),
            delete("600"),
            ev.ForJob("job00001", ev.Published("a-job00001", failed=False)),
        )
    stored = [(call.args[0].state, call.args[0].percent) for call in update_journal.call_args_list]
    assert stored == [
        (State.SUBMITTING, None),
        (State.SUBMITTING, None),  # the interaction
        (State.SUBMITTED, None),
        (State.RUNNING, None),
        (State.RUNNING, 0),  # with the job's uuid
        (State.COLLECTING, 100),
        (State.DONE, 100),
    ]


def pass_time(harness: EngineHarness, hours: float, now: dict[str, Any]) -> int:
    """Let time pass, answer each request for the history with the start message as it is ``now``.

    Return the number of these requests.
    """
    asked, end = 0, harness.now + hours * HOUR
    while harness.now < end:
        harness.now += 600.0
        for effect in harness.feed():
            if isinstance(effect, ef.ReadHistory):
                asked += 1
                harness.feed(ev.HistoryRead((now,), "600", {"600": now} if effect.reread else {}))
    return asked


@pytest.mark.parametrize("shown", [progress("600", uuid=UUID_A, percent=31), started("600")])
def test_a_start_message_that_never_changes_is_no_sign_of_life(
    harness: EngineHarness, shown: dict[str, Any]
) -> None:
    if "Waiting" in shown["content"]:
        harness.feed(update(shown))
    asked = pass_time(harness, 3, shown)
    assert harness.job().state is State.IN_DOUBT
    assert asked <= 3
    pass_time(harness, 24, shown)
    assert harness.job().state is State.IN_DOUBT
    harness.drop("b.txt", "a blue dog\n")
    assert harness.submits()[-1].job.prompt.text == "a blue dog"


def test_after_a_restart_an_unchanged_message_is_no_sign_of_life_either(harness: EngineHarness) -> None:
    shown = progress("600", uuid=UUID_A, percent=31)
    harness.now += 0.9 * HOUR
    limit = harness.job().next_action_at
    again = started_again(harness, shown)
    assert again.job().next_action_at == limit
    pass_time(again, 2, shown)
    assert again.job().state is State.IN_DOUBT
    assert started_again(again, shown).job().state is State.IN_DOUBT


@pytest.mark.parametrize(
    "news",
    [
        progress("600", uuid=UUID_A, percent=46),
        progress("600", uuid=UUID_A, percent=31) | {"edited_timestamp": "2026-06-06T18:20:00+00:00"},
        progress("600", "a red cat, sitting", uuid=UUID_A, percent=31),
        progress("600", uuid=UUID_A, percent=31) | {"attachments": []},
    ],
)
def test_news_in_a_message_that_is_read_again_are_a_sign_of_life(
    harness: EngineHarness, news: dict[str, Any]
) -> None:
    pass_time(harness, 0.8, progress("600", uuid=UUID_A, percent=31))
    limit = harness.job().next_action_at
    pass_time(harness, 0.4, news)
    job = harness.job()
    assert job.state is State.RUNNING
    assert job.next_action_at is not None
    assert limit is not None
    assert job.next_action_at > limit


def test_a_silent_job_that_comes_alive_in_doubt_runs_again_and_is_delivered(harness: EngineHarness) -> None:
    pass_time(harness, 3, progress("600", uuid=UUID_A, percent=31))
    assert harness.job().state is State.IN_DOUBT
    harness.feed(update(progress("600", uuid=UUID_A, percent=46)))
    assert harness.job().state is State.RUNNING
    harness.feed(create(result("700", uuid=UUID_A)))
    assert harness.job().state is State.COLLECTING


def steer(harness: EngineHarness, verb: str) -> Outcome:
    request = ask(harness.journal.path, verb, {"jobs": {"job00001": 1}}, harness.now)
    harness.feed(ev.RequestsPending())
    (outcome,) = read_answer(harness.journal.answer_of(request) or "")
    return outcome


def test_a_second_request_gives_up_a_job_that_stays_silent_and_frees_its_slot(
    harness: EngineHarness,
) -> None:
    shown = progress("600", uuid=UUID_A, percent=31)
    pass_time(harness, 0.4, shown)
    first = steer(harness, "cancel")
    assert not first.done
    assert "once more" in first.message
    assert steer(harness, "cancel").done is False, "at once it may only be a slip"
    harness.now += 61.0
    second = steer(harness, "cancel")
    assert (second.done, "given up" in second.message) == (True, True)
    assert harness.job().state is State.CANCELLED
    harness.feed(create(result("700", uuid=UUID_A)))
    assert harness.job().state is State.COLLECTING, "what was paid for is delivered"


def test_a_second_request_does_not_give_up_a_job_that_makes_progress(harness: EngineHarness) -> None:
    steer(harness, "cancel")
    harness.now += 700.0
    harness.feed(update(progress("600", uuid=UUID_A, percent=46)))
    steer(harness, "cancel")
    assert harness.job().state is State.RUNNING


def test_a_retry_of_a_job_at_work_says_when_it_becomes_possible(harness: EngineHarness) -> None:
    outcome = steer(harness, "retry")
    at = clock(harness.now + HOUR, harness.now + HOUR)
    assert outcome.message == (
        f"is at work already; if Midjourney stays silent, it is in doubt at {at},"
        " and `mjwatch retry` can send it again"
    )
