"""The loop under rate limits and outages: what is sent and read, what counts, and what a restart keeps."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.http_errors import read_answer
from mjwatch.jobs.pacing import DAY
from mjwatch.journal.overview import overview
from mjwatch.journal.reader import JournalReader
from mjwatch.journal.requests import Request
from mjwatch.journal.writer import Journal
from mjwatch.midjourney.parsing.refusals import judge_embed
from mjwatch.model import Refusal, Result, State
from tests.unit.engine.test_loop import FAST, READY, EngineHarness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SILENT = ev.InteractionFailed("Midjourney did not answer Discord in time (reason 2)")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield EngineHarness(journal)


def answered(status: int, body: object, headers: dict[str, str] | None = None) -> Refusal:
    refusal = read_answer(status, headers or {}, body)
    assert refusal is not None
    return refusal


def limited(seconds: float = 60.0, *, everywhere: bool = False) -> Refusal:
    return answered(429, {"message": "slow", "retry_after": seconds, "global": everywhere})


CLOUDFLARE = answered(429, "error code: 1015", {"Retry-After": "3600"})
FULL = judge_embed("Queue full", "Your job queue is full.", 0xFF0000, "", None).refusal
assert FULL is not None


def drop(harness: EngineHarness, count: int) -> None:
    for number in range(count):
        harness.drop(f"{number}.txt", f"picture number {number}\n")
    harness.online()


def sent(harness: EngineHarness) -> list[str]:
    return [submit.job.id for submit in harness.submits()]


def tell(harness: EngineHarness, *events: ev.JobEvent) -> None:
    """Tell what has become of the job that was sent last."""
    job = harness.submits()[-1].job
    harness.feed(*(ev.ForJob(job.id, event, job.nonce) for event in events))


def later(harness: EngineHarness, seconds: float) -> None:
    harness.now += seconds
    harness.feed()


def restarted(harness: EngineHarness) -> EngineHarness:
    after = EngineHarness(
        harness.journal, now=harness.now, first_nonce=1000 + harness.first_nonce, pace=harness.pace
    )
    after.engine.load()
    after.feed(replace(READY, session_id="session-2"), ev.HistoryRead((), "500"))
    return after


def started(harness: EngineHarness) -> list[ev.JobEvent]:
    return [ev.Accepted(), ev.Started(str(900 + len(harness.submits())))]


@pytest.mark.parametrize(
    ("refusal", "executed"),
    [(limited(), False), (CLOUDFLARE, False), (FULL, True)],
    ids=["429", "1015", "full"],
)
def test_a_limit_that_one_prompt_meets_holds_all_of_them_and_one_probe_ends_it(
    harness: EngineHarness, refusal: Refusal, executed: bool
) -> None:
    harness = EngineHarness(harness.journal, replace(FAST, delay=4.0))
    drop(harness, 10)
    tell(harness, *([ev.Accepted()] if executed else []), ev.Refused(refusal, executed))
    later(harness, (refusal.retry_after or 60.0) - 1)
    assert len(sent(harness)) == 1
    later(harness, 2)
    assert len(sent(harness)) == 2
    tell(harness, *started(harness))
    later(harness, 4)
    assert len(sent(harness)) == 3
    assert harness.job(sent(harness)[0]).failed_tries == 0


def test_a_limit_is_kept_over_a_restart(harness: EngineHarness) -> None:
    drop(harness, 3)
    tell(harness, ev.Refused(limited(), executed=False))
    harness.now += 30
    after = restarted(harness)
    assert sent(after) == []
    later(after, 31)
    assert len(sent(after)) == 1
    later(after, 30)
    assert len(sent(after)) == 1


def test_a_clock_that_was_set_back_while_it_was_down_does_not_hold_sending_for_a_month(
    harness: EngineHarness,
) -> None:
    harness.now += 31 * DAY
    drop(harness, 3)
    tell(harness, ev.Refused(limited(), executed=False))
    harness.now -= 30 * DAY
    after = restarted(harness)
    later(after, 61)
    assert len(sent(after)) == 1


def test_history_is_read_again_when_the_limit_says_and_no_overdue_job_is_given_up_before(
    harness: EngineHarness,
) -> None:
    drop(harness, 1)
    tell(harness, ev.Accepted())
    later(harness, 1000)  # overdue: the history is read
    reads = [effect for effect in harness.effects if isinstance(effect, ef.ReadHistory)]
    harness.feed(ev.HistoryReadFailed("a rate limit", limited(4000)))
    for _ in range(100):
        later(harness, 39.9)
    assert [effect for effect in harness.effects if isinstance(effect, ef.ReadHistory)] == reads
    assert harness.job().state is State.SUBMITTED
    later(harness, 30)
    assert len([effect for effect in harness.effects if isinstance(effect, ef.ReadHistory)]) == len(reads) + 1
    harness.feed(ev.HistoryRead((), "500"))
    later(harness, 1)
    assert harness.job().state is State.IN_DOUBT


def test_a_limit_for_all_requests_holds_uploads_history_and_presses_alike(harness: EngineHarness) -> None:
    drop(harness, 2)
    tell(harness, *started(harness))
    tell(harness, ev.Refused(limited(everywhere=True), executed=False))
    effects = len(harness.effects)
    harness.engine._channel.stream.missed_something(harness.now)
    later(harness, 59)
    assert harness.effects[effects:] == []
    later(harness, 2)
    assert {type(effect) for effect in harness.effects[effects:]} == {ef.ReadHistory, ef.Submit}


def test_twelve_prompts_to_a_bot_that_is_offline_cost_three_and_a_probe_now_and_then(
    harness: EngineHarness,
) -> None:
    drop(harness, 12)
    for _ in range(12):
        if harness.job(sent(harness)[-1]).state is State.SUBMITTING:
            tell(harness, ev.Accepted(), SILENT)
    assert len(sent(harness)) == 3
    later(harness, 61)
    assert len(sent(harness)) == 4
    tell(harness, *started(harness))
    while len(sent(harness)) < 12:
        before = len(sent(harness))
        tell(harness, *started(harness), SUCCESS)
        assert len(sent(harness)) > before
    assert sum(harness.job(job).state is State.IN_DOUBT for job in sent(harness)) == 3


SUCCESS = ev.Refused(Refusal(None, None, "ended", stopped=True))
"""Ends a job, so that its slot is free."""


def test_an_outage_is_kept_over_a_restart_and_says_why_in_the_status(harness: EngineHarness) -> None:
    drop(harness, 12)
    for _ in range(3):
        tell(harness, ev.Accepted(), SILENT)
    after = restarted(harness)
    assert sent(after) == []
    facts = overview(after.journal, daemon=True, max_per_day=0, now=after.now)
    assert facts["sending_limit"]["scope"] == "failures"
    assert "did not answer" in facts["sending_limit"]["why"]
    assert facts["sending_limit"]["until"] == after.now + 60


def test_a_run_that_is_to_end_by_itself_gives_up_after_two_failed_probes(harness: EngineHarness) -> None:
    harness.feed(ev.InboxScanned(0))
    drop(harness, 12)
    for _ in range(3):
        tell(harness, ev.Accepted(), SILENT)
    for seconds in (60, 120):
        assert not harness.engine.blocked()
        later(harness, seconds)
        tell(harness, ev.Accepted(), SILENT)
    assert harness.engine.blocked()
    assert harness.engine.needs_person()


def test_only_what_was_or_may_have_been_executed_uses_up_the_daily_cap(harness: EngineHarness) -> None:
    harness = EngineHarness(harness.journal, replace(FAST, max_per_day=2))
    drop(harness, 6)
    for seconds in (5, 5, 5, 5, 5):
        tell(harness, ev.Refused(limited(seconds), executed=False))
        later(harness, seconds + 1)
    for _ in range(3):
        tell(harness, ev.NotSent("no network", retry_after=0.0))
    assert harness.job(sent(harness)[-1]).state is State.SUBMITTING
    assert spent(harness) == 1  # what is under way may be executed
    after = restarted(harness)  # and a crash leaves that open
    tell(after, *started(after))
    assert spent(after) == 2
    assert len(sent(after)) == 1
    later(after, DAY - 100)
    assert len(sent(after)) == 1
    later(after, 101)
    assert len(sent(after)) == 2


def run_one(harness: EngineHarness) -> None:
    """The prompt that was sent last runs, has its result, and is saved."""
    made = Result(f"{harness.now * 10:.0f}{len(sent(harness))}", "nonce", None, None, ())
    tell(harness, *started(harness), ev.Finished(made), ev.Published("folder"))


def test_after_a_clock_that_was_ahead_nothing_is_sent_for_a_day_however_often_the_service_is_restarted(
    harness: EngineHarness,
) -> None:
    begin = harness.now
    harness = EngineHarness(harness.journal, replace(FAST, max_per_day=2), now=begin + 30 * DAY)
    drop(harness, 6)
    run_one(harness)
    run_one(harness)
    assert len(sent(harness)) == 2
    for hours in (0, 10, 23.9):
        harness.now = begin + hours * 3600
        harness = restarted(harness)
        assert (sent(harness), spent(harness)) == ([], 2)
    for at in (begin + DAY, begin + 30 * DAY + 60):  # at last when those prompts were sent by that clock
        harness.now = at
        harness = restarted(harness)
        assert (len(sent(harness)), spent(harness)) == (1, 1)
        run_one(harness)


@pytest.mark.parametrize(
    ("starts", "hours", "is_running"), [(1, 10, True), (2, 10, True), (1, 2400, True), (1, 2400, False)]
)
def test_a_clock_that_is_behind_for_a_while_does_not_use_up_the_cap_twice(
    harness: EngineHarness, starts: int, hours: int, is_running: bool
) -> None:
    begin = harness.now = 100 * DAY
    harness = EngineHarness(harness.journal, replace(FAST, max_per_day=2), now=begin)
    drop(harness, 4)
    run_one(harness)
    run_one(harness)
    for number in range(starts):
        harness.now = begin - hours * 3600 - number * 60
        harness = restarted(harness)
        assert (sent(harness), spent(harness)) == ([], 2)
    if is_running:
        harness.clock_set_by = begin + 3600 - harness.now  # by a time server
        later(harness, 0)
    else:
        harness.now = begin + 3600
        harness = restarted(harness)
    assert sent(harness) == []
    later(harness, DAY - 3610)
    assert sent(harness) == []
    later(harness, 20)
    assert len(sent(harness)) == 1


@pytest.mark.parametrize("times", [1, 5])
def test_a_clock_that_is_set_to_and_fro_does_not_change_when_the_cap_ends(
    harness: EngineHarness, times: int
) -> None:
    harness = EngineHarness(harness.journal, replace(FAST, max_per_day=2), now=100 * DAY)
    harness.clock_set_by = 2 * 3600.0  # what was sent so is ahead afterwards
    drop(harness, 4)
    run_one(harness)
    run_one(harness)
    for _ in range(times):
        for seconds in (-7200.0, 7200.0):
            harness.clock_set_by += seconds
            later(harness, 60)
            assert len(sent(harness)) == 2
    harness.clock_set_by -= 7200.0
    later(harness, 0)
    later(harness, DAY - 120 * times - 10)
    assert len(sent(harness)) == 2
    later(harness, 20)
    assert len(sent(harness)) == 3


def test_a_time_that_comes_while_the_service_runs_does_not_make_an_attempt_count_again(
    harness: EngineHarness,
) -> None:
    harness = EngineHarness(harness.journal, replace(FAST, max_per_day=2), now=100 * DAY)
    harness.clock_set_by = 30 * DAY
    drop(harness, 6)
    run_one(harness)
    run_one(harness)
    harness.clock_set_by = 0.0
    for count in (2, 3, 4):
        later(harness, DAY if count > 2 else 0)
        assert len(sent(harness)) == count
        run_one(harness)
    harness.now = 130 * DAY + 60
    assert len(sent(restarted(harness))) == 1


def spent(harness: EngineHarness) -> int:
    """What `status` says was sent in the last day."""
    return int(overview(harness.journal, daemon=True, max_per_day=2, now=harness.now)["sent_in_24h"])


def test_a_refused_prompt_that_turns_out_to_run_counts_after_all(harness: EngineHarness) -> None:
    harness = EngineHarness(harness.journal, replace(FAST, max_per_day=1))
    drop(harness, 2)
    tell(harness, ev.Refused(limited(5), executed=False))
    assert spent(harness) == 0
    tell(harness, ev.Started("901"))
    assert spent(harness) == 1
    later(harness, 10)
    assert len(sent(harness)) == 1


def test_running_jobs_do_not_age_while_the_bot_is_offline(harness: EngineHarness) -> None:
    drop(harness, 11)
    tell(harness, *started(harness))
    running = sent(harness)[0]
    for _ in range(3):
        tell(harness, ev.Accepted(), SILENT)
    for interval in (60, 120, 240, 480, 960, 1920, 3600):
        later(harness, interval)
        harness.feed(ev.HistoryRead((), "500"))
        tell(harness, ev.Accepted(), SILENT)
    assert harness.job(running).state is State.RUNNING


def test_an_outage_that_no_prompt_probes_does_not_keep_running_jobs_for_ever(harness: EngineHarness) -> None:
    drop(harness, 4)
    tell(harness, *started(harness))
    running = sent(harness)[0]
    for _ in range(3):
        tell(harness, ev.Accepted(), SILENT)
    later(harness, 3600)
    harness.feed(ev.HistoryRead((), "500"))
    later(harness, 60)
    assert harness.job(running).state is State.IN_DOUBT


def test_resume_has_a_prompt_tried_at_once_when_prompts_fail(harness: EngineHarness) -> None:
    drop(harness, 6)
    assert resumed(harness) == "was not paused"
    for _ in range(3):
        tell(harness, ev.Accepted(), SILENT)
    assert resumed(harness) == "was not paused; a prompt is tried now"
    later(harness, 0)
    assert len(sent(harness)) == 4


def test_those_who_wait_for_the_probe_of_another_job_are_told_so(
    harness: EngineHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    drop(harness, 2)
    tell(harness, ev.Refused(limited(60), executed=False))
    later(harness, 61)
    probe = sent(harness)[-1]
    with closing(JournalReader(harness.journal.path)) as reader:
        text = reader.sending_limit(harness.now)
    assert text == f"job {probe} is sent first, to see whether sending works again"
    assert caplog.messages.count(text) == 1
    tell(harness, *started(harness))
    with closing(JournalReader(harness.journal.path)) as reader:
        assert reader.sending_limit(harness.now) is None


def test_resume_names_no_prompt_to_try_where_none_is_queued(harness: EngineHarness) -> None:
    drop(harness, 3)
    for _ in range(3):
        tell(harness, ev.Accepted(), SILENT)
    assert resumed(harness) == "was not paused"


def test_after_a_limit_on_reading_one_request_is_the_probe_and_the_others_follow(
    harness: EngineHarness,
) -> None:
    drop(harness, 3)
    for number in range(3):
        tell(harness, *started(harness), ev.Finished(Result(f"{1000 + number}", "nonce", None, None, ())))
    for job_id in sent(harness):
        harness.feed(ev.ForJob(job_id, ev.SaveFailed("a rate limit", refusal=limited(60))))
    harness.engine._channel.stream.missed_something(harness.now)
    before = len(harness.effects)

    def read() -> list[type[ef.Effect]]:
        kinds = [type(effect) for effect in harness.effects[before:]]
        return [kind for kind in kinds if kind in {ef.ReadHistory, ef.FetchResult}]

    later(harness, 61)
    assert read() == [ef.ReadHistory]
    harness.feed(ev.HistoryReadFailed("no network"))
    later(harness, 1)
    assert read() == [ef.ReadHistory, ef.FetchResult]
    assert harness.engine._wait() > 0
    harness.feed(ev.ForJob(sent(harness)[0], ev.Published("folder")))
    assert read() == [ef.ReadHistory, ef.FetchResult, ef.FetchResult]
    later(harness, 10)
    harness.feed(ev.HistoryRead((), "500"))
    assert read()[3:] == [ef.ReadHistory, ef.FetchResult]


def resumed(harness: EngineHarness) -> str:
    (outcome,) = harness.engine._requests.perform(Request(1, "resume", {}))
    return outcome.message


def test_a_bot_that_starts_what_it_seemed_not_to_answer_is_only_slow(harness: EngineHarness) -> None:
    drop(harness, 6)
    for _ in range(3):
        tell(harness, ev.Accepted(), SILENT)
    tell(harness, ev.Started("901"))
    assert len(sent(harness)) == 4
