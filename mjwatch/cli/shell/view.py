"""What stands around a shell's prompt: a bar for each job at work above it, the service in one line below.

The jobs that a shell follows: read from the journal again and again, and what has changed.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch.cli.output import percent_of, plain, state_of, wanted, wrapped
from mjwatch.client.in_process import is_answered
from mjwatch.host.running import daemon_runs
from mjwatch.jobs.status_text import clock, reason
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader, overview
from mjwatch.model import ENDED, Job, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mjwatch.config import Config
    from mjwatch.model import Job


BAR_WIDTH = 16
STATE_WIDTH = 11
INDENT = 10
"""Columns of a job's id, and of the blanks behind it."""

MOST = 8
"""Bars at most; what goes beyond is counted."""


def bars(jobs: Sequence[Job], width: int, most: int = MOST) -> list[str]:
    """A line of at most ``width`` columns for each job that is not done: those at work first."""
    open_jobs = sorted((job for job in jobs if job.open), key=lambda job: job.state is State.QUEUED)
    shown = open_jobs if len(open_jobs) <= most else open_jobs[: most - 1]
    lines = [plain(_bar(job), width) for job in shown]
    left = len(open_jobs) - len(shown)
    return [*lines, f"and {left} more"] if left else lines


def _bar(job: Job) -> str:
    done = percent_of(job) if job.state not in ENDED else 100
    full = done * BAR_WIDTH // 100
    bar = "█" * full + "░" * (BAR_WIDTH - full)
    return f"{job.id}  {state_of(job):<{STATE_WIDTH}} {bar} {done:>3}%  {_what(job)}"


def _what(job: Job) -> str:
    return wanted(job.prompt.action, job.prompt.command, job.prompt.text)


def ended(job: Job, outbox: Path, width: int | None = None) -> str | None:
    """How this job has ended, or that it needs a person, and where or why; None for one that goes on.

    Lines take ``width`` columns at most, but for a folder's path.
    """
    head = plain(f"{job.id}  {state_of(job)}  {_what(job)}", width)
    if job.state is State.DONE and job.folder is not None:
        return f"{head}\n{' ' * INDENT}{plain(outbox / job.folder)}"
    if job.state is State.IN_DOUBT or (job.state in ENDED and not job.open):
        why, hint = reason(job)
        told = " - ".join(half for half in (why, hint) if half)
        below = [" " * INDENT + line for line in wrapped(plain(told), width, INDENT)] if told else []
        return "\n".join([head, *below])
    return None


def service_line(facts: Mapping[str, Any], *, here: bool, now: float) -> str:
    """The service in one line. ``here``: it is this process that does the work."""
    if not facts["daemon"]:
        return "nobody works on it; the next line starts it"
    if facts["paused"] is not None:
        return f"PAUSED, :resume goes on: {plain(facts['paused'])}"
    if facts["trouble"] is not None:
        return f"Discord can't be used: {plain(facts['trouble'])}"
    jobs = facts["jobs"]
    at_work = sum(count for state, count in jobs.items() if state not in {State.QUEUED, *ENDED})
    cap = f" of {facts['max_per_day']}" if facts["max_per_day"] else ""
    parts = [
        "at work here" if here else "a daemon works",
        f"{at_work} at work, {jobs.get(State.QUEUED, 0)} queued",
        f"{facts['sent_in_24h']}{cap} sent in 24 h",
    ]
    if facts["capped_until"] is not None:
        parts.append(f"the next at {clock(facts['capped_until'], now)}")
    return "  ·  ".join([*parts, ":help"])


def left_over(facts: Mapping[str, Any]) -> str:
    """What goes on, or is kept, when the shell is left."""
    jobs = facts["jobs"]
    queued = jobs.get(State.QUEUED, 0)
    sent = sum(count for state, count in jobs.items() if state not in {State.QUEUED, State.IN_DOUBT})
    parts = [f"{queued} queued" if queued else "", f"{sent} sent and not done" if sent else ""]
    told = " and ".join(part for part in parts if part)
    if not told:
        return ""
    if facts["daemon"]:
        return f"{told}: the daemon goes on with it"
    return f"{told}: kept, and taken up by `mjwatch run` or the next `mjwatch shell`"


OFFERED = 50
"""Jobs, the newest, whose ids are offered."""


@dataclass(frozen=True, slots=True)
class ViewUpdate:
    """What one look shows: those jobs that have changed since the last one, and the service as a whole."""

    changed: list[Job]
    facts: dict[str, Any]


class FollowedJobs:
    """Knows which jobs are followed, and how each stood last. The journal must be there."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._jobs: dict[str, Job | None] = {}

    @property
    def jobs(self) -> list[Job]:
        """All that were seen so far, in the order in which they came."""
        return [job for job in self._jobs.values() if job is not None]

    @property
    def waiting(self) -> bool:
        """Whether one of them was not seen yet, or has no answer yet; one in doubt waits for a person."""
        return any(job is None or not is_answered(job) for job in self._jobs.values())

    def add(self, job_ids: Iterable[str]) -> None:
        """Follow these too, from the next look on."""
        for job_id in job_ids:
            self._jobs.setdefault(job_id, None)

    def add_queue(self) -> int:
        """Follow all that waits or is at work by now; how many that are."""
        with closing(self._reader()) as reader:
            states = [state for state in reader.open_counts() if state not in ENDED]
            found = [job.id for state in states for job in reader.listed(state, OFFERED)]
        self.add(found)
        return len(found)

    def add_named(self, words: Iterable[str]) -> None:
        """Follow what these words name, and what came of it: a job was retried, or has new follow-ups."""
        with closing(self._reader()) as reader:
            for word in words:
                ids = reader.matching_ids(word) if word.isalnum() else []
                named = [job for one in ids if len(ids) == 1 and (job := reader.job(one)) is not None]
                for job in [*named, *(child for one in named for child in reader.children_of(one.id))]:
                    if job.state not in ENDED:
                        self._jobs[job.id] = None

    def look(self) -> ViewUpdate:
        """How they stand now. Raises JournalError."""
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
            cap = self._config.pace.max_per_day
            return ViewUpdate(changed, overview(reader, daemon=runs, max_per_day=cap, now=time.time()))

    def newest(self) -> list[Job]:
        """The newest jobs of all, for those who want to name one."""
        with closing(self._reader()) as reader:
            return reader.listed(None, OFFERED)

    def _reader(self) -> JournalReader:
        return JournalReader(self._config.state.path / JOURNAL_FILE)
