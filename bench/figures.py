"""Figures of measurements, each next to the value that it is compared with in the same run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of a table. Values are medians, unless ``what`` specifies something else.

    The ratio is the value divided by the ``other`` value; with ``faster`` it is the inverse. An aim applies
    to the ratio if there is an ``other`` value, and otherwise to the value itself.
    """

    what: str
    value: float
    unit: str = ""
    other: float | None = None
    beside: str = ""
    """A description of the other value."""
    at_most: float | None = None
    at_least: float | None = None
    faster: bool = False

    @property
    def ratio(self) -> float | None:
        """The ratio to the other value, if there is one."""
        if self.other is None or 0 in (self.value, self.other):
            return None
        return self.other / self.value if self.faster else self.value / self.other

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without an aim."""
        found = self.value if self.other is None else self.ratio
        if found is None or (self.at_most is None and self.at_least is None):
            return None
        return found <= self.at_most if self.at_most is not None else found >= (self.at_least or 0.0)


def table(
    figures: Sequence[Figure], earlier: Mapping[str, Figure] | None = None, *, judged: bool = True
) -> str:
    """Return the figures as a Markdown table.

    ``earlier``: the figures of an earlier run by ``what``. ``judged``: show whether the aims are met.
    """
    heads = ["", "value", "comparison", "ratio", "aim", ""] + (["earlier"] if earlier else [])
    lines = [_line(heads), _line(["---", "---:", "---", "---:", "---:", "---"] + ["---:"] * bool(earlier))]
    for figure in figures:
        before = (earlier or {}).get(figure.what)
        lines.append(_line(_cells(figure, judged=judged) + ([_earlier(before)] if earlier else [])))
    return "\n".join(lines)


def row(figure: Figure) -> str:
    """Return the row of a table without an earlier run."""
    return _line(_cells(figure, judged=True))


def outcome(figure: Figure) -> str:
    """Return what was found and what was aimed at: ``7.9x, aim ≥ 10x``."""
    return f"{_times(figure.ratio) or formatted(figure.value, figure.unit)}, aim {_aim(figure)}"


def _cells(figure: Figure, *, judged: bool) -> list[str]:
    return [
        figure.what,
        formatted(figure.value, figure.unit),
        "" if figure.other is None else f"{formatted(figure.other, figure.unit)} {figure.beside}".strip(),
        _times(figure.ratio),
        _aim(figure),
        {None: "", True: "met", False: "**missed**"}[figure.met if judged else None],
    ]


def formatted(value: float, unit: str) -> str:
    """Return a number with three significant digits; a count as it is."""
    if isinstance(value, int):
        return f"{value:,} {unit}".strip()
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}".strip()


def as_data(figure: Figure) -> dict[str, Any]:
    """Return a figure for a JSON file, with the derived values."""
    return asdict(figure) | {"ratio": figure.ratio, "met": figure.met}


def from_data(data: Mapping[str, Any]) -> Figure:
    """Return the figure from which ``as_data`` made this data."""
    return Figure(**{key: value for key, value in data.items() if key not in {"ratio", "met"}})


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.{0 if ratio >= 100 else 1 if ratio >= 4 else 2}f}x"


def _aim(figure: Figure) -> str:
    limit = figure.at_most if figure.at_most is not None else figure.at_least
    if limit is None:
        return ""
    sign = "≤" if figure.at_most is not None else "≥"
    return f"{sign} {limit:g}{'x' if figure.other is not None else f' {figure.unit}'}".rstrip()


def _earlier(figure: Figure | None) -> str:
    if figure is None:
        return ""
    return _times(figure.ratio) or formatted(figure.value, figure.unit)
