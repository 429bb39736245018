"""Clients that others wrote test the simulator, each in its own process, with its version pinned.

They know Discord or Midjourney and nothing about this project; what fails here is an error of the simulator.
docs/explanation/simulator.md lists them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.peers import fetched_mutiny, fetched_package
from mjwatch.simulator.world import (
    BOT_ID,
    BOT_TOKEN,
    CHANNEL_ID,
    DM_CHANNEL_ID,
    GUILD_ID,
    USER_ID,
    USER_TOKEN,
)
from tests.helpers.many_simulators import ManySimulators, many_simulators
from tests.helpers.timeouts import deadline
from tests.scenarios.required_programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
HANG = deadline(90.0)
MENTION = f"<@{USER_ID}>"


@pytest.fixture(scope="module")
def simulators() -> Iterator[ManySimulators]:
    with many_simulators() as found:
        yield found


def started(simulators: ManySimulators, folder: Path, **options: Any) -> str:
    return simulators.start(folder, **{"seconds_per_job": 0.4, "grid": 128, **options})


def outcome_of(*command: str | Path, paths: Path | None = None) -> dict[str, Any]:
    """Run a client, with packages of another folder if given; return the JSON object in its last line."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment = {**kept, "NO_PROXY": "127.0.0.1,localhost", "PYTHONPATH": str(paths or "")}
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=HANG,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


@pytest.mark.parametrize("profile", ["2023", "2024", "2026"])
def test_discord_py_self_reconnects_and_gets_its_pictures_in_guild_and_dm(
    simulators: ManySimulators, tmp_path: Path, profile: str
) -> None:
    host = started(simulators, tmp_path, profile=profile)
    script = HERE / "discord_py_self.py"
    outcome = outcome_of(sys.executable, script, host, USER_TOKEN, GUILD_ID, CHANNEL_ID, DM_CHANNEL_ID)
    assert outcome["user"] == USER_ID
    assert outcome["resumed"]
    single, remixed = outcome["pressed"]
    assert single.startswith("**a red cat** - Image #1 <@")
    mode = "" if profile == "2023" else "(Strong) "
    assert remixed.startswith(f"**a green bird** - Remix {mode}by <@")
    assert outcome["sent"] == "ok"
    assert outcome["described"].count("\u20e3") == 4
    for channel, echo in (("guild", "a red cat"), ("dm", "a blue dog --v 7.0")):
        result = outcome[channel]
        assert result["content"].startswith(f"**{echo}** - {MENTION}")
        assert result["successful"]
        assert result["nonce_came_back"]
        assert result["in_history"]
        assert result["bytes"] == result["size"]
        assert result["buttons"] >= 9


def test_hikari_as_a_bot_watches_a_job_and_resumes(simulators: ManySimulators, tmp_path: Path) -> None:
    host = started(simulators, tmp_path)
    script = HERE / "hikari_bot.py"
    outcome = outcome_of(sys.executable, script, host, BOT_TOKEN, USER_TOKEN, GUILD_ID, CHANNEL_ID)
    assert (outcome["bot"], outcome["channel"]) == (True, CHANNEL_ID)
    for name, prompt in (("before", "a red cat"), ("after", "a blue dog")):
        job = outcome[name]
        assert job["content"].startswith(f"**{prompt}** - {MENTION}")
        assert job["author"] == BOT_ID
        assert all(edit.startswith(f"**{prompt}** - {MENTION} (") for edit in job["edited"])
        assert len(job["edited"]) >= 3
        assert sum(custom_id.startswith("MJ::JOB::") for custom_id in job["buttons"]) == 9
        assert all(job[fact] for fact in ("again", "listed", "gone", "whole"))


@pytest.fixture(scope="module")
def npm_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program("node")
    program("npm")
    return fetched_package(tmp_path_factory.mktemp("npm"))


@pytest.mark.real
def test_the_npm_package_midjourney_runs_its_commands_buttons_and_forms(
    simulators: ManySimulators, tmp_path: Path, npm_package: Path
) -> None:
    host = started(simulators, tmp_path)
    node = program("node")
    script = HERE / "npm_midjourney.cjs"
    outcome = outcome_of(node, script, npm_package, host, USER_TOKEN, GUILD_ID, CHANNEL_ID)
    assert outcome["progress"]
    for name, content, buttons in (
        ("imagine", f"**a red cat** - {MENTION}", 9),
        ("upscale", f"**a red cat** - Image #2 {MENTION}", 15),
        ("variation", f"**a red cat** - Variations (Strong) by {MENTION}", 9),
        ("zoom", f"**a red cat** - Zoom Out by {MENTION}", 9),
        ("remix", f"**a green bird** - Remix (Strong) by {MENTION}", 9),
    ):
        assert outcome[name]["content"].startswith(content)
        assert outcome[name]["buttons"] == buttons
        assert outcome[name]["hash"] in outcome[name]["uri"]
    assert len({outcome[name]["hash"] for name in ("imagine", "upscale", "variation", "zoom", "remix")}) == 5
    assert len(outcome["describe"]) == 4
    assert len(outcome["shorten"]) == 5
    assert outcome["switched"].startswith("Remix mode turned on")


@pytest.fixture(scope="module")
def mutiny_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fetched_mutiny(tmp_path_factory.mktemp("mutiny"))


@pytest.mark.real
def test_mutiny_splits_a_png_grid_and_follows_it_up(
    simulators: ManySimulators, tmp_path: Path, mutiny_packages: Path
) -> None:
    # Its versions of commands are those of 2024; videos are younger.
    steps = {"2024": ["describe"], "2026": ["upscale", "vary", "animate"]}
    hosts = {year: started(simulators, tmp_path / year, profile=year, format="png") for year in steps}

    def run(year: str) -> dict[str, Any]:
        script, keys = HERE / "mutiny_sdk.py", (USER_TOKEN, GUILD_ID, CHANNEL_ID)
        return outcome_of(sys.executable, script, hosts[year], *keys, *steps[year], paths=mutiny_packages)

    with ThreadPoolExecutor() as pool:
        in_2024, in_2026 = pool.map(run, steps)
    assert in_2024["tiles"] == in_2026["tiles"] == [1, 2, 3, 4]
    assert ".png?" in in_2026["imagine"]
    assert in_2024["describe"].count("\u20e3") == 4
    pictures = [in_2026[step] for step in ("imagine", "upscale", "vary")]
    assert len(set(pictures)) == 3
    assert all(f"{hosts['2026']}/attachments/{CHANNEL_ID}/" in url for url in pictures)
    assert ".gif?" in in_2026["animate"]  # it knows a video by the name of its file
