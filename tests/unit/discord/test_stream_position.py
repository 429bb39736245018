"""Where the service stands in Discord's stream of events, and what its silence proves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mjwatch.discord.payloads import ResumeState
from mjwatch.discord.stream_position import SilenceProof, StreamPosition
from mjwatch.events import GatewayReady, GatewayResumed

NODE = "wss://gateway-eu-9.discord.gg"
READY = GatewayReady("session-1", NODE, "100", "ann", frozenset(), frozenset(), 1)
QUIET = 60.0


def at(now: float = 0.0, **facts: Any) -> StreamPosition:
    """Return a position after READY and the history."""
    stream = StreamPosition()
    stream.ready(READY, now)
    stream.begin_history(now)
    stream.history_read(now, upto="500", complete=True)
    for name, value in facts.items():
        setattr(stream, name, value)
    return stream


def restored(stream: StreamPosition) -> StreamPosition:
    again = StreamPosition()
    again.load(stream.stored())
    return again


# The session


def test_without_a_session_nothing_is_stored_and_nothing_is_live() -> None:
    stream = StreamPosition()
    assert (stream.stored(), stream.resume_state(), stream.is_open) == (None, None, False)
    stream.load(None)
    assert not stream.is_live(None, 0)
    assert stream.next_time() == math.inf


def test_a_position_comes_back_from_the_journal() -> None:
    stream = at()
    stream.handled(17)
    again = restored(stream)
    assert again.resume_state() == ResumeState("session-1", 17, NODE)
    assert (again.user_id, again.generation) == ("100", 1)
    assert not again.is_open


def test_an_account_that_no_session_has_named_stays_unknown() -> None:
    stream = StreamPosition()
    stream.ready(GatewayReady("session-1", NODE, "", "", frozenset(), frozenset(), 1), 0.0)
    assert restored(stream).user_id is None


def test_a_position_of_an_older_version_has_no_generation() -> None:
    stored = {"session_id": "session-1", "resume_gateway_url": NODE, "seq": 7, "user_id": ""}
    stream = StreamPosition()
    stream.load(stored)
    stream.resumed(GatewayResumed("session-1", 9), 0.0)
    assert (stream.user_id, stream.generation) == (None, 0)
    assert stream.is_live("session-1", 0)  # jobs of that version have none either


def test_each_ready_is_another_session_also_over_restarts() -> None:
    stream = at()
    assert stream.is_live("session-1", 1)
    stream.ready(READY, 5.0)
    assert [stream.is_live("session-1", number) for number in (0, 1, 2, 3)] == [False, False, True, False]
    assert not stream.is_live("session-2", 2)
    again = restored(stream)
    assert not again.is_live("session-1", 2)
    again.resumed(GatewayResumed("session-1", 9), 6.0)
    assert again.is_live("session-1", 2)
    again.ready(READY, 7.0)
    assert again.generation == 3


def test_a_session_that_is_gone_is_not_resumed_and_its_number_is_not_used_again() -> None:
    stream = at()
    stream.lost()
    stream.forget_session()
    again = restored(stream)
    assert again.resume_state() is None
    assert again.user_id == "100"
    again.ready(READY, 5.0)
    assert again.generation == 2


def test_a_ready_that_names_nobody_keeps_the_known_account() -> None:
    stream = at()
    stream.ready(GatewayReady("session-2", NODE, "", "", frozenset(), frozenset(), 1), 1.0)
    assert stream.user_id == "100"


def test_a_lost_connection_is_closed_until_it_is_resumed() -> None:
    stream = at()
    assert (stream.is_open, stream.open_since) == (True, 0.0)
    stream.lost()
    assert not stream.is_open
    assert not stream.is_live("session-1", 1)
    stream.resumed(GatewayResumed("session-1", 9), 30.0)
    assert (stream.is_open, stream.open_since, stream.history_due) == (True, 30.0, None)
    assert stream.resume_state() == ResumeState("session-1", 9, NODE)


def test_after_a_program_start_the_history_is_read_although_the_session_was_resumed() -> None:
    stream = restored(at())
    stream.resumed(GatewayResumed("session-1", 9), 30.0)
    assert (stream.is_open, stream.next_time()) == (False, 30.0)
    assert stream.begin_history(30.0)
    stream.history_read(31.0, upto="500", complete=True)
    assert (stream.is_open, stream.open_since) == (True, 31.0)


# The history


def test_a_new_session_is_closed_until_its_history_is_read() -> None:
    stream = at(cursor="400")
    stream.ready(READY, 10.0)
    assert (stream.is_open, stream.cursor, stream.next_time()) == (False, None, 10.0)
    assert not stream.begin_history(9.9)
    assert stream.begin_history(10.0)
    assert not stream.begin_history(10.0), "it is being read"
    stream.history_read(11.0, upto="450", complete=False)
    assert (stream.is_open, stream.cursor, stream.next_time()) == (False, "450", 13.0)
    assert stream.begin_history(13.0)
    stream.history_read(14.0, upto="500", complete=True)
    assert (stream.is_open, stream.cursor, stream.next_time()) == (True, None, math.inf)


def test_a_history_that_arrives_after_a_loss_opens_nothing() -> None:
    stream = StreamPosition()
    stream.ready(READY, 0.0)
    stream.begin_history(0.0)
    stream.lost()
    stream.history_read(1.0, upto="500", complete=True)
    assert not stream.is_open
    assert not stream.begin_history(1.0)


def test_a_later_history_changes_nothing_about_since_when_it_is_open() -> None:
    stream = at()
    stream.job_overdue(50.0)
    assert stream.begin_history(50.0)
    stream.history_read(51.0, upto="600", complete=True)
    assert (stream.is_open, stream.open_since) == (True, 0.0)


def test_failed_readings_come_at_growing_intervals_until_one_succeeds() -> None:
    stream = at()
    assert [stream.history_failed(10.0) for _ in range(9)] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert stream.next_time() == 310.0
    stream.history_read(310.0, upto="500", complete=True)
    assert stream.history_failed(400.0) == 2.0


def test_a_first_failed_reading_is_tried_again_soon_and_is_not_under_way() -> None:
    stream = StreamPosition()
    stream.ready(READY, 10.0)
    before = stream.is_reading
    assert stream.begin_history(10.0)
    during = stream.is_reading
    assert stream.history_failed(11.0) == 2.0
    assert (before, during, stream.is_reading) == (False, True, False)
    stream.job_overdue(12.0)
    assert stream.next_time() == 12.0


def test_a_reading_that_a_limit_forbids_is_due_when_the_limit_has_ended() -> None:
    stream = StreamPosition()
    stream.ready(READY, 10.0)
    assert stream.begin_history(10.0)
    stream.history_postponed(70.0)
    assert (stream.is_reading, stream.next_time()) == (False, 70.0)
    assert stream.begin_history(70.0)


def test_nothing_is_read_while_the_connection_is_lost() -> None:
    stream = at()
    stream.job_overdue(10.0)
    stream.lost()
    assert (stream.begin_history(20.0), stream.next_time()) == (False, math.inf)
    stream.resumed(GatewayResumed("session-1", 2), 30.0)
    assert (stream.next_time(), stream.begin_history(30.0)) == (10.0, True)


def test_an_overdue_job_does_not_put_off_a_reading_that_is_under_way() -> None:
    stream = at()
    stream.job_overdue(10.0)
    assert stream.begin_history(10.0)
    stream.job_overdue(11.0)
    assert stream.history_due is None
    stream.lost()
    stream.job_overdue(12.0)
    assert stream.history_due == 12.0


def test_messages_that_never_came_are_looked_for_once_a_minute() -> None:
    stream = at(100.0)
    stream.missed_something(100.0)
    assert stream.next_time() == 100.0
    assert stream.begin_history(100.0)
    stream.missed_something(101.0)
    assert stream.next_time() == 160.0, "a minute after the last reading"
    stream.missed_something(159.5)
    assert stream.next_time() == 160.0
    assert stream.begin_history(160.0)
    stream.missed_something(300.0)
    assert stream.history_due == 300.0


# The proof


def watched(*job_ids: str) -> SilenceProof:
    silence = SilenceProof(QUIET)
    silence.watch(job_ids or ["a"], 0.0)
    return silence


def test_a_silence_is_proven_after_the_whole_quiet_time_and_the_gateways_answer() -> None:
    silence = watched()
    assert (silence.begin_probe(59.9), silence.proven(59.9)) == (False, [])
    assert silence.next_time() == 60.0
    assert silence.begin_probe(60.0)
    assert not silence.begin_probe(60.0), "one probe is out"
    assert silence.next_time() == math.inf
    assert silence.proven(61.0) == ["a"]


def test_each_job_has_its_own_silence() -> None:
    silence = watched("a")
    silence.watch(["a", "b"], 30.0)
    assert silence.next_time() == 60.0
    assert silence.begin_probe(60.0)
    assert silence.proven(61.0) == ["a"]
    silence.watch(["b"], 62.0)
    assert silence.next_time() == 90.0
    silence.watch(["a", "b"], 63.0)
    assert silence.silent_since == {"b": 30.0, "a": 63.0}


def test_an_interruption_begins_the_silence_again() -> None:
    silence = watched()
    assert silence.begin_probe(60.0)
    silence.interrupted()
    assert (silence.silent_since, silence.next_time(), silence.proven(200.0)) == ({}, math.inf, [])
    silence.watch(["a"], 200.0)
    assert not silence.begin_probe(259.9)
    assert silence.begin_probe(260.0)


def test_a_probe_that_an_interruption_left_unanswered_is_followed_by_another() -> None:
    silence = watched()
    assert silence.begin_probe(60.0)
    silence.interrupted()
    silence.watch(["a"], 70.0)
    assert silence.next_time() == 130.0
    assert silence.begin_probe(130.0)


@pytest.mark.parametrize("now", [0.0, 1e9])
def test_without_a_watched_job_there_is_nothing_to_prove(now: float) -> None:
    silence = SilenceProof(QUIET)
    assert (silence.begin_probe(now), silence.proven(now), silence.next_time()) == (False, [], math.inf)
