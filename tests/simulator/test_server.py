"""The simulator as a program: its output, its workspace, its end."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from mjwatch.simulator import server
from mjwatch.simulator.__main__ import main
from mjwatch.simulator.options import SimulatorOptions, configured_port, make_workspace
from mjwatch.simulator.server import MISSING
from mjwatch.simulator.world import CHANNEL_ID, GUILD_ID, USER_TOKEN
from tests.helpers.timeouts import deadline
from tests.helpers.wire_servers import kept_port

if TYPE_CHECKING:
    from pathlib import Path


def _run(number: signal.Signals, *arguments: str) -> tuple[int, str]:
    """Run the simulator until it says where it listens, and end it; return its exit code and that line."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "mjwatch.simulator", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            process.send_signal(number)
            return process.wait(deadline(20)), line
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_makes_a_workspace_and_stops_cleanly(
    tmp_path: Path, number: signal.Signals
) -> None:
    code, line = _run(number, "--workspace", str(tmp_path / "try"))
    host = line.removeprefix("listening on ")
    config = tomllib.loads((tmp_path / "try/config.toml").read_text())
    assert code == 0
    assert host.startswith("127.0.0.1:")
    assert config["discord"] == {
        "api_url": f"http://{host}/api/v9",
        "gateway_url": f"ws://{host}",
        "cdn_hosts": [host],
    }
    assert config["pace"] == {"max_in_flight": 12, "delay": 0, "jitter": 0, "max_per_day": 0}


def test_it_takes_the_port_of_its_workspace(tmp_path: Path) -> None:
    with kept_port() as port:
        make_workspace(tmp_path, f"127.0.0.1:{port}")
        assert _run(signal.SIGTERM, "--workspace", str(tmp_path)) == (0, f"listening on 127.0.0.1:{port}")


def test_a_workspace_is_completed_and_only_its_config_follows_the_port(tmp_path: Path) -> None:
    make_workspace(tmp_path, "127.0.0.1:5000")
    keys = tmp_path / "keys"
    assert (keys / "authToken.key").read_text().strip() == USER_TOKEN
    assert stat.S_IMODE((keys / "authToken.key").stat().st_mode) == 0o600
    assert (keys / "API_guild_id.key").read_text().strip() == GUILD_ID
    assert (keys / "API_channel_id.key").read_text().strip() == CHANNEL_ID
    assert all((tmp_path / name).is_dir() for name in ("inbox", "outbox", "state"))
    (keys / "API_channel_id.key").write_text("mine")
    (tmp_path / "config.toml").write_text((tmp_path / "config.toml").read_text() + "# mine\n")
    make_workspace(tmp_path, "127.0.0.1:5000")
    assert (tmp_path / "config.toml").read_text().endswith("# mine\n")
    make_workspace(tmp_path, "127.0.0.1:6000")
    assert configured_port(tmp_path) == 6000
    assert (keys / "API_channel_id.key").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[discord]", "not toml", "[discord]\napi_url = 7", "discord = 1"])
def test_a_config_without_a_port_is_accepted(tmp_path: Path, text: str) -> None:
    assert configured_port(tmp_path) is None
    (tmp_path / "config.toml").write_text(text)
    assert configured_port(tmp_path) is None


def test_a_port_that_is_taken_is_one_line_and_another_if_the_workspace_allows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert server.run_simulator(SimulatorOptions(port=port)) == 1
        assert "can't start" in capsys.readouterr().err
        make_workspace(tmp_path, f"127.0.0.1:{port}")
        code, line = _run(signal.SIGTERM, "--workspace", str(tmp_path))
        assert code == 0
        assert line.startswith("listening on 127.0.0.1:")
        assert not line.endswith(f":{port}")


def test_without_aiohttp_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["--port", "0"]) == 1
    assert capsys.readouterr().err == f"{MISSING}\n"


def test_the_server_module_is_imported_without_aiohttp() -> None:
    code = "import sys; import mjwatch.simulator.__main__; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
