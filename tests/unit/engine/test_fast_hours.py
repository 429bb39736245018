"""The reserve of fast hours: asked for before a job that spends them; a pause where too few are left."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.engine.scheduler import HOURS_CHECK_INTERVAL, HOURS_CHECK_JOBS
from mjwatch.errors import JournalError
from mjwatch.journal.writer import Journal
from mjwatch.model import PauseKind, Prompt, Result, ResultKind, State
from tests.unit.engine.test_loop import READY, EngineHarness
from tests.unit.engine.test_scheduler import FORM, zooming

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mjwatch.journal.reader import TakenFile
    from mjwatch.model import Job


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        harness = EngineHarness(journal, min_fast_hours=1.0)
        harness.online()
        yield harness


def answer(harness: EngineHarness, hours: float, job_id: str = "job00002") -> list[ef.Effect]:
    text = f"**Fast Time Remaining**: {hours}/30.0 hours (50%)\n**Running Jobs**: None"
    result = Result("800", "nonce", None, None, (), kind=ResultKind.TEXT, text=text)
    return harness.feed(ev.ForJob(job_id, ev.Accepted()), ev.ForJob(job_id, ev.Finished(result)))


def commands(harness: EngineHarness) -> list[str]:
    return [submit.job.prompt.command for submit in harness.submits()]


def test_the_hours_are_asked_for_before_the_first_job_and_not_before_the_second(
    harness: EngineHarness,
) -> None:
    harness.drop("a.txt", "a cat\n")
    harness.drop("b.txt", "a dog\n")
    assert commands(harness) == ["info"]
    answer(harness, 20.5, "job00002")
    assert commands(harness) == ["info", "imagine"]
    harness.accept_all()
    assert commands(harness) == ["info", "imagine", "imagine"]


def test_too_few_hours_pause_the_sending_until_a_person_resumes_it(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a cat\n")
    answer(harness, 0.5)
    pause = harness.engine.service.pause
    assert pause is not None
    assert pause.kind is PauseKind.PLAN
    assert "0.50 fast hours are left" in pause.reason
    assert harness.engine.scheduler.fast_hours_left == 0.5
    assert commands(harness) == ["info"]
    harness.engine.service.resume()
    harness.feed()
    assert commands(harness) == ["info", "imagine"]


@pytest.mark.parametrize("later", [0.0, HOURS_CHECK_INTERVAL + 1])
def test_the_hours_are_asked_for_again_after_a_while(harness: EngineHarness, later: float) -> None:
    harness.drop("a.txt", "a cat\n")
    answer(harness, 20.5)
    harness.accept_all()
    harness.now += later
    harness.drop("b.txt", "a dog\n")
    assert commands(harness).count("info") == (2 if later else 1)


def test_the_hours_are_asked_for_again_after_so_many_submissions(harness: EngineHarness) -> None:
    harness.engine.scheduler._fast_hours.known_at, harness.engine.scheduler._fast_hours.jobs_sent = (
        harness.now,
        HOURS_CHECK_JOBS,
    )
    harness.drop("a.txt", "a cat\n")
    assert commands(harness) == ["info"]


def test_a_question_without_an_answer_does_not_block_the_queue_for_ever(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a cat\n")
    harness.feed(ev.ForJob("job00002", ev.OutcomeUnknown("it timed out")))
    assert harness.job("job00002").state is State.IN_DOUBT
    assert commands(harness) == ["info", "imagine"]


def test_a_question_whose_answer_went_to_a_lost_session_does_not_block_the_queue(
    harness: EngineHarness,
) -> None:
    harness.drop("a.txt", "a cat\n")
    harness.feed(ev.ForJob("job00002", ev.Accepted()))
    harness.feed(ev.GatewayDown("lost", 1.0), replace(READY, session_id="session-2"))
    for _ in range(200):
        harness.now += 600
        harness.feed(ev.HistoryRead((), "501"))
    assert commands(harness)[:2] == ["info", "imagine"]


def test_a_question_that_the_journal_could_not_commit_does_not_block_the_queue(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [JournalError("the disk is full")]
    accept = harness.journal.accept

    def unwilling(file: TakenFile | None, jobs: Sequence[tuple[Job, str]], now: float) -> None:
        if any(job.prompt.command == "info" for job, _ in jobs) and failures:
            raise failures.pop()
        accept(file, jobs, now)

    monkeypatch.setattr(harness.journal, "accept", unwilling)
    harness.drop("a.txt", "a cat\n")
    assert failures == []
    harness.now += 600
    harness.feed()
    assert commands(harness) == ["info"]


def test_an_open_form_does_not_wait_for_the_hours(harness: EngineHarness) -> None:
    harness.engine.scheduler._fast_hours.known_at = harness.now
    zooming(harness)
    harness.engine.scheduler._fast_hours.known_at = None
    (effect,) = harness.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)))
    assert isinstance(effect, ef.Submit)
    assert effect.job.modal == FORM


def test_an_account_in_relax_mode_spends_no_hours(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a cat\n")
    text = "**Job Mode**: Relaxed\n**Fast Time Remaining**: 0.00/30.0 hours (0%)"
    answered = Result("800", "nonce", None, None, (), kind=ResultKind.TEXT, text=text)
    harness.feed(ev.ForJob("job00002", ev.Accepted()), ev.ForJob("job00002", ev.Finished(answered)))
    assert commands(harness) == ["info", "imagine"]


def test_an_answer_that_a_person_asked_for_counts_too(harness: EngineHarness) -> None:
    harness.feed(ev.PromptSubmitted("asked001", Prompt("", command="info"), "info.txt"))
    answer(harness, 0.2, "asked001")
    assert harness.engine.service.pause is not None


def test_without_a_minimum_nothing_is_asked(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "other.sqlite3")) as journal:
        harness = EngineHarness(journal)
        harness.online()
        harness.drop("a.txt", "a cat\n")
        answer(harness, 0.0, "job00001")
        assert commands(harness) == ["imagine"]
        assert harness.engine.paused is None
