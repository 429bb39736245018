"""Each bundle in tests/data/bundles, replayed by the simulator, has the end that the recorded job had.

A bundle of an incident becomes a test as a file in that folder: the end is in it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.diagnostics.wire_bundle import end_of
from mjwatch.model import Pause, PauseKind
from tests.scenarios.fault_runs import open_threaded_stage, read_journal, start_daemon
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from mjwatch.journal.reader import JournalReader

BUNDLES = sorted((Path(__file__).parents[1] / "data" / "bundles").glob("*.json"))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.stem)
def test_a_bundle_replays_to_the_end_in_it(bundle: Path, tmp_path: Path) -> None:
    recorded = json.loads(bundle.read_text(encoding="utf-8"))
    posts = [line for line in recorded["lines"] if line["name"] == "POST /interactions"]
    with open_threaded_stage(tmp_path / "w", replay=bundle) as stage:
        daemon = start_daemon(stage)
        wait_until(lambda: read_journal(stage, end) == recorded["end"], f"{recorded['end']}")
        state = stage.simulator_state()
        assert [post["status"] for post in state["posts"]] == [post["data"]["status"] for post in posts]
        assert state["replay"]["unexpected"] == []
        assert stage.stop(daemon) == 0


def end(journal: JournalReader) -> dict[str, Any] | None:
    jobs = journal.listed(None, 2)
    paused = journal.paused()
    return end_of(jobs[0], paused) if len(jobs) == 1 else None
