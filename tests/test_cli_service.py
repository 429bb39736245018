"""The verbs that set it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.told import Told

ADDRESS = "https://discord.com/channels/1111000000000000002/1111000000000000003"


def test_init_asks_nothing_with_yes_and_never_writes_over_anything(
    mjwatch: Callable[..., Told], tmp_path: Path
) -> None:
    folder = tmp_path / "new place"
    assert mjwatch("init", "--yes", "--folder", str(folder)).code == 2
    told = mjwatch("init", "--yes", "--folder", str(folder), "--channel", ADDRESS)
    assert told.code == 0
    assert f"--config '{folder}/config.toml' check" in told.out
    assert (folder / "keys/API_channel_id.key").read_text() == "1111000000000000003\n"
    told = mjwatch("init", "--folder", str(folder))
    assert (told.code, told.out) == (3, "")


def test_init_asks_again_for_an_address_that_is_none(
    mjwatch: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["y", "http://example.org", ADDRESS])
    monkeypatch.setattr("typer._click.termui.visible_prompt_func", lambda prompt: next(answers))
    monkeypatch.setattr("typer._click.termui.hidden_prompt_func", lambda prompt: "aaaa.bbbb.cccc")
    told = mjwatch("init", "--folder", str(tmp_path / "new"))
    assert told.code == 0
    assert "is not the address of a Discord channel" in told.out + told.err
    assert (tmp_path / "new/keys/authToken.key").read_text() == "aaaa.bbbb.cccc\n"
    assert "aaaa.bbbb.cccc" not in told.out + told.err
