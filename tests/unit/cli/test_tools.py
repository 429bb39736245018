"""The tools ``explain`` and ``split``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.command_result import CommandResult


def test_explain_reads_standard_input_and_files_alike(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    file = tmp_path / "message.json"
    file.write_text('{"event": "MESSAGE_CREATE", "payload": {"id": "1"}}')
    assert json.loads(mjwatch("explain", str(file)).out)["kind"] == "other"
    file.write_text("[")
    result = mjwatch("explain", str(file))
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert mjwatch("explain", str(tmp_path / "none")).code == 1


def test_split_prints_the_files_that_it_wrote(mjwatch: Callable[..., CommandResult], tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (6, 4), "teal").save(tmp_path / "grid.png")
    made = json.loads(mjwatch("split", str(tmp_path / "grid.png"), "--json").out)
    assert [Path(one["file"]).name for one in made] == [f"grid_{number}.png" for number in (1, 2, 3, 4)]
    assert {(one["width"], one["height"], one["format"]) for one in made} == {(3, 2, "png")}
    assert all(Path(one["file"]).exists() for one in made)
    result = mjwatch("split", str(tmp_path / "config.toml"))
    assert (result.code, result.err.count("\n")) == (1, 1)
