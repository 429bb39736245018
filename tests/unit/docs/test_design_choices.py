"""The page on why it is so accounts for each library, and says where the names of old are now."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "explanation" / "design-choices.md").read_text("utf-8")


def _named(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return found[0].lower()


def test_every_library_is_accounted_for_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [project["optional-dependencies"][name] for name in ("demo", "metrics", "notify")]
    wanted = {_named(one) for one in [*project["dependencies"], *chain(*extras)]}
    rows = re.findall(r"^\| ([\w, -]+) \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE)
    told = {name.strip().lower() for row in rows for name in row.split(",")} - {"library", "then"}
    assert told == wanted


def test_every_name_that_is_told_leads_to_something() -> None:
    names = set(re.findall(r"`(mjwatch\.[\w.]+)`", PAGE))
    assert len(names) > 10
    for name in names:
        parts = name.split(".")
        depth = next(n for n, part in enumerate([*parts, "X"]) if part[:1].isupper() or n == len(parts))
        if depth == len(parts):  # a function: its module is all but the last
            depth -= 1
        thing: object = import_module(".".join(parts[:depth]))
        for part in parts[depth:]:
            thing = getattr(thing, part)
