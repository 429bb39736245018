"""Store results as JSON, one entry per measurement, and put their tables into a page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.figures import Figure, as_data, from_data, outcome, row, table

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
        page = _filled(page, name, result.page())
    return page


def updated(page: str, new: Mapping[str, Result], kept: Mapping[str, Result]) -> str:
    """Return the page with the new results in tables and rows, and the summary of all that are kept."""
    return _filled(refresh_rows(put_into(page, new), new), "aims", summary(kept))


def summary(results: Mapping[str, Result]) -> str:
    """Return how many aims are met, and a line for each that is missed. Quick results have no aims."""
    judged = [
        (name, figure)
        for name, result in sorted(results.items())
        for figure in result.figures
        if figure.met is not None and not result.quick
    ]
    missed = [(name, figure) for name, figure in judged if not figure.met]
    said = f"{len(judged) - len(missed)} of {len(judged)} aims are met."
    if not missed:
        return f"{said}\n"
    lines = [f"- {name}: {figure.what}: {outcome(figure)}" for name, figure in missed]
    return "\n".join([f"{said} Missed:", "", *lines, ""])


def _filled(page: str, name: str, text: str) -> str:
    before, mark, rest = page.partition(f"<!-- bench: {name} -->\n")
    return f"{before}{mark}\n{text}\n{_END}{rest.partition(_END)[2]}" if mark else page


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
