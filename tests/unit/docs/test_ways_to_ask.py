"""The table of what to write has every command and follow-up in each way to ask, and each asks for that."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.errors import PromptFileError
from mjwatch.model import References
from mjwatch.prompts.promptfile import read_prompt_file
from tests.scenarios.test_commands import ACCOUNT, COMMANDS, FOLLOW_UPS

if TYPE_CHECKING:
    from mjwatch.model import Prompt

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "commands.md"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)

_ROW = re.compile(r"^\| `([^`]+)`[^|]* \| ([^|]+) \| `mjwatch ([^|]+)` \| `api\.([^|]+)` \|$", re.MULTILINE)

TEXT = PAGE.read_text("utf-8")
ROWS = {name: (file, cli, python) for name, file, cli, python in _ROW.findall(TEXT)}
FOLLOW_UP, OTHER = "FOLLOW-UP", "ACCOUNT"
"""In the rows that any follow-up, and any command without a row of its own, share: stand for its name."""

ACTIONS = [action for actions in FOLLOW_UPS.values() for action in actions]


def _called(python: str) -> tuple[str, list[str]]:
    """The method that a cell calls, and the texts that it hands over."""
    (statement,) = ast.parse(python).body
    assert isinstance(statement, ast.Expr)
    call = statement.value
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Name)
    return call.func.id, [ast.literal_eval(argument) for argument in call.args]


def _row(name: str, shared: str) -> tuple[str, str, str]:
    """The cells for this name: of its own row, or of the shared one with the name filled in."""
    file, cli, python = ROWS.get(name) or ROWS[shared]
    return file.replace(shared, name), cli.replace(shared, name), python.replace(shared, name)


def _read(cell: str) -> Prompt:
    lines = "\n".join(re.findall(r"`([^`]+)`", cell)) + "\n"
    around = References(images={"a.png": PNG, "b.png": PNG})
    (prompt,) = read_prompt_file(lines.encode(), "wish.toml", references=around).prompts
    return prompt


def test_the_tables_have_all_that_is_run_in_each_way_and_nothing_else() -> None:
    assert set(ROWS) == {FOLLOW_UP, OTHER, "prefer suffix", *COMMANDS} - {"settings"}
    assert _named("Follow-ups") == sorted(ACTIONS)
    assert _named("Commands") == sorted([*COMMANDS, *ACCOUNT])


def _named(heading: str) -> list[str]:
    """What the first column of a section's table names."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return sorted(name for cell in cells for name in re.findall(r"`([^`]+)`", cell))


@pytest.mark.parametrize("name", ACTIONS)
def test_a_follow_ups_cells_ask_for_it(name: str) -> None:
    file, cli, python = _row(name, FOLLOW_UP)
    read = _read(file)
    assert (read.action, read.parent) == (name, "7k3f9a2m")
    assert shlex.split(cli) == ["act", "7k3f9a2m", name]
    assert _called(python) == ("act", ["7k3f9a2m", name])


@pytest.mark.parametrize("name", [*COMMANDS, *ACCOUNT])
def test_a_commands_cells_ask_for_it(name: str) -> None:
    file, cli, python = _row(name, OTHER)
    verb, *words = shlex.split(cli)
    if file == "no":
        with pytest.raises(PromptFileError):
            read_prompt_file(f'command = "{name}"\n'.encode(), "wish.toml")
    else:
        assert _read(file).command == name
    assert verb in {"imagine", "info"} or (verb, words[0]) == ("ask", name)
    method, arguments = _called(python)
    assert (method, arguments[0]) == (("imagine", "a red kite") if name == "imagine" else ("command", name))
