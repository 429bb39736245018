from __future__ import annotations

from mjwatch.host.log import PAUSE, LogOnce


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_a_cause_is_told_at_first_and_then_now_and_then() -> None:
    clock = Clock()
    complaints = LogOnce(clock)
    told = []
    for clock.now in range(50, 50 + 3 * int(PAUSE), 5):
        if complaints.is_due("the disk is full"):
            told.append(clock.now)
    assert told == [50, 50 + PAUSE, 50 + 2 * PAUSE]


def test_another_cause_is_told_at_once() -> None:
    complaints = LogOnce(Clock())
    words = ("full", "full", "read-only", "full", "read-only")
    assert [complaints.is_due(word) for word in words] == [True, False, True, False, False]


def test_when_it_is_over_the_next_one_is_new() -> None:
    complaints = LogOnce(Clock())
    assert not complaints.over()
    complaints.is_due("full")
    assert complaints.over()
    assert not complaints.over()
    assert complaints.is_due("full")


def test_words_that_never_come_again_are_not_kept() -> None:
    clock = Clock()
    complaints = LogOnce(clock)
    for number in range(1000):
        clock.now += PAUSE / 10
        assert complaints.is_due(f"cause {number}")
    assert len(complaints._told) <= 11
