"""A wall clock that is set back or forward, and the deadlines of the loop. No test waits."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.engine.clock import ClockWatch
from mjwatch.errors import JournalError
from mjwatch.journal.writer import Journal
from mjwatch.model import LimitScope, Refusal, RefusalClass, State
from tests.helpers.message_shapes import create, result
from tests.unit.engine.test_loop import READY, EngineHarness
from tests.unit.engine.test_loop_silence import steer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400.0
JUMPS = [-30 * DAY, -60.0, 30 * DAY]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield EngineHarness(journal, now=100 * DAY)


def after(harness: EngineHarness, seconds: float) -> list[ef.Effect]:
    harness.now += seconds
    return harness.feed()


@pytest.mark.parametrize("jump", JUMPS)
def test_a_history_that_could_not_be_read_is_read_again_after_its_wait(
    harness: EngineHarness, jump: float
) -> None:
    harness.feed(READY, ev.HistoryReadFailed("no route"))
    harness.clock_set_by += jump
    assert after(harness, 1.9) == []
    assert after(harness, 0.2) == [ef.ReadHistory(None)]


@pytest.mark.parametrize("jump", JUMPS)
def test_a_prompt_that_was_not_sent_is_sent_again_after_its_wait(harness: EngineHarness, jump: float) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.NotSent("no route", 60.0)))
    harness.clock_set_by += jump
    after(harness, 59.0)
    assert len(harness.submits()) == 1
    after(harness, 1.1)
    assert len(harness.submits()) == 2


@pytest.mark.parametrize("jump", JUMPS)
def test_a_silent_job_is_looked_up_after_its_limit(harness: EngineHarness, jump: float) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.clock_set_by += jump
    assert after(harness, 890.0) == []
    assert after(harness, 11.0) == [ef.ReadHistory("500")]


@pytest.mark.parametrize("jump", JUMPS)
def test_pictures_that_were_not_saved_are_fetched_again_after_their_wait(
    harness: EngineHarness, jump: float
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(result("700")), ev.ForJob("job00001", ev.SaveFailed("the disk is full")))
    harness.clock_set_by += jump
    assert after(harness, 1.5) == []
    (fetched,) = after(harness, 1.0)
    assert isinstance(fetched, ef.FetchResult)


def test_the_time_in_a_prompt_file_is_that_of_the_wall_clock(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.toml", 'prompt = "a red cat"\nnot_before = 1970-04-12T00:00:00Z\n')  # day 101
    harness.clock_set_by -= 30 * DAY
    after(harness, 30 * DAY)
    assert harness.submits() == []
    harness.clock_set_by += 30 * DAY
    after(harness, DAY)
    assert len(harness.submits()) == 1


def test_slow_corrections_of_the_clock_move_nothing(harness: EngineHarness) -> None:
    harness.feed()
    watch = ClockWatch(lambda: harness.now + harness.clock_set_by, lambda: harness.now)
    for _ in range(5):
        harness.clock_set_by -= 9.0
        assert watch.jump() == 0.0


def test_deadlines_that_can_not_be_stored_move_once_later(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.NotSent("no route", 60.0)))

    def is_full(_jobs: object) -> None:
        raise JournalError("the disk is full")

    monkeypatch.setattr(harness.journal, "update_all", is_full)
    harness.clock_set_by -= 30 * DAY
    after(harness, 20.0)
    monkeypatch.undo()
    after(harness, 39.0)
    assert len(harness.submits()) == 1
    after(harness, 1.1)
    assert len(harness.submits()) == 2


def test_after_a_start_no_wait_is_longer_than_some_minutes(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.NotSent("no route", 60.0)))
    harness.drop("b.toml", 'prompt = "a blue cat"\nnot_before = 1970-04-12T00:00:00Z\n')
    again = EngineHarness(harness.journal, first_nonce=100, now=70 * DAY)
    again.engine.load()
    again.online()
    assert again.submits() == []
    after(again, 301.0)
    assert [submit.job.id for submit in again.submits()] == ["job00001"]
    assert again.job("job00001").state is State.SUBMITTING


@pytest.mark.parametrize("jump", JUMPS)
def test_a_silent_job_is_given_up_by_a_second_request_after_its_wait(
    harness: EngineHarness, jump: float
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    steer(harness, "cancel")
    harness.clock_set_by += jump
    after(harness, 590.0)
    steer(harness, "cancel")
    assert harness.job("job00001").state is State.SUBMITTED
    after(harness, 20.0)
    steer(harness, "cancel")
    assert harness.job("job00001").state is State.CANCELLED


def test_a_limit_is_stored_with_its_end_on_the_clock_as_it_is_now(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    limit = Refusal(RefusalClass.RETRY, None, "too fast", retry_after=60.0, scope=LimitScope.GLOBAL)
    harness.feed(ev.ForJob("job00001", ev.Refused(limit, executed=False)))
    harness.clock_set_by += DAY
    after(harness, 20.0)
    left = harness.journal.recall("limits")["sending"]["wait"]["until"] - (harness.now + harness.clock_set_by)
    assert left == pytest.approx(40.25)


def test_after_a_start_a_request_to_cancel_is_not_from_the_future(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    steer(harness, "cancel")
    again = EngineHarness(harness.journal, first_nonce=100, now=70 * DAY)
    again.engine.load()
    request = again.job().cancel_request
    assert request is not None
    assert request.asked == 70 * DAY
