from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.discord.timing import backoff
from mjwatch.jobs.pacing import DAY, Pace, Throttle, kept_attempts

NOW = 1_770_000_000.0
PACE = Pace(max_in_flight=3, delay=4.0, jitter=4.0, max_per_day=5)


def test_the_first_prompt_may_be_sent_at_once() -> None:
    throttle = Throttle(PACE)
    assert throttle.may_send(NOW, in_flight=0)
    assert throttle.next_time(NOW) == float("-inf")


@pytest.mark.parametrize(("rng", "pause"), [(0.0, 4.0), (0.5, 6.0), (1.0, 8.0)])
def test_between_two_submissions_there_is_a_pause_with_jitter(rng: float, pause: float) -> None:
    throttle = Throttle(PACE)
    throttle.sent(NOW, rng)
    assert not throttle.may_send(NOW + pause - 0.01, in_flight=1)
    assert throttle.may_send(NOW + pause, in_flight=1)


def test_no_more_than_the_slots_are_in_flight() -> None:
    throttle = Throttle(PACE)
    assert [throttle.may_send(NOW, in_flight=count) for count in range(5)] == [True] * 3 + [False] * 2


def test_the_daily_cap_is_over_rolling_24_hours() -> None:
    throttle = Throttle(PACE)
    for number in range(5):
        assert throttle.may_send(NOW + number * 100, in_flight=0)
        throttle.sent(NOW + number * 100, 0.0)
    assert throttle.capped_until(NOW + 500) == NOW + DAY
    assert throttle.next_time(NOW + 500) == NOW + DAY
    assert not throttle.may_send(NOW + DAY - 1, in_flight=0)
    assert throttle.may_send(NOW + DAY, in_flight=0)
    throttle.sent(NOW + DAY, 0.0)
    assert throttle.next_time(NOW + DAY) == NOW + DAY + 100


def test_the_pause_is_kept_also_when_the_cap_ends() -> None:
    throttle = Throttle(PACE, [NOW - DAY + 1, *[NOW - 10] * 3])
    throttle.sent(NOW, 1.0)
    assert throttle.next_time(NOW) == NOW + 8


def test_a_cap_that_was_lowered_counts_all_that_was_sent() -> None:
    sent = [NOW - 900 + number * 100 for number in range(8)]
    throttle = Throttle(PACE, sent)
    assert throttle.next_time(NOW) == sent[3] + DAY  # then only four are left


def test_a_cap_of_zero_is_no_cap() -> None:
    throttle = Throttle(Pace(max_per_day=0, delay=0.0, jitter=0.0))
    for number in range(1000):
        throttle.sent(NOW + number, 0.0)
    assert throttle.may_send(NOW + 1000, in_flight=0)
    assert throttle.capped_until(NOW + 1000) is None


def test_a_restart_does_not_forget_what_was_sent() -> None:
    sent = [NOW - DAY - 1, NOW - 100, NOW - 1]
    assert Throttle(replace(PACE, max_per_day=3), sent).capped_until(NOW) is None
    assert Throttle(replace(PACE, max_per_day=2), sent).capped_until(NOW) == NOW - 100 + DAY
    throttle = Throttle(PACE, sent)
    assert not throttle.may_send(NOW, in_flight=0)
    assert throttle.may_send(NOW + 3, in_flight=0)


def test_a_clock_that_is_set_back_does_not_stop_the_service_for_years() -> None:
    throttle = Throttle(replace(PACE, max_per_day=2))
    throttle.sent(NOW, 1.0)
    back = NOW - 10 * 365 * DAY
    assert throttle.next_time(back) == back + 8
    assert throttle.next_time(back + 8) == back + 8
    assert throttle.may_send(back + 8, in_flight=0)
    throttle.sent(back + 8, 0.0)
    assert throttle.capped_until(back + 8) == back + DAY  # and what was sent still counts
    assert throttle.capped_until(back + DAY) is None  # for a day


@given(
    waits=st.lists(st.floats(0, DAY / 2), max_size=60),
    chances=st.lists(st.floats(0, 1), min_size=60, max_size=60),
    cap=st.integers(0, 6),
)
def test_the_pace_is_kept_whatever_happens(waits: list[float], chances: list[float], cap: int) -> None:
    throttle = Throttle(Pace(max_in_flight=1, delay=4.0, jitter=4.0, max_per_day=cap))
    now, sent = NOW, list[float]()
    for wait, rng in zip(waits, chances, strict=False):
        now = max(now + wait, throttle.next_time(now))
        assert throttle.may_send(now, in_flight=0)
        throttle.sent(now, rng)
        sent.append(now)
    assert all(later - earlier >= 4.0 - 1e-6 for earlier, later in itertools.pairwise(sent))
    if cap:
        assert all(later - earlier >= DAY for earlier, later in zip(sent, sent[cap:], strict=False))


def test_back_off_doubles_up_to_a_limit() -> None:
    assert [backoff(tries) for tries in range(9)] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert backoff(10**9) == 300
    assert backoff(-1) == 2
    assert backoff(3, first=1.0, most=5.0) == 5


def test_what_was_not_executed_does_not_count_and_what_was_after_all_does() -> None:
    throttle = Throttle(replace(PACE, max_per_day=2))
    for at in (NOW, NOW + 10):
        throttle.sent(at, 0.0)
    throttle.not_executed(NOW)
    assert throttle.capped_until(NOW + 20) is None
    throttle.executed(NOW)
    assert throttle.capped_until(NOW + 20) == NOW + DAY
    throttle.not_executed(NOW - 2 * DAY)  # too old to have been counted
    assert throttle.capped_until(NOW + 20) == NOW + DAY


def test_a_clock_that_is_days_ahead_for_a_while_does_not_use_up_the_cap_twice() -> None:
    throttle = Throttle(replace(PACE, max_per_day=2))
    for at in (NOW, NOW + 10):
        throttle.sent(at, 0.0)
    assert throttle.capped_until(NOW + 20) == NOW + DAY
    assert throttle.capped_until(NOW + 3 * DAY) is None
    assert throttle.capped_until(NOW + 30) == NOW + DAY


def test_only_as_many_submissions_are_remembered_as_the_cap_needs() -> None:
    pace = replace(PACE, max_per_day=2)
    throttle = Throttle(pace)
    for number in range(1000):
        throttle.sent(NOW + number, 0.0)
    assert len(throttle._sent) == kept_attempts(pace) == 5


def test_the_count_goes_back_also_after_the_clock_was_set_back() -> None:
    throttle = Throttle(replace(PACE, max_per_day=1))
    throttle.sent(NOW, 0.0)
    back = NOW - 30 * DAY
    assert throttle.capped_until(back) == back + DAY
    throttle.not_executed(NOW)
    assert throttle.capped_until(back) is None


def test_what_was_counted_from_the_beginning_is_not_counted_again_when_its_result_comes_late() -> None:
    throttle = Throttle(replace(PACE, max_per_day=2))
    throttle.sent(NOW, 0.0)
    throttle.executed(NOW)
    assert throttle.capped_until(NOW + 20) is None
