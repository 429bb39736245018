"""The state diagram in the docs is the table, drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.make_diagram import BEGIN, END, state_diagram, with_diagram
from mjwatch.jobs.state_machine import TABLE

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "architecture.md"


def test_the_diagram_in_the_docs_is_that_of_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_diagram(page), "run `make diagram`"


def test_every_way_that_a_row_names_is_drawn_and_no_other() -> None:
    drawn = {
        (source, target, event)
        for source, target, events in re.findall(
            r"^    (\w+) --> (\w+): (.+)$", state_diagram(), re.MULTILINE
        )
        for event in events.split(", ")
    }
    assert drawn == {
        (str(state), str(target), event.__name__)
        for state, rows in TABLE.items()
        for event, row in rows.items()
        for target in row.to
    }


def test_a_state_without_a_way_out_ends_the_diagram() -> None:
    ends = set(re.findall(r"^    (\w+) --> \[\*\]$", state_diagram(), re.MULTILINE))
    assert ends == {"done", "rejected"}


def test_only_what_is_between_the_markers_changes() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    new = with_diagram(page)
    assert new.startswith(f"before\n{BEGIN}\n```mermaid\nstateDiagram-v2\n")
    assert new.endswith(f"```\n{END}\nafter\n")
    assert with_diagram(new) == new


@pytest.mark.parametrize("page", ["no markers", f"only {BEGIN}", f"only {END}"])
def test_a_page_without_both_markers_is_an_error(page: str) -> None:
    with pytest.raises(ValueError, match="state diagram"):
        with_diagram(page)
