"""Limits of the account, and failures in a row: values only, no clock."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mjwatch import events as ev
from mjwatch.jobs.limits import (
    FAILURES_IN_A_ROW,
    FIRST_INTERVAL,
    GRACE_PERIOD,
    LONGEST_INTERVAL,
    LONGEST_LIMIT,
    MARGIN,
    UNNAMED_LIMIT,
    Limits,
    SendingGate,
    attempt_counts,
    failure_of,
    limit_facts,
)
from mjwatch.jobs.state_machine import step
from mjwatch.model import Job, LimitScope, Refusal, RefusalClass, State
from tests.helpers.job_factory import made_job

NOW = 1_770_000_000.0
SILENT = ev.InteractionFailed("Midjourney did not answer Discord in time (reason 2)")
STARTED = ev.Started("900")
QUEUED = made_job("job1")


def limit(seconds: float | None = 60.0, scope: LimitScope = LimitScope.ROUTE) -> Refusal:
    return Refusal(RefusalClass.RETRY, None, f"a {scope} limit", retry_after=seconds, scope=scope)


def sent(gate: SendingGate, job_id: str, at: float) -> tuple[SendingGate, Job]:
    job = made_job(job_id)
    moved, _ = step(job, ev.AttemptStarted(f"nonce-{job_id}", "s", None), at)
    return gate.after(job, moved, ev.AttemptStarted(f"nonce-{job_id}", "s", None), at), moved


def told(gate: SendingGate, job: Job, at: float, *events: ev.JobEvent) -> tuple[SendingGate, Job]:
    for event in events:
        moved, _ = step(job, event, at)
        gate, job = gate.after(job, moved, event, at), moved
    return gate, job


def attempted(gate: SendingGate, job_id: str, at: float, *events: ev.JobEvent) -> SendingGate:
    gate, job = sent(gate, job_id, at)
    return told(gate, job, at, *events)[0]


def tripped() -> SendingGate:
    gate = SendingGate()
    for number in range(FAILURES_IN_A_ROW):
        assert gate.may_send(0.0)
        gate = attempted(gate, f"job{number}", 0.0, ev.Accepted(), SILENT)
    return gate


def refused(refusal: Refusal) -> ev.Refused:
    return ev.Refused(refusal, executed=False)


# ---- a limit


def test_a_limit_holds_all_prompts_until_it_ends_and_then_one_probe_goes_first() -> None:
    gate = attempted(SendingGate(), "job1", 0.0, refused(limit(60.0)))
    assert not gate.may_send(60.0)
    assert gate.may_send(60.0 + MARGIN)
    gate, probe = sent(gate, "job2", 61.0)
    assert not gate.may_send(61.0)
    gate, _ = told(gate, probe, 61.0, ev.Accepted())
    assert gate == SendingGate()
    assert gate.may_send(61.0)


def test_a_probe_that_meets_the_limit_again_begins_the_wait_again() -> None:
    gate = attempted(SendingGate(), "job1", 0.0, refused(limit(60.0)))
    gate = attempted(gate, "job1", 61.0, refused(limit(5.0)))
    assert not gate.may_send(66.0)
    assert gate.may_send(66.5)


def test_a_later_limit_does_not_shorten_a_wait() -> None:
    gate = attempted(SendingGate(), "job1", 0.0, refused(limit(60.0)))
    assert not gate.limited(limit(1.0), 5.0).may_send(30.0)


@pytest.mark.parametrize(
    ("named", "waited"),
    [(None, UNNAMED_LIMIT), (1e9, LONGEST_LIMIT), (1e30, LONGEST_LIMIT), (-5.0, 0.0), (2.5, 2.5)],
)
def test_a_limit_lasts_as_long_as_it_says_within_what_is_sane(named: float | None, waited: float) -> None:
    wait = SendingGate().limited(limit(named), 0.0).wait
    assert wait is not None
    assert wait.until == wait.seconds == waited + MARGIN


def test_a_full_queue_ends_with_an_answer_of_the_bot_and_not_with_a_204() -> None:
    full = replace(limit(None, LimitScope.QUEUE), title="Queue full")
    gate = attempted(SendingGate(), "job1", 0.0, ev.Accepted(), ev.Refused(full))
    gate, probe = sent(gate, "job1", 70.0)
    gate, probe = told(gate, probe, 70.0, ev.Accepted())
    assert not gate.may_send(70.0)
    assert told(gate, probe, 71.0, STARTED)[0].may_send(71.0)
    assert told(gate, probe, 71.0, ev.QueuedByBot())[0].may_send(71.0)


def test_cancel_job_is_held_by_a_limit_of_discord_only() -> None:
    assert not SendingGate().limited(limit(60.0), 0.0).may_press(1.0)
    assert SendingGate().limited(limit(60.0), 0.0).may_press(61.0)
    assert SendingGate().limited(limit(60.0, LimitScope.QUEUE), 0.0).may_press(1.0)
    assert tripped().may_press(1.0)


@pytest.mark.parametrize("scope", [LimitScope.GLOBAL, LimitScope.ADDRESS])
def test_a_limit_for_all_requests_holds_sending_and_reading_alike(scope: LimitScope) -> None:
    queued, moved = QUEUED, made_job("job1", state=State.SUBMITTING)
    by_post = Limits().after(moved, queued, refused(limit(60.0, scope)), 0.0)
    by_history = Limits().reading_limited(limit(60.0, scope), 0.0)
    saved = made_job("job2", state=State.COLLECTING)
    by_refresh = Limits().after(saved, saved, ev.SaveFailed("no", refusal=limit(60.0, scope)), 0.0)
    for limits in (by_post, by_history, by_refresh):
        assert not limits.may_read(60.0)
        assert limits.may_read(61.0)
        assert not limits.sending.may_send(60.0)
        assert limits.next_time(0.0) == 60.0 + MARGIN


def test_a_limit_for_one_route_holds_only_requests_of_its_kind() -> None:
    queued, moved = QUEUED, made_job("job1", state=State.SUBMITTING)
    assert Limits().after(moved, queued, refused(limit(60.0)), 0.0).may_read(0.0)
    assert Limits().reading_limited(limit(60.0), 0.0).sending.may_send(0.0)
    assert Limits().reading_limited(limit(60.0), 0.0).reading_succeeded() == Limits()


# ---- failures in a row


def test_three_failures_of_a_kind_slow_sending_down_to_probes_at_growing_intervals() -> None:
    gate, now, intervals = tripped(), 0.0, list[float]()
    for number in range(9):
        assert gate.wait is not None
        assert not gate.may_send(gate.wait.until - 0.1)
        intervals.append(gate.wait.until - now)
        now = gate.wait.until
        assert gate.may_send(now)
        gate = attempted(gate, f"probe{number}", now, ev.Accepted(), SILENT)
    assert intervals == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert "did not answer" in (gate.wait.reason if gate.wait else "")


def test_a_probe_that_succeeds_ends_it() -> None:
    gate, probe = sent(tripped(), "probe", FIRST_INTERVAL)
    gate, probe = told(gate, probe, 61.0, ev.Accepted())
    assert not gate.may_send(61.0)  # Discord's 204 says nothing about the bot
    assert told(gate, probe, 62.0, STARTED)[0] == SendingGate()


def test_after_a_failure_prompts_are_sent_one_after_another() -> None:
    gate = attempted(SendingGate(), "job1", 0.0, ev.Accepted(), SILENT)
    gate, job = sent(gate, "job2", 0.0)
    gate, job = told(gate, job, 0.0, ev.Accepted())
    assert not gate.may_send(0.0)
    gate, _ = told(gate, job, 0.0, STARTED)
    assert gate.may_send(0.0)
    assert gate == SendingGate()


def test_a_success_in_between_begins_the_count_again() -> None:
    gate = SendingGate()
    for number in range(10):
        event: ev.JobEvent = STARTED if number % 3 == 2 else SILENT
        gate = attempted(gate, f"job{number}", 0.0, ev.Accepted(), event)
    assert gate.wait is None


def test_failures_of_different_kinds_are_not_counted_together() -> None:
    gate = SendingGate()
    for number in range(10):
        events = [ev.Accepted(), SILENT] if number % 2 else [refused(HTTP_418)]
        gate = attempted(gate, f"job{number}", 0.0, *events)
    assert gate.wait is None


def test_failures_that_leave_jobs_in_doubt_are_counted_together() -> None:
    gate, attempts = SendingGate(), 0
    while gate.wait is None and attempts < 10:
        events = [ev.Accepted(), SILENT] if attempts % 2 else [ev.OutcomeUnknown("reset")]
        gate = attempted(gate, f"job{attempts}", 0.0, *events)
        attempts += 1
    assert attempts == 4  # the second job's 204 showed that the first one's failure was no outage of Discord
    assert gate.by_bot, "a 204 does not show that the bot works again"


def test_what_was_sent_before_the_outage_was_known_lengthens_no_interval() -> None:
    late = [sent(SendingGate(), f"late{number}", 0.0)[1] for number in range(5)]
    gate = tripped()
    for job in late:
        gate, _ = told(gate, job, 1.0, ev.Accepted(), SILENT)
    assert gate == tripped()


def test_a_probe_that_is_cancelled_or_refused_for_its_own_sake_makes_room_for_another() -> None:
    banned = Refusal(RefusalClass.MODERATION, None, "AutoMod", http_error="HTTP 403, code 200000")
    gate = attempted(tripped(), "probe", 60.0, refused(banned))
    assert gate.is_open
    assert gate.may_send(60.0)


def test_only_the_probe_ends_a_wait_and_not_what_older_jobs_report() -> None:
    limited = SendingGate().limited(limit(60.0), 0.0)
    for old in (made_job("old", state=State.RUNNING), made_job("doubt", state=State.IN_DOUBT)):
        assert told(limited, old, 1.0, ev.Started("900"), ev.Progressed(50))[0] == limited
    assert told(tripped(), made_job("old", state=State.RUNNING), 1.0, ev.Progressed(50))[0] == tripped()


def test_a_limit_during_an_outage_does_not_hide_it() -> None:
    gate = attempted(tripped(), "job1", 60.0, refused(limit(60.0)))
    gate, probe = sent(gate, "job2", 121.0)
    gate, probe = told(gate, probe, 121.0, ev.Accepted())
    assert not gate.may_send(121.0)
    gate, _ = told(gate, probe, 122.0, SILENT)
    assert gate.is_open
    assert gate.trips == 2


def test_a_duplicate_of_a_failure_does_not_count() -> None:
    gate, running = SendingGate(), made_job("old", state=State.RUNNING)
    assert told(gate, running, 0.0, SILENT, SILENT, SILENT)[0] == gate


def test_an_upload_that_fails_in_an_outage_begins_the_next_interval() -> None:
    no_right = ev.UploadFailed("no", refusal=Refusal(RefusalClass.CONFIG, None, "no right"))
    gate, _ = told(tripped(), made_job("probe"), FIRST_INTERVAL, no_right)
    assert not gate.may_send(FIRST_INTERVAL)
    assert gate.may_send(3 * FIRST_INTERVAL)


def test_a_restart_keeps_a_probe_only_while_its_answer_may_come() -> None:
    gate, probe = sent(tripped(), "probe", 60.0)
    assert Limits(gate).with_probe_among({"probe": probe}) == Limits(gate)
    for jobs in ({}, {"probe": made_job("probe", state=State.IN_DOUBT)}):
        assert Limits(gate).with_probe_among(jobs).sending.may_send(60.0)


HTTP_418 = Refusal(None, None, "Discord refuses the request (HTTP 418)", http_error="HTTP 418")
BANNED = Refusal(RefusalClass.MODERATION, "Banned prompt", "")
CAPTCHA = Refusal(RefusalClass.ACCOUNT, None, "captcha", needs_human=True, http_error="HTTP 400")


@pytest.mark.parametrize(
    ("refusal", "executed", "kind"),
    [
        (HTTP_418, False, "HTTP 418"),
        (Refusal(RefusalClass.PLAN, "Job action restricted", ""), True, "plan"),
        (Refusal(RefusalClass.CONFIG, None, "no right"), False, "config"),
        (Refusal(RefusalClass.TRANSIENT, "Internal error", ""), True, "transient"),
        (Refusal(None, "Sorry!", "A new rule"), True, "notice: Sorry!"),
        (BANNED, True, None),
        (CAPTCHA, False, None),
        (Refusal(RefusalClass.USER, "Invalid parameter", ""), True, None),
        (Refusal(None, None, "(Stopped)", stopped=True), True, None),
    ],
)
def test_a_refusal_counts_if_it_may_be_an_outage(refusal: Refusal, executed: bool, kind: str | None) -> None:
    before = made_job("job1", state=State.SUBMITTED if executed else State.SUBMITTING)
    failure = failure_of(before, QUEUED, ev.Refused(refusal, executed))
    assert (failure and failure.kind) == kind


def test_a_refusal_of_the_prompt_shows_that_the_bot_works() -> None:
    assert attempted(tripped(), "probe", 60.0, ev.Accepted(), ev.Refused(BANNED)) == SendingGate()


def test_the_bot_is_not_expected_to_report_on_jobs_during_its_outage_and_shortly_after() -> None:
    running, probe = made_job("old", state=State.RUNNING), made_job("probe", state=State.SUBMITTED)
    gate, job = sent(tripped(), "probe", 60.0)
    assert gate.postpones(running, 60.0)
    assert not gate.postpones(probe, 60.0)
    assert not gate.postpones(replace(running, state=State.COLLECTING), 60.0)
    assert gate.postpones(running, 1e6), "the probe ends in time"
    gate, _ = told(gate, job, 100.0, ev.Accepted(), STARTED)
    assert gate.postpones(running, 100.0 + GRACE_PERIOD - 1)
    assert not gate.postpones(running, 100.0 + GRACE_PERIOD)


def test_jobs_age_again_if_no_probe_is_sent_when_it_is_due() -> None:
    running, gate = made_job("old", state=State.RUNNING), tripped()
    assert gate.wait is not None
    assert gate.postpones(running, gate.wait.until + GRACE_PERIOD - 1)
    assert not gate.postpones(running, gate.wait.until + GRACE_PERIOD)


# ---- over a restart


def restarted(limits: Limits, stopped_at: float, now: float) -> Limits:
    """What a start at ``now`` makes of limits that were stored at ``stopped_at``, both since 1970."""
    stored = json.loads(json.dumps(limits.to_store(50.0, stopped_at)))
    return Limits.load(stored, 7000.0, now)


def test_limits_survive_a_restart_as_they_were() -> None:
    limits = replace(
        Limits().reading_limited(limit(90.0), 50.0), sending=tripped().limited(limit(80.0), 50.0)
    )
    again = restarted(limits, NOW, NOW + 30.0)
    assert again.sending.wait is not None
    assert again.reading is not None
    assert again.sending.wait.until == pytest.approx(7000.0 + 50.0 + MARGIN)
    assert again.reading.until == pytest.approx(7000.0 + 60.0 + MARGIN)
    assert replace(again.sending, wait=limits.sending.wait) == limits.sending
    assert Limits.load(None, 1.0, NOW) == Limits()


def test_two_failures_before_a_restart_count_after_it() -> None:
    gate = SendingGate()
    for number in range(2):
        gate = attempted(gate, f"job{number}", 50.0, ev.Accepted(), SILENT)
    gate = restarted(Limits(gate), NOW, NOW).sending
    assert attempted(gate, "job3", 60.0, ev.Accepted(), SILENT).is_open


def test_a_clock_that_is_set_back_does_not_lengthen_a_wait() -> None:
    again = restarted(Limits().reading_limited(limit(90.0), 50.0), NOW, NOW - 30 * 86_400)
    assert again.reading is not None
    assert again.reading.until == 7000.0 + 90.0 + MARGIN


def test_status_shows_a_limit_with_its_end_and_an_outage_until_it_is_over() -> None:
    stored = replace(Limits().reading_limited(limit(90.0), 50.0), sending=tripped()).to_store(50.0, NOW)
    shown = limit_facts(stored, NOW)
    assert shown["reading_limit"] == {"why": "a route limit", "until": NOW + 90.25, "scope": "route"}
    assert (shown["sending_limit"]["scope"], shown["sending_limit"]["until"]) == ("failures", NOW + 10.0)
    later = limit_facts(stored, NOW + 100.0)
    assert later["reading_limit"] is None
    assert later["sending_limit"]["until"] == NOW + 10.0  # its probe is due
    back = limit_facts(stored, NOW - 86_400.0)
    assert back["reading_limit"]["until"] == NOW - 86_400.0 + 90.25
    assert limit_facts(None, NOW) == {"sending_limit": None, "reading_limit": None}


# ---- what counts for the daily cap

SUBMITTING = made_job("job1", state=State.SUBMITTING, nonces=("1",))
DOUBTFUL = made_job("job1", state=State.IN_DOUBT, nonces=("1",), in_doubt_since=5.0)


@pytest.mark.parametrize(
    ("before", "event", "counts"),
    [
        (SUBMITTING, ev.NotSent("no network"), False),
        (SUBMITTING, refused(limit()), False),
        (SUBMITTING, refused(HTTP_418), False),
        (SUBMITTING, ev.OutcomeUnknown("reset"), None),
        (SUBMITTING, ev.Restarted(), None),
        (SUBMITTING, ev.Accepted(), None),
        (replace(SUBMITTING, interaction_id="7"), ev.NotSent("no network"), None),
        (replace(SUBMITTING, interaction_id="7"), refused(limit()), None),
        (replace(SUBMITTING, state=State.SUBMITTED), ev.Refused(limit(scope=LimitScope.QUEUE)), False),
        (replace(SUBMITTING, state=State.SUBMITTED), ev.Refused(BANNED), None),
        (replace(SUBMITTING, state=State.SUBMITTED), SILENT, None),
        (DOUBTFUL, ev.ConfirmedNotExecuted(), False),
        (DOUBTFUL, ev.RetryRequested(), None),
        (replace(DOUBTFUL, state=State.QUEUED), STARTED, True),
        (replace(DOUBTFUL, state=State.QUEUED), ev.InteractionSeen("7"), True),
        (replace(DOUBTFUL, state=State.QUEUED), ev.AttemptStarted("2", "s", None), None),
    ],
)
def test_the_cap_counts_what_was_or_may_have_been_executed(
    before: Job, event: ev.JobEvent, counts: bool | None
) -> None:
    assert attempt_counts(before, step(before, event, NOW)[0], event) is counts


# ---- a model: an account that is limited, a bot that comes and goes


class Account(RuleBasedStateMachine):
    """Prompts go through the gate to an account with limits and a bot that may be offline."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.now, self.sent = SendingGate(), 0.0, 0
        self.limited_until, self.in_limit = 0.0, 0
        self.bot_works, self.in_outage, self.outage_since = True, 0, 0.0
        self.under_way: list[Job] = []

    @rule(seconds=st.floats(0.1, 4000))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=st.floats(1, 500))
    def limit_begins(self, seconds: float) -> None:
        self.limited_until, self.in_limit = self.now + seconds, 0

    @rule(works=st.booleans())
    def bot_comes_or_goes(self, works: bool) -> None:
        if works != self.bot_works:
            self.bot_works, self.in_outage, self.outage_since = works, 0, self.now

    @precondition(lambda self: len(self.under_way) < 3 and self.gate.may_send(self.now))
    @rule()
    def send(self) -> None:
        self.sent += 1
        self.gate, job = sent(self.gate, f"job{self.sent}", self.now)
        if self.now < self.limited_until:
            self.in_limit += 1
            self.tell(job, refused(limit(self.limited_until - self.now)))
            return
        self.in_outage += not self.bot_works
        self.under_way.append(self.tell(job, ev.Accepted()))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(job)
        self.tell(job, STARTED if self.bot_works else SILENT)

    @rule()
    def restart(self) -> None:
        stored = json.loads(json.dumps(Limits(self.gate).to_store(self.now, NOW)))
        jobs = {job.id: job for job in self.under_way}
        self.gate = Limits.load(stored, self.now, NOW).with_probe_among(jobs).sending

    def tell(self, job: Job, event: ev.JobEvent) -> Job:
        self.gate, job = told(self.gate, job, self.now, event)
        return job

    @invariant()
    def a_limit_is_met_at_most_once(self) -> None:
        assert self.in_limit <= 1

    @invariant()
    def an_outage_costs_few_prompts(self) -> None:
        probes = 7 + (self.now - self.outage_since) / LONGEST_INTERVAL
        assert self.in_outage <= 2 + FAILURES_IN_A_ROW + probes

    @invariant()
    def sending_goes_on_within_an_hour(self) -> None:
        wait = self.gate.wait
        assert wait is None or wait.until <= self.now + LONGEST_INTERVAL + 500 + MARGIN
        assert self.gate.probe is None or self.gate.probe in {job.id for job in self.under_way}


TestAccount = Account.TestCase


SENT = made_job("job1", state=State.SUBMITTED)
DOUBTFUL = made_job("job1", state=State.IN_DOUBT)
RATE_ERROR = replace(limit(), scope=None, kind=RefusalClass.TRANSIENT, http_error="503")


@pytest.mark.parametrize(
    ("before", "job", "event", "expected"),
    [
        (SENT, DOUBTFUL, SILENT, ("interaction", True)),
        (SENT, DOUBTFUL, ev.OutcomeUnknown("cut"), ("unanswered", False)),
        (SENT, SENT, ev.OutcomeUnknown("cut"), None),
        (SENT, DOUBTFUL, ev.TimedOut(), ("silence", True)),
        (SENT, SENT, ev.TimedOut(), None),
        (replace(SENT, state=State.RUNNING), DOUBTFUL, ev.TimedOut(), None),
        (SENT, QUEUED, ev.Refused(RATE_ERROR, executed=False), ("503", False)),
        (replace(SENT, started=NOW), QUEUED, ev.Refused(RATE_ERROR, executed=False), None),
        (SENT, QUEUED, ev.Refused(replace(RATE_ERROR, http_error=None)), (RefusalClass.TRANSIENT, True)),
        (SENT, QUEUED, ev.UploadFailed("no", refusal=RATE_ERROR), ("503", False)),
    ],
)
def test_each_failure_has_its_kind_and_says_who_has_failed(
    before: Job, job: Job, event: ev.JobEvent, expected: tuple[str, bool] | None
) -> None:
    failure = failure_of(before, job, event)
    assert (failure and (failure.kind, failure.by_bot)) == expected
    assert failure is None or failure.text


def test_a_limit_keeps_its_scope_and_its_reason_over_a_restart() -> None:
    limits = Limits().reading_limited(limit(scope=LimitScope.GLOBAL), 50.0)
    loaded = Limits.load(json.loads(json.dumps(limits.to_store(50.0, NOW))), 10.0, NOW)
    assert loaded.reading is not None
    assert (loaded.reading.scope, loaded.reading.reason) == (LimitScope.GLOBAL, "a global limit")
    assert loaded.reading.until == pytest.approx(10.0 + 60.0 + MARGIN)


def test_a_wait_that_is_over_by_now_is_over_at_once() -> None:
    stored = Limits().reading_limited(limit(), 50.0).to_store(50.0, NOW)
    assert Limits.load(stored, 10.0, NOW + 3600).may_read(10.0)
    assert Limits.load(stored, 10.0, NOW).next_time(10.0) == pytest.approx(70.0 + MARGIN)
    assert Limits().next_time(10.0) == float("inf")


def test_a_later_limit_on_reading_does_not_shorten_the_wait() -> None:
    limits = Limits().reading_limited(limit(600.0), 0.0).reading_limited(limit(1.0), 0.0)
    assert not limits.may_read(599.0)
    assert limits.may_read(601.0)


def test_only_an_outage_of_the_bot_postpones_what_is_expected_of_it() -> None:
    running = made_job("job2", state=State.RUNNING)
    assert tripped().postpones(running, 0.0)
    assert not replace(tripped(), by_bot=False).postpones(running, 0.0)
    assert not SendingGate().limited(limit(), 0.0).postpones(running, 0.0)
    queue = SendingGate().limited(limit(scope=LimitScope.QUEUE), 0.0)
    assert not queue.postpones(running, 0.0), "a full queue is no outage"
    assert not queue.succeeded(90.0, is_probe=True, by_bot=True).postpones(running, 90.0)


def test_a_limit_begins_the_count_of_failures_again() -> None:
    gate = attempted(SendingGate(), "job1", 0.0, ev.Accepted(), SILENT)
    gate = gate.limited(limit(), 1.0)
    assert (gate.kind, gate.failures, gate.probe, gate.by_bot) == ("", 0, None, False)
