"""Each simulator fault alone, against a real daemon: the table has the required outcome.

Seen to catch: an unanswered POST sent again; a job that failed where a person was needed, or at the first
failed download; a failure without its ERROR.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mjwatch.simulator.faults.catalogue import CATALOGUE, NOT_FOR_IMAGINE
from mjwatch.simulator.world import NEW_USER_TOKEN, USER_TOKEN
from tests.scenarios.fault_runs import (
    RowResult,
    open_threaded_stage,
    run_in_turn,
    run_together,
    run_verb,
    run_with_early_fault,
    run_with_late_fault,
    start_daemon,
)
from tests.scenarios.fault_table import (
    FAULTS_BEFORE_START,
    FAULTS_DURING_JOB,
    ONE_JOB_FAULTS,
    PAUSING_FAULTS,
    End,
    Row,
)
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from _pytest.mark.structures import ParameterSet

ROWS = [*ONE_JOB_FAULTS, *PAUSING_FAULTS, *FAULTS_DURING_JOB, *FAULTS_BEFORE_START]


def cases(rows: Sequence[Row]) -> list[ParameterSet]:
    return [pytest.param(row, id=row.name) for row in rows]


@pytest.mark.parametrize("row", cases(FAULTS_DURING_JOB))
def test_a_fault_during_a_job_has_the_outcome_in_the_table(row: Row, tmp_path: Path) -> None:
    check(row, run_with_late_fault(tmp_path / "w", row))


@pytest.mark.parametrize("row", cases(FAULTS_BEFORE_START))
def test_a_fault_before_the_start_has_the_outcome_in_the_table(row: Row, tmp_path: Path) -> None:
    check(row, run_with_early_fault(tmp_path / "w", row))


@pytest.mark.start_early
def test_faults_of_single_jobs_have_the_outcomes_in_the_table(tmp_path: Path) -> None:
    check_all(ONE_JOB_FAULTS, run_together(tmp_path / "w", ONE_JOB_FAULTS))


@pytest.mark.start_early
def test_faults_that_need_a_person_pause_sending_until_it_is_resumed(tmp_path: Path) -> None:
    check_all(PAUSING_FAULTS, run_in_turn(tmp_path / "w", PAUSING_FAULTS))


def test_retry_fetches_a_failed_download_without_rendering_it_again(tmp_path: Path) -> None:
    with open_threaded_stage(tmp_path / "w", seconds_per_job=0.2) as stage:
        stage.arm_fault(fault="cdn_error", count=3)  # as often as the daemon with short timeouts tries
        stage.drop("cat.ready.txt", "a cat\n")
        daemon = start_daemon(stage)
        wait_until(lambda: [manifest["state"] for manifest in stage.manifests()] == ["failed"], "the failure")
        (failed,) = stage.manifests()
        assert run_verb(stage, "retry", failed["job"])[0] == 0
        wait_until(lambda: "done" in [manifest["state"] for manifest in stage.manifests()], "the pictures")
        assert len(stage.simulator_state()["posts"]) == 1
        assert stage.stop(daemon) == 0
        stage.check_simulator_record()


def check_all(rows: Sequence[Row], results: Mapping[str, RowResult]) -> None:
    """Check every row, and report all that fail."""
    failures = []
    for row in rows:
        try:
            check(row, results[row.name])
        except AssertionError as error:
            failures.append(f"--- {row.name}: {error}")
    assert not failures, "\n".join([*failures, next(iter(results.values())).log])


def check(row: Row, found: RowResult) -> None:
    """Check the outcome in the table, and the promises that always hold."""
    assert found.reached, f"not {row.end}\n{found}"
    assert found.all_faults_occurred, "a fault did not occur"
    refused = [entry for entry in found.interactions if entry["outcome"] == "refused"]
    entries = found.afterwards.interactions if found.afterwards else found.interactions
    executed = [entry for entry in entries if entry["outcome"] != "refused"]
    assert (len(executed), len(refused)) == (row.executed, row.refused), str(found)
    if row.posts is not None:
        assert found.posts == row.posts
    check_messages(row, found)
    check_promises(row, found)
    if row.end is End.NEEDS_PERSON:
        assert found.afterwards is not None
        assert found.afterwards.reached, str(found.afterwards)


def check_messages(row: Row, found: RowResult) -> None:
    """Check what the CLI reports to the user."""
    match row.end:
        case End.NEEDS_PERSON:
            assert row.message in str(found.status["paused"])
            assert found.status_code == 4
            assert found.show["mend"] or found.show["state"] != "queued"
        case End.WAITING:
            assert row.message in found.status["trouble"]
        case End.FAILED | End.IN_DOUBT:
            assert found.show["error"]
            assert row.message in found.show["error"]
            assert found.show["mend"], f"{found.show['error']}: without a hint"
        case End.DONE:
            pass
    assert bool(found.paused) == (row.end is End.NEEDS_PERSON)


def check_promises(row: Row, found: RowResult) -> None:
    """Check that each job has one manifest, and the log has no secret and no unexpected error."""
    last = found.afterwards or found
    assert len(last.manifests) == (row.end in {End.DONE, End.FAILED, End.NEEDS_PERSON})
    for manifest in last.manifests:
        assert manifest["state"] == ("failed" if row.end is End.FAILED else "done")
        if row.end is End.FAILED:
            assert manifest["error"]["class"] == row.kind
            assert manifest["error"]["detail"]
    assert found.daemon_code == 0
    for text in (USER_TOKEN, NEW_USER_TOKEN, "Traceback", "Warning"):
        assert text not in found.log
    assert last.state["cdn_with_authorization"] == 0


def test_the_table_has_every_fault_that_can_affect_imagine() -> None:
    used = {fault["fault"] for row in ROWS for fault in row.faults}
    assert set(CATALOGUE) - NOT_FOR_IMAGINE == used
    assert len({row.name for row in ROWS}) == len(ROWS)
