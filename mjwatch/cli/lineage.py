"""A job's relatives: what it is a follow-up of, back to the first one, and what was made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mjwatch.cli.output import plain, progress, wanted
from mjwatch.jobs.overview import brief

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mjwatch.jobs.reader import JournalReader
    from mjwatch.model import Job

INDENT = "  "
DEEPEST = 100
"""Generations of follow-ups at most: each is a step further into the JSON, and into the stack."""

_UNKNOWN = {"state": "-", "percent": None, "action": None, "command": "imagine"}


def lineage_of(job: Job, reader: JournalReader) -> dict[str, Any]:
    """``ancestors``, the first one first; ``parent``, the last of them; ``follow_ups``, each with its own.

    A pruned ancestor ends the line: nobody knows any more whose follow-up that was. Raises JournalError.
    """
    ancestors: list[dict[str, Any]] = []
    oldest = job
    while oldest.parent and (above := reader.job(oldest.parent)) is not None:
        ancestors.insert(0, brief(above))
        oldest = above
    return {
        "ancestors": ancestors,
        "parent": ancestors[-1] if ancestors else None,
        "follow_ups": _follow_ups(job.id, reader, DEEPEST),
    }


def _follow_ups(job_id: str, reader: JournalReader, generations: int) -> list[dict[str, Any]]:
    if not generations:
        return []
    return [
        brief(child) | {"follow_ups": _follow_ups(child.id, reader, generations - 1)}
        for child in reader.children_of(job_id)
    ]


def family(story: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """All of them as rows of id, state and words; empty where the job stands alone.

    Each generation stands a step further in. ``story``: the job's facts, with its ``lineage``.
    """
    above, below = story["lineage"]["ancestors"], story["lineage"]["follow_ups"]
    lost = (above[0] if above else story)["parent"]
    if lost:
        above = [{"job": lost, "prompt": "(not in the journal any more)", **_UNKNOWN}, *above]
    if not above and not below:
        return []
    older = [_row(depth, job, above[depth - 1] if depth else None) for depth, job in enumerate(above)]
    itself = _row(len(above), story, None)[:-1]
    return [*older, (*itself, "(this job)"), *_rows_below(story, below, len(above) + 1)]


def _rows_below(
    parent: Mapping[str, Any], jobs: Iterable[Mapping[str, Any]], depth: int
) -> Iterator[tuple[str, ...]]:
    for job in jobs:
        yield _row(depth, job, parent)
        yield from _rows_below(job, job["follow_ups"], depth + 1)


def _row(depth: int, job: Mapping[str, Any], parent: Mapping[str, Any] | None) -> tuple[str, ...]:
    """A follow-up that has its parent's words is told by its action alone."""
    same = parent is not None and job["action"] and job["prompt"] == parent["prompt"]
    words = job["action"] if same else wanted(job["action"], job["command"], job["prompt"])
    return INDENT * depth + job["job"], progress(job["state"], job["percent"]), plain(words)
