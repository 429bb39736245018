"""The metrics file: a parser of Prometheus' format reads it, and it shows that the service lives.

Seen to catch: no last version at the stop; no version while nothing changes; an error that ends the thread;
an unknown figure written as 0; a label's value that is not escaped.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.errors import ConfigError
from mjwatch.host import metrics, platform
from mjwatch.host.metrics import MetricsFile, render
from mjwatch.journal.overview import overview
from mjwatch.journal.statistics import PHASES
from mjwatch.model import ENDED, State
from mjwatch.trouble import Trouble, TroubleKind, trouble_facts
from tests.helpers.metrics_text import Samples, samples_in
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0


def facts(**changes: Any) -> dict[str, Any]:
    """Return what the service collects: the summary of an empty journal, and figures."""
    found = overview(None, daemon=True, max_per_day=200, now=NOW)
    figures = {
        "states": {str(state): number for number, state in enumerate(State)},
        "queue_age": 12.5,
        "phases": {phase: [3.0, 1.0, 2.0] for phase in PHASES},
        "fast_hours": None,
        "disks": {"outbox": 1 << 30, "state": None},
    }
    return {**found, **figures, **changes}


def rendered(*, up: bool = True, **changes: Any) -> Samples:
    return samples_in(render(facts(**changes), NOW, up=up))


def test_every_figure_is_in_the_file() -> None:
    found = rendered(
        connected_since=NOW - 60,
        sent_in_24h=7,
        fast_hours=3.25,
        **trouble_facts([Trouble(TroubleKind.OWNER, "not ours")]),
    )
    assert found["mjwatch_up"] == {(): 1}
    assert found["mjwatch_last_sign_of_life_timestamp_seconds"] == {(): NOW}
    assert found["mjwatch_gateway_up"] == {(): 1}
    assert found["mjwatch_trouble"] == {
        (str(kind),): int(kind is TroubleKind.INBOX) for kind in TroubleKind if kind is not TroubleKind.OWNER
    }
    assert found["mjwatch_disk_free_bytes"] == {("outbox",): 1 << 30}
    assert found["mjwatch_submissions_last_day"] == {(): 7}
    assert found["mjwatch_submissions_daily_limit"] == {(): 200}
    assert found["mjwatch_fast_hours_left"] == {(): 3.25}
    assert found["mjwatch_queue_age_seconds"] == {(): 12.5}
    numbers = {(str(state),): number for number, state in enumerate(State)}
    assert found["mjwatch_open_jobs"] | found["mjwatch_ended_jobs"] == numbers
    assert {label for (label,) in found["mjwatch_ended_jobs"]} == ENDED
    assert {measures for measures in found["mjwatch_phase_seconds"].items() if "running" in measures[0]} == {
        (("median", "running"), 2.0),
        (("p90", "running"), 3.0),
        (("max", "running"), 3.0),
    }


def test_what_is_unknown_is_left_out() -> None:
    found = samples_in(
        render(
            overview(None, daemon=True, max_per_day=0, now=NOW) | {"fast_hours": None, "disks": {}},
            NOW,
            up=True,
        )
    )
    assert "mjwatch_up" in found
    unknown = ("fast_hours_left", "disk_free_bytes", "open_jobs", "queue_age_seconds", "phase_seconds")
    assert not {f"mjwatch_{name}" for name in unknown} & set(found)


def test_a_pause_shows_its_kind_and_its_reason() -> None:
    found = rendered(paused='Discord says: "solve\nthe captcha" \\', paused_kind="account")
    assert found["mjwatch_pause_info"] == {('Discord says: "solve\nthe captcha" \\',): 1}
    assert {kind for (kind,), value in found["mjwatch_paused"].items() if value} == {"account"}
    assert set(rendered()["mjwatch_paused"].values()) == {0}
    assert "mjwatch_pause_info" not in rendered()


def test_a_service_that_has_stopped_is_not_connected() -> None:
    found = rendered(up=False, connected_since=NOW)
    assert (found["mjwatch_up"], found["mjwatch_gateway_up"]) == ({(): 0}, {(): 0})


# ---- the thread


class Source:
    """Facts for the thread, and word of each time that it asks for them."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.error: Exception | None = None

    def collect(self) -> dict[str, Any]:
        self.asked.release()
        if self.error is not None:
            raise self.error
        return facts()

    def wait(self) -> None:
        assert self.asked.acquire(timeout=deadline(20))


def test_a_version_at_the_start_at_changes_and_at_the_stop(tmp_path: Path) -> None:
    path, source = tmp_path / "mjwatch.prom", Source()
    file = MetricsFile(path, source.collect, lambda: NOW, interval=0.0, longest=1e6)
    file.start()
    source.wait()
    file.changed()
    source.wait()
    file.stop(deadline(20))
    assert samples_in(path.read_bytes())["mjwatch_up"] == {(): 0}
    assert [entry.name for entry in tmp_path.iterdir()] == ["mjwatch.prom"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_signs_of_life_without_a_change(tmp_path: Path) -> None:
    source = Source()
    file = MetricsFile(tmp_path / "m.prom", source.collect, lambda: NOW, interval=0.0, longest=0.01)
    file.start()
    for _ in range(3):
        source.wait()
    file.stop(deadline(20))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyError("a bug")])
def test_an_error_is_logged_once_and_the_next_version_is_written(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    path, source = tmp_path / "mjwatch.prom", Source()
    source.error = error
    file = MetricsFile(path, source.collect, lambda: NOW, interval=0.0, longest=0.01)
    file.start()
    for _ in range(3):
        source.wait()
    assert not path.exists()
    source.error = None
    for _ in range(2):
        source.wait()
    file.stop(deadline(20))
    assert samples_in(path.read_bytes())["mjwatch_up"] == {(): 0}
    assert len(caplog.records) == 1


def test_without_the_library_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs prometheus_client, which is not installed") as error:
        MetricsFile(tmp_path / "m.prom", facts, lambda: NOW)
    assert platform.install_command("prometheus_client") in error.value.hint
    assert metrics.INTERVAL < metrics.LONGEST_INTERVAL <= 60
