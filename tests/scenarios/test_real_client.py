"""A real library tests the simulator: discord.py-self 2.1.0, in its own process.

The library knows Discord and nothing about this project; what fails here is an error of the simulator.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mjwatch.simulator.world import CHANNEL_ID, DM_CHANNEL_ID, GUILD_ID, USER_ID, USER_TOKEN
from tests.helpers.timeouts import deadline

CLIENT = Path(__file__).with_name("real_client.py")
HANG = deadline(90.0)


@pytest.mark.parametrize("profile", ["2023", "2024", "2026"])
def test_a_real_client_reconnects_and_gets_its_pictures_in_guild_and_dm(profile: str) -> None:
    simulate = [sys.executable, "-m", "mjwatch.simulator", "--seconds-per-job", "0.4", "--grid", "128"]
    with subprocess.Popen([*simulate, "--profile", profile], stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        host = simulator.stdout.readline().strip().removeprefix("listening on ")
        command = [sys.executable, str(CLIENT), host, USER_TOKEN, GUILD_ID, CHANNEL_ID, DM_CHANNEL_ID]
        environment = {**os.environ, "NO_PROXY": "127.0.0.1,localhost"}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=HANG, env=environment, check=False
            )
        finally:
            simulator.terminate()
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
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
        assert result["content"].startswith(f"**{echo}** - <@{USER_ID}>")
        assert result["successful"]
        assert result["nonce_came_back"]
        assert result["in_history"]
        assert result["bytes"] == result["size"]
        assert result["buttons"] >= 9
