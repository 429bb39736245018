"""Every command and follow-up, from a file, from the command line and from Python, with real processes.

All tests use the same simulator and daemon, so that their jobs share one channel.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from mjwatch.api import MidjourneyAPI
from tests.scenarios.stage import Stage, open_stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GRID, SINGLE, SINGLE_V5, VIDEO = "grid", "single", "single of v5", "one video"
FOLLOW_UPS: dict[str, tuple[str, ...]] = {
    GRID: ("U1", "U2", "U3", "U4", "V1", "V2", "V3", "V4", "reroll"),
    SINGLE: (
        *("vary subtle", "vary strong", "upscale subtle", "upscale creative"),
        *("zoom 2x", "zoom 1.5x", "zoom 1.8x", "square"),
        *("pan left", "pan right", "pan up", "pan down", "animate low", "animate high"),
    ),
    SINGLE_V5: ("upscale 2x", "upscale 4x"),
    VIDEO: ("extend low", "extend high"),
}
COMMANDS = ("imagine", "blend", "describe", "shorten", "info", "settings", "show")
ACCOUNT = (
    *("fast", "relax", "turbo", "public", "stealth"),
    *("prefer remix", "prefer variability", "prefer suffix"),
)
FILE, CLI, PYTHON = "file", "command line", "Python"


@dataclass
class CommandStage:
    """A stage with a running daemon, finished parent jobs for follow-ups, and pictures to upload."""

    stage: Stage
    api: MidjourneyAPI
    parents: dict[str, str]
    pictures: list[Path]

    def manifest(self, job_id: str) -> dict[str, Any]:
        path = wait_until(lambda: self.stage.folders().get(job_id), f"the folder of {job_id}")
        found: dict[str, Any] = json.loads((path / "manifest.json").read_text())
        return found

    def run_file(self, name: str, content: str) -> dict[str, Any]:
        """Drop a prompt file, and wait for the manifest of its job."""
        self.stage.drop(f"{name}.ready.toml", content)
        return self.manifest_of_file(f"{name}.ready.toml")

    def manifest_of_file(self, name: str) -> dict[str, Any]:
        def published() -> dict[str, Any] | None:
            manifests = self.stage.manifests()
            return next((each for each in manifests if (each["source"] or {}).get("path") == name), None)

        found: dict[str, Any] = wait_until(published, f"the manifest of {name}")
        return found

    def run_cli(self, *arguments: str) -> list[dict[str, Any]]:
        done = self.stage.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        found = json.loads(done.stdout)
        return found if isinstance(found, list) else [found]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandStage]:
    folder = tmp_path_factory.mktemp("commands") / "work"
    with open_stage(folder, "--seconds-per-job", "0.3") as stage:
        stage.start_ready()
        api = MidjourneyAPI(stage.config)
        grid = api.imagine("a red kite over the sea --ar 3:2").manifest["job"]
        old = api.imagine("a blue heron in the reeds --v 5.2").manifest["job"]
        (single,) = api.act(grid, "U1")
        (single_of_v5,) = api.act(old, "U2")
        (video,) = api.act(single.manifest["job"], "animate low")
        (of_video,) = api.act(video.manifest["job"], "U1")
        parents = {
            GRID: grid,
            SINGLE: single.manifest["job"],
            SINGLE_V5: single_of_v5.manifest["job"],
            VIDEO: of_video.manifest["job"],
        }
        pictures = []
        for number, colour in enumerate(("red", "green", "blue")):
            pictures.append(folder / f"{colour}.png")
            Image.new("RGB", (32 + number, 32), colour).save(pictures[-1])
        yield CommandStage(stage, api, parents, pictures)
        _check_simulator_record(stage)


def _check_simulator_record(stage: Stage) -> None:
    """Check that nothing was rendered twice, all pictures belong to their job, and the token did not leak."""
    state = stage.simulator_state()
    executed = {entry["nonce"]: entry["job_uuid"] for entry in state["interactions"]}
    pictured = [each for each in stage.manifests() if each["images"] and each["command"] != "show"]
    assert len(pictured) >= 5
    uuids = [manifest["discord"]["job_uuid"] for manifest in pictured]
    assert uuids == [executed[manifest["discord"]["nonce"]] for manifest in pictured]
    assert len(set(uuids)) == len(uuids)
    assert len({rendering["nonce"] for rendering in state["renderings"]}) == len(state["renderings"])
    assert (state["token_leaks"], state["cdn_with_authorization"]) == (0, 0)


def _check_follow_up(manifest: dict[str, Any], action: str, parent: str) -> None:
    assert (manifest["state"], manifest["action"], manifest["parent"]) == ("done", action, parent)
    assert len(manifest["images"]) == (4 if _gives_grid(action) else 1)


def _gives_grid(action: str) -> bool:
    return not action.startswith(("U", "upscale", "animate", "extend"))


@pytest.mark.parametrize("kind", FOLLOW_UPS)
def test_every_follow_up_works_from_a_file(commands: CommandStage, kind: str) -> None:
    parent = commands.parents[kind]
    for action in FOLLOW_UPS[kind]:
        name = action.replace(" ", "-")
        commands.stage.drop(f"{name}.ready.toml", f'parent = "{parent}"\naction = "{action}"\n')
    for action in FOLLOW_UPS[kind]:
        name = action.replace(" ", "-")
        _check_follow_up(commands.manifest_of_file(f"{name}.ready.toml"), action, parent)


@pytest.mark.parametrize("kind", FOLLOW_UPS)
def test_every_follow_up_works_from_the_command_line(commands: CommandStage, kind: str) -> None:
    found = commands.run_cli("act", commands.parents[kind], *FOLLOW_UPS[kind], "--wait")
    for manifest, action in zip(found, FOLLOW_UPS[kind], strict=True):
        _check_follow_up(manifest, action, commands.parents[kind])


@pytest.mark.parametrize("kind", FOLLOW_UPS)
def test_every_follow_up_works_from_python(commands: CommandStage, kind: str) -> None:
    found = commands.api.act(commands.parents[kind], *FOLLOW_UPS[kind])
    for result, action in zip(found, FOLLOW_UPS[kind], strict=True):
        _check_follow_up(result.manifest, action, commands.parents[kind])
        assert result.folder.name.endswith(result.manifest["job"])


def _check_command(command: str, manifest: dict[str, Any]) -> None:
    assert (manifest["state"], manifest["command"]) == ("done", command)
    if command in {"imagine", "blend", "show"}:
        assert [image["index"] for image in manifest["images"]] == [1, 2, 3, 4]
        assert manifest["text"] is None
    else:
        assert manifest["images"] == []
        assert manifest["text"]
        assert "result.md" in [file["file"] for file in manifest["files"]]


def _uuid(commands: CommandStage) -> str:
    return str(commands.manifest(commands.parents[GRID])["discord"]["job_uuid"])


def test_every_command_works_from_a_file(commands: CommandStage) -> None:
    for path in commands.pictures:
        (commands.stage.inbox / path.name).write_bytes(path.read_bytes())
    files = {
        "imagine": 'prompt = "a green kite"\nimages = ["red.png"]',
        "blend": 'command = "blend"\nimages = ["red.png", "green.png"]',
        "describe": 'command = "describe"\nimages = ["blue.png"]',
        "shorten": 'command = "shorten"\nprompt = "a very long prompt about a kite"',
        "info": 'command = "info"',
        "show": f'command = "show"\nprompt = "{_uuid(commands)}"',
    }
    for command, content in files.items():
        _check_command(command, commands.run_file(f"by-file-{command}", content + "\n"))


def test_every_command_works_from_the_command_line(commands: CommandStage) -> None:
    red, green, _ = map(str, commands.pictures)
    requests = {
        "blend": ("ask", "blend", "--image", red, "--image", green),
        "describe": ("ask", "describe", "--image", red),
        "shorten": ("ask", "shorten", "a very long prompt about a kite"),
        "settings": ("ask", "settings"),
        "show": ("ask", "show", _uuid(commands)),
    }
    for command, arguments in requests.items():
        _check_command(command, commands.run_cli(*arguments)[0])
    _check_command("imagine", commands.run_cli("imagine", "a yellow kite")[0])
    assert commands.run_cli("info")[0]["fast_hours_left"] > 0


def test_every_command_works_from_python(commands: CommandStage) -> None:
    red, green, blue = commands.pictures
    _check_command("imagine", commands.api.imagine("a black kite").manifest)
    _check_command("blend", commands.api.command("blend", "--ar 2:3", [red, green, blue]).manifest)
    _check_command("describe", commands.api.command("describe", images=[green]).manifest)
    _check_command("shorten", commands.api.command("shorten", "a very long prompt about a kite").manifest)
    _check_command("info", commands.api.command("info").manifest)
    _check_command("settings", commands.api.command("settings").manifest)
    _check_command("show", commands.api.command("show", _uuid(commands)).manifest)


@pytest.mark.parametrize("command", ACCOUNT)
def test_account_settings_change_from_the_command_line_and_python_but_never_from_a_file(
    commands: CommandStage, command: str
) -> None:
    text = {"prefer suffix": "--no text", "prefer variability": ""}.get(command, "")
    by_cli = commands.run_cli("ask", command, *([text] if text else []))[0]
    assert by_cli["text"]
    assert commands.api.command(command, text).text
    refused = commands.run_file(f"by-file-{command.replace(' ', '-')}", f'command = "{command}"\n')
    assert refused["state"] == "rejected"
    assert "account" in refused["error"]["title"] + refused["error"]["detail"]


def test_a_new_prompt_for_a_button_is_sent_through_the_modal(commands: CommandStage) -> None:
    (zoomed,) = commands.api.act(commands.parents[SINGLE], "zoom 1.7x", prompt="a red kite over a lake")
    assert zoomed.manifest["state"] == "done"
    sent = [entry for entry in commands.stage.simulator_state()["interactions"] if entry["type"] == 5]
    assert "a red kite over a lake" in sent[-1]["prompt"]
    assert "--zoom 1.7" in sent[-1]["prompt"]


def test_an_impossible_request_is_refused_with_a_message_and_nothing_is_sent(commands: CommandStage) -> None:
    before = len(commands.stage.simulator_state()["interactions"])
    requests = {
        ("act", commands.parents[GRID], "U9"): "U9",
        ("act", commands.parents[GRID], "vary stong"): "vary strong",
        ("act", "nobody22", "U1"): "nobody22",
        ("ask", "blend", "--image", str(commands.pictures[0])): "two to five",
        (
            "ask",
            "blend",
            *(part for _ in range(6) for part in ("--image", str(commands.pictures[0]))),
        ): "two to five",
        ("ask", "dance"): "dance",
        ("ask", "describe", "--image", str(commands.stage.config)): "is not a picture",
    }
    for arguments, message in requests.items():
        done = commands.stage.run(*arguments)
        assert done.returncode != 0
        assert message in done.stderr, (arguments, done.stderr)
    square = commands.run_file(
        "square-of-a-square", f'parent = "{commands.parents[SINGLE_V5]}"\naction = "square"\n'
    )
    nobody = commands.run_file("of-nobody", 'parent = "nobody22"\naction = "U1"\n')
    assert [square["state"], nobody["state"]] == ["rejected", "rejected"]
    assert "nobody22" in nobody["error"]["title"]
    assert len(commands.stage.simulator_state()["interactions"]) == before
