"""Accepting prompts: once their jobs are in the journal, the inbox's copy may go."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mjwatch import events as ev
from mjwatch.jobs.intake import is_same_delivery, job_for, make_jobs, sha256
from mjwatch.jobs.reader import TakenFile
from mjwatch.midjourney.twins import twin_of
from mjwatch.model import Source, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.jobs.journal import Journal
    from mjwatch.model import Job

log = logging.getLogger("mjwatch")


class Acceptance:
    """Takes prompt files and prompts into the journal. ``new_id`` never gives one twice."""

    def __init__(self, journal: Journal, new_id: Callable[[], str], max_jobs_per_file: int) -> None:
        self._journal = journal
        self._new_id = new_id
        self._max_jobs = max_jobs_per_file

    def file(self, file: ev.FileSettled, now: float) -> tuple[list[Job], list[ev.Effect]]:
        """The jobs that this file has become, and what is to be done; no jobs if it was taken before."""
        digest = sha256(file.data)
        remove = ev.RemoveFile(file.path, file.identity)
        if is_same_delivery(file.mtime, self._journal.taken_mtimes(file.path, digest)):
            log.info("%s was delivered again unchanged; it is not run again", file.path)
            return [], [remove]
        jobs = make_jobs(file, now, self._new_id, self._max_jobs, self._journal.job)
        self._accept(TakenFile(file.path, digest, file.mtime, file.data, file.around.images), jobs, now)
        log.info("%s taken: %s", file.path, ", ".join(job.id for job in jobs))
        return jobs, [*(ev.Answer(job) for job in jobs if job.state is State.REJECTED), remove]

    def prompt(self, given: ev.PromptGiven, now: float) -> list[Job]:
        """The job of a prompt from Python or the CLI; none if it was taken before."""
        if self._journal.job(given.job_id) is not None:
            return []
        data = given.prompt.text.encode()
        digest = sha256(data)
        source = None if given.path is None else Source(given.path, digest, now)
        job = job_for(given.prompt, given.job_id, now, source, self._journal.job)
        if given.path is None or given.file is not None:
            self._journal.accept_given(job, twin_of(job), given.file)
        else:
            self._accept(TakenFile(given.path, digest, now, data), [job], now)
        return [job]

    def _accept(self, file: TakenFile, jobs: list[Job], now: float) -> None:
        self._journal.accept(file, [(job, twin_of(job)) for job in jobs], now)
