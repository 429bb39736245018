"""The table of a job's life: every pair of state and event, and the five rules above the table."""

from __future__ import annotations

import ast
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs import cancellation, delivery, transitions
from mjwatch.jobs import state_machine as rules
from mjwatch.jobs.state_machine import TABLE, IllegalEventError, step
from mjwatch.jobs.transitions import HISTORY_LENGTH, Timeouts
from mjwatch.journal.serialization import dump_job, load_job
from mjwatch.model import (
    ENDED,
    ButtonPress,
    Job,
    Modal,
    Prompt,
    Refusal,
    RefusalClass,
    Result,
    State,
    UploadedImage,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000.0
DAY = 86_400.0
LIMITS = Timeouts(start_timeout=900, silence_timeout=3600, deletion_grace=60, queue_full_pause=45)
UUID = "0b7cf2d4-51a5-4b4c-9f0d-6a8f3a2c9e11"

FRESH = Job(id="7k3f9a2m", prompt=Prompt("a red kite"), accepted=NOW)
FORMED = replace(
    FRESH,
    prompt=Prompt("a red kite", action="zoom 1.8"),
    button_press=ButtonPress("400", "MJ::CustomZoom::1", form=True),
)
REJECTED = replace(
    FRESH, state=State.REJECTED, refusal=Refusal(RefusalClass.USER, None, "the file holds no prompt")
)

RESULT = Result(message_id="500", matched_by="nonce", job_uuid=UUID, echoed="a red kite", pictures=())
QUEUE_FULL = Refusal(RefusalClass.RETRY, "Queue full", "wait for a job to end")
RATE_LIMIT = Refusal(RefusalClass.RETRY, None, "slow down", retry_after=7.0)
BAD_PROMPT = Refusal(RefusalClass.USER, "Invalid parameter", "--arr is none")
CAPTCHA = Refusal(RefusalClass.ACCOUNT, "Action needed", "prove that you are a person", needs_human=True)
STALE = Refusal(RefusalClass.STALE_VERSION, None, "the command's version is out of date")

CANCEL = ButtonPress("400", f"MJ::CancelJob::ByJobid::{UUID}")
STOPPED = Refusal(None, None, "(Stopped)", stopped=True)

EVENTS: tuple[ev.JobEvent, ...] = (
    ev.AttemptStarted("9001", "session-a", "100"),
    ev.Accepted(),
    ev.NotSent("no route"),
    ev.NotSent("the index is read again", retry_after=0.0),
    ev.OutcomeUnknown("it timed out"),
    ev.ConfirmedNotExecuted(),
    ev.Uploaded((UploadedImage("ref.png", "slot/ref.png", None, NOW),)),
    ev.UploadFailed("no route"),
    ev.UploadFailed("the file is too large", refusal=BAD_PROMPT),
    ev.ModalOpened(Modal("600", "MJ::OutpaintCustomZoomModal::1", (("prompt", "a red kite --zoom 2"),))),
    *(
        ev.Refused(refusal, executed)
        for refusal in (QUEUE_FULL, RATE_LIMIT, BAD_PROMPT, CAPTCHA, STALE, STOPPED)
        for executed in (True, False)
    ),
    ev.InteractionSeen("300"),
    ev.InteractionFailed("no answer in time"),
    ev.QueuedByBot(),
    ev.Started("400"),
    ev.Started("400", "300", UUID),
    ev.Started("400", by_looks=True),
    ev.StartDisputed(),
    ev.Progressed(46),
    ev.Progressed(None, UUID),
    ev.Progressed(7, UUID, CANCEL),
    ev.Finished(RESULT),
    ev.Imported(RESULT, NOW - 86_400.0),
    ev.StartMessageDeleted(),
    ev.TimedOut(),
    ev.Published("kite-7k3f9a2m"),
    ev.Published("_failed/kite-7k3f9a2m", failed=True),
    ev.SaveFailed("the disk is full"),
    ev.SaveFailed("the picture is gone", final=True),
    ev.CancelRequested(),
    ev.CancelStarted("9002", "session-a"),
    ev.CancelPressed(),
    ev.CancelPressed("no route", again=10.0),
    ev.CancelPressed("the message is gone"),
    ev.RetryRequested(),
    ev.Restarted(),
)
ALL_EVENTS: tuple[type[ev.JobEvent], ...] = get_args(ev.JobEvent)


def _traits(job: Job) -> tuple[object, ...]:
    """All properties of a job on which a handler may depend.

    In the states that end a job, only those that a step can carry back into another state, or that decide
    what the step does: with the others there would be four times as many jobs, and no other step.
    """
    known = (
        job.interaction_id,
        job.message_id,
        job.job_uuid,
        job.start_deleted_at,
        job.result,
        job.published,
        job.modal,
        job.button_press,
        job.cancel_button,
        job.cancel_request,
    )
    traits = (job.state, *(value is not None for value in known), job.refusal is None, job.start_by_looks)
    if job.state in ENDED:
        return traits
    request = job.cancel_request
    at_work = (
        job.started,
        job.next_action_at,
        job.in_doubt_since,
        request and request.next_action_at,
        request and request.nonce,
    )
    answered = request is None or request.answered
    return (*traits, *(value is not None for value in at_work), min(job.failed_tries, 2), answered)


def _reachable() -> dict[tuple[object, ...], Job]:
    """One job for each set of properties to which any sequence of events can lead."""
    found = {_traits(job): job for job in (FRESH, FORMED, REJECTED)}
    waiting = list(found.values())
    while waiting:
        job = waiting.pop()
        for event in EVENTS:
            if type(event) not in TABLE[job.state]:
                continue
            moved, _ = step(job, event, NOW, LIMITS)
            if _traits(moved) not in found:
                found[_traits(moved)] = moved
                waiting.append(moved)
    return found


def _silent(job: Job) -> Job:
    """Return a job whose cancellation was requested long ago, and of which nothing was heard since."""
    request = job.cancel_request and replace(job.cancel_request, asked=NOW - DAY, pressed=NOW - DAY)
    return replace(job, next_action_at=NOW, cancel_request=request)


@cache  # not when this module is imported, which every worker of a run does
def _jobs() -> tuple[Job, ...]:
    seen = tuple(_reachable().values())
    return (*seen, *(_silent(job) for job in seen if job.cancel_request and job.next_action_at))


def _in_state(state: State) -> list[Job]:
    return [job for job in _jobs() if job.state is state]


def _do(*events: ev.JobEvent, job: Job = FRESH) -> Job:
    for event in events:
        job, _ = step(job, event, NOW, LIMITS)
    return job


def _submitting(**changes: object) -> Job:
    return replace(_do(ev.AttemptStarted("9001", "session-a", "100")), **changes)  # type: ignore[arg-type]


# ---- the walk over all pairs


def test_the_samples_cover_every_event_and_reach_every_state() -> None:
    assert {type(event) for event in EVENTS} == set(ALL_EVENTS)
    assert {job.state for job in _jobs()} == set(State)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", ALL_EVENTS, ids=lambda kind: kind.__name__)
def test_each_pair_leads_exactly_where_its_entry_says(state: State, kind: type[ev.JobEvent]) -> None:
    row = TABLE[state].get(kind)
    if row is None:
        return
    reached = {
        step(job, event, NOW, LIMITS)[0].state
        for job in _in_state(state)
        for event in EVENTS
        if type(event) is kind
    }
    assert reached - {state} == set(row.to)


@pytest.mark.parametrize("state", State)
def test_an_unlisted_pair_raises_and_changes_nothing(state: State) -> None:
    unlisted = [event for event in EVENTS if type(event) not in TABLE[state]]
    for job in _in_state(state):
        before = dump_job(job)
        for event in unlisted:
            with pytest.raises(IllegalEventError, match=type(event).__name__):
                step(job, event, NOW, LIMITS)
        assert dump_job(job) == before


def test_an_entry_does_not_name_its_own_state_as_a_target() -> None:
    assert [s for s, rows in TABLE.items() for row in rows.values() if s in row.to] == []


# ---- rule 2: back to the queue only on a proof, doubt to in_doubt only


def test_a_post_that_did_not_arrive_goes_back_to_the_queue_and_waits_longer_each_time() -> None:
    job, waits = FRESH, []
    for number in range(4):
        job = _do(ev.AttemptStarted(f"90{number}", "session-a", None), ev.NotSent("no route"), job=job)
        assert job.state is State.QUEUED
        waits.append((job.next_action_at or 0) - NOW)
    assert waits == [2, 4, 8, 16]


def test_doubt_leads_to_in_doubt_and_nowhere_else() -> None:
    doubts: dict[State, list[ev.JobEvent]] = {
        State.SUBMITTING: [ev.OutcomeUnknown("it timed out"), ev.InteractionFailed("late"), ev.Restarted()],
        State.SUBMITTED: [ev.InteractionFailed("late"), ev.TimedOut()],
        State.RUNNING: [ev.TimedOut()],
    }
    unseen = [
        job
        for job in _jobs()
        if job.interaction_id is None and job.start_deleted_at is None and not job.cancel_request
    ]
    unseen = [job for job in unseen if not job.awaits_form]  # nothing runs without its form
    for job in unseen:
        for event in doubts.get(job.state, []):
            moved, effects = step(job, event, NOW, LIMITS)
            assert (moved.state, effects, moved.next_action_at) == (State.IN_DOUBT, (), None)


def test_only_a_refusal_a_proof_or_a_person_leads_back_to_the_queue() -> None:
    ways = {
        (state, kind) for state, rows in TABLE.items() for kind, row in rows.items() if State.QUEUED in row.to
    }
    nos = {ev.NotSent, ev.Refused, ev.RetryRequested, ev.ConfirmedNotExecuted}
    without_form = {ev.ModalOpened, ev.OutcomeUnknown, ev.InteractionFailed, ev.TimedOut, ev.Restarted}
    assert {kind for _, kind in ways} == nos | without_form
    for job in _jobs():
        for event in EVENTS:
            if type(event) in without_form - {ev.ModalOpened} and type(event) in TABLE[job.state]:
                moved = step(job, event, NOW, LIMITS)[0]
                again = moved.state is State.QUEUED and job.state is not State.QUEUED
                assert not again or job.awaits_form
    assert {state for state, kind in ways if kind is ev.NotSent} == {State.SUBMITTING}


def test_the_silence_of_a_session_proves_nothing_of_a_job_that_was_submitted() -> None:
    silent = _do(ev.AttemptStarted("9001", "session-a", "100"), ev.Accepted(), ev.TimedOut())
    assert (silent.state, silent.in_doubt_since) == (State.IN_DOUBT, None)
    assert step(silent, ev.ConfirmedNotExecuted(), NOW, LIMITS) == (silent, ())
    unanswered = _do(ev.AttemptStarted("9001", "session-a", "100"), ev.OutcomeUnknown("it timed out"))
    assert step(unanswered, ev.ConfirmedNotExecuted(), NOW, LIMITS)[0].state is State.QUEUED


def test_time_alone_never_takes_a_job_out_of_doubt() -> None:
    for job in _in_state(State.IN_DOUBT):
        for event in (ev.TimedOut(), ev.Restarted()):
            assert step(job, event, NOW, LIMITS) == (job, ())


def test_a_job_that_had_started_is_not_queued_again_by_a_refusal() -> None:
    started = [job for job in _jobs() if job.started is not None]
    for state in (State.RUNNING, State.IN_DOUBT):
        for job in [job for job in started if job.state is state]:
            assert _do(ev.Refused(QUEUE_FULL), job=job).state is State.FAILED
            assert _do(ev.Refused(CAPTCHA), job=job).state is State.FAILED


def test_a_refusal_that_only_needs_waiting_queues_the_job_again_with_the_wait_that_was_named() -> None:
    by_http = _do(ev.Refused(RATE_LIMIT, executed=False), job=_submitting())
    by_bot = _do(ev.Accepted(), ev.Refused(QUEUE_FULL), job=_submitting())
    assert (by_http.state, by_http.next_action_at) == (State.QUEUED, NOW + 7)
    assert (by_bot.state, by_bot.next_action_at) == (State.QUEUED, NOW + 45)


def test_a_refusal_of_the_prompt_itself_is_final_and_answered() -> None:
    moved, effects = step(_submitting(), ev.Refused(BAD_PROMPT, executed=False), NOW, LIMITS)
    assert (moved.state, moved.refusal, effects) == (State.FAILED, BAD_PROMPT, (ef.PublishFailure(moved),))


def test_an_attempt_that_needs_a_person_keeps_its_job() -> None:
    for executed in (True, False):
        assert _do(ev.Refused(CAPTCHA, executed), job=_submitting()).state is State.QUEUED


# ---- rule 3: a sign of life beats what HTTP said


@pytest.mark.parametrize(
    "verdict",
    [
        ev.OutcomeUnknown("it timed out"),
        ev.NotSent("the connection broke"),
        ev.Refused(RATE_LIMIT, executed=False),
        ev.Refused(BAD_PROMPT, executed=False),
        ev.Restarted(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_interaction_that_was_seen_overrides_what_http_says_later(verdict: ev.JobEvent) -> None:
    moved = _do(ev.InteractionSeen("300"), verdict, job=_submitting())
    assert (moved.state, moved.interaction_id) == (State.SUBMITTED, "300")
    assert moved.next_action_at == NOW + LIMITS.start_timeout


@pytest.mark.parametrize("sign", [ev.QueuedByBot(), ev.Started("400"), ev.Progressed(5), ev.Finished(RESULT)])
def test_a_start_or_result_that_was_seen_overrides_what_http_says_later(sign: ev.JobEvent) -> None:
    seen = _do(sign, job=_submitting())
    for verdict in (ev.OutcomeUnknown("late"), ev.NotSent("late"), ev.Refused(RATE_LIMIT, executed=False)):
        assert step(seen, verdict, NOW, LIMITS)[0] == seen


@pytest.mark.parametrize("state", [State.QUEUED, State.SUBMITTING, State.SUBMITTED, State.IN_DOUBT])
def test_a_sign_of_life_adopts_a_job_wherever_it_waits(state: State) -> None:
    for job in _in_state(state):
        assert _do(ev.Started("400", "300"), job=job).state is State.RUNNING
        fresh = ev.InteractionSeen("301")  # not the one whose refusal may have put it back
        assert _do(fresh, job=job).state in {State.SUBMITTING, State.SUBMITTED}


# ---- rule 4: a result is taken


@pytest.mark.parametrize("state", [state for state in State if state not in {State.DONE, State.REJECTED}])
def test_a_result_is_accepted_in_every_state_but_done_and_rejected(state: State) -> None:
    for job in _in_state(state):
        moved, effects = step(job, ev.Finished(RESULT), NOW, LIMITS)
        assert moved.state is State.COLLECTING
        assert moved.result == RESULT
        assert effects == (() if state is State.COLLECTING else (ef.FetchResult(moved),))


def test_a_second_result_does_not_replace_the_first() -> None:
    other = ev.Finished(replace(RESULT, message_id="501"))
    job = _do(ev.Finished(RESULT), job=_submitting())
    assert _do(other, job=job).result == RESULT
    assert _do(ev.Published("kite"), other, job=job).result == RESULT


def test_a_late_result_opens_a_job_again_that_was_answered_with_a_failure() -> None:
    failed = _do(
        ev.Refused(BAD_PROMPT, executed=False), ev.Published("_failed/kite", failed=True), job=_submitting()
    )
    assert not failed.open
    taken = _do(ev.Finished(RESULT), job=failed)
    assert (taken.open, taken.refusal, taken.published) == (True, None, None)


def test_a_failure_that_is_published_late_does_not_close_a_job_that_has_a_result() -> None:
    collecting = _do(ev.Refused(BAD_PROMPT, executed=False), ev.Finished(RESULT), job=_submitting())
    assert _do(ev.Published("_failed/kite", failed=True), job=collecting) == collecting
    assert _do(ev.Published("kite"), job=collecting).folder == "kite"


def test_a_retry_downloads_what_was_rendered_and_renders_only_what_was_not() -> None:
    rendered = _do(ev.Finished(RESULT), ev.SaveFailed("gone", final=True), job=_submitting())
    moved, effects = step(rendered, ev.RetryRequested(), NOW, LIMITS)
    assert (moved.state, effects) == (State.COLLECTING, (ef.FetchResult(moved),))
    unrendered = _do(ev.Refused(BAD_PROMPT, executed=False), job=_submitting())
    assert step(unrendered, ev.RetryRequested(), NOW, LIMITS)[0].state is State.QUEUED


# ---- rule 5: pure, and every effect can be derived again


def test_the_table_is_pure() -> None:
    files = [Path(module.__file__ or "") for module in (rules, transitions, delivery, cancellation)]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    names = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert names.isdisjoint({"time", "random", "open", "print"})


def test_a_step_leaves_its_job_unchanged_and_gives_the_same_result_twice() -> None:
    for job in _jobs():
        before = dump_job(job)
        for event in EVENTS:
            if type(event) in TABLE[job.state]:
                assert step(job, event, NOW, LIMITS) == step(job, event, NOW, LIMITS)
        assert dump_job(job) == before


def test_an_effect_that_a_crash_lost_is_handed_out_again_after_the_restart() -> None:
    owed: dict[type[ef.Effect], dict[tuple[object, ...], Job]] = {ef.FetchResult: {}, ef.PublishFailure: {}}
    for job in _jobs():
        for event in EVENTS:
            if type(event) in TABLE[job.state]:
                moved, effects = step(job, event, NOW, LIMITS)
                for kind in owed.keys() & {type(effect) for effect in effects}:
                    owed[kind][_traits(moved)] = moved
    for kind, jobs in owed.items():
        assert len(jobs) > 5
        for job in jobs.values():
            _, again = step(load_job(dump_job(job)), ev.Restarted(), NOW, LIMITS)
            assert [type(effect) for effect in again] == [kind]


def test_a_restart_never_submits() -> None:
    for job in _jobs():
        if ev.Restarted in TABLE[job.state]:
            _, effects = step(job, ev.Restarted(), NOW, LIMITS)
            assert not any(isinstance(effect, ef.Submit) for effect in effects)


# ---- money: one submission, unless something allows another


def _allows_another(event: ev.JobEvent) -> bool:
    """It did not arrive or did not run, its refusal has a cause that can be fixed, or a person decided so."""
    if isinstance(event, ev.Refused):
        mendable = event.refusal.needs_human or event.refusal.kind is RefusalClass.RETRY
        return mendable or not event.executed
    return isinstance(event, ev.NotSent | ev.ConfirmedNotExecuted | ev.RetryRequested)


def _says_it_runs(event: ev.JobEvent) -> bool:
    return isinstance(event, ev.Started | ev.Progressed | ev.Finished)


def _attempts(events: list[ev.JobEvent]) -> Iterator[list[ev.JobEvent]]:
    """What came between each submission and the next one."""
    job, since, number = FRESH, list[ev.JobEvent](), 0
    for event in events:
        if isinstance(event, ev.AttemptStarted):
            number += 1
            event = replace(event, nonce=f"900{number}")
        try:
            job, effects = step(job, event, NOW, LIMITS)
        except IllegalEventError:
            continue
        since.append(event)
        if any(isinstance(effect, ef.Submit) for effect in effects):
            yield since
            since = []


CHOSEN = ev.AttemptStarted("9001", "session-a", "100")
WILD = st.lists(st.one_of(st.sampled_from(EVENTS), st.just(CHOSEN)), max_size=40)


@given(WILD)
def test_nothing_is_submitted_again_without_a_proof_or_a_persons_decision(events: list[ev.JobEvent]) -> None:
    first, *later = list(_attempts([CHOSEN, *events]))
    assert first == [CHOSEN]
    for between in later:
        assert any(map(_allows_another, between))


@given(WILD)
def test_a_job_that_was_seen_to_run_is_submitted_again_only_if_a_person_decides_so(
    events: list[ev.JobEvent],
) -> None:
    for between in list(_attempts([CHOSEN, *events]))[1:]:
        running = [n for n, event in enumerate(between) if _says_it_runs(event)]
        if running:
            assert any(isinstance(event, ev.RetryRequested) for event in between)


@given(WILD)
def test_every_attempt_has_its_own_nonce_and_every_job_survives_the_journal(
    events: list[ev.JobEvent],
) -> None:
    job = FRESH
    for number, event in enumerate(events):
        event = replace(event, nonce=str(number)) if isinstance(event, ev.AttemptStarted) else event
        if type(event) in TABLE[job.state]:
            job, _ = step(job, event, NOW + number, LIMITS)
        assert len(set(job.nonces)) == len(job.nonces)
        assert len(job.history) <= HISTORY_LENGTH
        assert load_job(dump_job(job)) == job


# ---- single rows that are easily got wrong


def test_a_new_attempt_forgets_what_was_known_about_the_last_one() -> None:
    learnt = _do(ev.InteractionSeen("300"), ev.Started("400", "300", UUID), ev.TimedOut(), job=_submitting())
    again = _do(ev.RetryRequested(), ev.AttemptStarted("9002", "session-b", "450"), job=learnt)
    forgotten = {
        "interaction_id",
        "message_id",
        "job_uuid",
        "percent",
        "start_deleted_at",
        "refusal",
        "started",
        "next_action_at",
    }
    assert {field.name for field in fields(again) if getattr(again, field.name) is None} >= forgotten
    assert (again.nonces, again.session_id, again.anchor) == (("9001", "9002"), "session-b", "450")


def test_a_deleted_start_message_fails_the_job_only_after_a_grace_period() -> None:
    running = _do(ev.Accepted(), ev.Started("400"), job=_submitting())
    start_deleted_at = _do(ev.StartMessageDeleted(), job=running)
    assert (start_deleted_at.state, start_deleted_at.next_action_at) == (
        State.RUNNING,
        NOW + LIMITS.deletion_grace,
    )
    failed = _do(ev.TimedOut(), job=start_deleted_at)
    assert failed.state is State.FAILED
    assert failed.refusal is not None
    assert failed.refusal.kind is RefusalClass.MODERATION
    assert _do(ev.Finished(RESULT), job=start_deleted_at).state is State.COLLECTING


def test_a_job_whose_deleted_start_may_be_another_jobs_is_in_doubt_and_can_still_start() -> None:
    looks = replace(FRESH, state=State.RUNNING, message_id="600", nonces=("1",), start_by_looks=True)
    deleted = _do(ev.StartMessageDeleted(), job=looks)
    doubtful = _do(ev.TimedOut(), job=deleted)
    assert (doubtful.state, doubtful.message_id, doubtful.start_deleted_at) == (State.IN_DOUBT, None, None)
    assert _do(ev.Started("700"), job=doubtful).state is State.RUNNING


def test_a_job_whose_result_may_have_come_unheard_is_in_doubt_after_its_start_was_deleted() -> None:
    running = _do(ev.Accepted(), ev.Started("400"), job=_submitting())
    doubtful = _do(ev.StartMessageDeleted(), ev.TimedOut(result_missed=True), job=running)
    assert (doubtful.state, doubtful.message_id) == (State.IN_DOUBT, "400")
    assert _do(ev.Finished(RESULT), job=doubtful).state is State.COLLECTING


def test_a_sign_of_life_restarts_the_time_limit() -> None:
    job = _do(ev.Accepted(), ev.Started("400"), job=_submitting())
    later, _ = step(job, ev.Progressed(12), NOW + 500, LIMITS)
    assert (job.next_action_at, later.next_action_at) == (NOW + 3600, NOW + 4100)


def test_a_running_download_is_not_started_twice() -> None:
    collecting = _do(ev.Finished(RESULT), job=_submitting())
    assert step(collecting, ev.RetryRequested(), NOW, LIMITS) == (collecting, ())
    waiting = _do(ev.SaveFailed("the disk is full"), job=collecting)
    assert waiting.next_action_at == NOW + 2
    moved, effects = step(waiting, ev.RetryRequested(), NOW, LIMITS)
    assert effects == (ef.FetchResult(moved),)


def test_a_start_that_is_reported_twice_counts_once() -> None:
    running = _do(ev.Accepted(), ev.Started("400", "300"), job=_submitting())
    again, effects = step(running, ev.Started("400", "300", UUID), NOW + 5, LIMITS)
    assert (again.history, again.job_uuid, effects) == (running.history, UUID, ())


def test_the_history_does_not_grow_without_limit() -> None:
    job = FRESH
    for number in range(HISTORY_LENGTH):
        job = _do(ev.AttemptStarted(str(number), "session-a", None), ev.NotSent("no route"), job=job)
    assert len(job.history) == HISTORY_LENGTH
    assert job.history[-1].event.startswith("not sent")


@pytest.mark.parametrize("state", [State.SUBMITTING, State.SUBMITTED, State.RUNNING])
def test_an_interaction_that_is_named_again_is_no_step(state: State) -> None:
    for job in _in_state(state):
        known = _do(ev.InteractionSeen("300"), job=job)
        assert step(known, ev.InteractionSeen("300"), NOW, LIMITS)[0] is known  # so it is not committed


def _put_back(refusal: Refusal) -> Job:
    job, _ = step(FRESH, ev.AttemptStarted("9001", "session-a", "100"), NOW, LIMITS)
    for event in (ev.InteractionSeen("300"), ev.Accepted(), ev.Refused(refusal)):
        job, _ = step(job, event, NOW, LIMITS)
    assert job.state is State.QUEUED
    return job


def test_a_success_that_follows_the_refusal_does_not_make_a_job_look_sent() -> None:
    job = _put_back(QUEUE_FULL)
    assert step(job, ev.InteractionSeen("300"), NOW, LIMITS) == (job, ())
    assert step(job, ev.InteractionSeen("301"), NOW, LIMITS)[0].state is State.SUBMITTED


def test_a_job_that_needed_a_person_continues_soon() -> None:
    assert (_put_back(CAPTCHA).next_action_at or 0) < NOW + LIMITS.queue_full_pause
    assert _put_back(QUEUE_FULL).next_action_at == NOW + LIMITS.queue_full_pause


def test_pictures_that_are_paid_for_and_not_saved_are_downloaded_and_not_rendered_again() -> None:
    job = replace(FRESH, state=State.COLLECTING, nonces=("9001",), result=RESULT)
    job, _ = step(job, ev.SaveFailed("the picture is gone", final=True), NOW, LIMITS)
    assert job.refusal is not None
    assert "mjwatch retry" in job.refusal.advice


def test_days_of_the_same_failure_do_not_displace_the_history() -> None:
    job = _do(
        ev.AttemptStarted("9001", "session-a", "100"),
        ev.Accepted(),
        *(ev.Started("600"), ev.Finished(RESULT)),
    )
    before = [note.event for note in job.history]
    full = ev.SaveFailed("cat can't be published: No space left on device")
    for _ in range(500):
        job = _do(full, job=job)
    notes = [note.text for note in job.history]
    assert notes[:-1] == before
    assert notes[-1] == "not saved: cat can't be published: No space left on device; next try in 300 s"
    job = _do(ev.SaveFailed("cat can't be published: Read-only file system"), full, job=job)
    assert len(job.history) == len(notes) + 2
