"""Rate limits and outages against a daemon: few POSTs meet them, one probe ends them, nothing is lost."""

from __future__ import annotations

import time
import urllib.request
from collections import Counter
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.jobs.limits import FAILURES_IN_A_ROW
from mjwatch.journal.overview import overview
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from tests.scenarios.fault_runs import open_threaded_stage
from tests.scenarios.stage import HANG, SHORT_LIMITS_MODULE, Stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = 10


def drop(stage: Stage, count: int) -> None:
    for number in range(count):
        stage.drop(f"{number:02}.ready.txt", f"picture number {number:02}\n")


def statuses(stage: Stage) -> list[int]:
    return [post["status"] for post in stage.simulator_state()["posts"]]


def status(stage: Stage) -> dict[str, Any]:
    """Return what ``status --json`` shows, at once: a command would start a process."""
    with closing(JournalReader(stage.folder / "state" / JOURNAL_FILE)) as reader:
        return overview(reader, daemon=True, max_per_day=0, now=time.time())


def states(stage: Stage) -> Counter[str]:
    return Counter(manifest["state"] for manifest in stage.manifests())


@pytest.mark.parametrize(
    ("fault", "refused"),
    [
        ({"fault": "post_429", "retry_after": 1}, 429),
        ({"fault": "refuse", "title": "Queue full"}, 204),
    ],
    ids=["discord", "midjourney"],
)
def test_one_prompt_meets_a_limit_and_after_it_all_others_run(
    fault: dict[str, Any], refused: int, tmp_path: Path
) -> None:
    with open_threaded_stage(tmp_path / "w", seconds_per_job=0.1) as stage:
        stage.set_config("pace", delay=0.1, max_in_flight=12)
        stage.arm_fault(**fault)
        daemon = stage.fork(SHORT_LIMITS_MODULE, "run")
        drop(stage, PROMPTS)
        wait_until(lambda: states(stage)["done"] == PROMPTS, "all pictures")
        sent_before = stage.log.partition("sending waits")[0].count("submitting")
        # Midjourney answers some moments after Discord, and the pace lets others follow meanwhile.
        assert sent_before == 1 if refused == HTTPStatus.TOO_MANY_REQUESTS else sent_before < PROMPTS
        assert statuses(stage) == [refused] + [204] * PROMPTS
        assert status(stage)["sending_limit"] is None
        assert stage.stop(daemon) == 0
        stage.check_simulator_record()


def test_a_bot_that_is_offline_costs_three_prompts_and_the_probes(tmp_path: Path) -> None:
    with open_threaded_stage(tmp_path / "w", seconds_per_job=0.1) as stage:
        stage.set_config("pace", delay=0.2, max_in_flight=3)
        stage.arm_fault(fault="interaction_failed", count=100)
        daemon = stage.fork(SHORT_LIMITS_MODULE, "run")
        drop(stage, 12)
        wait_until(lambda: stage.log.count("sending waits") >= 2, "a probe that fails, too")
        assert status(stage)["sending_limit"]["scope"] == "failures"
        end_all_faults(stage)
        wait_until(lambda: set(status(stage)["jobs"]) <= {"in_doubt"}, "the pictures after the outage")
        facts = status(stage)
        doubtful = facts["jobs"]["in_doubt"]
        least = FAILURES_IN_A_ROW + stage.log.count("sending waits") - 1
        # Two others may be at Midjourney when the third fails, or a probe when the faults end.
        assert least <= doubtful <= least + 2, "three prompts, and the probes until the faults end"
        assert (facts["jobs"], facts["sending_limit"]) == ({"in_doubt": doubtful}, None)
        assert facts["sent_in_24h"] == 12
        assert statuses(stage) == [204] * (12 - doubtful)
        assert stage.stop(daemon) == 0


def end_all_faults(stage: Stage) -> None:
    """The simulator forgets its faults, and what it has recorded."""
    request = urllib.request.Request(f"http://{stage.address}/_sim/reset", method="POST")
    with urllib.request.urlopen(request, timeout=HANG) as answer:
        assert answer.status == 200
