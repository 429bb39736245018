"""What the shell shows: the jobs that it follows, how they end, and the service in one line."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch.cli.output import advice, plain, wrap
from mjwatch.cli.progress import state_of, summary_of
from mjwatch.client.in_process import is_answered
from mjwatch.host.running import daemon_runs
from mjwatch.jobs.pacing import Pace
from mjwatch.jobs.status_text import clock, limit_text, quiet_text, reason
from mjwatch.journal.overview import overview
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import ENDED, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mjwatch.config import Config
    from mjwatch.model import Job

INDENT = 10
"""Columns of a job's id and of the spaces behind it."""

NEWEST_JOBS = 50
"""Number of newest jobs whose ids are completed."""


# ---- the jobs


@dataclass(frozen=True, slots=True)
class ViewUpdate:
    """The jobs that have changed since the last update, and the facts about the service."""

    changed: list[Job]
    facts: dict[str, Any]


class FollowedJobs:
    """The jobs that the shell follows, each as it was last read from the journal, which must exist."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._jobs: dict[str, Job | None] = {}

    @property
    def jobs(self) -> list[Job]:
        """All jobs read so far, in the order in which they were added."""
        return [job for job in self._jobs.values() if job is not None]

    @property
    def has_unanswered(self) -> bool:
        """Whether a job was not read yet, or has no answer yet; a job in doubt waits for a person."""
        return any(job is None or not is_answered(job) for job in self._jobs.values())

    def add(self, job_ids: Iterable[str]) -> None:
        """Follow these jobs from the next update on."""
        for job_id in job_ids:
            self._jobs.setdefault(job_id, None)

    def add_queue(self) -> int:
        """Follow all jobs that are queued or at work, and return their number."""
        with closing(self._reader()) as reader:
            states = [state for state in reader.open_counts() if state not in ENDED]
            found = [job.id for state in states for job in reader.listed(state, NEWEST_JOBS)]
        self.add(found)
        return len(found)

    def add_named(self, words: Iterable[str]) -> None:
        """Follow the jobs whose ids begin with these words, and their follow-ups, unless they have ended."""
        with closing(self._reader()) as reader:
            for word in words:
                ids = reader.matching_ids(word) if word.isalnum() else []
                named = [job for job_id in ids if len(ids) == 1 and (job := reader.job(job_id)) is not None]
                for job in [*named, *(child for parent in named for child in reader.children_of(parent.id))]:
                    if job.state not in ENDED:
                        self._jobs[job.id] = None

    def update(self) -> ViewUpdate:
        """Read the jobs and the service from the journal. Raise JournalError."""
        with closing(self._reader()) as reader:
            changed = []
            for job_id, before in list(self._jobs.items()):
                if before is not None and not before.open:
                    continue
                job = reader.job(job_id)
                if job is None or job == before:
                    continue
                self._jobs[job_id] = job
                changed.append(job)
                if job.prompt.then and not job.open:
                    self.add(child.id for child in reader.children_of(job_id))
            runs = daemon_runs(self._config.state.path)
            pace, now = Pace.of(self._config.pace), time.time()
            facts = overview(
                reader,
                daemon=runs,
                max_per_day=pace.max_per_day,
                now=now,
                command=self._config.command(),
                quiet_until=pace.quiet_until(now),
            )
            return ViewUpdate(changed, facts)

    def newest(self) -> list[Job]:
        """Return the newest jobs, followed or not."""
        with closing(self._reader()) as reader:
            return reader.listed(None, NEWEST_JOBS)

    def _reader(self) -> JournalReader:
        return JournalReader(self._config.state.path / JOURNAL_FILE)


# ---- the text


def result_text(job: Job, outbox: Path, width: int | None = None) -> str | None:
    """Return how the job has ended, or that it needs a person, with folder or reason; None if it goes on.

    Lines take ``width`` columns at most, but for a folder's path.
    """
    head = plain(f"{job.id}  {state_of(job)}  {summary_of(job)}", width)
    if job.state is State.DONE and job.folder is not None:
        return f"{head}\n{' ' * INDENT}{plain(outbox / job.folder)}"
    if job.state is State.IN_DOUBT or (job.state in ENDED and not job.open):
        text = " - ".join(part for part in reason(job) if part)
        below = [" " * INDENT + line for line in wrap(plain(text), width, INDENT)] if text else []
        return "\n".join([head, *below])
    return None


def service_line(facts: Mapping[str, Any], *, here: bool, now: float) -> str:
    """Return the service in one line. ``here``: this process does the work."""
    if not facts["daemon"]:
        return "nothing is running; the next line starts it"
    if facts["paused"] is not None:
        return f"PAUSED, :resume continues: {plain(facts['paused'])}"
    if facts["trouble"] is not None:
        return plain(facts["trouble"])
    if (limit := limit_text(facts["sending_limit"], now)) is not None:
        return plain(limit)
    jobs = facts["jobs"]
    if facts["quiet_until"] is not None and State.QUEUED in jobs:
        return quiet_text(facts["quiet_until"], now)
    at_work = sum(count for state, count in jobs.items() if state not in {State.QUEUED, *ENDED})
    cap = f" of {facts['max_per_day']}" if facts["max_per_day"] else ""
    parts = [
        "working here" if here else "a daemon works",
        f"{at_work} at work, {jobs.get(State.QUEUED, 0)} queued",
        f"{facts['sent_in_24h']}{cap} sent in 24 h",
    ]
    if facts["held"]:
        parts.append(f"{len(facts['held'])} held, :status")
    if facts["capped_until"] is not None:
        parts.append(f"next at {clock(facts['capped_until'], now)}")
    return "  ·  ".join([*parts, ":help"])


def remaining_work(facts: Mapping[str, Any]) -> str:
    """Return what continues, or is kept, after the shell; empty if nothing remains."""
    jobs = facts["jobs"]
    queued = jobs.get(State.QUEUED, 0)
    sent = sum(count for state, count in jobs.items() if state not in {State.QUEUED, State.IN_DOUBT})
    parts = [f"{queued} queued" if queued else "", f"{sent} sent and not done" if sent else ""]
    text = " and ".join(part for part in parts if part)
    if not text:
        return ""
    if facts["daemon"]:
        return f"{text}: the daemon continues the work"
    return advice(f"{text}: kept until `mjwatch run` or the next `mjwatch shell` continues")
