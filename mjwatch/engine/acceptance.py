"""Accepting prompts: once their jobs are in the journal, the inbox's copy may go."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.intake import DeliveryKind, job_for, judge, make_jobs, sha256
from mjwatch.journal.reader import TakenFile
from mjwatch.journal.serialization import path_as_stored
from mjwatch.midjourney.matching.evidence import duplicate_key
from mjwatch.model import Source, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.jobs.intake import DeliveryVerdict
    from mjwatch.journal.writer import Journal
    from mjwatch.model import Job

log = logging.getLogger("mjwatch")

HELD = "the same file was run twice within an hour; it waits until that is over, or its content changes"


class Acceptance:
    """Takes prompt files and prompts into the journal. ``new_id`` never gives one twice.

    ``in_inbox``: taken files are kept in the inbox; says whether one lies there at a path.
    """

    def __init__(
        self,
        journal: Journal,
        new_id: Callable[[], str],
        max_jobs_per_file: int,
        in_inbox: Callable[[str], bool] | None = None,
    ) -> None:
        self._journal = journal
        self._new_id = new_id
        self._max_jobs = max_jobs_per_file
        self._in_inbox = in_inbox
        self._copies: set[tuple[str, str]] = set()

    def file(self, file: ev.FileSettled, now: float) -> tuple[list[Job], list[ef.Effect]]:
        """The jobs that this file has become, and what is to be done; no jobs if it is no new request."""
        taken = TakenFile(
            path_as_stored(file.path),
            sha256(file.data),
            file.mtime,
            file.data,
            file.around.images,
            kept=self._in_inbox is not None,
        )
        if file.beside is not None:
            return [], self._companion(file, taken, now)
        verdict = judge(taken.path, file.mtime, self._journal.taken(taken.sha256), now, self._in_inbox)
        if verdict.kind is not DeliveryKind.NEW and not self._is_copy_by_now(verdict, taken):
            return [], [self._no_request(file, taken, verdict, now)]
        jobs = make_jobs(file, now, self._new_id, self._max_jobs, self._journal.job)
        self._accept(taken, jobs, now)
        log.info("%s taken: %s", file.path, ", ".join(job.id for job in jobs))
        answers = [ef.PublishFailure(job) for job in jobs if job.state is State.REJECTED]
        return jobs, [*answers, *_removal(file)]

    def _companion(self, file: ev.FileSettled, taken: TakenFile, now: float) -> list[ef.Effect]:
        """A manifest that came with a prompt file: remembered, so that it is no request later, either."""
        if not self._journal.was_taken(taken.path, taken.sha256):
            self._journal.accept(taken, [], now)
        log.info("%s belongs to %s; the two are one request", file.path, file.beside)
        return _removal(file)

    def _is_copy_by_now(self, verdict: DeliveryVerdict, taken: TakenFile) -> bool:
        """Whether a kept file that seems to have been copied has seemed so for its while."""
        if verdict.kind is not DeliveryKind.COPY:
            return False
        known = (taken.path, taken.sha256) in self._copies
        self._copies ^= {(taken.path, taken.sha256)}
        return known

    def _no_request(
        self, file: ev.FileSettled, taken: TakenFile, verdict: DeliveryVerdict, now: float
    ) -> ef.Effect:
        numbers = [earlier.number for earlier in verdict.of]
        match verdict.kind:
            case DeliveryKind.HELD:
                return ef.DeferFile(file.path, HELD, verdict.seconds)
            case DeliveryKind.COPY:
                return ef.DeferFile(file.path, None, verdict.seconds)
            case DeliveryKind.MOVED:
                self._journal.move_file(numbers[0], taken, now)
                log.info("%s was %s before; it is not run again", file.path, verdict.of[0].path)
            case _:
                if any(earlier.kept is not taken.kept for earlier in verdict.of):
                    self._journal.mark_kept(numbers, kept=taken.kept)
                if self._in_inbox is None:
                    log.info("%s was delivered again unchanged; it is not run again", file.path)
        return ef.RemoveFile(file.path, file.identity)

    def prompt(self, given: ev.PromptSubmitted, now: float) -> list[Job]:
        """The job of a prompt from Python or the CLI; none if it was taken before."""
        if self._journal.job(given.job_id) is not None:
            return []
        data = given.prompt.text.encode("utf-8", "replace")
        digest = sha256(data)
        source = None if given.path is None else Source(given.path, digest, now)
        job = job_for(given.prompt, given.job_id, now, source, self._journal.job)
        if given.path is None or given.file is not None:
            self._journal.accept_requested(job, duplicate_key(job), given.file)
        else:
            self._accept(TakenFile(given.path, digest, now, data), [job], now)
        return [job]

    def _accept(self, file: TakenFile, jobs: list[Job], now: float) -> None:
        self._journal.accept(file, [(job, duplicate_key(job)) for job in jobs], now)


def _removal(file: ev.FileSettled) -> list[ef.Effect]:
    """The file is dealt with, and what belongs to it; whether they are removed the inbox knows."""
    gone = ((file.path, file.identity), *file.others)
    return [ef.RemoveFile(path, identity) for path, identity in gone]
