"""A thread's sign of life."""

from __future__ import annotations

import pytest

from mjwatch.host.systemd import Liveness


class Clock:
    """Seconds, as a test wants them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_work_has_a_limit_and_waiting_has_none() -> None:
    clock = Clock()
    pulse = Liveness(10.0, clock)
    seen = []
    clock.now += 500
    seen.append(pulse.stalled)
    with pulse:
        for seconds in (10, 0.1):
            clock.now += seconds
            seen.append(pulse.stalled)
    seen.append(pulse.stalled)
    assert seen == [False, False, True, False]


def test_each_beat_begins_the_time_anew() -> None:
    clock = Clock()
    pulse = Liveness(10.0, clock)
    seen = []
    for _ in range(3):
        pulse.beat()
        clock.now += 9
        seen.append(pulse.stalled)
    clock.now += 9
    assert [*seen, pulse.stalled] == [False, False, False, True]


def test_work_that_fails_has_ended_too() -> None:
    clock = Clock()
    pulse = Liveness(10.0, clock)
    with pytest.raises(ValueError, match="broken"), pulse:
        raise ValueError("broken")
    clock.now += 500
    assert not pulse.stalled
