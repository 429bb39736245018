"""The command ``submit``, which drops prompts into the inbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.command_result import CommandResult


def test_a_text_is_dropped_as_a_file_with_just_this_prompt(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    result = mjwatch("submit", "a  cat\non a mat --ar 3:2")
    assert (result.code, result.out) == (0, f"{tmp_path}/inbox/a-cat-on-a-mat.ready.txt\n")
    assert "No daemon runs" in result.err
    assert (tmp_path / "inbox/a-cat-on-a-mat.ready.txt").read_text() == "a cat on a mat --ar 3:2\n"


def test_a_text_that_looks_like_a_comment_is_a_prompt(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    mjwatch("submit", '# a "cat"')
    assert (tmp_path / "inbox/a-cat.ready.toml").read_text() == 'prompt = "# a \\"cat\\""\n'


def test_a_text_may_stand_for_several_prompts(mjwatch: Callable[..., CommandResult], tmp_path: Path) -> None:
    (tmp_path / "inbox/_wildcards").mkdir()
    (tmp_path / "inbox/_wildcards/colour.txt").write_text("red\nblue\n")
    assert mjwatch("submit", r"a {big, small} __colour__ \__cat__").code == 0
    (dropped,) = (tmp_path / "inbox").glob("*.txt")
    assert dropped.read_text() == "a {big, small} __colour__ \\__cat__\n"


def test_a_file_that_names_pictures_is_not_dropped_without_them(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    file = tmp_path / "cat.toml"
    file.write_text('prompt = "a cat"\nimages = ["a.png"]\n')
    result = mjwatch("submit", str(file))
    assert result.code == 1
    assert "copy it with its pictures into the inbox" in result.err
    assert not list((tmp_path / "inbox").iterdir())


def test_the_same_text_twice_is_two_files(mjwatch: Callable[..., CommandResult], tmp_path: Path) -> None:
    mjwatch("submit", "a cat")
    mjwatch("submit", "a cat", "--json")
    assert sorted(path.name for path in (tmp_path / "inbox").iterdir()) == [
        "a-cat-2.ready.txt",
        "a-cat.ready.txt",
    ]


def test_a_file_is_dropped_unchanged_and_its_probable_slips_are_noted(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    file = tmp_path / "two.list.txt"
    file.write_bytes("a cat --stylize 5000\r\na dog\r\n".encode("utf-16"))
    result = mjwatch("submit", str(file), "--json")
    dropped = Path(json.loads(result.out)["file"])
    assert dropped.name == "two.list.ready.txt"
    assert dropped.read_bytes() == file.read_bytes()
    assert result.err.startswith("note: line 1: ")


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("missing.txt", "can't be read"),
        ("", "the prompt is empty"),
        ("a {red, blue cat", "a { is not closed"),
        ("a __colour__ cat", "there is no wildcard colour"),
        ("caf\udce9", "control character"),
        ("word " * 1400, "6999 characters"),
        ("/", "is the name of a file or folder"),
        ("./no-such-folder", "is the name of a file or folder"),
        (str(Path(__file__).parent), "is the name of a file or folder"),
        (__file__, "is the name of a file or folder"),
    ],
)
def test_what_is_not_a_prompt_is_never_sent(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, argument: str, words: str
) -> None:
    result = mjwatch("submit", argument)
    assert result.code == 1
    assert words in result.err
    assert result.err.count("\n") == 1
    assert not list((tmp_path / "inbox").iterdir())


def test_waiting_needs_a_daemon(mjwatch: Callable[..., CommandResult], tmp_path: Path) -> None:
    result = mjwatch("submit", "a cat", "--wait")
    assert (result.code, result.out) == (3, "")
    assert not list((tmp_path / "inbox").iterdir())
