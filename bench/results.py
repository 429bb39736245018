"""Store results as JSON, one entry per measurement, and put their tables into a page."""

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
    """The result of a measurement. ``at``: its date and time. ``load``: the load of the machine before it."""

    at: str
    machine: str
    load: float
    quick: bool
    figures: tuple[Figure, ...]

    def page(self, earlier: Result | None = None) -> str:
        """Return the table, and when and where it was measured."""
        before = None if earlier is None else {figure.what: figure for figure in earlier.figures}
        note = ", quick, so the figures are not meaningful" if self.quick else ""
        measured = f"{self.at} on {self.machine}; load {self.load:.1f} before{note}."
        return f"{table(self.figures, before, judged=not self.quick)}\n\n{measured}\n"


def read(path: Path) -> dict[str, Result]:
    """Return the results in a file by measurement; none if the file does not exist."""
    if not path.exists():
        return {}
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {name: Result(**{**entry, "figures": _figures(entry["figures"])}) for name, entry in kept.items()}


def write(path: Path, results: Mapping[str, Result]) -> None:
    """Write these results, and replace those in the file."""
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
    """Return the page with these results between their marks; results without a mark are left out."""
    for name, result in results.items():
        before, mark, rest = page.partition(f"<!-- bench: {name} -->\n")
        if mark:
            page = f"{before}{mark}\n{result.page()}\n{_END}{rest.partition(_END)[2]}"
    return page


def refresh_rows(page: str, results: Mapping[str, Result]) -> str:
    """Return the page with all table rows updated that begin with the name of one of these figures."""
    figures = [figure for result in results.values() if not result.quick for figure in result.figures]
    rows = {f"| {figure.what} |": row(figure) for figure in figures}
    lines = page.splitlines(keepends=True)
    return "".join(f"{rows[head]}\n" if (head := _head(line)) in rows else line for line in lines)


def _head(line: str) -> str:
    return f"{line.partition(' |')[0]} |"


def _figures(kept: Sequence[Mapping[str, Any]]) -> tuple[Figure, ...]:
    return tuple(from_data(entry) for entry in kept)
