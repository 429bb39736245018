"""All that Midjourney does there, each by file, by command line and from Python, on real processes.

One simulator and one daemon serve them all, so that they run in each other's company, as equal prompts do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from mjwatch.api import MidjourneyAPI
from tests.scenarios.stage import Stage, staged, wait_until

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
class House:
    """A stage with a running daemon, finished jobs to follow up, and pictures to upload."""

    stage: Stage
    api: MidjourneyAPI
    parents: dict[str, str]
    pictures: list[Path]

    def manifest(self, job_id: str) -> dict[str, Any]:
        path = wait_until(lambda: self.stage.folders().get(job_id), f"the folder of {job_id}")
        found: dict[str, Any] = json.loads((path / "manifest.json").read_text())
        return found

    def file(self, name: str, content: str) -> dict[str, Any]:
        """Drop a prompt file, and wait for the manifest of what it became."""
        self.stage.drop(f"{name}.ready.toml", content)
        return self.of_file(f"{name}.ready.toml")

    def of_file(self, name: str) -> dict[str, Any]:
        def published() -> dict[str, Any] | None:
            manifests = self.stage.manifests()
            return next((one for one in manifests if (one["source"] or {}).get("path") == name), None)

        found: dict[str, Any] = wait_until(published, f"the answer to {name}")
        return found

    def cli(self, *arguments: str) -> list[dict[str, Any]]:
        told = self.stage.run(*arguments, "--json")
        assert told.returncode == 0, told.stderr + told.stdout
        found = json.loads(told.stdout)
        return found if isinstance(found, list) else [found]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("commands") / "work"
    with staged(folder, "--seconds-per-job", "0.3") as stage:
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
        yield House(stage, api, parents, pictures)
        _check_witness(stage)


def _check_witness(stage: Stage) -> None:
    """Nothing was rendered twice, every picture is its own job's, and the token went where it belongs."""
    state = stage.state()
    executed = {entry["nonce"]: entry["job_uuid"] for entry in state["interactions"]}
    pictured = [one for one in stage.manifests() if one["images"] and one["command"] != "show"]
    assert len(pictured) >= 5
    uuids = [one["discord"]["job_uuid"] for one in pictured]
    assert uuids == [executed[one["discord"]["nonce"]] for one in pictured]
    assert len(set(uuids)) == len(uuids)
    assert len({one["nonce"] for one in state["renderings"]}) == len(state["renderings"])
    assert (state["token_leaks"], state["cdn_with_authorization"]) == (0, 0)


def _checked(manifest: dict[str, Any], action: str, parent: str) -> None:
    assert (manifest["state"], manifest["action"], manifest["parent"]) == ("done", action, parent)
    assert len(manifest["images"]) == (4 if _gives_grid(action) else 1)


def _gives_grid(action: str) -> bool:
    return not action.startswith(("U", "upscale", "animate", "extend"))


@pytest.mark.parametrize("kind", FOLLOW_UPS)
def test_every_follow_up_works_from_a_file(house: House, kind: str) -> None:
    parent = house.parents[kind]
    for action in FOLLOW_UPS[kind]:
        name = action.replace(" ", "-")
        house.stage.drop(f"{name}.ready.toml", f'parent = "{parent}"\naction = "{action}"\n')
    for action in FOLLOW_UPS[kind]:
        name = action.replace(" ", "-")
        _checked(house.of_file(f"{name}.ready.toml"), action, parent)


@pytest.mark.parametrize("kind", FOLLOW_UPS)
def test_every_follow_up_works_from_the_command_line(house: House, kind: str) -> None:
    found = house.cli("act", house.parents[kind], *FOLLOW_UPS[kind], "--wait")
    for manifest, action in zip(found, FOLLOW_UPS[kind], strict=True):
        _checked(manifest, action, house.parents[kind])


@pytest.mark.parametrize("kind", FOLLOW_UPS)
def test_every_follow_up_works_from_python(house: House, kind: str) -> None:
    found = house.api.act(house.parents[kind], *FOLLOW_UPS[kind])
    for one, action in zip(found, FOLLOW_UPS[kind], strict=True):
        _checked(one.manifest, action, house.parents[kind])
        assert one.folder.name.endswith(one.manifest["job"])


def _answered(command: str, manifest: dict[str, Any]) -> None:
    assert (manifest["state"], manifest["command"]) == ("done", command)
    if command in {"imagine", "blend", "show"}:
        assert [image["index"] for image in manifest["images"]] == [1, 2, 3, 4]
        assert manifest["text"] is None
    else:
        assert manifest["images"] == []
        assert manifest["text"]
        assert "result.md" in [file["file"] for file in manifest["files"]]


def _uuid(house: House) -> str:
    return str(house.manifest(house.parents[GRID])["discord"]["job_uuid"])


def test_every_command_works_from_a_file(house: House) -> None:
    for path in house.pictures:
        (house.stage.inbox / path.name).write_bytes(path.read_bytes())
    files = {
        "imagine": 'prompt = "a green kite"\nimages = ["red.png"]',
        "blend": 'command = "blend"\nimages = ["red.png", "green.png"]',
        "describe": 'command = "describe"\nimages = ["blue.png"]',
        "shorten": 'command = "shorten"\nprompt = "a very long prompt about a kite"',
        "info": 'command = "info"',
        "show": f'command = "show"\nprompt = "{_uuid(house)}"',
    }
    for command, content in files.items():
        _answered(command, house.file(f"by-file-{command}", content + "\n"))


def test_every_command_works_from_the_command_line(house: House) -> None:
    red, green, _ = map(str, house.pictures)
    asked = {
        "blend": ("ask", "blend", "--image", red, "--image", green),
        "describe": ("ask", "describe", "--image", red),
        "shorten": ("ask", "shorten", "a very long prompt about a kite"),
        "settings": ("ask", "settings"),
        "show": ("ask", "show", _uuid(house)),
    }
    for command, arguments in asked.items():
        _answered(command, house.cli(*arguments)[0])
    _answered("imagine", house.cli("imagine", "a yellow kite")[0])
    assert house.cli("info")[0]["fast_hours_left"] > 0


def test_every_command_works_from_python(house: House) -> None:
    red, green, blue = house.pictures
    _answered("imagine", house.api.imagine("a black kite").manifest)
    _answered("blend", house.api.command("blend", "--ar 2:3", [red, green, blue]).manifest)
    _answered("describe", house.api.command("describe", images=[green]).manifest)
    _answered("shorten", house.api.command("shorten", "a very long prompt about a kite").manifest)
    _answered("info", house.api.command("info").manifest)
    _answered("settings", house.api.command("settings").manifest)
    _answered("show", house.api.command("show", _uuid(house)).manifest)


@pytest.mark.parametrize("command", ACCOUNT)
def test_account_settings_change_from_the_command_line_and_python_but_never_from_a_file(
    house: House, command: str
) -> None:
    text = {"prefer suffix": "--no text", "prefer variability": ""}.get(command, "")
    by_cli = house.cli("ask", command, *([text] if text else []))[0]
    assert by_cli["text"]
    assert house.api.command(command, text).text
    refused = house.file(f"by-file-{command.replace(' ', '-')}", f'command = "{command}"\n')
    assert refused["state"] == "rejected"
    assert "account" in refused["error"]["title"] + refused["error"]["detail"]


def test_a_new_prompt_for_a_button_is_sent_through_the_modal(house: House) -> None:
    (zoomed,) = house.api.act(house.parents[SINGLE], "zoom 1.7x", prompt="a red kite over a lake")
    assert zoomed.manifest["state"] == "done"
    sent = [one for one in house.stage.state()["interactions"] if one["type"] == 5]
    assert "a red kite over a lake" in sent[-1]["prompt"]
    assert "--zoom 1.7" in sent[-1]["prompt"]


def test_an_impossible_request_is_refused_with_a_message_and_nothing_is_sent(house: House) -> None:
    before = len(house.stage.state()["interactions"])
    asked = {
        ("act", house.parents[GRID], "U9"): "U9",
        ("act", house.parents[GRID], "vary stong"): "vary strong",
        ("act", "nobody22", "U1"): "nobody22",
        ("ask", "blend", "--image", str(house.pictures[0])): "two to five",
        (
            "ask",
            "blend",
            *(part for _ in range(6) for part in ("--image", str(house.pictures[0]))),
        ): "two to five",
        ("ask", "dance"): "dance",
        ("ask", "describe", "--image", str(house.stage.config)): "is not a picture",
    }
    for arguments, words in asked.items():
        told = house.stage.run(*arguments)
        assert told.returncode != 0
        assert words in told.stderr, (arguments, told.stderr)
    square = house.file("square-of-a-square", f'parent = "{house.parents[SINGLE_V5]}"\naction = "square"\n')
    nobody = house.file("of-nobody", 'parent = "nobody22"\naction = "U1"\n')
    assert [square["state"], nobody["state"]] == ["rejected", "rejected"]
    assert "nobody22" in nobody["error"]["title"]
    assert len(house.stage.state()["interactions"]) == before
