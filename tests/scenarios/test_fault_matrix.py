"""Each of the simulator's faults alone, against a real daemon: the table says what must come of it.

Seen to catch: an unanswered POST sent again; a job that failed where a person was wanted, or at the first
failed download; a failure without its page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mjwatch.simulator.faults.catalogue import CATALOGUE, NOT_FOR_IMAGINE
from mjwatch.simulator.world import NEW_USER_TOKEN, USER_TOKEN
from tests.scenarios.fault_table import BEFORE_THE_START, BESIDE, IN_TURN, WHILE_IT_RUNS, End, Row
from tests.scenarios.faulty import (
    Seen,
    begin,
    play_before,
    play_beside,
    play_in_turn,
    play_running,
    simulated,
    verb,
)
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from _pytest.mark.structures import ParameterSet

ROWS = [*BESIDE, *IN_TURN, *WHILE_IT_RUNS, *BEFORE_THE_START]


def cases(rows: Sequence[Row]) -> list[ParameterSet]:
    return [pytest.param(row, id=row.name) for row in rows]


@pytest.mark.parametrize("row", cases(WHILE_IT_RUNS))
def test_a_fault_that_strikes_a_job_at_work_ends_as_the_table_says(row: Row, tmp_path: Path) -> None:
    check(row, play_running(tmp_path / "w", row))


@pytest.mark.parametrize("row", cases(BEFORE_THE_START))
def test_a_fault_that_is_there_at_the_start_ends_as_the_table_says(row: Row, tmp_path: Path) -> None:
    check(row, play_before(tmp_path / "w", row))


@pytest.mark.begun_early
def test_faults_that_concern_one_job_end_as_the_table_says(tmp_path: Path) -> None:
    check_all(BESIDE, play_beside(tmp_path / "w", BESIDE))


@pytest.mark.begun_early
def test_faults_that_need_a_person_pause_the_sending_until_told_to_go_on(tmp_path: Path) -> None:
    check_all(IN_TURN, play_in_turn(tmp_path / "w", IN_TURN))


def test_what_could_not_be_fetched_is_fetched_when_told_to_and_not_rendered_again(tmp_path: Path) -> None:
    with simulated(tmp_path / "w", seconds_per_job=0.2) as stage:
        stage.fault(fault="cdn_error", count=3)  # as often as the hurried daemon tries
        stage.drop("cat.ready.txt", "a cat\n")
        daemon = begin(stage)
        wait_until(lambda: [one["state"] for one in stage.manifests()] == ["failed"], "the failure")
        (failed,) = stage.manifests()
        assert verb(stage, "retry", failed["job"])[0] == 0
        wait_until(lambda: "done" in [one["state"] for one in stage.manifests()], "the pictures")
        assert len(stage.state()["posts"]) == 1
        assert stage.stop(daemon) == 0
        stage.check_witness()


def check_all(rows: Sequence[Row], seen: Mapping[str, Seen]) -> None:
    """Check every row, and tell of all that fail."""
    wrong = []
    for row in rows:
        try:
            check(row, seen[row.name])
        except AssertionError as error:
            wrong.append(f"--- {row.name}: {error}")
    assert not wrong, "\n".join([*wrong, next(iter(seen.values())).log])


def check(row: Row, found: Seen) -> None:
    """What the table says, and what holds whatever happens."""
    assert found.reached, f"not {row.end}\n{found}"
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
    """One answer a job, no secret and no accident in the log."""
    last = found.afterwards or found
    assert len(last.manifests) == (row.end in {End.DONE, End.FAILED, End.PERSON})
    for manifest in last.manifests:
        assert manifest["state"] == ("failed" if row.end is End.FAILED else "done")
        if row.end is End.FAILED:
            assert manifest["error"]["class"] == row.kind
            assert manifest["error"]["detail"]
    assert found.daemon_code == 0
    for word in (USER_TOKEN, NEW_USER_TOKEN, "Traceback", "Warning"):
        assert word not in found.log
    assert last.state["cdn_with_authorization"] == 0


def test_the_table_has_every_fault_that_an_imagine_can_meet() -> None:
    struck = {fault["fault"] for row in ROWS for fault in row.faults}
    assert set(CATALOGUE) - NOT_FOR_IMAGINE == struck
    assert len({row.name for row in ROWS}) == len(ROWS)
