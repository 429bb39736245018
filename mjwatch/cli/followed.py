"""The jobs that a shell follows: read from the journal again and again, and what has changed."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch.host.running import daemon_runs
from mjwatch.jobs.overview import overview
from mjwatch.jobs.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import ENDED, Job
from mjwatch.oneshot import answered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mjwatch.config import Config

OFFERED = 50
"""Jobs, the newest, whose ids are offered."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look shows: those jobs that have changed since the last one, and the service as a whole."""

    changed: list[Job]
    facts: dict[str, Any]


class Followed:
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
        return any(job is None or not answered(job) for job in self._jobs.values())

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

    def look(self) -> Look:
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
            return Look(changed, overview(reader, daemon=runs, max_per_day=cap, now=time.time()))

    def newest(self) -> list[Job]:
        """The newest jobs of all, for those who want to name one."""
        with closing(self._reader()) as reader:
            return reader.listed(None, OFFERED)

    def _reader(self) -> JournalReader:
        return JournalReader(self._config.state.path / JOURNAL_FILE)
