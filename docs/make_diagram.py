"""Draw the table of a job's life as a Mermaid state diagram for the docs. Pure.

``make diagram`` writes it into ``docs/explanation/architecture.md``, between two marker lines; a test
compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mjwatch.jobs.state_machine import TABLE
from mjwatch.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "explanation" / "architecture.md"

BEGIN = "<!-- state diagram: begin (written by `make diagram`) -->"
END = "<!-- state diagram: end -->"

FIRST = (State.QUEUED, State.REJECTED)
"""States in which a job can begin: a prompt that was read, and a file that could not be."""


def state_diagram() -> str:
    """The table as Mermaid text: one arrow for each pair of states, named by the events that lead there."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {state}" for state in FIRST)]
    for state in TABLE:
        arrows = list(_arrows(state))
        lines += arrows or [f"    {state} --> [*]"]
    return "\n".join(lines)


def with_diagram(text: str) -> str:
    """The document with the diagram between its two markers. Raises ValueError if one is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document lacks the line {END if begin else BEGIN}")
    return f"{before}{BEGIN}\n```mermaid\n{state_diagram()}\n```\n{END}{after}"


def _arrows(state: State) -> Iterator[str]:
    """The arrows out of this state; events that leave a job where it is are not drawn."""
    events: dict[State, list[str]] = {}
    for event, row in TABLE[state].items():
        for target in row.to:
            events.setdefault(target, []).append(event.__name__)
    for target, names in events.items():
        yield f"    {state} --> {target}: {', '.join(names)}"


if __name__ == "__main__":
    PAGE.write_text(with_diagram(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
