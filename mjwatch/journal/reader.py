"""Read-only queries on the journal: for the event loop, for lists of jobs in the CLI, and for ``status``.

A reader never writes to the journal and never blocks its writer.
"""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mjwatch.errors import JournalError
from mjwatch.jobs.intake import DELIVERY_TOLERANCE, TakenBefore
from mjwatch.jobs.limits import limit_facts, probe_text
from mjwatch.jobs.status_text import limit_text
from mjwatch.journal.database import (
    DAMAGED,
    check_version,
    journal_error,
    newest_version,
    no_journal,
    open_read_only,
    refuse_odd_files,
    translate_errors,
)
from mjwatch.journal.serialization import load_job, load_path, stored_label, stored_path
from mjwatch.model import IN_FLIGHT, Pause, PauseKind, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from mjwatch.model import Job

JOURNAL_FILE = "journal.sqlite3"
"""The name of the journal in the state folder."""

_FROM_JOBS = "FROM jobs WHERE open=1"
_FROM_OPEN = "FROM jobs INDEXED BY jobs_open WHERE open=1"
"""Without the hint SQLite takes the index on all states and reads every job that is done."""

_PRUNED_RESULT = "SELECT 1 FROM pruned_results WHERE message=? OR job_uuid=? LIMIT 1"


@dataclass(frozen=True, slots=True)
class TakenFile:
    """A prompt file as it was accepted. ``path`` is relative to the inbox, with slashes.

    ``images``: the local images that the file names, by these names. ``kept``: the file stays in the inbox.
    """

    path: str
    sha256: str
    mtime: float
    content: bytes
    images: Mapping[str, bytes] = field(default_factory=dict)
    kept: bool = False


class JournalReader:
    """A read-only view for the CLI, beside a running daemon or without one."""

    def __init__(self, path: Path) -> None:
        """Open the journal for reading. Raise JournalError if there is none yet."""
        self.path = path
        with translate_errors(path):
            if not path.exists():
                raise no_journal(path)
            refuse_odd_files(path)
            self._db = open_read_only(path)
            try:
                self._check_version()
            except BaseException:
                self._db.close()
                raise

    def _check_version(self) -> None:
        version = check_version(self._db, self.path)
        if version == 0:
            raise no_journal(self.path)
        if version < newest_version():
            raise JournalError(
                f"the journal {self.path} was written by an older mjwatch (version {version})",
                "`mjwatch run` updates it; if the service is running, it is the older mjwatch: restart it",
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def recall(self, key: str) -> Any:
        """Return a fact that was stored by ``remember``, or None."""
        row = self._one("SELECT value FROM meta WHERE key=?", key)
        return None if row is None else json.loads(row[0])

    def paused(self) -> Pause | None:
        """Return why sending is paused, or None."""
        found = self.recall("paused")
        return None if found is None else Pause(found["reason"], PauseKind(found["kind"]))

    def sending_limit(self, now: float) -> str | None:
        """Return why all prompts wait, as text: for a limit, or for its probe; None if none of them holds."""
        stored = self.recall("limits")
        text = limit_text(limit_facts(stored, now)["sending_limit"], now)
        probe = stored["sending"]["probe"] if stored else None
        return probe_text(probe) if text is None and probe is not None else text

    def answer_of(self, request_id: int) -> str | None:
        """Return the stored answer to a request, or None while there is none."""
        row = self._one("SELECT answer FROM requests WHERE id=? AND answered IS NOT NULL", request_id)
        return None if row is None else str(row[0])

    def live_jobs(self) -> list[Job]:
        """Return all open jobs that were sent or answered before, oldest first.

        They include queued jobs that were put back, because an earlier attempt may turn out to have run.
        """
        states = ",".join(f"'{state}'" for state in State if state is not State.QUEUED)
        live = self._jobs(f"SELECT body {_FROM_OPEN} AND state IN ({states}) ORDER BY number")
        return live + self._jobs(
            "SELECT body FROM jobs INDEXED BY jobs_put_back WHERE open=1 AND state='queued' AND attempts>0"
            " ORDER BY number"
        )

    def any_queued(
        self, now: float, blocked_keys: Collection[str], least_priority: float = -math.inf
    ) -> bool:
        """Return whether a queued job is left that has none of these keys and that no file postpones."""
        marks = ",".join("?" * len(blocked_keys))
        postponed = "next_action_at>? AND json_extract(body, '$.prompt.not_before')>?"
        query = (
            f"SELECT 1 {_FROM_OPEN} AND state='queued' AND duplicate_key NOT IN ({marks})"
            f" AND NOT ({postponed} IS TRUE) AND priority>=?"
            " LIMIT 1"
        )
        return self._one(query, *blocked_keys, now, now, least_priority) is not None

    def next_queued(
        self,
        now: float,
        blocked_keys: Collection[str],
        only: Collection[str] | None = None,
        least_priority: float = -math.inf,
    ) -> Job | None:
        """Return the queued job to send next, or None. It is due, and its duplicate key is not blocked.

        Jobs of higher priority come first. Among equals the top-level folders of the inbox take turns, and
        within a folder the order is that of arrival. ``only``: choose among the jobs with these ids.
        """
        marks = ",".join("?" * len(blocked_keys))
        is_due = "(next_action_at IS NULL OR next_action_at<=?)"
        free = f"state='queued' AND {is_due} AND duplicate_key NOT IN ({marks}) AND priority>=?"
        if only is not None:
            found = self._jobs(
                f"SELECT body {_FROM_JOBS} AND {free} AND id IN ({','.join('?' * len(only))})"
                " ORDER BY priority DESC, number LIMIT 1",
                *(now, *blocked_keys, least_priority, *only),
            )
            return found[0] if found else None
        first_of_groups = [
            (-row[0], served, row[1])
            for group, served in self._fairness_groups()
            for row in self._all(
                "SELECT priority, number FROM jobs INDEXED BY jobs_queue WHERE open=1 AND fairness_group=?"
                f" AND {free} ORDER BY priority DESC, number LIMIT 1",
                *(group, now, *blocked_keys, least_priority),
            )
        ]
        if not first_of_groups:
            return None
        _, _, number = min(first_of_groups)
        return self._jobs("SELECT body FROM jobs WHERE number=?", number)[0]

    def _fairness_groups(self) -> list[tuple[str, int]]:
        """Return the top-level folders of queued jobs, and the number of each folder's last turn."""
        first = "SELECT MIN(fairness_group) FROM jobs INDEXED BY jobs_queue WHERE open=1 AND state='queued'"
        return self._all(
            f"WITH RECURSIVE waiting (name) AS ({first} UNION ALL"
            f" SELECT ({first} AND jobs.fairness_group>waiting.name) FROM waiting WHERE name IS NOT NULL)"
            " SELECT name, COALESCE(served, 0) FROM waiting"
            " LEFT JOIN fairness_groups ON fairness_group=name WHERE name IS NOT NULL"
        )

    def duplicate_ahead(self, job_id: str) -> Job | None:
        """Return a job with the same duplicate key that is in flight or in doubt, or None."""
        states = ",".join(f"'{state}'" for state in (*sorted(IN_FLIGHT), State.IN_DOUBT))
        found = self._jobs(
            f"SELECT body {_FROM_OPEN} AND state IN ({states}) AND id!=?1"
            " AND duplicate_key=(SELECT duplicate_key FROM jobs WHERE id=?1) ORDER BY number LIMIT 1",
            job_id,
        )
        return found[0] if found else None

    def next_queued_due(self, now: float) -> float | None:
        """Return when the first of the queued jobs that wait for a time may be sent, or None."""
        row = self._one(
            "SELECT MIN(next_action_at) FROM jobs INDEXED BY jobs_by_next_action"
            " WHERE open=1 AND state='queued' AND next_action_at>?",
            now,
        )
        return None if row is None else row[0]

    def delayed_jobs(self, after: float = -math.inf) -> list[Job]:
        """Return the queued jobs that wait for a time after ``after``, not for the time in their file."""
        return self._jobs(
            "SELECT body FROM jobs INDEXED BY jobs_by_next_action WHERE open=1 AND state='queued'"
            " AND next_action_at>? AND json_extract(body, '$.prompt.not_before') IS NOT next_action_at",
            after,
        )

    def job(self, job_id: str) -> Job | None:
        """Return the job with this id, or None."""
        found = self._jobs("SELECT body FROM jobs WHERE id=?", job_id) if job_id.isascii() else []
        return found[0] if found else None

    def owner_of(
        self,
        *,
        job_uuid: str | None = None,
        message_id: str | None = None,
        start_id: str | None = None,
        nonce: str | None = None,
    ) -> str | None:
        """Return the id of the job, open or closed, that a message belongs to, or None.

        The job is found by Midjourney's uuid, a final's own id, the start message that it replies to, or the
        nonce of one of its attempts.
        """
        for column, value in (
            ("job_uuid", job_uuid),
            ("result_message", message_id),
            ("start_message", start_id),
        ):
            row = self._one(f"SELECT id FROM jobs WHERE {column}=? LIMIT 1", value) if value else None
            if row is not None:
                return str(row[0])
        row = self._one("SELECT job FROM attempts WHERE nonce=?", nonce) if nonce else None
        return None if row is None else str(row[0])

    def has_result(self, message_id: str | None, job_uuid: str | None) -> bool:
        """Return whether a job has this result, or had it before it was pruned."""
        if self.owner_of(job_uuid=job_uuid, message_id=message_id) is not None:
            return True
        return self._one(_PRUNED_RESULT, message_id, job_uuid) is not None

    def made_elsewhere(self, state: State) -> int:
        """Return how many jobs in this state were made elsewhere and only fetched."""
        row = self._one(
            "SELECT COUNT(*) FROM jobs WHERE state=? AND attempts=0 AND result_message NOT NULL", state
        )
        return 0 if row is None else int(row[0])

    def file_of(self, job_id: str) -> TakenFile | None:
        """Return the prompt file that a job came from, byte for byte, or None."""
        row = self._one(
            "SELECT path, sha256, mtime, content FROM files WHERE id=(SELECT file FROM jobs WHERE id=?)",
            job_id,
        )
        return None if row is None else TakenFile(load_path(row[0]), *row[1:])

    def image_of(self, job_id: str, name: str) -> bytes:
        """Return the local image with this name in the job's prompt file. Raise KeyError if there is none."""
        row = self._one(
            "SELECT content FROM images WHERE file=(SELECT file FROM jobs WHERE id=?) AND name=?",
            job_id,
            name,
        )
        if row is None:
            raise KeyError(name)
        return bytes(row[0])

    def children_of(self, job_id: str) -> list[Job]:
        """Return the follow-ups of a job, oldest first."""
        return self._jobs("SELECT body FROM jobs WHERE parent=? ORDER BY number", job_id)

    def taken(self, sha256: str) -> list[TakenBefore]:
        """Return every accepted file with this content, at any path, oldest first."""
        rows = self._all(
            "SELECT id, path, mtime, taken, kept, moved IS NOT NULL FROM files WHERE sha256=? ORDER BY id",
            sha256,
        )
        return [
            TakenBefore(number, load_path(path), mtime, at, kept=bool(kept), moved=bool(moved))
            for number, path, mtime, at, kept, moved in rows
        ]

    def was_taken(self, path: str, sha256: str) -> bool:
        """Return whether this content was accepted at this path before."""
        query = "SELECT 1 FROM files WHERE sha256=? AND path=? LIMIT 1"
        return self._one(query, sha256, stored_path(path)) is not None

    def was_delivered(self, path: str, mtime: float) -> bool:
        """Return whether a file with about this modification time was accepted at this path before."""
        query = "SELECT 1 FROM files WHERE path=? AND ABS(mtime-?)<=? LIMIT 1"
        return self._one(query, stored_path(path), mtime, DELIVERY_TOLERANCE) is not None

    def keeps_files(self) -> bool:
        """Return whether any accepted file was kept in the inbox."""
        return self._one("SELECT 1 FROM files WHERE kept=1 LIMIT 1") is not None

    def kept_paths(self) -> set[str]:
        """Return the paths of all accepted files that were kept, in NFC."""
        return {load_path(row[0]) for row in self._all("SELECT DISTINCT path FROM files WHERE kept=1")}

    def attempts_since(self, time: float) -> list[float]:
        """Return the times of the attempts after this time that were or may be executed, oldest first."""
        rows = self._all("SELECT at FROM attempts WHERE at>? AND counts=1 ORDER BY at", time)
        return [float(row[0]) for row in rows]

    def last_attempts(self, count: int) -> list[float]:
        """Return the times of the last attempts that were or may be executed, oldest first."""
        rows = self._all("SELECT at FROM attempts WHERE counts=1 ORDER BY at DESC LIMIT ?", count)
        return [float(row[0]) for row in reversed(rows)]

    def listed(self, state: State | None, limit: int) -> list[Job]:
        """Return jobs, the newest first; ``state``: only those in this state."""
        where = "WHERE state=?" if state else ""
        values = (state, limit) if state else (limit,)
        return self._jobs(f"SELECT body FROM jobs {where} ORDER BY number DESC LIMIT ?", *values)

    def search(self, job_filter: JobFilter, limit: int) -> list[Job]:
        """Return the jobs that match the filter, the newest first."""
        since = None if job_filter.since is None else self._first_since(job_filter.since)
        terms, values = job_filter.conditions(since)
        rows: list[tuple[Any, ...]] = []
        for state in job_filter.states or (None,):  # each state from its newest job: no other job is read
            where = " AND ".join([*terms, *([] if state is None else ["state=?"])])
            rows += self._all(
                f"SELECT number, body FROM jobs {where and f'WHERE {where}'} ORDER BY number DESC LIMIT ?",
                *(*values, *([] if state is None else [state]), limit),
            )
        return self._loaded(row[1:] for row in sorted(rows, reverse=True)[:limit])

    def _first_since(self, time: float) -> int:
        """Return the number of the first job accepted at this time or later. Numbers rise with the time."""
        last = self._one("SELECT MAX(number) FROM jobs")
        low, high = 0, 1 + (last[0] if last and last[0] else 0)
        while low < high:
            middle = (low + high) // 2
            row = self._one(
                "SELECT number, accepted FROM jobs WHERE number>=? ORDER BY number LIMIT 1", middle
            )
            if row is None or row[1] >= time:
                high = middle
            else:
                low = row[0] + 1
        return int(low)

    def first_queued(self, limit: int) -> list[Job]:
        """Return up to ``limit`` queued jobs: those of higher priority first, then in order of arrival."""
        return self._jobs(
            f"SELECT body {_FROM_OPEN} AND state='queued' ORDER BY priority DESC, number LIMIT ?", limit
        )

    def open_counts(self) -> dict[State, int]:
        """Return the number of open jobs by state."""
        rows = self._all(f"SELECT state, COUNT(*) {_FROM_OPEN} GROUP BY state")
        return {State(state): count for state, count in rows}

    def state_counts(self) -> dict[State, int]:
        """Return the number of all jobs by state."""
        return {State(state): n for state, n in self._all("SELECT state, COUNT(*) FROM jobs GROUP BY state")}

    def first_sendable(self) -> float | None:
        """Return since when, or from when on, the first of the queued jobs may be sent; None without one."""
        row = self._one(
            f"SELECT MIN(MAX(accepted, COALESCE(next_action_at, 0))) {_FROM_OPEN} AND state='queued'"
        )
        return None if row is None else row[0]

    def matching_ids(self, prefix: str) -> list[str]:
        """Return at most ten ids of jobs that begin with this text."""
        if not prefix.isascii():
            return []
        rows = self._all("SELECT id FROM jobs WHERE id>=? AND id<? LIMIT 10", prefix, prefix + "\x7f")
        return [row[0] for row in rows]

    def jobs_of_file(self, path: str, sha256: str) -> list[Job]:
        """Return the jobs of the last accepted file with this path and content."""
        return self._jobs(
            "SELECT body FROM jobs WHERE file=(SELECT MAX(id) FROM files WHERE path=? AND sha256=?)"
            " ORDER BY number",
            stored_path(path),
            sha256,
        )

    def _jobs(self, query: str, *values: object) -> list[Job]:
        return self._loaded(self._all(query, *values))

    def _loaded(self, rows: Iterable[tuple[Any, ...]]) -> list[Job]:
        try:
            return [load_job(row[0]) for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(f"a job in the journal {self.path} can't be read: {error}", DAMAGED) from error

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._all(query, *values)
        return rows[0] if rows else None

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise journal_error(self.path, error) from error


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list: in one of these states (none: in any), with this label, from this file.

    ``since``: accepted at this time or later, in seconds since 1970. ``source``: a path with the wildcards *,
    ? and [...]; a * matches slashes, too.
    """

    states: tuple[State, ...] = ()
    label: str | None = None
    since: float | None = None
    source: str | None = None

    def conditions(self, since_number: int | None) -> tuple[list[str], list[object]]:
        """Return the terms of a WHERE clause and their values, without the states.

        ``since_number``: the number of the first job that is young enough, or None for all ages.
        """
        terms: dict[str, object] = {}
        if self.label is not None:
            terms["label=?"] = stored_label(self.label)
        if self.source is not None:
            # The index on paths is enough for this: no job is read.
            terms["file IN (SELECT id FROM files WHERE path GLOB ?)"] = stored_path(self.source)
        if since_number is not None:
            terms["number>=?"] = since_number
        return list(terms), list(terms.values())
