"""Each of the simulator's faults alone, against a real daemon: the table says what must come of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from mjwatch.simulator.catalogue import CATALOGUE
from mjwatch.simulator.identity import NEW_USER_TOKEN, USER_TOKEN
from tests.scenarios.fault_table import BEFORE_THE_START, BESIDE, IN_TURN, WHILE_IT_RUNS, End, Row
from tests.scenarios.faulty import Seen, play_before, play_beside, play_in_turn, play_running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _pytest.mark.structures import ParameterSet

AT_ONCE = 8
"""Rows that run beside each other: most of their time is waiting."""

ROWS = [*BESIDE, *IN_TURN, *WHILE_IT_RUNS, *BEFORE_THE_START]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Row], Seen]]:
    """What came of a row; all are played beside each other, the tests only look."""
    folder = tmp_path_factory.mktemp("faults")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        beside = pool.submit(play_beside, folder / "beside", BESIDE)
        in_turn = pool.submit(play_in_turn, folder / "in-turn", IN_TURN)
        alone = {
            row.name: pool.submit(play, folder / f"{play.__name__}-{number}", row)
            for play, rows in ((play_before, BEFORE_THE_START), (play_running, WHILE_IT_RUNS))
            for number, row in enumerate(rows)
        }

        def find(row: Row) -> Seen:
            if row.name in alone:
                return alone[row.name].result()
            return (in_turn if row in IN_TURN else beside).result()[row.name]

        yield find


def _case(row: Row) -> ParameterSet:
    marks = [pytest.mark.xfail(reason=row.flaw)] if row.flaw else []
    return pytest.param(row, id=row.name, marks=marks)


@pytest.mark.parametrize("row", [_case(row) for row in ROWS])
def test_a_fault_comes_to_the_end_that_the_table_says(row: Row, seen: Callable[[Row], Seen]) -> None:
    found = seen(row)
    assert found.reached, f"{row.end}\n{found}"
    assert found.struck, "the fault had no occasion"
    refused = [one for one in found.interactions if one["outcome"] == "refused"]
    taken = found.afterwards.interactions if found.afterwards else found.interactions
    executed = [one for one in taken if one["outcome"] != "refused"]
    assert (len(executed), len(refused)) == (row.executed, row.refused), str(found)
    if row.posts is not None:
        assert found.posts == row.posts
    check_words(row, found)
    check_promises(row, found)
    if row.end is End.PERSON:
        assert found.afterwards is not None
        assert found.afterwards.reached, str(found.afterwards)


def check_words(row: Row, found: Seen) -> None:
    """What a person reads."""
    match row.end:
        case End.PERSON:
            assert row.says in str(found.status["paused"])
            assert found.status_code == 4
            assert found.show["mend"] or found.show["state"] != "queued"
        case End.WAITS:
            assert row.says in found.status["trouble"]
        case End.FAILED | End.IN_DOUBT:
            assert found.show["error"]
            assert row.says in found.show["error"]
            assert found.show["mend"], f"{found.show['error']}: and what is to be done?"
        case End.DONE:
            pass
    assert bool(found.paused) == (row.end is End.PERSON)


def check_promises(row: Row, found: Seen) -> None:
    """What holds whatever happens."""
    last = found.afterwards or found
    assert len(last.manifests) == (row.end in {End.DONE, End.FAILED, End.PERSON})
    for manifest in last.manifests:
        assert manifest["state"] == ("failed" if row.end is End.FAILED else "done")
        if row.end is End.FAILED:
            assert manifest["error"]["class"] == row.kind
            assert manifest["error"]["detail"]
    assert found.daemon_code == 0
    assert USER_TOKEN not in found.log
    assert NEW_USER_TOKEN not in found.log
    assert "Traceback" not in found.log
    assert "Warning" not in found.log
    assert last.state["cdn_with_authorization"] == 0


def test_the_table_has_every_fault() -> None:
    struck = {fault["fault"] for row in ROWS for fault in row.faults}
    assert set(CATALOGUE) == struck
    assert len({row.name for row in ROWS}) == len(ROWS)
