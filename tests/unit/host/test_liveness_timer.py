"""How a thread shows that it is not stalled."""

from __future__ import annotations

import pytest

from mjwatch.host.systemd import Liveness


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_work_has_a_limit_and_waiting_has_none() -> None:
    clock = Clock()
    liveness = Liveness(10.0, clock)
    seen = []
    clock.now += 500
    seen.append(liveness.stalled)
    with liveness:
        for seconds in (10, 0.1):
            clock.now += seconds
            seen.append(liveness.stalled)
    seen.append(liveness.stalled)
    assert seen == [False, False, True, False]


def test_each_beat_restarts_the_time() -> None:
    clock = Clock()
    liveness = Liveness(10.0, clock)
    seen = []
    for _ in range(3):
        liveness.beat()
        clock.now += 9
        seen.append(liveness.stalled)
    clock.now += 9
    assert [*seen, liveness.stalled] == [False, False, False, True]


def test_work_that_fails_has_ended_too() -> None:
    clock = Clock()
    liveness = Liveness(10.0, clock)
    with pytest.raises(ValueError, match="broken"), liveness:
        raise ValueError("broken")
    clock.now += 500
    assert not liveness.stalled
