"""Prints the lowest version of each library that pyproject.toml allows, as constraints for pip."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

EXTRAS = ("demo", "metrics", "notify")
_BOUND = re.compile(r"([\w.-]+)>=([\w.]+)(?:; .*)?$")


def constraints(pyproject: str) -> list[str]:
    """Return ``name==version`` for each library that mjwatch, its simulator or one of its extras needs.

    Raise ValueError for a library without a lower bound: nobody knows whether its old versions work.
    """
    project = tomllib.loads(pyproject)["project"]
    found = []
    extras = [project["optional-dependencies"].get(name, ()) for name in EXTRAS]
    for needed in chain(project["dependencies"], *extras):
        bound = _BOUND.match(needed)
        if bound is None:
            raise ValueError(f"{needed} has no lower bound")
        found.append(f"{bound[1]}=={bound[2]}")
    return found


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    print("\n".join(constraints((root / "pyproject.toml").read_text(encoding="utf-8"))))
