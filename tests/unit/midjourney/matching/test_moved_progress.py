"""A job whose progress is the change of a message that was never created, in place of its start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mjwatch import events as ev
from mjwatch.jobs.state_machine import step
from mjwatch.midjourney.channel import Channel
from mjwatch.model import Job, State
from tests.helpers.message_shapes import (
    CHANNEL,
    ME,
    OTHER_USER,
    UUID_A,
    UUID_B,
    a_job,
    create,
    delete,
    message,
    progress,
    result,
    started,
    update,
)

OURS: dict[str, Any] = {"interaction": {"id": "550", "type": 2, "name": "imagine", "user": {"id": ME}}}
OTHERS: dict[str, Any] = {"interaction": {"id": "551", "type": 2, "name": "imagine", "user": {"id": ME}}}
MOVED = progress("610", uuid=UUID_A)
PART = {key: MOVED[key] for key in ("id", "channel_id", "content")}


def a_channel() -> Channel:
    """Return a channel that has heard all up to message 600, the start."""
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    ready = ev.GatewayReady("session", "ws://127.0.0.1:1/", ME, "ada", frozenset(), frozenset(), 1)
    channel.ready(ready, 1000.0)
    read(channel, {}, 1000.0)
    channel.tracker.dispatch(create(started("600", "a dog")), {})
    return channel


def running(**facts: Any) -> Job:
    defaults: dict[str, Any] = {
        "state": State.RUNNING,
        "message_id": "600",
        "interaction_id": "550",
        "session_generation": 1,
    }
    return a_job(**(defaults | facts))


def heard(channel: Channel, dispatch: ev.GatewayDispatch, job: Job, at: float = 1001.0) -> Any:
    events = channel.tracker.dispatch(dispatch, {job.id: job})
    assert not channel.dispatch_handled(dispatch, at)
    return events


def read(channel: Channel, jobs: dict[str, Job], at: float, *messages: dict[str, Any]) -> Any:
    assert channel.history_request(jobs, at) is not None
    event = ev.HistoryRead(messages, messages[-1]["id"] if messages else None)
    found = channel.history(event, jobs)
    channel.history_handled(event, at)
    return found


def followed(job: Job, events: Any) -> Job:
    for _, event in events:
        job, _ = step(job, event, 1001.0)
    return job


@pytest.mark.parametrize("start_deleted_at", [None, 1000.5])
def test_the_job_s_interaction_shows_that_it_continues_in_the_message(start_deleted_at: float | None) -> None:
    channel, job = a_channel(), running(start_deleted_at=start_deleted_at)
    job = followed(job, heard(channel, update(MOVED | OURS), job))
    assert (job.message_id, job.start_by_looks, job.start_deleted_at) == ("610", False, None)
    assert heard(channel, delete("600"), job) == []
    ((_, finished),) = heard(channel, create(result("700", reply_to="610")), job)
    assert (type(finished), finished.result.matched_by) == (ev.Finished, "reference")
    assert channel.history_request({job.id: job}, 2000.0) is None


def test_an_older_message_with_the_job_s_interaction_is_not_its_new_start() -> None:
    job = running()
    assert heard(a_channel(), update(progress("590") | OURS), job) == []


@pytest.mark.parametrize("part", [PART, {key: PART[key] for key in ("id", "channel_id")}, MOVED])
def test_a_change_that_does_not_show_whose_it_is_has_the_history_read_once(part: dict[str, Any]) -> None:
    channel, job = a_channel(), running()
    for at in (1001.0, 1002.0):
        assert heard(channel, update(part), job, at) == []
    job = followed(job, read(channel, {job.id: job}, 1003.0, MOVED | OURS))
    assert job.message_id == "610"
    assert heard(channel, update(part), job, 1100.0) is not None
    assert channel.history_request({job.id: job}, 2000.0) is None


def test_a_change_of_a_message_that_was_heard_has_no_history_read() -> None:
    channel, job = a_channel(), running()
    heard(channel, create(started("650", "a dog", nonce="77")), job)
    for data in (progress("600"), progress("650", "a dog"), message("640", "")):
        heard(channel, update(data), job)
    assert channel.tracker.caught_up
    assert channel.history_request({job.id: job}, 2000.0) is None


def test_a_change_in_a_gap_has_no_history_read_twice() -> None:
    """The message may have been created in the gap."""
    channel, job = a_channel(), running()
    channel.ready(ev.GatewayReady("two", "ws://127.0.0.1:1/", ME, "ada", frozenset(), frozenset(), 1), 1001.0)
    heard(channel, update(MOVED), job)
    read(channel, {job.id: job}, 1002.0, MOVED | OTHERS)
    assert channel.history_request({job.id: job}, 2000.0) is None


def test_the_only_job_that_may_be_there_continues_in_the_message_once_its_start_is_deleted() -> None:
    channel, job = a_channel(), running()
    heard(channel, update(PART), job)
    assert heard(channel, delete("590"), job) == []
    job = followed(job, heard(channel, delete("600"), job))
    assert (job.message_id, job.start_by_looks, job.start_deleted_at) == ("610", True, None)
    read(channel, {job.id: job}, 1002.0)
    ((_, finished),) = heard(channel, create(result("700", reply_to="610")), job)
    assert (type(finished), finished.result.matched_by) == (ev.Finished, "reference")


def test_a_message_that_may_have_been_a_job_s_that_has_ended_is_not_that_of_the_other() -> None:
    channel, job = a_channel(), running(job_uuid=UUID_A)
    other = replace(job, id="other", message_id="601", interaction_id="560", nonces=("99",), job_uuid=UUID_B)
    channel.tracker.dispatch(update(MOVED), {job.id: job, other.id: other})
    channel.dispatch_handled(update(MOVED), 1001.0)
    read(channel, {job.id: job, other.id: other}, 1002.0, MOVED)
    other = followed(other, heard(channel, delete("601"), other))
    assert (other.message_id, other.job_uuid) == ("601", UUID_B)
    ((_, finished),) = heard(channel, create(result("700", uuid=UUID_B, reply_to="601")), other)
    assert (type(finished), finished.result.matched_by) == (ev.Finished, "reference")


def held_in_doubt(channel: Channel, job: Job) -> None:
    """Let a job, whose start was deleted, come to its end: it may continue in message 610."""
    assert job.start_deleted_at is not None
    read(channel, {job.id: job}, 1003.0, MOVED)
    assert channel.overdue(job, 1100.0) is None
    read(channel, {job.id: job}, 1101.0, MOVED)
    timed_out = channel.overdue(job, 1102.0)
    assert timed_out == ev.TimedOut(result_missed=True)
    job = followed(job, [(job.id, timed_out)])
    assert job.state is State.IN_DOUBT
    job = followed(job, heard(channel, create(result("700", reply_to="610")), job))
    channel.tracker.hold_unmatched({job.id: job})
    (held,) = channel.tracker.held
    assert (held.message_id, held.candidates) == ("700", (job.id,))
    assert isinstance(channel.tracker.by_person(held.message, job), ev.Finished)
    assert channel.waits_for_person(job)


def test_beside_an_equal_job_by_hand_the_job_is_in_doubt_and_the_result_is_held() -> None:
    channel, job = a_channel(), running()
    heard(channel, create(started("605", nonce="77")), job)
    heard(channel, update(MOVED), job)
    held_in_doubt(channel, followed(job, heard(channel, delete("600"), job)))


def test_a_job_whose_start_was_gone_before_has_not_failed_while_it_may_continue_elsewhere() -> None:
    channel, job = a_channel(), running(start_deleted_at=1000.0, next_action_at=1060.0)
    heard(channel, update(MOVED), job)
    held_in_doubt(channel, job)


def test_a_message_of_somebody_else_s_job_says_nothing_about_ours() -> None:
    channel, job = a_channel(), running()
    others = MOVED | {"content": f"**a red cat** - <@{OTHER_USER}> (35%) (fast)"}
    heard(channel, update(others), job)
    read(channel, {job.id: job}, 1002.0, others)
    job = replace(job, start_deleted_at=1000.0)
    assert not channel.tracker.foreign_jobs.may_continue(job)


def test_what_ids_show_to_be_ours_is_no_rival_any_more() -> None:
    channel, job = a_channel(), running()
    heard(channel, update(MOVED), job)
    assert channel.tracker.foreign_jobs.is_uncertain("610")
    job = followed(job, read(channel, {job.id: job}, 1002.0, MOVED | OURS))
    assert not channel.tracker.foreign_jobs.is_uncertain("610")
