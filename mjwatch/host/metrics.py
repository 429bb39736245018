"""Write the service's figures for Prometheus: a file for the node exporter's textfile collector.

The format is Prometheus' text format, by prometheus_client, which is imported only where a file is set.
All figures are gauges: what they count comes from the journal, which forgets old jobs.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from mjwatch.filesystem.files import replace_file
from mjwatch.host.platform import require_library
from mjwatch.model import ENDED, PauseKind, State
from mjwatch.trouble import TroubleKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

log = logging.getLogger("mjwatch.metrics")

INTERVAL = 10.0
"""Seconds between two versions: Prometheus usually asks every 15 to 60."""

LONGEST_INTERVAL = 60.0
"""Seconds after which a version is written although nothing has changed, as a sign of life."""

_MODE = 0o644
"""The node exporter is another user, and in no group of the service."""


def require_prometheus() -> None:
    """Raise ConfigError if prometheus_client is not installed."""
    require_library("prometheus_client", "prometheus_client", "[metrics] textfile")


class MetricsFile:
    """One thread, "metrics", that writes the file at changes and at least once a minute.

    ``collect`` returns the facts; see ``render``. No failure here is fatal.
    """

    def __init__(
        self,
        path: Path,
        collect: Callable[[], Mapping[str, Any]],
        clock: Callable[[], float],
        *,
        interval: float = INTERVAL,
        longest: float = LONGEST_INTERVAL,
    ) -> None:
        """``clock`` gives seconds since 1970; ``interval`` and ``longest`` in seconds. Raise ConfigError."""
        require_prometheus()
        self._path = path
        self._collect = collect
        self._clock = clock
        self._interval, self._longest = interval, longest
        self._changed, self._stopping = threading.Event(), threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Write the first version and wait for changes."""
        self._thread.start()

    def changed(self) -> None:
        """Note that something may have changed; any thread may call this."""
        self._changed.set()

    def stop(self, patience: float) -> None:
        """Write the last version, which says that the service is down, unless the disk does not answer."""
        self._stopping.set()
        self._changed.set()
        self._thread.join(patience)
        if not self._thread.is_alive():
            self._write(up=False)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._changed.clear()
            self._write(up=True)
            self._stopping.wait(self._interval)
            self._changed.wait(max(0.0, self._longest - self._interval))

    def _write(self, *, up: bool) -> None:
        try:
            data = render(self._collect(), self._clock(), up=up)
            replace_file(self._path.parent, self._path.name, data, _MODE)
        except Exception as error:  # the top of a thread: a bug must not end the signs of life
            if not self._failing:
                reason = error.strerror if isinstance(error, OSError) else error
                log.warning("%s can't be written: %s", self._path, reason or type(error).__name__)
            self._failing = True
        else:
            self._failing = False


# ---- the figures


class _Figure(NamedTuple):
    """One metric: its samples are values with the values of its labels before them."""

    name: str
    help: str
    samples: Iterable[tuple[Any, ...]]
    labels: tuple[str, ...] = ()


def render(facts: Mapping[str, Any], now: float, *, up: bool) -> bytes:
    """Return the file's content.

    ``facts``: those of ``mjwatch status --json``, those of ``journal.statistics`` if the journal can be read,
    ``fast_hours`` (None if unknown), and ``disks``: the free bytes of each folder, None if unknown.
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(facts, now, up=up))
    return generate_latest(registry)


class _Collector:
    """What prometheus_client asks for the metrics."""

    def __init__(self, facts: Mapping[str, Any], now: float, *, up: bool) -> None:
        self._figures = [*_service(facts, now, up=up), *_sending(facts), *_jobs(facts)]

    def collect(self) -> Iterator[Metric]:
        """Yield each metric that has samples."""
        from prometheus_client.metrics_core import GaugeMetricFamily

        for figure in self._figures:
            family = GaugeMetricFamily(f"mjwatch_{figure.name}", figure.help, labels=figure.labels)
            for *labels, value in figure.samples:
                if value is not None:
                    family.add_metric([str(label) for label in labels], value)
            if family.samples:
                yield family


def _service(facts: Mapping[str, Any], now: float, *, up: bool) -> Iterator[_Figure]:
    yield _Figure("up", "Whether the service runs; 0 after a clean stop.", [(int(up),)])
    yield _Figure(
        "last_sign_of_life_timestamp_seconds", "When this file was written, at least once a minute.", [(now,)]
    )
    parts = {trouble["kind"] for trouble in facts["troubles"]}
    parts |= {TroubleKind.INBOX} if TroubleKind.OWNER in parts else set()
    connected = up and facts["connected_since"] is not None
    yield _Figure("gateway_up", "Whether the connection to Discord's gateway is up.", [(int(connected),)])
    yield _Figure(
        "trouble",
        "Whether a part of the service is in trouble; `mjwatch status` has the reason.",
        [(kind, int(kind in parts)) for kind in TroubleKind if kind is not TroubleKind.OWNER],
        ("part",),
    )
    yield _Figure("disk_free_bytes", "Free space for mjwatch's user.", facts["disks"].items(), ("folder",))


def _sending(facts: Mapping[str, Any]) -> Iterator[_Figure]:
    yield _Figure(
        "paused",
        "Whether sending is paused for a reason of this kind.",
        [(kind, int(facts["paused_kind"] == kind)) for kind in PauseKind],
        ("kind",),
    )
    if facts["paused"] is not None:
        yield _Figure("pause_info", "The reason of the pause as text.", [(facts["paused"], 1)], ("reason",))
    yield _Figure(
        "submissions_last_day",
        "Submissions in the last 24 hours that count towards the cap.",
        [(facts["sent_in_24h"],)],
    )
    yield _Figure("submissions_daily_limit", "[pace] max_per_day; 0 is no limit.", [(facts["max_per_day"],)])
    yield _Figure(
        "fast_hours_left",
        "Fast hours left at the last answer to /info since the start.",
        [(facts["fast_hours"],)],
    )


def _jobs(facts: Mapping[str, Any]) -> Iterator[_Figure]:
    states = facts.get("states", {})
    ends = [(state, states[state]) for state in states if State(state) in ENDED]
    live = [(state, states[state]) for state in states if State(state) not in ENDED]
    yield _Figure("open_jobs", "Jobs that have not ended, by state.", live, ("state",))
    yield _Figure("ended_jobs", "Jobs that have ended and are not pruned, by outcome.", ends, ("outcome",))
    yield _Figure(
        "queue_age_seconds",
        "How long the oldest job that may be sent has waited; 0 without one.",
        [(facts.get("queue_age"),)],
    )
    yield _Figure(
        "phase_seconds",
        "How long the last 100 jobs took from queued to submitted to running to collecting to done.",
        [
            sample
            for phase, seconds in facts.get("phases", {}).items()
            for sample in _measures(phase, seconds)
        ],
        ("phase", "measure"),
    )


def _measures(phase: str, seconds: list[float]) -> Iterator[tuple[str, str, float]]:
    import statistics  # it loads fractions, decimals and more, which a service without metrics does without

    if seconds:
        yield phase, "median", statistics.median(seconds)
        yield phase, "p90", sorted(seconds)[(len(seconds) * 9 - 1) // 10]
        yield phase, "max", max(seconds)
