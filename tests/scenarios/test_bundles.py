"""Each bundle in tests/data/bundles, replayed by the simulator, has the end that the recorded job had.

A bundle of an incident becomes a test as a file in that folder: the end is in it. They run a few at a time,
because they mostly wait.
"""

from __future__ import annotations

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.diagnostics.wire_bundle import end_of
from tests.scenarios.fault_runs import open_threaded_stage, read_journal, start_daemon
from tests.scenarios.stage import open_stage, wait_until

if TYPE_CHECKING:
    from mjwatch.journal.reader import JournalReader

BUNDLES = sorted((Path(__file__).parents[1] / "data" / "bundles").glob("*.json"))
AT_ONCE = 4


@pytest.mark.start_early
def test_each_bundle_replays_to_the_end_in_it(tmp_path: Path) -> None:
    assert len(BUNDLES) > 10
    with ThreadPoolExecutor(AT_ONCE) as pool:
        problems = pool.map(lambda bundle: replayed(bundle, tmp_path / bundle.stem), BUNDLES)
        assert [problem for problem in problems if problem] == []


def test_a_zip_file_replays_from_the_command_line(tmp_path: Path) -> None:
    bundle = tmp_path / "mjwatch-jobaaaaa.zip"
    with zipfile.ZipFile(bundle, "w") as parts:
        parts.write(BUNDLES[0].with_name("refused.json"), "mjwatch-jobaaaaa/wire.json")
    with open_stage(tmp_path / "w", "--replay", str(bundle)) as stage:
        stage.drain()
        (manifest,) = stage.manifests()
    assert (manifest["state"], manifest["error"]["title"]) == ("failed", "Banned prompt")


def replayed(bundle: Path, folder: Path) -> str:
    """Replay a bundle to a daemon; return what differs from the recorded end, "" if nothing does."""
    recorded = json.loads(bundle.read_text(encoding="utf-8"))
    count = 1 + len(recorded["job"].get("then", ()))
    posts = [line["data"]["status"] for line in recorded["lines"] if line["name"] == "POST /interactions"]
    with open_threaded_stage(folder, replay=bundle) as stage:
        daemon = start_daemon(stage)

        def is_over() -> bool:
            has_ended = read_journal(stage, lambda journal: end(journal, count)) == recorded["end"]
            return daemon.poll() is not None or (has_ended and stage.simulator_state()["replay"]["left"] == 0)

        try:
            wait_until(is_over, f"{bundle.stem}: {recorded['end']}")
        except AssertionError as error:
            return f"{error}, but {read_journal(stage, lambda journal: end(journal, count))}\n{stage.log}"
        state = stage.simulator_state()
        found = [post["status"] for post in state["posts"]], state["replay"]["unexpected"], stage.stop(daemon)
        return "" if found == (posts, [], 0) else f"{bundle.stem}: {found}\n{stage.log}"


def end(journal: JournalReader, count: int) -> dict[str, Any] | None:
    """Return how the last of so many jobs stands; None if there are not as many."""
    jobs = journal.listed(None, count + 1)
    return end_of(jobs[0], journal.paused()) if len(jobs) == count else None
