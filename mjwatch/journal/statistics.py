"""Figures about the jobs in the journal, for the metrics: how many there are, how long they wait and take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mjwatch.journal.reader import JobFilter
from mjwatch.model import State

if TYPE_CHECKING:
    from mjwatch.journal.reader import JournalReader
    from mjwatch.model import Job

RECENT_JOBS = 100
"""Jobs whose phases are measured: the newest ones that are done."""


def statistics(reader: JournalReader, now: float) -> dict[str, Any]:
    """Return the figures. Raise JournalError.

    ``states``: the number of jobs in each state; pruned ones don't count. ``queue_age``: for how many seconds
    the oldest job that may be sent has waited; 0 without one. ``phases``: the seconds that each recent job
    spent in a phase, by the phase's name.
    """
    found = reader.state_counts()
    first = reader.first_sendable()
    done = reader.search(JobFilter(states=(State.DONE,)), RECENT_JOBS)
    recent = [_phases(job) for job in done if not job.made_elsewhere]
    return {
        "states": {str(state): found.get(state, 0) for state in State},
        "queue_age": 0.0 if first is None else max(0.0, now - first),
        "phases": {phase: [job[phase] for job in recent if phase in job] for phase in PHASES},
    }


PHASES = ("queued", "submitted", "running", "collecting")
"""From acceptance to the POST, to the start at Midjourney, to the result, to the folder in the outbox."""


def _phases(job: Job) -> dict[str, float]:
    """Return the seconds of each phase whose ends are known. The time in the file's not_before is no wait."""
    first = max(job.accepted, job.prompt.not_before or 0.0)
    times = (first, job.submitted, job.started, job.finished, job.published)
    return {
        phase: max(0.0, end - start)
        for phase, start, end in zip(PHASES, times, times[1:], strict=False)
        if start is not None and end is not None
    }
