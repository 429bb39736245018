"""The page on prompt files: each example is a file, and becomes just what is shown below it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mjwatch.cli.expand import preview_lines
from mjwatch.inbox.references import preview
from mjwatch.prompts.commands import file_commands
from mjwatch.prompts.promptfile import referenced_names
from mjwatch.prompts.tomlfile import DEFAULT_KEYS, KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "prompt-files.md").read_text(encoding="utf-8")

_BLOCK = re.compile(
    r"(?:^`(?P<name>[\w./]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Example(NamedTuple):
    """Files by name, the last of which is expanded, and what the page shows for it."""

    files: dict[str, str]
    expanded: str


def _examples() -> Iterator[Example]:
    files: dict[str, str] = {}
    for block in _BLOCK.finditer(PAGE):
        if block["name"]:
            files[block["name"]] = block["text"]
        else:
            assert block["kind"] == "expanded"
            yield Example(files, block["text"])
            files = {}


EXAMPLES = list(_examples())


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times without a zone are those of the machine, and are shown so."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_page_has_an_example_of_every_kind_of_file_and_nothing_else() -> None:
    assert PAGE.count("```") == 2 * sum(len(example.files) + 1 for example in EXAMPLES) > 80
    assert {name.split(".")[-1] for example in EXAMPLES for name in example.files} == {"txt", "toml", "json"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: next(reversed(example.files)))
def test_a_file_on_the_page_becomes_what_the_page_shows(
    example: Example, tmp_path: Path, in_tokyo: None
) -> None:
    for name, text in example.files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for picture in referenced_names(text.encode(), path.name).images:
            (path.parent / picture).parent.mkdir(parents=True, exist_ok=True)
            (path.parent / picture).write_bytes(b"\x89PNG\r\n\x1a\n")
    found = preview(tmp_path / next(reversed(example.files)), tmp_path, 100)
    assert "".join(f"{line}\n" for line in preview_lines(found)) == example.expanded
    assert found.warnings == ()


def test_the_page_tells_every_key_and_shows_it_in_an_example() -> None:
    shown = "\n".join(text for example in EXAMPLES for text in example.files.values())
    missing = [key for key in KEYS if f"`{key}`" not in PAGE and f"`[{key}]`" not in PAGE]
    assert missing == []
    assert [key for key in KEYS if not re.search(rf"^(\[|\[\w+\.)?{key}\b", shown, re.MULTILINE)] == []
    defaults = PAGE.partition("## Defaults of a folder")[2].partition("\n## ")[0]
    assert [key for key in DEFAULT_KEYS if f"`{key}`" not in defaults and f"`[{key}]`" not in defaults] == []


def test_the_page_tells_every_command_and_shows_it_in_an_example() -> None:
    commands = PAGE.partition("## Other commands")[2].partition("\n## ")[0]
    for command in file_commands():
        assert f"`{command}`" in PAGE
        assert command == "imagine" or f'command = "{command}"' in commands
