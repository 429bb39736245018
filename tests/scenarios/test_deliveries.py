"""Files that come into the inbox by real programs, also cut and resumed: one job each, its prompt whole."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.scenarios.deliveries import FILES, WAYS, cut_sftp, make_source
from tests.scenarios.required_programs import program
from tests.scenarios.stage import HANG, Stage, staged, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

pytestmark = pytest.mark.real

NOT_TMP = Path("/var/tmp")
"""Under /tmp vim writes without its usual detour."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mjwatch-test-", dir=NOT_TMP))
    try:
        yield made
    finally:
        shutil.rmtree(made)


@dataclass
class Delivered:
    """What became of all deliveries: they went on side by side, into one inbox with a folder for each."""

    prompts: dict[str, dict[str, str]]
    outcomes: dict[str, Future[None]]
    manifests: dict[str, list[dict[str, Any]]]
    posts: int
    log: str


@pytest.fixture(scope="module")
def delivered(folder: Path) -> Iterator[Delivered]:
    with staged(folder / "w", "--seconds-per-job", "0.1") as stage:
        stage.set("inbox", settle=2.0, settle_incomplete=10.0)
        ways = [way for way, how in WAYS.items() if all(map(shutil.which, how.programs[:1]))]
        prompts = {way: make_source(folder / "sources" / way, way) for way in ways}
        for way in ways:
            (stage.inbox / way).mkdir()
        daemon = stage.start_ready()
        outcomes = deliver(folder, stage, ways)
        good = sum(FILES for outcome in outcomes.values() if outcome.exception() is None)
        wait_until(lambda: len(list(stage.outbox.glob("*/*/manifest.json"))) >= good, "all folders", HANG * 2)
        assert stage.stop(daemon) == 0, stage.log
        stage.drain()  # whatever else there may be
        stage.check_witness()
        manifests = stage.manifests()
        by_way = {way: [m for m in manifests if m["source"]["path"].startswith(f"{way}/")] for way in ways}
        yield Delivered(prompts, outcomes, by_way, len(stage.state()["posts"]), stage.log)


def deliver(folder: Path, stage: Stage, ways: list[str]) -> dict[str, Future[None]]:
    with ThreadPoolExecutor(max_workers=len(ways)) as pool:
        return {
            way: pool.submit(WAYS[way].deliver, folder / "sources" / way, stage.inbox / way) for way in ways
        }


@pytest.mark.parametrize("way", WAYS)
def test_each_of_twenty_files_becomes_one_job_with_its_complete_prompt(
    delivered: Delivered, way: str
) -> None:
    for name in WAYS[way].programs:
        program(name)
    delivered.outcomes[way].result()
    found = Counter((m["source"]["path"], m["prompt"]["submitted"]) for m in delivered.manifests[way])
    assert found == Counter((f"{way}/{name}", prompt) for name, prompt in delivered.prompts[way].items())
    assert {manifest["state"] for manifest in delivered.manifests[way]} == {"done"}


def test_nothing_else_was_sent(delivered: Delivered) -> None:
    assert delivered.posts == sum(map(len, delivered.manifests.values()))
    assert "Traceback" not in delivered.log


def test_an_upload_that_is_never_completed_is_taken_as_it_is_after_the_longer_wait(folder: Path) -> None:
    for name in WAYS["sftp-cut"].programs:
        program(name)
    whole = folder / "long.txt"
    whole.write_text("a picture of " + "very " * 900 + "many lighthouses\n")
    with staged(folder / "cut", "--seconds-per-job", "0.1") as stage:
        stage.set("inbox", settle=0.5, settle_incomplete=5.0)
        daemon = stage.start_ready()
        cut_sftp([whole], stage.inbox, "-l", "4", "-B", "100")
        half = (stage.inbox / whole.name).read_text()
        wait_until(stage.manifests, "its folder")
        assert stage.stop(daemon) == 0
        (manifest,) = stage.manifests()
        assert manifest["prompt"]["submitted"] == half.strip()
        assert (stage.folders()[manifest["job"]] / whole.name).read_text() == half
