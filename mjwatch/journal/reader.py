"""Reading the journal: what the loop and the CLI ask of it, without ever writing or blocking the writer.

Which jobs a person wants to see, and the conditions by which the journal finds them.

The service at a glance, from the journal: what is at work, what was spent, why it is paused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mjwatch.errors import JournalError
from mjwatch.jobs.intake import TakenBefore
from mjwatch.jobs.pacing import DAY, Pace, Throttle
from mjwatch.jobs.status_text import resume_hint
from mjwatch.journal.database import (
    DAMAGED,
    check_version,
    newest_version,
    no_journal,
    open_read_only,
    translated,
)
from mjwatch.journal.serialization import load_job, path_of, stored_label, stored_path
from mjwatch.model import IN_FLIGHT, Job, Pause, PauseKind, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from mjwatch.model import Job


JOURNAL_FILE = "journal.sqlite3"
"""Its name in the state folder."""

_FROM_JOBS = "FROM jobs WHERE open=1"
_FROM_OPEN = "FROM jobs INDEXED BY jobs_open WHERE open=1"
"""SQLite would rather take the index on all states, and go through every job that is done."""


@dataclass(frozen=True, slots=True)
class TakenFile:
    """A prompt file as it was accepted. ``path`` is relative to the inbox, with slashes.

    ``images``: the local images that it names, by the names that it has for them. ``kept``: it stays in the
    inbox.
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
        """Open for reading. Raises JournalError where there is no journal yet."""
        self.path = path
        with translated(path):
            if not path.exists():
                raise no_journal(path)
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
                f"the journal {self.path} is still as an older mjwatch wrote it (version {version})",
                "`mjwatch run` brings it up to date; if it runs already, it is the older one: restart it",
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def recall(self, key: str) -> Any:
        """A fact stored with ``remember``, or None."""
        row = self._one("SELECT value FROM meta WHERE key=?", key)
        return None if row is None else json.loads(row[0])

    def paused(self) -> Pause | None:
        """Why nothing is sent, if it is paused."""
        found = self.recall("paused")
        return None if found is None else Pause(found["reason"], PauseKind(found["kind"]))

    def answer_of(self, request_id: int) -> str | None:
        """What became of a steering request, as it was stored; None as long as that is open."""
        row = self._one("SELECT answer FROM requests WHERE id=? AND answered IS NOT NULL", request_id)
        return None if row is None else str(row[0])

    def live_jobs(self) -> list[Job]:
        """All jobs that are open and were ever sent or answered, oldest first.

        A queued one that was put back is among them: its earlier attempt may yet turn out to have run.
        """
        states = ",".join(f"'{state}'" for state in State if state is not State.QUEUED)
        live = self._jobs(f"SELECT body {_FROM_OPEN} AND state IN ({states}) ORDER BY number")
        return live + self._jobs(
            "SELECT body FROM jobs INDEXED BY jobs_put_back WHERE open=1 AND state='queued' AND attempts>0"
            " ORDER BY number"
        )

    def any_queued(self, now: float, blocked_keys: Collection[str]) -> bool:
        """Whether a queued job is left that is no duplicate of these, and that no prompt file puts off."""
        marks = ",".join("?" * len(blocked_keys))
        put_off = "due>? AND json_extract(body, '$.prompt.not_before')>?"
        query = (
            f"SELECT 1 {_FROM_OPEN} AND state='queued' AND twin NOT IN ({marks}) AND NOT ({put_off} IS TRUE)"
            " LIMIT 1"
        )
        return self._one(query, *blocked_keys, now, now) is not None

    def next_queued(
        self, now: float, blocked_keys: Collection[str], only: Collection[str] | None = None
    ) -> Job | None:
        """The queued job to send next: due, and no duplicate of a blocked one.

        Of those with the highest priority each top-level folder of the inbox has its turn; within a folder
        it goes by order of arrival. ``only``: no other jobs than those with these ids.
        """
        marks = ",".join("?" * len(blocked_keys))
        free = f"state='queued' AND (due IS NULL OR due<=?) AND twin NOT IN ({marks})"
        if only is not None:
            found = self._jobs(
                f"SELECT body {_FROM_JOBS} AND {free} AND id IN ({','.join('?' * len(only))})"
                " ORDER BY priority DESC, number LIMIT 1",
                *(now, *blocked_keys, *only),
            )
            return found[0] if found else None
        heads = [
            (-row[0], served, row[1])
            for group, served in self._fairness_groups()
            for row in self._all(
                "SELECT priority, number FROM jobs INDEXED BY jobs_queue WHERE open=1 AND lane=?"
                f" AND {free} ORDER BY priority DESC, number LIMIT 1",
                *(group, now, *blocked_keys),
            )
        ]
        return self._jobs("SELECT body FROM jobs WHERE number=?", min(heads)[2])[0] if heads else None

    def _fairness_groups(self) -> list[tuple[str, int]]:
        """The top-level folders that queued jobs are from, and when each had its last turn."""
        first = "SELECT MIN(lane) FROM jobs INDEXED BY jobs_queue WHERE open=1 AND state='queued'"
        return self._all(
            f"WITH RECURSIVE waiting (lane) AS ({first} UNION ALL"
            f" SELECT ({first} AND jobs.lane>waiting.lane) FROM waiting WHERE lane IS NOT NULL)"
            " SELECT waiting.lane, COALESCE(served, 0) FROM waiting LEFT JOIN lanes USING (lane)"
            " WHERE waiting.lane IS NOT NULL"
        )

    def duplicate_ahead(self, job_id: str) -> Job | None:
        """A job that is out or in doubt and equals this one, so that this one may have to wait for it."""
        states = ",".join(f"'{state}'" for state in (*sorted(IN_FLIGHT), State.IN_DOUBT))
        found = self._jobs(
            f"SELECT body {_FROM_OPEN} AND state IN ({states}) AND id!=?1"
            " AND twin=(SELECT twin FROM jobs WHERE id=?1) ORDER BY number LIMIT 1",
            job_id,
        )
        return found[0] if found else None

    def next_queued_due(self, now: float) -> float | None:
        """When the next of the queued jobs that wait for a time may be sent."""
        row = self._one(
            "SELECT MIN(due) FROM jobs INDEXED BY jobs_due WHERE open=1 AND state='queued' AND due>?", now
        )
        return None if row is None else row[0]

    def job(self, job_id: str) -> Job | None:
        """One job by its id."""
        found = self._jobs("SELECT body FROM jobs WHERE id=?", job_id) if job_id.isascii() else []
        return found[0] if found else None

    def owner_of(
        self, *, job_uuid: str | None = None, message_id: str | None = None, start_id: str | None = None
    ) -> str | None:
        """The id of the job, open or long closed, that a final message belongs to.

        By Midjourney's uuid, by the final's own id, or by the start message that it replies to.
        """
        for column, value in (
            ("job_uuid", job_uuid),
            ("result_message", message_id),
            ("start_message", start_id),
        ):
            row = self._one(f"SELECT id FROM jobs WHERE {column}=? LIMIT 1", value) if value else None
            if row is not None:
                return str(row[0])
        return None

    def file_of(self, job_id: str) -> TakenFile | None:
        """The prompt file that a job came from, byte for byte."""
        row = self._one(
            "SELECT path, sha256, mtime, content FROM files WHERE id=(SELECT file FROM jobs WHERE id=?)",
            job_id,
        )
        return None if row is None else TakenFile(path_of(row[0]), *row[1:])

    def image_of(self, job_id: str, name: str) -> bytes:
        """A local image that the job's prompt file names so. Raises KeyError where it is not kept."""
        row = self._one(
            "SELECT content FROM images WHERE file=(SELECT file FROM jobs WHERE id=?) AND name=?",
            job_id,
            name,
        )
        if row is None:
            raise KeyError(name)
        return bytes(row[0])

    def children_of(self, job_id: str) -> list[Job]:
        """The follow-ups of a job, oldest first."""
        return self._jobs("SELECT body FROM jobs WHERE parent=? ORDER BY number", job_id)

    def taken(self, sha256: str) -> list[TakenBefore]:
        """Every file with this content that was taken, at whatever path, oldest first."""
        rows = self._all(
            "SELECT id, path, mtime, taken, kept, moved IS NOT NULL FROM files WHERE sha256=? ORDER BY id",
            sha256,
        )
        return [
            TakenBefore(number, path_of(path), mtime, at, kept=bool(kept), moved=bool(moved))
            for number, path, mtime, at, kept, moved in rows
        ]

    def was_taken(self, path: str, sha256: str) -> bool:
        """Whether this very content was taken at this path before."""
        query = "SELECT 1 FROM files WHERE sha256=? AND path=? LIMIT 1"
        return self._one(query, sha256, stored_path(path)) is not None

    def keeps_files(self) -> bool:
        """Whether any of the files that were taken was kept in the inbox."""
        return self._one("SELECT 1 FROM files WHERE kept=1 LIMIT 1") is not None

    def kept_paths(self) -> set[str]:
        """The paths of all that was taken and kept, in NFC."""
        return {path_of(row[0]) for row in self._all("SELECT DISTINCT path FROM files WHERE kept=1")}

    def attempts_since(self, time: float) -> list[float]:
        """The times of all attempts after this one, oldest first."""
        rows = self._all("SELECT at FROM attempts WHERE at>? ORDER BY at", time)
        return [float(row[0]) for row in rows]

    def listed(self, state: State | None, limit: int) -> list[Job]:
        """The newest jobs first; ``state`` filters."""
        where = "WHERE state=?" if state else ""
        values = (state, limit) if state else (limit,)
        return self._jobs(f"SELECT body FROM jobs {where} ORDER BY number DESC LIMIT ?", *values)

    def search(self, wanted: JobFilter, limit: int) -> list[Job]:
        """The newest first of those that are as wanted."""
        since = None if wanted.since is None else self._first_since(wanted.since)
        terms, values = wanted.conditions(since)
        rows: list[tuple[Any, ...]] = []
        for state in wanted.states or (None,):  # each from its own end: no other job is read
            where = " AND ".join([*terms, *([] if state is None else ["state=?"])])
            rows += self._all(
                f"SELECT number, body FROM jobs {where and f'WHERE {where}'} ORDER BY number DESC LIMIT ?",
                *(*values, *([] if state is None else [state]), limit),
            )
        return self._loaded(row[1:] for row in sorted(rows, reverse=True)[:limit])

    def _first_since(self, time: float) -> int:
        """The number of the first job that was accepted then or later: they are numbered in that order."""
        last = self._one("SELECT MAX(number) FROM jobs")
        low, high = 0, 1 + (last[0] if last and last[0] else 0)
        while low < high:
            middle = (low + high) // 2
            row = self._one("SELECT number, accepted FROM jobs WHERE number>=? ORDER BY number", middle)
            if row is None or row[1] >= time:
                high = middle
            else:
                low = row[0] + 1
        return int(low)

    def open_counts(self) -> dict[State, int]:
        """How many jobs are open, by state."""
        rows = self._all(f"SELECT state, COUNT(*) {_FROM_OPEN} GROUP BY state")
        return {State(state): count for state, count in rows}

    def matching_ids(self, prefix: str) -> list[str]:
        """Ids of jobs that begin with this text, at most ten."""
        if not prefix.isascii():
            return []
        rows = self._all("SELECT id FROM jobs WHERE id>=? AND id<? LIMIT 10", prefix, prefix + "\x7f")
        return [row[0] for row in rows]

    def jobs_of_file(self, path: str, sha256: str) -> list[Job]:
        """The jobs of the file with this name and content that was taken last."""
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
        with translated(self.path):
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return row

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with translated(self.path):
            return self._db.execute(query, values).fetchall()


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Jobs in one of these states (any, if none is named), with this label, from a file in the inbox.

    ``since``: accepted at this time or later, in seconds since 1970. ``source``: a path with the wildcards *,
    ? and [...]; a * stands for slashes, too.
    """

    states: tuple[State, ...] = ()
    label: str | None = None
    since: float | None = None
    source: str | None = None

    def conditions(self, since_number: int | None) -> tuple[list[str], list[object]]:
        """Terms of a WHERE clause and their values, the states left out.

        ``since_number``: the number of the first job that is young enough, if an age is wanted.
        """
        terms: dict[str, object] = {}
        if self.label is not None:
            terms["label=?"] = stored_label(self.label)
        if self.source is not None:
            # The paths are an index: no job is read for it.
            terms["file IN (SELECT id FROM files WHERE path GLOB ?)"] = stored_path(self.source)
        if since_number is not None:
            terms["number>=?"] = since_number
        return list(terms), list(terms.values())


_MAYBE = (
    *("paused", "paused_kind", "mend", "capped_until", "connected_since", "trouble"),
    *("inbox_trouble", "left"),
)


def overview(reader: JournalReader | None, *, daemon: bool, max_per_day: int, now: float) -> dict[str, Any]:
    """The facts by name, as ``status --json`` shows them; None for ``reader`` where nothing has run yet.

    ``jobs`` counts the open ones by state; ``live`` are those that were ever sent; times are in seconds since
    1970. ``connected_since``: when the gateway let us in, if it is there. ``left`` is what lies in the inbox
    and is left alone, as the daemon found it: how many for which reason, and some of them by name.
    ``inbox_trouble``: why nothing is taken from there. Raises JournalError.
    """
    if reader is None:
        return {
            "daemon": daemon,
            **dict.fromkeys(_MAYBE),
            "jobs": {},
            "live": [],
            "sent_in_24h": 0,
            "max_per_day": max_per_day,
        }
    pause, inbox = reader.paused(), reader.recall("inbox")
    return {
        "daemon": daemon,
        "paused": None if pause is None else pause.reason,
        "paused_kind": None if pause is None else str(pause.kind),
        "mend": None if pause is None else resume_hint(pause),
        "capped_until": capped_until(reader, max_per_day, now),
        "connected_since": reader.recall("connected") if daemon else None,
        "trouble": reader.recall("trouble") if daemon else None,
        "inbox_trouble": inbox["trouble"] if inbox and daemon else None,
        "left": {key: inbox[key] for key in ("counts", "some")} if inbox and inbox["counts"] else None,
        "jobs": {str(state): count for state, count in reader.open_counts().items()},
        "live": [brief(job) for job in reader.live_jobs()],
        "sent_in_24h": len(reader.attempts_since(now - DAY)),
        "max_per_day": max_per_day,
    }


def capped_until(reader: JournalReader, max_per_day: int, now: float) -> float | None:
    """When the daily cap lets the next one go; None where it is not reached."""
    return Throttle(Pace(max_per_day=max_per_day), reader.attempts_since(now - DAY)).capped_until(now)


def brief(job: Job) -> dict[str, Any]:
    """One job in a few facts."""
    return {
        "job": job.id,
        "state": str(job.state),
        "percent": job.percent,
        "action": job.prompt.action,
        "command": job.prompt.command,
        "prompt": job.prompt.text,
        "parent": job.parent,
        "label": job.prompt.label,
        "source": job.source.path if job.source else None,
        "accepted": job.accepted,
        "folder": job.folder,
    }
