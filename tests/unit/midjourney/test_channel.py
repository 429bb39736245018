"""The position that the journal keeps, and the proof that a POST was not executed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mjwatch import events as ev
from mjwatch.midjourney.channel import Channel
from mjwatch.model import Job, State
from tests.helpers.message_shapes import CHANNEL, ME, UUID_B, a_job, create, result

READY = ev.GatewayReady("session-1", "wss://node.discord.gg", ME, "ann", frozenset(), frozenset(), 1)
ALIVE = ev.GatewayAlive("session-1")
EQUAL_JOBS = {job.id: job for job in (a_job("one", message_id="600"), a_job("two", message_id="601"))}


def a_channel() -> Channel:
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    channel.ready(READY, 0.0)
    channel.history_request({}, 0.0)
    channel.history_handled(ev.HistoryRead((), "500"), 0.0)
    channel.tracker.note_newest("650")
    return channel


def in_doubt(**facts: object) -> Job:
    doubtful = a_job(state=State.IN_DOUBT, session_id="session-1", session_generation=1, in_doubt_since=1.0)
    return replace(doubtful, **facts)  # type: ignore[arg-type]


def hold_a_message(channel: Channel) -> None:
    """Let a result come that two jobs could own, and then something newer."""
    held = create(result("700", uuid=UUID_B), seq=17)
    assert channel.tracker.dispatch(held, EQUAL_JOBS) == []
    assert len(channel.tracker.unmatched) == 1
    channel.dispatch_handled(held, 1.0)
    later = create(result("800", "something else", uuid=UUID_B), seq=18)
    channel.tracker.dispatch(later, {})
    channel.dispatch_handled(later, 1.0)


def test_a_message_that_is_held_is_replayed_and_read_again_after_a_restart() -> None:
    channel = a_channel()
    hold_a_message(channel)
    position = channel.position()
    assert position["gateway"]["seq"] == 16
    assert position["newest"] == "699"
    (held,) = channel.tracker.unmatched
    channel.tracker.unmatched.remove(held)
    channel.dispatch_handled(create(result("800", "something else"), seq=19), 1.0)
    position = channel.position()
    assert (position["gateway"]["seq"], position["newest"]) == (19, "800")


def proven(channel: Channel, job: Job, alive: ev.GatewayAlive = ALIVE) -> bool:
    channel.begin_probe([job], 10.0)
    channel.begin_probe([job], 70.0)
    return bool(channel.alive(alive, {job.id: job}, 70.0))


def test_a_post_is_proven_unsent_only_by_the_silence_of_its_own_session() -> None:
    assert proven(a_channel(), in_doubt())


@pytest.mark.parametrize(
    "facts", [{"session_id": "session-0"}, {"session_generation": 0}, {"in_doubt_since": None}]
)
def test_other_jobs_are_not_watched(facts: dict[str, object]) -> None:
    channel = a_channel()
    assert not proven(channel, in_doubt(**facts))
    assert channel.silence.silent_since == {}


@pytest.mark.parametrize("facts", [{"session_id": "session-0"}, {"session_generation": 0}])
def test_a_job_that_was_sent_again_since_the_probe_is_not_proven(facts: dict[str, object]) -> None:
    channel, job = a_channel(), in_doubt()
    channel.begin_probe([job], 10.0)
    assert channel.begin_probe([job], 70.0)
    assert channel.alive(ALIVE, {job.id: replace(job, **facts)}, 71.0) == []  # type: ignore[arg-type]


def test_the_answer_of_another_session_or_for_a_job_that_is_gone_proves_nothing() -> None:
    assert not proven(a_channel(), in_doubt(), ev.GatewayAlive("session-2"))
    channel, job = a_channel(), in_doubt()
    channel.begin_probe([job], 10.0)
    assert channel.alive(ALIVE, {}, 70.0) == []


def test_a_lost_connection_proves_nothing() -> None:
    channel, job = a_channel(), in_doubt()
    channel.begin_probe([job], 10.0)
    assert channel.begin_probe([job], 70.0)
    channel.stream.lost()
    assert channel.alive(ALIVE, {job.id: job}, 71.0) == []
