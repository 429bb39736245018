"""The simulator is a separate program, and its page of the docs is correct."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from mjwatch.simulator.__main__ import _parser
from mjwatch.simulator.faults.catalogue import CATALOGUE
from mjwatch.simulator.world import BOT_TOKEN, USER_TOKEN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/simulator.md").read_text(encoding="utf-8")


def _imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports by a relative name"
            names.add(str(node.module))
    ours = {name for name in names if name.partition(".")[0] == "mjwatch"}
    return {name for name in ours if not name.startswith("mjwatch.simulator")}


def test_it_imports_only_discords_numbers_from_the_service() -> None:
    files = sorted((ROOT / "mjwatch/simulator").rglob("*.py"))
    assert len(files) > 20
    assert set().union(*(_imported(file) for file in files)) == {"mjwatch.discord.protocol"}


def test_the_page_names_every_fault_once_and_no_other() -> None:
    section = PAGE.partition("\n## Faults\n")[2].partition("\n## ")[0]
    named = re.findall(r"`(\w+)`", section.partition("\n- ")[2])
    assert sorted(named) == sorted(CATALOGUE)


def test_the_page_names_every_option_and_both_tokens() -> None:
    options = {option for action in _parser()._actions for option in action.option_strings}
    for option in options - {"-h", "--help"}:
        assert f"`{option}" in PAGE
    assert USER_TOKEN in PAGE
    assert BOT_TOKEN in PAGE


def test_every_fault_is_used_in_a_test_of_the_simulator() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name in CATALOGUE if f'"{name}' not in tests] == []
