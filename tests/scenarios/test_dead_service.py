"""A service that was killed looks dead, one that has ended does not; hours of the day hold a drain's jobs.

Seen to catch: a clean end named as a death; a drain that waits for the hours, or sends outside them.
"""

from __future__ import annotations

import json
import signal
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mjwatch.outbox.status_file import read_status
from tests.scenarios.stage import open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scenarios.stage import Stage


def test_a_killed_service_is_named_as_dead_and_a_drain_leaves_what_its_hours_hold(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w") as stage:
        daemon = stage.start_ready()
        wait_until(lambda: read_status(stage.outbox).get("service") == "running", "status.json")
        written = read_status(stage.outbox)
        at, expected = (datetime.fromisoformat(written[key]) for key in ("at", "expected_by"))
        assert expected - at == timedelta(minutes=5)
        assert facts_of(stage)["died_at"] is None
        stage.stop(daemon, signal.SIGKILL)
        assert facts_of(stage)["died_at"] >= at.timestamp()
        assert "does not run; it died at " in stage.run("status").stdout

        opens = datetime.now().astimezone() + timedelta(hours=6)
        stage.set_config("pace", run_between=f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}")
        stage.drop("cat.ready.txt", "a late cat\n")
        stage.drain()
        quiet = f"{opens:%H:%M} because of [pace] run_between"
        assert "1 queued, not waited for: prompts wait until " in stage.log
        assert quiet in stage.log
        assert stage.simulator_state()["posts"] == []
        assert facts_of(stage)["died_at"] is None
        assert read_status(stage.outbox)["quiet_until"] is not None
        assert quiet in stage.run("status").stdout


def facts_of(stage: Stage) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(stage.run("status", "--json").stdout)
    return facts
