from __future__ import annotations

from mjwatch.host.log import REPEAT_AFTER, LogOnce


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_a_message_is_logged_at_first_and_then_every_ten_minutes() -> None:
    clock = Clock()
    log_once = LogOnce(clock)
    logged = []
    for clock.now in range(50, 50 + 3 * int(REPEAT_AFTER), 5):
        if log_once.is_due("the disk is full"):
            logged.append(clock.now)
    assert logged == [50, 50 + REPEAT_AFTER, 50 + 2 * REPEAT_AFTER]


def test_another_message_is_logged_at_once() -> None:
    log_once = LogOnce(Clock())
    messages = ("full", "full", "read-only", "full", "read-only")
    assert [log_once.is_due(message) for message in messages] == [True, False, True, False, False]


def test_after_a_reset_the_next_message_is_new() -> None:
    log_once = LogOnce(Clock())
    assert not log_once.reset()
    log_once.is_due("full")
    assert log_once.reset()
    assert not log_once.reset()
    assert log_once.is_due("full")


def test_messages_that_never_come_again_are_not_kept() -> None:
    clock = Clock()
    log_once = LogOnce(clock)
    for number in range(1000):
        clock.now += REPEAT_AFTER / 10
        assert log_once.is_due(f"cause {number}")
    assert len(log_once._logged) <= 11
