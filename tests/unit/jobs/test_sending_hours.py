"""The hours of the day at which prompts may be sent, also on the days on which the clock is changed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.jobs.pacing import DAY, Pace, SendingHours
from mjwatch.settings.sections import PaceSettings

BERLIN = ZoneInfo("Europe/Berlin")


def hours(*spans: str) -> SendingHours:
    return Pace.of(PaceSettings(run_between=spans), BERLIN).hours


def berlin(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_without_spans_prompts_may_always_be_sent() -> None:
    assert hours().is_open(0.5)
    assert hours().opens_at(0.5) == 0.5
    assert Pace().quiet_until(0.5) is None


@pytest.mark.parametrize(
    ("now", "is_open", "opens"),
    [
        ("2026-06-01T21:59:59.5", False, "2026-06-01T22:00"),
        ("2026-06-01T22:00", True, "2026-06-01T22:00"),
        ("2026-06-02T06:59:59.5", True, "2026-06-02T06:59:59.5"),
        ("2026-06-02T07:00", False, "2026-06-02T12:00"),
        ("2026-06-02T12:59:59", True, "2026-06-02T12:59:59"),
        ("2026-06-02T13:00", False, "2026-06-02T22:00"),
    ],
)
def test_several_spans_one_of_them_over_midnight(now: str, is_open: bool, opens: str) -> None:
    found = hours("22:00-07:00", "12:00-13:00")
    assert (found.is_open(berlin(now)), found.opens_at(berlin(now))) == (is_open, berlin(opens))


def test_a_day_ends_at_24_o_clock() -> None:
    assert hours("20:00-24:00").is_open(berlin("2026-06-01T23:59:59"))
    assert not hours("20:00-24:00").is_open(berlin("2026-06-02T00:00"))


@pytest.mark.parametrize(
    ("span", "now", "opens"),
    [
        # On 29 March the clock goes from 02:00 to 03:00: that is 01:00 UTC.
        ("22:00-07:00", "2026-03-28T20:30", "2026-03-28T21:00"),
        ("03:00-07:00", "2026-03-28T23:30", "2026-03-29T01:00"),
        ("02:30-03:30", "2026-03-29T00:30", "2026-03-29T01:00"),  # 02:30 does not exist
        ("02:15-02:45", "2026-03-29T00:30", "2026-03-30T00:15"),  # the whole span does not exist
        ("08:00-09:00", "2026-03-28T12:00", "2026-03-29T06:00"),
        # On 25 October it goes from 03:00 back to 02:00: that is 01:00 UTC.
        ("02:15-02:45", "2026-10-25T00:50", "2026-10-25T01:15"),  # for the second time
        ("01:30-02:30", "2026-10-25T00:45", "2026-10-25T01:00"),  # open again at once
        ("08:00-09:00", "2026-10-24T12:00", "2026-10-25T07:00"),
    ],
)
def test_the_clock_on_the_wall_decides_over_a_clock_change(span: str, now: str, opens: str) -> None:
    found = hours(span)
    assert not found.is_open(utc(now))
    assert found.opens_at(utc(now)) == utc(opens)


@pytest.mark.parametrize(("day", "seconds"), [("2026-03-28", 8), ("2026-03-30", 9), ("2026-10-24", 10)])
def test_a_night_over_a_clock_change_is_an_hour_shorter_or_longer(day: str, seconds: int) -> None:
    start, found = berlin(f"{day}T22:00"), hours("22:00-07:00")
    assert [found.is_open(start + 3600 * hour) for hour in (-1, 0, seconds - 1, seconds)] == [
        False,
        True,
        True,
        False,
    ]


TIMES = st.floats(utc("2026-03-20"), utc("2026-11-05"))
MINUTES = st.integers(0, 1439)
SPANS = st.tuples(MINUTES, MINUTES).filter(lambda span: span[0] != span[1])


@given(st.lists(SPANS, min_size=1, max_size=4), TIMES, st.floats(0, 1))
def test_between_now_and_the_opening_nothing_is_open(
    spans: list[tuple[int, int]], now: float, share: float
) -> None:
    found = SendingHours(tuple((60 * start, 60 * end) for start, end in spans), BERLIN)
    opens = found.opens_at(now)
    assert found.is_open(opens)
    assert now <= opens <= now + 2 * DAY + 3600
    between = now + share * (opens - now)
    assert between >= opens or not found.is_open(between)


@pytest.mark.parametrize(
    ("priority", "urgent", "waits"), [(0, None, True), (9, None, True), (9, 10, True), (10, 10, False)]
)
def test_a_job_of_high_priority_may_pass(priority: int, urgent: int | None, waits: bool) -> None:
    pace = Pace.of(PaceSettings(run_between=("22:00-07:00",), urgent_priority=urgent), BERLIN)
    noon = berlin("2026-06-01T12:00")
    assert pace.quiet_until(noon, priority) == (berlin("2026-06-01T22:00") if waits else None)
    assert pace.quiet_until(berlin("2026-06-01T23:00"), priority) is None


def test_the_pace_is_that_of_the_settings() -> None:
    pace = Pace.of(PaceSettings(max_in_flight=2, delay=5.0, jitter=6.0, max_per_day=7, urgent_priority=8))
    assert (pace.max_in_flight, pace.delay, pace.jitter, pace.max_per_day, pace.urgent_priority) == (
        2,
        5,
        6,
        7,
        8,
    )


def test_a_span_of_a_whole_day_is_always_open_and_minutes_count() -> None:
    assert hours("08:00-08:00").is_open(berlin("2026-06-01T07:59"))
    assert hours("08:00-08:30").is_open(berlin("2026-06-01T08:29:59"))
    assert not hours("08:00-08:30").is_open(berlin("2026-06-01T08:30"))
