"""Writes the table of packages in docs/explanation/architecture.md from their docstrings."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1] / "mjwatch"
PAGE = Path(__file__).parent / "explanation" / "architecture.md"

ORDER = (
    *(
        "cli",
        "cli/shell",
        "client",
        "engine",
        "workers",
        "diagnostics",
        "gallery",
        "journal",
        "outbox",
        "inbox",
    ),
    *("jobs", "midjourney", "midjourney/parsing", "midjourney/matching", "discord", "host", "prompts"),
    *("pictures", "filesystem", "settings", ".", "simulator"),
    *(
        f"simulator/{name}"
        for name in ("gateway", "http", "cdn", "faults", "messages", "midjourney", "replay")
    ),
)
"""From the top, as imports go (modules of ``.`` stand at several heights); the other program comes last."""

TOP = "Entry points, the composition root, and the values that every package may import."
"""For ``.``, whose docstring says what the program is for."""

BEGIN = "<!-- packages: begin (written by `make diagram`) -->\n"
END = "<!-- packages: end -->"


def page() -> str:
    """The whole page, with the table that the code has now."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{table()}\n{END}{rest.partition(END)[2]}"


def table() -> str:
    """A row for each package. Raises ValueError where a package is missing in ORDER, or is none."""
    found = {str(init.parent.relative_to(ROOT)): init for init in ROOT.rglob("__init__.py")}
    if set(found) != set(ORDER):
        raise ValueError(f"ORDER and the packages differ in {set(found) ^ set(ORDER)}")
    return "\n".join(["| package | what it holds |", "|---|---|", *map(_row, ORDER)])


def _row(package: str) -> str:
    doc = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text("utf-8"))) or ""
    holds = TOP if package == "." else " ".join(doc.partition("\n\n")[0].split()).replace("``", "`")
    return f"| `{'mjwatch' if package == '.' else package}` | {holds} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
