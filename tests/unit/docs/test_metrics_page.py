"""The page on metrics and the dashboard name every metric, and none that does not exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mjwatch.host.metrics import render
from tests.helpers.metrics_text import samples_in
from tests.unit.host.test_metrics import NOW, facts

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"
_METRIC = re.compile(r"\bmjwatch_[a-z_]+")


def _metrics() -> set[str]:
    everything = facts(paused="a captcha", paused_kind="account", fast_hours=1.0)
    return set(samples_in(render(everything, NOW, up=True)))


def test_the_page_names_every_metric_and_no_other() -> None:
    page = (HOW_TO / "metrics.md").read_text("utf-8")
    assert set(_METRIC.findall(page)) == _metrics()


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    dashboard = json.loads((HOW_TO / "grafana-dashboard.json").read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert {name for query in queries for name in _METRIC.findall(query)} == _metrics()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in dashboard["panels"])
