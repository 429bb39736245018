"""Steering in the loop: requests from the journal, what they do to jobs and sending, and their answers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.errors import JournalError
from mjwatch.journal.requests import ANSWER_LIFETIME, Outcome, ask, read_answer, second_writer
from mjwatch.journal.writer import Journal
from mjwatch.model import Pause, PauseKind, Refusal, RefusalClass, State
from tests.helpers.message_shapes import a_job, create, result
from tests.unit.engine.test_loop import READY, EngineHarness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CAPTCHA = Refusal(RefusalClass.ACCOUNT, None, "Discord wants a captcha", needs_human=True)
WRONG_TOKEN = Refusal(RefusalClass.ACCOUNT, None, "wrong token", needs_human=True, token=True)
WRONG_GUILD = Refusal(RefusalClass.CONFIG, None, "no such guild", needs_human=True)
BANNED = Refusal(RefusalClass.MODERATION, "Banned prompt", "The word is banned.")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield EngineHarness(journal)


def steered(harness: EngineHarness, verb: str, **arguments: Any) -> list[Outcome]:
    """What the loop answers to a request that another process wrote."""
    request = ask(harness.journal.path, verb, arguments, harness.now)
    harness.feed(ev.RequestsPending())
    answer = harness.journal.answer_of(request)
    assert answer is not None
    return read_answer(answer)


def outcome_of(harness: EngineHarness, verb: str, **arguments: Any) -> Outcome:
    (outcome,) = steered(harness, verb, **arguments)
    return outcome


def doubtful(harness: EngineHarness) -> None:
    """One prompt, whose first POST had no answer."""
    harness.online()
    harness.drop("cat.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("timeout")))
    assert harness.job().state is State.IN_DOUBT


def refuse(harness: EngineHarness, refusal: Refusal) -> None:
    harness.feed(ev.ForJob("job00001", ev.Refused(refusal, executed=False)))


def started_again(harness: EngineHarness) -> EngineHarness:
    """The same journal under a program that was started again."""
    later = EngineHarness(harness.journal, now=harness.now, first_nonce=1000)
    later.engine.load()
    return later


# ---- the table of requests


def test_a_request_stays_open_until_it_is_answered(harness: EngineHarness) -> None:
    first = ask(harness.journal.path, "pause", {"reason": "lunch"}, 1.0)
    second = ask(harness.journal.path, "resume", {}, 2.0)
    assert [request.id for request in harness.journal.open_requests()] == [first, second]
    assert harness.journal.answer_of(first) is None
    harness.journal.answer(first, [Outcome(None, True, "so be it")], 3.0)
    assert [request.verb for request in harness.journal.open_requests()] == ["resume"]
    assert read_answer(harness.journal.answer_of(first) or "") == [Outcome(None, True, "so be it")]


def test_requests_that_were_answered_long_ago_are_deleted_and_no_id_is_used_twice(
    harness: EngineHarness,
) -> None:
    path = harness.journal.path
    first, second = ask(path, "resume", {}, 1.0), ask(path, "resume", {}, 1.0)
    harness.journal.answer(first, [], 1.0)
    harness.journal.answer(second, [], 2.0 + ANSWER_LIFETIME)
    assert harness.journal.answer_of(first) is None
    assert harness.journal.answer_of(second) == "[]"
    assert ask(path, "resume", {}, 1.0) > second


def test_without_a_journal_nothing_can_be_requested_and_no_journal_is_made(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        ask(tmp_path / "journal.sqlite3", "pause", {}, 1.0)
    assert list(tmp_path.iterdir()) == []


def test_a_request_survives_a_power_cut(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.sqlite3").close()
    with second_writer(tmp_path / "journal.sqlite3") as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: each commit is synced


def test_a_journal_that_is_locked_too_long_is_reported(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mjwatch.journal.requests.BUSY_TIMEOUT", 0.01)
    with closing(sqlite3.connect(harness.journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked"):
            ask(harness.journal.path, "pause", {}, 1.0)
        other.execute("ROLLBACK")
    assert harness.journal.open_requests() == []


@pytest.mark.parametrize(("verb", "arguments"), [("fly", {}), ("retry", {}), ("cancel", {"jobs": "all"})])
def test_an_unknown_request_is_answered_and_changes_nothing(
    harness: EngineHarness, verb: str, arguments: dict[str, Any]
) -> None:
    doubtful(harness)
    before = harness.job()
    assert not any(outcome.done for outcome in steered(harness, verb, **arguments))
    assert harness.job() == before


# ---- pausing


def test_a_person_can_pause_and_the_queue_is_kept_until_they_resume(harness: EngineHarness) -> None:
    harness.online()
    outcome = outcome_of(harness, "pause", reason="lunch")
    assert outcome == Outcome(
        None, True, "paused by hand: lunch; nothing more is sent until `mjwatch resume`"
    )
    harness.drop("cat.txt", "a red cat\n")
    assert harness.submits() == []
    assert harness.journal.open_counts()[State.QUEUED] == 1
    assert outcome_of(harness, "resume") == Outcome(
        None, True, "resumed; it was paused: paused by hand: lunch"
    )
    assert len(harness.submits()) == 1
    assert harness.journal.paused() is None


def test_a_running_job_is_downloaded_during_a_pause(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("cat.txt", "a red cat\n")
    harness.accept_all()
    outcome_of(harness, "pause")
    effects = harness.feed(create(result("700")))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_a_resume_without_a_pause_is_answered(harness: EngineHarness) -> None:
    assert outcome_of(harness, "resume") == Outcome(None, True, "was not paused")


@pytest.mark.parametrize("refusal", [CAPTCHA, WRONG_GUILD])
def test_a_pause_for_a_person_outlasts_a_start_and_a_ready(harness: EngineHarness, refusal: Refusal) -> None:
    harness.online()
    harness.drop("cat.txt", "a red cat\n")
    refuse(harness, refusal)
    later = started_again(harness)
    later.now += 3600.0
    later.online()
    assert later.engine.paused == refusal.detail
    assert later.engine.service.needs_resume
    assert later.submits() == []
    assert outcome_of(later, "resume").done
    assert len(later.submits()) == 1


def test_a_refused_token_is_tried_again_by_a_start(
    harness: EngineHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.online()
    harness.drop("cat.txt", "a red cat\n")
    refuse(harness, WRONG_TOKEN)
    assert harness.journal.paused() == Pause("wrong token", PauseKind.TOKEN)
    later = started_again(harness)
    later.now += 3600.0
    later.feed()
    assert later.submits() == []
    assert not later.engine.service.needs_resume
    with caplog.at_level("INFO", "mjwatch"):
        later.online()
    assert "Discord accepts the token again" in caplog.text
    assert len(later.submits()) == 1
    assert later.journal.paused() is None


def test_a_session_that_is_resumed_shows_that_the_token_is_accepted(harness: EngineHarness) -> None:
    harness.online()
    refuse(harness, WRONG_TOKEN)
    harness.feed(ev.HistoryReadFailed("refused", WRONG_TOKEN), ev.GatewayResumed("session-1", 2))
    assert harness.engine.paused is None


def test_a_persons_pause_is_not_ended_by_a_token_that_is_fixed(harness: EngineHarness) -> None:
    harness.feed(ev.GatewayRejected("closed with 4004", 4004))
    outcome_of(harness, "pause", reason="holiday")
    started_again(harness).feed(READY)
    assert harness.journal.paused() == Pause("paused by hand: holiday", PauseKind.PERSON)


@pytest.mark.parametrize(("code", "kind"), [(4004, PauseKind.TOKEN), (4012, PauseKind.GATEWAY)])
def test_what_only_a_restart_can_fix_is_reported_to_a_person_who_resumes(
    harness: EngineHarness, code: int, kind: PauseKind
) -> None:
    harness.online()
    outcome_of(harness, "pause")
    harness.feed(ev.GatewayRejected(f"closed with {code}", code))
    outcome = outcome_of(harness, "resume")
    assert (outcome.done, outcome.needs_person) == (False, True)
    assert f"still paused: closed with {code}" in outcome.message
    assert harness.journal.paused() == Pause(f"closed with {code}", kind)
    assert harness.engine.service.needs_resume
    later = started_again(harness)
    later.feed(READY)
    assert later.engine.paused is None


def test_a_start_that_is_refused_again_is_stuck(harness: EngineHarness) -> None:
    harness.feed(ev.GatewayRejected("closed with 4004", 4004))
    later = started_again(harness)
    assert not later.engine.service.needs_resume
    later.feed(ev.GatewayRejected("closed with 4004", 4004))
    assert later.engine.service.needs_resume


def test_an_account_that_must_do_something_is_paused_also_when_its_token_is_fixed(
    harness: EngineHarness,
) -> None:
    harness.feed(ev.GatewayRejected("closed with 4004", 4004))
    later = started_again(harness)
    later.feed(
        ev.GatewayReady("s", "ws://127.0.0.1:1", "1", "ada", frozenset(), frozenset(), 1, "AGREEMENTS")
    )
    assert "AGREEMENTS" in (later.engine.paused or "")
    assert later.engine.service.needs_resume


# ---- jobs


def test_a_persons_retry_sends_a_doubtful_job_again(harness: EngineHarness) -> None:
    doubtful(harness)
    outcome = outcome_of(harness, "retry", jobs={"job00001": 1})
    assert (outcome.job, outcome.done, outcome.message) == (
        "job00001",
        True,
        "queued again; if it has run before, it runs twice",
    )
    assert [submit.job.nonce for submit in harness.submits()] == ["nonce-1", "nonce-2"]


def test_two_retries_at_once_are_one_attempt(harness: EngineHarness) -> None:
    doubtful(harness)
    path = harness.journal.path
    requests = [ask(path, "retry", {"jobs": {"job00001": 1}}, 1.0) for _ in range(2)]
    harness.feed(ev.RequestsPending(), ev.RequestsPending())
    first, second = (read_answer(harness.journal.answer_of(request) or "")[0] for request in requests)
    assert (first.message[:12], second.message) == ("queued again", "is in the queue already")
    assert len(harness.submits()) == 2


def test_a_retry_that_a_later_attempt_has_overtaken_does_nothing(harness: EngineHarness) -> None:
    doubtful(harness)
    outcome_of(harness, "retry", jobs={"job00001": 1})
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("timeout")))
    outcome = outcome_of(harness, "retry", jobs={"job00001": 1})
    assert not outcome.done
    assert "was sent again meanwhile" in outcome.message
    assert harness.job().state is State.IN_DOUBT
    assert len(harness.submits()) == 2


def _fail(*_: object) -> None:
    raise JournalError("killed")


def test_a_crash_between_an_action_and_its_answer_makes_no_second_attempt(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful(harness)
    request = ask(harness.journal.path, "retry", {"jobs": {"job00001": 1}}, 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(harness.journal, "answer", _fail)
        with pytest.raises(JournalError):
            harness.engine._requests.answer_all(harness.engine._clock)
    harness.feed()
    assert [submit.job.nonce for submit in harness.submits()] == ["nonce-1", "nonce-2"]
    assert harness.journal.answer_of(request) is None
    later = started_again(harness)
    assert later.job().state is State.IN_DOUBT
    later.online()
    assert later.submits() == []
    assert "was sent again meanwhile" in (harness.journal.answer_of(request) or "")


def test_a_failed_job_is_sent_again_and_a_rendered_one_is_only_downloaded(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    refuse(harness, BANNED)
    assert outcome_of(harness, "retry", jobs={"job00001": 1}).message == "queued again"
    harness.accept_all()
    harness.feed(create(result("700")), ev.ForJob("job00001", ev.SaveFailed("no picture", final=True)))
    assert harness.job().state is State.FAILED
    assert outcome_of(harness, "retry", jobs={"job00001": 2}).message == "its pictures are being fetched"
    assert len(harness.submits()) == 2
    assert isinstance(harness.effects[-1], ef.FetchResult)


@pytest.mark.parametrize("state", [State.DONE, State.REJECTED])
def test_a_job_that_can_not_be_run_again_is_reported_with_a_hint(
    harness: EngineHarness, state: State
) -> None:
    harness.journal.accept(None, [(a_job(state=state, published=2.0), "a cat")], 1.0)
    outcome = outcome_of(harness, "retry", jobs={"jobaaaaa": 1})
    assert not outcome.done
    assert "put its prompt file" in outcome.message or "correct the file" in outcome.message


def test_a_retry_during_a_pause_says_that_it_waits(harness: EngineHarness) -> None:
    doubtful(harness)
    outcome_of(harness, "pause", reason="lunch")
    outcome = outcome_of(harness, "retry", jobs={"job00001": 1})
    assert outcome.message.endswith("it waits, paused by hand: lunch (`mjwatch resume` continues)")
    assert len(harness.submits()) == 1


def test_a_job_is_cancelled_before_it_is_sent(harness: EngineHarness) -> None:
    harness.drop("cat.txt", "a red cat\n")
    outcome = outcome_of(harness, "cancel", jobs={"job00001": 0})
    assert outcome == Outcome("job00001", True, "cancelled before it was sent")
    assert isinstance(harness.effects[-1], ef.PublishFailure)
    assert outcome_of(harness, "cancel", jobs={"job00001": 0}) == Outcome(
        "job00001", True, "is cancelled already"
    )


def test_a_doubtful_job_can_be_given_up_and_lets_its_duplicate_go(harness: EngineHarness) -> None:
    doubtful(harness)
    harness.drop("duplicate.txt", "a red cat\n", mtime=5000.0)
    outcome = outcome_of(harness, "cancel", jobs={"job00001": 1})
    assert outcome.done
    assert "if Midjourney still runs it, its pictures are published" in outcome.message
    assert len(harness.submits()) == 2


def test_a_job_that_was_sent_is_paid_for_and_an_ended_one_stays_ended(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("cat.txt", "a red cat\n")
    harness.accept_all()
    outcome = outcome_of(harness, "cancel", jobs={"job00001": 1})
    assert (outcome.done, "it is paid for" in outcome.message) == (False, True)
    assert harness.job().state is State.SUBMITTED
    refuse_late = ev.Refused(BANNED)
    harness.feed(ev.ForJob("job00001", refuse_late))
    assert outcome_of(harness, "cancel", jobs={"job00001": 1}).message == "is failed already"


def test_a_job_that_was_pruned_meanwhile_is_reported(harness: EngineHarness) -> None:
    for verb in ("retry", "cancel"):
        assert outcome_of(harness, verb, jobs={"gone": 1}) == Outcome("gone", False, "is not in the journal")


def test_an_unexpected_request_does_not_block_others(harness: EngineHarness) -> None:
    ask(harness.journal.path, "give", {"jobs": {"childaaa": {"prompt": {"mood": "calm"}}}}, 1.0)
    ask(harness.journal.path, "pause", {"reason": "please"}, 2.0)
    again = EngineHarness(harness.journal, first_nonce=100)
    again.engine.load()
    assert again.engine.paused == "paused by hand: please"
    assert harness.journal.open_requests() == []
