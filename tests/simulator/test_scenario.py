"""Scenario files: faults armed at the start or later, and what is wrong with a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mjwatch.simulator.control import read_scenario
from mjwatch.simulator.faults.registry import FaultError
from mjwatch.simulator.options import SimulatorOptions
from mjwatch.simulator.server import run_simulator
from tests.simulator.harness import play, simulated

if TYPE_CHECKING:
    from pathlib import Path


def test_a_scenario_arms_its_faults_at_the_start_and_later(tmp_path: Path) -> None:
    file = tmp_path / "bad-day.json"
    file.write_text(json.dumps([{"fault": "captcha"}, {"fault": "post_500", "after": 0.01}]))

    async def scenario() -> None:
        async with simulated(scenario=file) as client:
            assert (await client.post(await client.body()))[1]["captcha_key"]
            while (await client.call("GET", "/_sim/faults"))[1]["armed"] == []:
                pass
            assert (await client.post(await client.body()))[0] == 500

    play(scenario)


def test_a_scenario_can_set_the_account(tmp_path: Path) -> None:
    file = tmp_path / "remix.json"
    file.write_text(json.dumps([{"fault": "account", "remix": True, "fast_hours": 0}]))

    async def scenario() -> None:
        async with simulated(scenario=file) as client:
            account = (await client.state())["account"]
            assert (account["remix"], account["fast_hours"]) == (True, 0)

    play(scenario)


@pytest.mark.parametrize(
    "text",
    [
        '[{"fault": "account", "mode": "slow"}]',
        '[{"fault": "wire", "delete": "sometimes"}]',
        "{",
        "{}",
        "[1]",
        '[{"fault": "nonsense"}]',
        '[{"fault": "captcha", "after": -1}]',
    ],
)
def test_a_scenario_that_is_not_understood_is_one_line(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    with pytest.raises(FaultError):
        read_scenario(file)
    assert run_simulator(SimulatorOptions(scenario=file)) == 1
    assert str(file) in capsys.readouterr().err


def test_stale_versions_can_last(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated() as client:
            await client.fault("stale_version", count=2)
            assert (await client.post(await client.body()))[0] == 400
            assert (await client.post(await client.body()))[0] == 204
            assert (await client.call("GET", "/_sim/faults"))[1]["armed"] == []

    play(scenario)
