"""The image, built from its Containerfile and run as compose.yaml says, against the simulator.

Seen to catch: a new container that is refused the inbox of the one before, a secret that is not read, a
SIGTERM that is lost during the start.
"""

from __future__ import annotations

import json
import os
import re
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.__main__ import TERMINATED
from tests.helpers.timeouts import deadline
from tests.scenarios.container_engine import IMAGE, Engine, build_image, compose_options, open_engine
from tests.scenarios.fault_runs import open_patient_stage, renders_blocked
from tests.scenarios.stage import Stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.start_early]

USER = 4242
CHANNEL = "https://discord.com/channels/1111000000000000002/1111000000000000003"
STOP_LIMIT = deadline(20.0)
"""Seconds within which a stop must finish."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Podman with our image."""
    with open_engine() as engine:
        build_image(engine, tmp_path_factory.mktemp("image"), "metrics")
        yield engine


def make_folders(folder: Path, token: str) -> None:
    """Create what compose.yaml mounts. The secret has the mode that engines give to the secrets they keep."""
    for name in ("config", "inbox", "outbox", "state", "secrets"):
        (folder / name).mkdir(parents=True)
        os.chown(folder / name, USER, USER)
    (folder / "secrets" / "token").write_text(token)
    (folder / "secrets" / "token").chmod(0o444)


def use_simulator(config: Path, stage: Stage) -> None:
    text = config.read_text()
    simulated = tomllib.loads(stage.config.read_text())
    for section in ("discord", "pace"):
        for key, value in simulated[section].items():
            text, count = re.subn(rf"(?m)^#{key} = .*$", f"{key} = {json.dumps(value)}", text)
            assert count == 1, key
    config.write_text(text)


def executed(stage: Stage) -> dict[str, list[str]]:
    """Return the outcomes of all executions by prompt."""
    outcomes: dict[str, list[str]] = {}
    for entry in stage.simulator_state()["interactions"]:
        outcomes.setdefault(entry["prompt"], []).append(entry["outcome"])
    return outcomes


def published(folder: Path) -> dict[str, Path]:
    """Return the folders of the jobs that are done, by prompt."""
    manifests = {path.parent: json.loads(path.read_text()) for path in folder.glob("outbox/*/manifest.json")}
    return {m["prompt"]["submitted"]: path for path, m in manifests.items() if m["state"] == "done"}


def state_of(engine: Engine, container: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(engine("inspect", container).stdout)[0]["State"]
    return state


def exit_code(engine: Engine, container: str) -> int:
    state = state_of(engine, container)
    assert state["Status"] == "exited"
    return int(state["ExitCode"])


def wait_for_pictures(engine: Engine, container: str, folder: Path, *prompts: str) -> None:
    """Wait until all these prompts have pictures; fail at once if the container ends."""
    process = Path(f"/proc/{state_of(engine, container)['Pid']}")
    wait_until(
        lambda: set(prompts) <= set(published(folder)) or not process.exists(), f"pictures of {prompts}"
    )
    assert set(prompts) <= set(published(folder)), engine("logs", container).stderr.decode()


def test_a_prompt_becomes_pictures_and_a_new_container_continues_after_a_quick_stop(
    engine: Engine, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with open_patient_stage(tmp_path / "simulator") as stage:
        token = (stage.folder / "keys" / "authToken.key").read_text().strip()
        make_folders(home, token)
        options = compose_options(home, f"{USER}:{USER}")
        engine.run("--rm", *options, IMAGE, "init", "--yes", "--channel", CHANNEL)
        use_simulator(home / "config" / "config.toml", stage)
        engine.run("--detach", "--name=early", *options, IMAGE)
        engine("stop", "early")
        assert exit_code(engine, "early") in (0, TERMINATED)  # 137 is a kill: the signal was lost
        checked = engine.run("--rm", *options, IMAGE, "check", check=False).stdout.decode()
        assert "/run/secrets has token" in checked, checked

        # Without --hostname it would be that of the host, because the network is the host's.
        engine.run("--detach", "--name=first", "--hostname=1f2e3d4c5b6a", *options, IMAGE)
        (home / "inbox" / "kite.txt").write_text("a red kite\n")
        wait_for_pictures(engine, "first", home, "a red kite")
        folder = published(home)["a red kite"]
        assert len(list(folder.glob("*_[1-4].*"))) == 4
        assert {path.stat().st_uid for path in [folder, *folder.iterdir()]} == {USER}
        assert not (home / "inbox" / "kite.txt").exists()
        health = ("healthcheck", "run", "first")
        wait_until(lambda: engine(*health, check=False).returncode == 0, "a healthy container")

        prompts = ["a cat in hats", "a dog in boots", "a hen in socks"]
        with renders_blocked():
            for prompt in prompts:
                (home / "inbox" / f"{prompt.split()[1]}.txt").write_text(f"{prompt}\n")
            running = {prompt: ["running"] for prompt in prompts}
            wait_until(lambda: running.items() <= executed(stage).items(), "three running jobs")
            began = time.monotonic()
            engine("stop", "first")
            assert time.monotonic() - began < STOP_LIMIT
        assert exit_code(engine, "first") == 0
        log = engine("logs", "first")
        assert b"stopping" in log.stdout + log.stderr
        assert token.encode() not in log.stdout + log.stderr + engine("inspect", "first").stdout
        engine("rm", "first")

        engine.run("--detach", "--name=second", "--hostname=a6b5c4d3e2f1", *options, IMAGE)
        wait_for_pictures(engine, "second", home, *prompts)
        engine("stop", "second")
        assert executed(stage) == {prompt: ["done"] for prompt in ["a red kite", *prompts]}
        assert stage.simulator_state()["cdn_with_authorization"] == 0


def test_the_image_has_no_build_tools_and_does_not_start_without_its_volumes(engine: Engine) -> None:
    look = "id; ls / /opt /opt/mjwatch/bin /opt/mjwatch/lib/*/site-packages"
    inside = engine.run("--rm", "--entrypoint=sh", IMAGE, "-c", look).stdout.decode()
    assert inside.startswith("uid=1000")
    assert not {"pip", "hatchling", "src", "wheels"} & set(inside.splitlines())
    assert "prometheus_client" in inside.splitlines()
    refused = engine.run("--rm", IMAGE, check=False)
    assert refused.returncode == 3
    assert b"there is no configuration file /etc/mjwatch/config.toml" in refused.stderr
