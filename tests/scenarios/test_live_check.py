"""``check --live`` against the simulator: complete, harmless, and right about each expectation.

Seen to catch: an expectation whose check looks at the wrong message; a job sent without the second yes.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.client.discord_api import connect
from mjwatch.config import Config, load_keys
from mjwatch.diagnostics.expectations import EXPECTATIONS, findings
from mjwatch.diagnostics.live_check import LiveCheck, LivePatience
from mjwatch.diagnostics.wire_evidence import Verdict
from mjwatch.simulator.options import PROFILE_NAMES
from tests.helpers.many_simulators import ManySimulators, many_simulators
from tests.helpers.timeouts import deadline
from tests.helpers.wire_flips import FLIPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mjwatch.diagnostics.recording import WireEntry
    from tests.helpers.wire_flips import Flip

HANG = deadline(60.0)
AT_ONCE = 6
"""Checks that run at the same time; they mostly wait."""
SOMETIMES = {21, 39}
"""Expectations about a full queue and about errors."""

OTHERWISE_IN: dict[str, set[int]] = {"2023": {14, 16, 25, 28, 42}, "2024": {28, 31}, "2026": set()}
"""What each year's profile does otherwise, as docs/explanation/simulator.md says."""
UNSEEN_IN: dict[str, set[int]] = {"2023": {26, 34}, "2024": {34}, "2026": set()}
"""Without a uuid in the preview there is nothing to compare, without WebP no link."""


@pytest.fixture(scope="module")
def simulators() -> Iterator[ManySimulators]:
    with many_simulators() as found:
        yield found


def arm(address: str, faults: Sequence[dict[str, Any]]) -> None:
    request = urllib.request.Request(
        f"http://{address}/_sim/faults",
        data=json.dumps(list(faults)).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=HANG) as answer:
        assert answer.status == 200


def state(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{address}/_sim/state", timeout=HANG) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def checked(folder: Path, *, yes: bool, keeps_progress: bool = False) -> tuple[WireEntry, ...]:
    """Run the check with the workspace's configuration; return its recording."""
    config = Config.load(folder / "config.toml", environ={})
    keys = load_keys(config, {})
    patience = LivePatience(0.0, HANG, HANG, HANG, 0.5 if keeps_progress else HANG, 0.5)
    with LiveCheck(
        config, keys, connect, say=lambda line: None, ask=lambda question: yes, patience=patience
    ) as live_check:
        live_check.run()
        return live_check.recording.entries()


def numbers(entries: Sequence[WireEntry], verdict: Verdict) -> set[int]:
    return {number for number, found in findings(entries).items() if found.verdict is verdict}


def test_numbers_and_flips_are_complete() -> None:
    assert [row.number for row in EXPECTATIONS] == list(range(1, len(EXPECTATIONS) + 1))
    assert {flip.number for flip in FLIPS} == {row.number for row in EXPECTATIONS}


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_in_each_profile_the_check_sees_everything(
    simulators: ManySimulators, tmp_path: Path, profile: str
) -> None:
    address = simulators.start(tmp_path, profile=profile)
    entries = checked(tmp_path, yes=True)
    assert numbers(entries, Verdict.OTHERWISE) == OTHERWISE_IN[profile]
    assert numbers(entries, Verdict.NOT_SEEN) == {*SOMETIMES, *UNSEEN_IN[profile]}
    record = state(address)
    assert [one["command"] for one in record["interactions"]] == ["info", "imagine"]
    assert record["token_leaks"] == record["cdn_with_authorization"] == record["downloads"] == 0


def test_without_the_second_yes_nothing_is_rendered(simulators: ManySimulators, tmp_path: Path) -> None:
    address = simulators.start(tmp_path)
    entries = checked(tmp_path, yes=False)
    assert numbers(entries, Verdict.OTHERWISE) == set()
    record = state(address)
    assert [one["command"] for one in record["interactions"]] == ["info"]
    assert record["renderings"] == []


def test_each_contradiction_is_named_and_nothing_else(simulators: ManySimulators, tmp_path: Path) -> None:
    lock = threading.Lock()

    def run(number: int, faults: Sequence[dict[str, Any]], *, keeps_progress: bool) -> tuple[WireEntry, ...]:
        folder = tmp_path / str(number)
        with lock:
            address = simulators.start(folder)
        arm(address, faults)
        return checked(folder, yes=True, keeps_progress=keeps_progress)

    def contradicted(item: tuple[int, Flip]) -> str:
        place, flip = item
        entries = run(
            2 * place,
            [flip.fault, *flip.also],
            keeps_progress=flip.fault.get("delete") == "missing" or flip.number in (8, 27),
        )
        found = numbers(entries, Verdict.OTHERWISE)
        wrong = f"{flip.name}: {sorted(found)} instead of {flip.number}" if found != {flip.number} else ""
        if flip.normal and not wrong:
            usual = run(2 * place + 1, flip.normal, keeps_progress=False)
            if flip.number not in numbers(usual, Verdict.EXPECTED):
                return f"{flip.name}: not as expected by {flip.normal}"
        return wrong

    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [text for text in pool.map(contradicted, enumerate(FLIPS)) if text]
    assert wrong == []
