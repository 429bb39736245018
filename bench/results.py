"""Keeps results as JSON, part by part, and puts their tables into a page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.figures import Figure, as_data, from_data, row, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_END = "<!-- end -->"


@dataclass(frozen=True, slots=True)
class Result:
    """What one measurement gave: ``at`` as ISO date and time, ``load`` of the machine when it began."""

    at: str
    machine: str
    load: float
    quick: bool
    figures: tuple[Figure, ...]

    def page(self, earlier: Result | None = None) -> str:
        """The table, and when and where it was measured."""
        before = None if earlier is None else {figure.what: figure for figure in earlier.figures}
        small = ", quick, so that its figures mean nothing" if self.quick else ""
        measured = f"{self.at} on {self.machine}; load {self.load:.1f} before{small}."
        return f"{table(self.figures, before, judged=not self.quick)}\n\n{measured}\n"


def read(path: Path) -> dict[str, Result]:
    """The results in a file, by measurement; none where there is no file."""
    if not path.exists():
        return {}
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {name: Result(**{**one, "figures": _figures(one["figures"])}) for name, one in kept.items()}


def write(path: Path, results: Mapping[str, Result]) -> None:
    """Keep these results, in the place of those that the file had."""
    data = {
        name: {
            "at": result.at,
            "machine": result.machine,
            "load": result.load,
            "quick": result.quick,
            "figures": [as_data(figure) for figure in result.figures],
        }
        for name, result in sorted(results.items())
    }
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def put_into(page: str, results: Mapping[str, Result]) -> str:
    """The page with these results between the marks that name them; what has no mark is left out."""
    for name, result in results.items():
        before, mark, rest = page.partition(f"<!-- bench: {name} -->\n")
        if mark:
            page = f"{before}{mark}\n{result.page()}\n{_END}{rest.partition(_END)[2]}"
    return page


def refresh_rows(page: str, results: Mapping[str, Result]) -> str:
    """The page with each row of a table that begins with the name of one of these figures written again."""
    figures = [figure for result in results.values() if not result.quick for figure in result.figures]
    rows = {f"| {figure.what} |": row(figure) for figure in figures}
    lines = page.splitlines(keepends=True)
    return "".join(f"{rows[head]}\n" if (head := _head(line)) in rows else line for line in lines)


def _head(line: str) -> str:
    return f"{line.partition(' |')[0]} |"


def _figures(kept: Sequence[Mapping[str, Any]]) -> tuple[Figure, ...]:
    return tuple(from_data(one) for one in kept)
