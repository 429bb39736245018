"""The reserve of fast hours: asked for before a job that spends them; a pause where too few are left."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.engine.scheduler import ASK_AFTER, ASK_AFTER_JOBS
from mjwatch.errors import JournalError
from mjwatch.journal.writer import Journal
from mjwatch.model import PauseKind, Prompt, Result, ResultKind, State
from tests.unit.engine.test_loop import READY, House
from tests.unit.engine.test_scheduler import FORM, zooming

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mjwatch.journal.reader import TakenFile
    from mjwatch.model import Job


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        house = House(journal, min_fast_hours=1.0)
        house.online()
        yield house


def answer(house: House, hours: float, job_id: str = "job00002") -> list[ef.Effect]:
    text = f"**Fast Time Remaining**: {hours}/30.0 hours (50%)\n**Running Jobs**: None"
    result = Result("800", "nonce", None, None, (), kind=ResultKind.TEXT, text=text)
    return house.feed(ev.ForJob(job_id, ev.Accepted()), ev.ForJob(job_id, ev.Finished(result)))


def commands(house: House) -> list[str]:
    return [submit.job.prompt.command for submit in house.submits()]


def test_the_hours_are_asked_for_before_the_first_job_and_not_before_the_second(house: House) -> None:
    house.drop("a.txt", "a cat\n")
    house.drop("b.txt", "a dog\n")
    assert commands(house) == ["info"]
    answer(house, 20.5, "job00002")
    assert commands(house) == ["info", "imagine"]
    house.accept_all()
    assert commands(house) == ["info", "imagine", "imagine"]


def test_too_few_hours_pause_the_sending_until_a_person_resumes_it(house: House) -> None:
    house.drop("a.txt", "a cat\n")
    answer(house, 0.5)
    pause = house.engine.service.pause
    assert pause is not None
    assert pause.kind is PauseKind.PLAN
    assert "0.50 fast hours are left" in pause.reason
    assert commands(house) == ["info"]
    house.engine.service.resume()
    house.feed()
    assert commands(house) == ["info", "imagine"]


@pytest.mark.parametrize("later", [0.0, ASK_AFTER + 1])
def test_the_hours_are_asked_for_again_after_a_while(house: House, later: float) -> None:
    house.drop("a.txt", "a cat\n")
    answer(house, 20.5)
    house.accept_all()
    house.now += later
    house.drop("b.txt", "a dog\n")
    assert commands(house).count("info") == (2 if later else 1)


def test_the_hours_are_asked_for_again_after_so_many_submissions(house: House) -> None:
    house.engine.scheduler._fast_hours.known_at, house.engine.scheduler._fast_hours.jobs_sent = (
        house.now,
        ASK_AFTER_JOBS,
    )
    house.drop("a.txt", "a cat\n")
    assert commands(house) == ["info"]


def test_a_question_without_an_answer_does_not_block_the_queue_for_ever(house: House) -> None:
    house.drop("a.txt", "a cat\n")
    house.feed(ev.ForJob("job00002", ev.OutcomeUnknown("it timed out")))
    assert house.job("job00002").state is State.IN_DOUBT
    assert commands(house) == ["info", "imagine"]


def test_a_question_whose_answer_went_to_a_lost_session_does_not_block_the_queue(house: House) -> None:
    house.drop("a.txt", "a cat\n")
    house.feed(ev.ForJob("job00002", ev.Accepted()))
    house.feed(ev.GatewayDown("lost", 1.0), replace(READY, session_id="session-2"))
    for _ in range(200):
        house.now += 600
        house.feed(ev.HistoryRead((), "501"))
    assert commands(house)[:2] == ["info", "imagine"]


def test_a_question_that_the_journal_could_not_commit_does_not_block_the_queue(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [JournalError("the disk is full")]
    accept = house.journal.accept

    def unwilling(file: TakenFile | None, jobs: Sequence[tuple[Job, str]], now: float) -> None:
        if any(job.prompt.command == "info" for job, _ in jobs) and failures:
            raise failures.pop()
        accept(file, jobs, now)

    monkeypatch.setattr(house.journal, "accept", unwilling)
    house.drop("a.txt", "a cat\n")
    assert failures == []
    house.now += 600
    house.feed()
    assert commands(house) == ["info"]


def test_an_open_form_does_not_wait_for_the_hours(house: House) -> None:
    house.engine.scheduler._fast_hours.known_at = house.now
    zooming(house)
    house.engine.scheduler._fast_hours.known_at = None
    (effect,) = house.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)))
    assert isinstance(effect, ef.Submit)
    assert effect.job.modal == FORM


def test_an_account_in_relax_mode_spends_no_hours(house: House) -> None:
    house.drop("a.txt", "a cat\n")
    text = "**Job Mode**: Relaxed\n**Fast Time Remaining**: 0.00/30.0 hours (0%)"
    answered = Result("800", "nonce", None, None, (), kind=ResultKind.TEXT, text=text)
    house.feed(ev.ForJob("job00002", ev.Accepted()), ev.ForJob("job00002", ev.Finished(answered)))
    assert commands(house) == ["info", "imagine"]


def test_an_answer_that_a_person_asked_for_counts_too(house: House) -> None:
    house.feed(ev.PromptSubmitted("asked001", Prompt("", command="info"), "info.txt"))
    answer(house, 0.2, "asked001")
    assert house.engine.service.pause is not None


def test_without_a_minimum_nothing_is_asked(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "other.sqlite3")) as journal:
        house = House(journal)
        house.online()
        house.drop("a.txt", "a cat\n")
        answer(house, 0.0, "job00001")
        assert commands(house) == ["imagine"]
        assert house.engine.paused is None
