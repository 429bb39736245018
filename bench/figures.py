"""What measurements give: figures, each beside what it is held against in the same run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table; medians, unless ``what`` says otherwise.

    The ratio tells how many times as much as the other value this one is; ``faster``: how many times less.
    An aim is for the ratio where there is an ``other`` value, else for the value itself.
    """

    what: str
    value: float
    unit: str = ""
    other: float | None = None
    beside: str = ""
    """What the other value is."""
    at_most: float | None = None
    at_least: float | None = None
    faster: bool = False

    @property
    def ratio(self) -> float | None:
        """Against the other value, if there is one."""
        if self.other is None or 0 in (self.value, self.other):
            return None
        return self.other / self.value if self.faster else self.value / self.other

    @property
    def met(self) -> bool | None:
        """Whether the aim is reached; None where there is none."""
        found = self.value if self.other is None else self.ratio
        if found is None or (self.at_most is None and self.at_least is None):
            return None
        return found <= self.at_most if self.at_most is not None else found >= (self.at_least or 0.0)


def table(
    figures: Sequence[Figure], earlier: Mapping[str, Figure] | None = None, *, judged: bool = True
) -> str:
    """As Markdown. ``earlier``: the same figures of another run, by what they are.

    ``judged``: told whether the aims are reached.
    """
    heads = ["", "here", "beside it", "ratio", "aim", ""] + (["earlier"] if earlier else [])
    lines = [_line(heads), _line(["---", "---:", "---", "---:", "---:", "---"] + ["---:"] * bool(earlier))]
    for figure in figures:
        before = (earlier or {}).get(figure.what)
        lines.append(_line(_cells(figure, judged=judged) + ([_earlier(before)] if earlier else [])))
    return "\n".join(lines)


def row(figure: Figure) -> str:
    """One line of a table without an earlier run."""
    return _line(_cells(figure, judged=True))


def _cells(figure: Figure, *, judged: bool) -> list[str]:
    return [
        figure.what,
        shown(figure.value, figure.unit),
        "" if figure.other is None else f"{shown(figure.other, figure.unit)} {figure.beside}".strip(),
        _times(figure.ratio),
        _aim(figure),
        {None: "", True: "met", False: "**short**"}[figure.met if judged else None],
    ]


def shown(value: float, unit: str) -> str:
    """With three figures that count."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}".strip()


def as_data(figure: Figure) -> dict[str, Any]:
    """For a JSON file, with what follows from it."""
    return asdict(figure) | {"ratio": figure.ratio, "met": figure.met}


def from_data(data: Mapping[str, Any]) -> Figure:
    """What ``as_data`` made."""
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
    return _times(figure.ratio) or shown(figure.value, figure.unit)
