from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.jobs.intake import (
    COPY_PATIENCE,
    HOUR,
    NEW_DELIVERY,
    Delivery,
    DeliveryKind,
    TakenBefore,
    classify_delivery,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_700_000_000.0
PATH, OTHER = "clients/cat.txt", "clients/other.txt"


def taken(
    path: str = PATH, *, mtime: float = NOW, ago: float = 10.0, number: int = 1, kept: bool = False
) -> TakenBefore:
    return TakenBefore(number, path, mtime, NOW - ago, kept)


def lies_there(*paths: str) -> Callable[[str], bool]:
    return frozenset(paths).__contains__


@pytest.mark.parametrize(
    ("mtime", "before", "same"),
    [
        *((10.0, [], False), (10.0, [10.0], True), (10.0, [8.0], True), (10.0, [12.0], True)),
        *((10.0, [7.9], False), (10.0, [1.0, 10.5], True), (10.0, [13.0], False)),
    ],
)
def test_the_same_delivery_has_the_same_time_within_two_seconds(
    mtime: float, before: list[float], same: bool
) -> None:
    delivery = classify_delivery(PATH, mtime, [taken(mtime=time) for time in before], NOW)
    assert (delivery.kind is DeliveryKind.SAME) is same


def test_equal_content_under_another_name_is_another_request() -> None:
    assert classify_delivery(PATH, NOW, [taken(OTHER)] * 5, NOW) == NEW_DELIVERY


# ---- taken files are removed


def test_a_copy_of_an_accepted_file_is_run_again_but_not_a_third_time_within_an_hour() -> None:
    first, second = taken(mtime=NOW - 500, ago=500), taken(mtime=NOW - 200, ago=200, number=2)
    assert classify_delivery(PATH, NOW, [first], NOW) == NEW_DELIVERY
    assert classify_delivery(PATH, NOW, [first, second], NOW) == Delivery(
        DeliveryKind.HELD, (first, second), HOUR - 500
    )


def test_a_held_file_is_run_again_when_the_hour_is_over() -> None:
    first, second = taken(mtime=NOW - 5000, ago=HOUR), taken(mtime=NOW - 200, ago=200, number=2)
    assert classify_delivery(PATH, NOW, [first, second], NOW) == NEW_DELIVERY


def test_a_clock_that_was_wrong_holds_nothing_for_longer_than_an_hour() -> None:
    ahead = [taken(mtime=0, ago=-1e7), taken(mtime=0, ago=-2e7)]
    assert classify_delivery(PATH, NOW, ahead, NOW).seconds == HOUR


@given(st.lists(st.floats(0, 20 * HOUR), min_size=1, max_size=60))
def test_however_often_a_file_comes_it_is_run_at_most_twice_an_hour(waits: list[float]) -> None:
    now, runs = NOW, list[TakenBefore]()
    for number, wait in enumerate(waits):
        now += wait
        if classify_delivery(PATH, number * 10.0, runs, now).kind is DeliveryKind.NEW:
            runs.append(TakenBefore(number, PATH, number * 10.0, now))
    for first, third in zip(runs, runs[2:], strict=False):
        assert third.at - first.at >= HOUR


def test_a_file_that_was_kept_and_must_be_removed_now_is_no_request() -> None:
    earlier = taken(mtime=NOW - 500, kept=True)
    assert classify_delivery(PATH, NOW, [earlier], NOW) == Delivery(DeliveryKind.SAME, (earlier,))


# ---- taken files are kept


def test_a_kept_file_is_recognised_by_path_and_content_whatever_its_time() -> None:
    earlier = taken(mtime=NOW - 500, ago=90 * 24 * HOUR, kept=True)
    assert classify_delivery(PATH, NOW, [earlier], NOW, lies_there(PATH)) == Delivery(
        DeliveryKind.SAME, (earlier,)
    )


def test_the_same_content_at_a_new_path_while_the_old_one_is_gone_is_a_move() -> None:
    earlier = taken(OTHER, kept=True)
    assert classify_delivery(PATH, NOW, [earlier], NOW, lies_there(PATH)) == Delivery(
        DeliveryKind.MOVED, (earlier,)
    )


def test_a_second_copy_counts_only_if_the_first_one_stays() -> None:
    earlier = taken(OTHER, kept=True)
    delivery = classify_delivery(PATH, NOW, [earlier], NOW, lies_there(PATH, OTHER))
    assert delivery == Delivery(DeliveryKind.COPY, (earlier,), COPY_PATIENCE)


def test_a_file_moves_once_and_what_comes_after_that_is_a_copy() -> None:
    before, after = replace(taken("a.txt", kept=True), moved=True), taken("b.txt", number=2, kept=True)
    assert (
        classify_delivery("c.txt", NOW, [before, after], NOW, lies_there("b.txt", "c.txt")).kind
        is DeliveryKind.COPY
    )
    assert (
        classify_delivery("a.txt", NOW, [before, after], NOW, lies_there("a.txt", "b.txt")).kind
        is DeliveryKind.SAME
    )


def test_a_moved_folder_moves_each_of_its_files_also_equal_ones() -> None:
    earlier = [taken(f"old/{n}.txt", number=n, kept=True) for n in range(3)]
    for n in range(3):
        delivery = classify_delivery(
            f"new/{n}.txt", NOW, earlier, NOW, lies_there("new/0.txt", "new/1.txt", "new/2.txt")
        )
        assert delivery.kind is DeliveryKind.MOVED
        moved = {one.number for one in delivery.of}
        earlier = [replace(one, moved=one.moved or one.number in moved) for one in earlier]
        earlier.append(taken(f"new/{n}.txt", number=10 + n, kept=True))
    assert sum(one.moved for one in earlier) == 3


def test_a_file_that_was_removed_when_it_was_accepted_is_new_in_an_inbox_that_keeps_files() -> None:
    assert classify_delivery(PATH, NOW + 60, [taken()], NOW, lies_there(PATH)) == NEW_DELIVERY
    assert classify_delivery(PATH, NOW + 60, [taken(OTHER)], NOW, lies_there(PATH)) == NEW_DELIVERY
