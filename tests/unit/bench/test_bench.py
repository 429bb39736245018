"""Results of measurements become a table in a page, and a file for comparison with later runs."""

from __future__ import annotations

import re
from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from bench import __main__ as bench
from bench import results
from bench.__main__ import MEASUREMENTS, ON_REQUEST, OutOfTime
from bench.figures import Figure, formatted, table
from bench.results import Result

if TYPE_CHECKING:
    from pathlib import Path

TABLES, JSON, PAGE = "bench/RESULTS.md", "bench/results.json", "docs/explanation/performance.md"


@pytest.mark.parametrize(
    ("figure", "ratio", "met"),
    [
        (Figure("cost", 12.0, "ms", 10.0, at_most=1.15), 1.2, False),
        (Figure("cost", 11.0, "ms", 10.0, at_most=1.15), 1.1, True),
        (Figure("speed", 2.0, "ms", 13.0, at_least=6, faster=True), 6.5, True),
        (Figure("speed", 2.0, "ms", 11.0, at_least=6, faster=True), 5.5, False),
        (Figure("memory", 121.0, "MiB", at_most=120), None, False),
        (Figure("rate", 25.0, "/s", at_least=20), None, True),
        (Figure("without aim", 25.0, "ms", 50.0, "elsewhere"), 0.5, None),
        (Figure("compared with zero", 25.0, "ms", 0.0, at_most=2), None, None),
    ],
    ids=lambda value: value.what if isinstance(value, Figure) else "",
)
def test_an_aim_applies_to_the_ratio_or_else_to_the_value(
    figure: Figure, ratio: float | None, met: bool | None
) -> None:
    assert figure.ratio == (None if ratio is None else pytest.approx(ratio))
    assert figure.met is met


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234 ms"), (0, "0 ms"), (99.95, "100.0 ms"), (1.234, "1.23 ms"), (0.0123, "0.012 ms")],
)
def test_values_have_three_significant_digits(value: float, text: str) -> None:
    assert formatted(value, "ms") == text


def test_a_table_marks_missed_aims_unless_its_figures_are_not_judged() -> None:
    figures = [Figure("cost", 12.0, "ms", 10.0, "a script", at_most=1.15)]
    assert "| cost | 12.0 ms | 10.0 ms a script | 1.20x | ≤ 1.15x | **missed** |" in table(figures)
    assert "missed" not in table(figures, judged=False)
    earlier = {"cost": Figure("cost", 11.0, "ms", 10.0)}
    assert table(figures, earlier).splitlines()[-1].endswith("| **missed** | 1.10x |")


def test_results_are_stored_and_read_per_measurement(tmp_path: Path) -> None:
    one = Result(
        "2026-01-01 00:00 UTC", "a machine", 0.5, False, (Figure("cost", 1.0, "ms", 2.0, at_most=1),)
    )
    path = tmp_path / "results.json"
    assert results.read(path) == {}
    results.write(path, {"split": one})
    results.write(path, results.read(path) | {"gap": one})
    assert results.read(path) == {"split": one, "gap": one}


def test_a_page_gets_the_tables_that_it_has_marks_for() -> None:
    page = "# Page\n<!-- bench: split -->\nold\n<!-- end -->\ntext\n<!-- bench: gap -->\n<!-- end -->\n"
    one = Result("today", "a machine", 0.5, False, (Figure("cost", 1.0, "ms"),))
    first = results.put_into(page, {"split": one, "nowhere": one})
    assert "old" not in first
    assert re.search(
        r"split -->\n\n\|.*cost.*a machine.*\n<!-- end -->\ntext\n<!-- bench: gap", first, re.DOTALL
    )
    assert results.put_into(first, {"split": one}) == first


def test_every_measurement_has_a_mark_in_the_page(pytestconfig: pytest.Config) -> None:
    page = (pytestconfig.rootpath / TABLES).read_text(encoding="utf-8")
    assert re.findall(r"<!-- bench: (\w+) -->", page) == sorted(
        ("aims", *MEASUREMENTS, *ON_REQUEST), key=lambda name: page.index(f"<!-- bench: {name} -->")
    )


def test_the_performance_page_quotes_only_rows_of_the_results(pytestconfig: pytest.Config) -> None:
    page = (pytestconfig.rootpath / PAGE).read_text(encoding="utf-8")
    tables = (pytestconfig.rootpath / TABLES).read_text(encoding="utf-8").splitlines()
    quoted = re.findall(r"^\| .*x \|.*$", page, re.MULTILINE)
    assert len(quoted) > 10
    assert [line for line in quoted if line not in tables] == []
    kept = results.read(pytestconfig.rootpath / JSON)
    assert results.updated(page, kept, kept) == page


def test_the_pages_say_which_aims_are_missed_by_the_stored_results(pytestconfig: pytest.Config) -> None:
    kept = results.read(pytestconfig.rootpath / JSON)
    for page in (TABLES, PAGE):
        text = (pytestconfig.rootpath / page).read_text(encoding="utf-8")
        assert f"<!-- bench: aims -->\n\n{results.summary(kept)}\n<!-- end -->" in text
    missed = [figure.what for result in kept.values() for figure in result.figures if figure.met is False]
    assert all(what in results.summary(kept) for what in missed)


def a_result(*figures: Figure, quick: bool = False) -> Result:
    return Result("today", "a machine", 0.5, quick, figures)


def test_a_summary_counts_the_aims_and_names_those_that_are_missed() -> None:
    met, missed = Figure("memory", 99.0, "MiB", at_most=120), Figure("cost", 3.0, "ms", 2.0, at_most=1.15)
    assert results.summary({"start": a_result(met, Figure("no aim", 1.0))}) == "1 of 1 aims are met.\n"
    assert results.summary({"trip": a_result(missed), "start": a_result(met)}) == (
        "1 of 2 aims are met. Missed:\n\n- trip: cost: 1.50x, aim ≤ 1.15x\n"
    )
    assert results.summary({"trip": a_result(missed, quick=True)}) == "0 of 0 aims are met.\n"


def test_a_measurement_that_fails_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(name: str, quick: bool) -> tuple[str, Result]:
        if name == "gap":
            raise RuntimeError("never happened: the job")
        if name == "trip":
            raise OutOfTime("trip has taken more than 1800 s")
        return name, a_result(Figure(name, 1.0, "ms"))

    stored = tmp_path / "results.json"
    page = tmp_path / "page.md"
    page.write_text("<!-- bench: start -->\n<!-- end -->\n", encoding="utf-8")
    results.write(stored, {"split": a_result(Figure("split", 1.0, "ms"))})
    options = Namespace(what=["gap", "trip", "start"], quick=False, json=stored, page=[page])
    monkeypatch.setattr(bench, "measured", measured)
    assert bench._measure(options, {}) == ["gap", "trip"]
    assert set(results.read(stored)) == {"split", "start"}
    assert "| start | 1.00 ms |" in page.read_text(encoding="utf-8")
    assert "never happened: the job" in capsys.readouterr().err


def test_only_rows_that_begin_with_a_figure_are_refreshed() -> None:
    page = "| | here |\n| cost | old |\n| costs | old |\ncost\n"
    one = Result("today", "a machine", 0.5, False, (Figure("cost", 1.0, "ms"),))
    assert results.refresh_rows(page, {"split": one}) == (
        "| | here |\n| cost | 1.00 ms |  |  |  |  |\n| costs | old |\ncost\n"
    )
