"""Files delivered by real programs, also interrupted and resumed: one job each, with its complete prompt."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.scenarios.deliveries import (
    FILES,
    METHODS,
    SETTLE,
    SETTLE_INCOMPLETE,
    TooSlowError,
    interrupt_sftp,
    make_source,
)
from tests.scenarios.required_programs import program
from tests.scenarios.stage import HANG, Stage, open_stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

pytestmark = [pytest.mark.real, pytest.mark.start_early]

NOT_TMP = Path("/var/tmp")
"""Below /tmp vim does not write a backup as it usually does."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mjwatch-test-", dir=NOT_TMP))
    try:
        yield made
    finally:
        shutil.rmtree(made)


@dataclass
class Delivered:
    """The results of all deliveries, which ran at the same time into one inbox, each in its own folder."""

    prompts: dict[str, dict[str, str]]
    outcomes: dict[str, Future[None]]
    manifests: dict[str, list[dict[str, Any]]]
    posts: int
    log: str


@pytest.fixture(scope="module")
def delivered(folder: Path) -> Iterator[Delivered]:
    with open_stage(folder / "w", "--seconds-per-job", "0.1") as stage:
        stage.set_config("inbox", settle=SETTLE, settle_incomplete=SETTLE_INCOMPLETE)
        methods = [method for method, how in METHODS.items() if all(map(shutil.which, how.programs[:1]))]
        prompts = {method: make_source(folder / "sources" / method, method) for method in methods}
        for method in methods:
            (stage.inbox / method).mkdir()
        daemon = stage.start_ready()
        outcomes = deliver(folder, stage, methods)
        good = sum(FILES for outcome in outcomes.values() if outcome.exception() is None)
        wait_until(lambda: len(list(stage.outbox.glob("*/*/manifest.json"))) >= good, "all folders", HANG * 2)
        assert stage.stop(daemon) == 0, stage.log
        stage.drain()  # any other prompt files
        stage.check_simulator_record()
        manifests = stage.manifests()
        by_method = {
            method: [m for m in manifests if m["source"]["path"].startswith(f"{method}/")]
            for method in methods
        }
        yield Delivered(prompts, outcomes, by_method, len(stage.simulator_state()["posts"]), stage.log)


def deliver(folder: Path, stage: Stage, methods: list[str]) -> dict[str, Future[None]]:
    with ThreadPoolExecutor(max_workers=len(methods)) as pool:
        return {
            method: pool.submit(METHODS[method].deliver, folder / "sources" / method, stage.inbox / method)
            for method in methods
        }


@pytest.mark.parametrize("method", METHODS)
def test_each_of_twenty_files_becomes_one_job_with_its_complete_prompt(
    delivered: Delivered, method: str
) -> None:
    for name in METHODS[method].programs:
        program(name)
    unclear: set[str] = set()
    try:
        delivered.outcomes[method].result()
    except TooSlowError as error:
        unclear = error.names
    wanted = {
        f"{method}/{name}": prompt
        for name, prompt in delivered.prompts[method].items()
        if name not in unclear
    }
    taken = [(m["source"]["path"], m["prompt"]["submitted"]) for m in delivered.manifests[method]]
    found = Counter((path, prompt) for path, prompt in taken if path.split("/")[1] not in unclear)
    assert found == Counter(wanted.items()) != Counter()
    assert {manifest["state"] for manifest in delivered.manifests[method]} == {"done"}


def test_nothing_else_was_sent(delivered: Delivered) -> None:
    assert delivered.posts == sum(map(len, delivered.manifests.values()))
    assert "Traceback" not in delivered.log


def test_an_upload_that_is_never_completed_is_taken_as_it_is_after_the_longer_wait(folder: Path) -> None:
    for name in METHODS["sftp-cut"].programs:
        program(name)
    whole = folder / "long.txt"
    whole.write_text("a picture of " + "very " * 900 + "many lighthouses\n")
    with open_stage(folder / "cut", "--seconds-per-job", "0.1") as stage:
        stage.set_config("inbox", settle=0.2, settle_incomplete=4.0)
        interrupt_sftp([whole], stage.inbox, "-l", "4", "-B", "100")
        partial = (stage.inbox / whole.name).read_text()
        began = time.monotonic()
        daemon = stage.start_ready()
        wait_until(stage.manifests, "its folder")
        assert time.monotonic() - began >= 4.0
        assert stage.stop(daemon) == 0
        (manifest,) = stage.manifests()
        assert manifest["prompt"]["submitted"] == partial.strip()
        assert (stage.folders()[manifest["job"]] / whole.name).read_text() == partial
