"""Read Prometheus' text format, by prometheus_client's own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[str, dict[tuple[str, ...], float]]
"""By the metric's name: each value, by the values of its labels in the order of the labels' names."""


def samples_in(data: bytes) -> Samples:
    """Return all samples of a file. Raise ValueError if it is not valid."""
    assert data.endswith(b"\n")  # the node exporter refuses another end
    return {
        family.name: {
            tuple(sample.labels[label] for label in sorted(sample.labels)): sample.value
            for sample in family.samples
        }
        for family in text_string_to_metric_families(data.decode())
    }
