"""Turns settled prompt files and submitted prompts into committed jobs; then a file may leave the inbox."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.intake import DeliveryKind, classify_delivery, job_for, make_jobs, with_notes
from mjwatch.journal.reader import TakenFile
from mjwatch.journal.serialization import path_as_stored
from mjwatch.midjourney.matching.evidence import duplicate_key
from mjwatch.model import Source, State
from mjwatch.prompts.source_text import sha256

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.jobs.intake import Delivery
    from mjwatch.journal.writer import Journal
    from mjwatch.model import Job

log = logging.getLogger("mjwatch")

HELD_REASON = (
    "the same file was run twice within an hour; it waits until the hour is over or its content changes"
)


class Acceptance:
    """Accepts prompt files and prompts into the journal. ``new_id`` never gives one twice.

    ``in_inbox``: accepted files stay in the inbox; it says whether one is there at a path.
    """

    def __init__(
        self,
        journal: Journal,
        new_id: Callable[[], str],
        in_inbox: Callable[[str], bool] | None = None,
    ) -> None:
        self._journal = journal
        self._new_id = new_id
        self._in_inbox = in_inbox
        self._copies: set[tuple[str, str]] = set()

    def file(self, file: ev.FileSettled, now: float) -> tuple[list[Job], list[ef.Effect]]:
        """Return the jobs of this file, and the effects; no jobs if it is not a new request."""
        taken = TakenFile(
            path_as_stored(file.path),
            sha256(file.data),
            file.mtime,
            file.data,
            file.images,
            kept=self._in_inbox is not None,
        )
        if file.belongs_to is not None:
            return [], self._companion(file, taken, now)
        delivery = classify_delivery(
            taken.path, file.mtime, self._journal.taken(taken.sha256), now, self._in_inbox
        )
        if delivery.kind is not DeliveryKind.NEW and not self._is_copy_by_now(delivery, taken):
            return [], [self._handle_repeated(file, taken, delivery, now)]
        jobs = make_jobs(file, now, self._new_id, self._journal.job, self._journal.children_of)
        self._accept(taken, jobs, now)
        ids = [job.id for job in jobs]
        log.info("%s taken: %s", file.path, ", ".join(ids), extra={"job": ids, "file": file.path})
        failures = [ef.PublishFailure(job) for job in jobs if job.state is State.REJECTED]
        return jobs, [*failures, *_removals(file)]

    def _companion(self, file: ev.FileSettled, taken: TakenFile, now: float) -> list[ef.Effect]:
        """Remember a manifest that came with a prompt file, so that it is no request later either."""
        if not self._journal.was_taken(taken.path, taken.sha256):
            self._journal.accept(taken, [], now)
        log.info(
            "%s belongs to %s; the two are one request", file.path, file.belongs_to, extra={"file": file.path}
        )
        return _removals(file)

    def _is_copy_by_now(self, delivery: Delivery, taken: TakenFile) -> bool:
        """Return whether a kept file that seems to be copied seemed so before, and so is a copy."""
        if delivery.kind is not DeliveryKind.COPY:
            return False
        known = (taken.path, taken.sha256) in self._copies
        self._copies ^= {(taken.path, taken.sha256)}
        return known

    def _handle_repeated(
        self, file: ev.FileSettled, taken: TakenFile, delivery: Delivery, now: float
    ) -> ef.Effect:
        """Return what to do with a file that was accepted before."""
        numbers, field = [earlier.number for earlier in delivery.of], {"file": file.path}
        match delivery.kind:
            case DeliveryKind.HELD:
                return ef.DeferFile(file.path, HELD_REASON, delivery.seconds)
            case DeliveryKind.COPY:
                return ef.DeferFile(file.path, None, delivery.seconds)
            case DeliveryKind.MOVED:
                self._journal.move_file(numbers[0], taken, now)
                earlier_path = delivery.of[0].path
                log.info("%s was moved from %s; it is not run again", file.path, earlier_path, extra=field)
            case _:
                if any(earlier.kept is not taken.kept for earlier in delivery.of):
                    self._journal.mark_kept(numbers, kept=taken.kept)
                if self._in_inbox is None:
                    log.info("%s was delivered again unchanged; it is not run again", file.path, extra=field)
        return ef.RemoveFile(file.path, file.identity)

    def prompt(self, submitted: ev.PromptSubmitted, now: float) -> list[Job]:
        """Return the job of a prompt from Python or the CLI; none if it was accepted before."""
        if self._journal.job(submitted.job_id) is not None:
            return []
        data = submitted.prompt.text.encode("utf-8", "replace")
        digest = sha256(data)
        source = None if submitted.path is None else Source(submitted.path, digest, now)
        job = job_for(
            submitted.prompt, submitted.job_id, now, source, self._journal.job, self._journal.children_of
        )
        job = with_notes(job, now, submitted.notes)
        if submitted.path is None or submitted.file is not None:
            self._journal.accept_requested(job, duplicate_key(job), submitted.file)
        else:
            self._accept(TakenFile(submitted.path, digest, now, data), [job], now)
        return [job]

    def _accept(self, file: TakenFile, jobs: list[Job], now: float) -> None:
        self._journal.accept(file, [(job, duplicate_key(job)) for job in jobs], now)


def _removals(file: ev.FileSettled) -> list[ef.Effect]:
    """Return the effects for a handled file and what belongs to it; the inbox knows whether to keep them."""
    handled = ((file.path, file.identity), *file.companions)
    return [ef.RemoveFile(path, identity) for path, identity in handled]
