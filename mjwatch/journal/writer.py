"""The durable memory: jobs, attempts, taken files and the gateway's session, in one SQLite file.

WAL with ``synchronous=FULL``: what is committed survives a power cut. One writer (the loop); any number of
readers (the CLI) open it read-only. The partial index on open jobs keeps every look-up that the loop and the
CLI make independent of how many jobs are done.
"""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mjwatch.errors import JournalError
from mjwatch.host.platform import create_shared_file
from mjwatch.journal import requests
from mjwatch.journal.database import (
    break_seal,
    migrate,
    newest_version,
    refuse_unusable,
    seal,
    translated,
    version_of,
)
from mjwatch.journal.reader import JournalReader, TakenFile
from mjwatch.journal.serialization import dump_job, stored_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mjwatch.journal.requests import Outcome, Request
    from mjwatch.model import Job

log = logging.getLogger("mjwatch")


class Journal(JournalReader):
    """The one writer's view. What SQLite can't do raises JournalError, and then nothing was changed."""

    def __init__(self, path: Path) -> None:
        """Open the journal, making it where it is not there, and bring an older one up to date.

        Raises JournalError, with the file untouched, where it is damaged or of a newer version.
        """
        self.path = path
        with translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                refuse_unusable(path)  # to open it for writing would change it
            create_shared_file(path)
            break_seal(path)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file. If it was the last to do so, the next start need not look through it."""
        super().close()
        seal(self.path)

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._identity = _identity(self.path)
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA fullfsync=ON")  # macOS: to the platter, not only to the drive's cache
        before = version_of(self._db)
        if before < newest_version():
            with self._transaction():
                migrate(self._db)
            if before > 0:
                log.info("the journal was brought from version %d to %d", before, newest_version())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated(self.path):
            self._check_place()
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _check_place(self) -> None:
        """What is committed to a file whose name is gone would be lost with this process."""
        if _identity(self.path) != self._identity:
            raise JournalError(
                f"the journal {self.path} is not where it was opened: it was moved, removed or replaced",
                "stop mjwatch, put it back and start again",
            )

    # ---- writing: each call is one durable transaction

    def accept(self, file: TakenFile | None, jobs: Sequence[tuple[Job, str]], now: float) -> None:
        """Store a taken file with its jobs and their twin keys: from here on the inbox's copy may go."""
        with self._transaction():
            file_id = None if file is None else requests.put_file(self._db, file, now)
            self._put_jobs(jobs, file_id)

    def move_file(self, before: int, file: TakenFile, now: float) -> None:
        """Store that the kept file of this number lies at another path by now."""
        with self._transaction():
            after = requests.put_file(self._db, file, now)
            self._db.execute("UPDATE files SET moved=? WHERE id=?", (after, before))

    def mark_kept(self, files: Sequence[int], *, kept: bool) -> None:
        """Store whether these files stay in the inbox."""
        with self._transaction():
            self._db.executemany("UPDATE files SET kept=? WHERE id=?", [(int(kept), n) for n in files])

    def identity(self) -> str:
        """What tells this journal from any other one; it is made at the first call."""
        found = self.recall("journal")
        if found is None:
            found = secrets.token_hex(8)
            self.remember({"journal": found})
        return str(found)

    def _put_jobs(self, jobs: Sequence[tuple[Job, str]], file_id: int | None) -> None:
        for job, twin in jobs:
            self._db.execute(
                "INSERT INTO jobs (state, open, priority, due, job_uuid, start_message, result_message,"
                " attempts, body, id, twin, lane, label, parent, accepted, file)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(*_columns(job), job.id, twin, lane_of(job), stored_label(job.prompt.label)),
                    *(job.parent, job.accepted, file_id),
                ),
            )

    def update(
        self,
        job: Job,
        attempt_at: float | None = None,
        meta: dict[str, Any] | None = None,
        children: Sequence[tuple[Job, str]] = (),
    ) -> None:
        """Store a job's step; all that it brings with it counts together, or nothing of it.

        ``attempt_at``: it is a new attempt. ``meta``: the session's place. ``children``: the jobs of its
        follow-ups, with their twin keys.
        """
        with self._transaction():
            self._db.execute(
                "UPDATE jobs SET state=?, open=?, priority=?, due=?, job_uuid=?, start_message=?,"
                " result_message=?, attempts=?, body=? WHERE id=?",
                (*_columns(job), job.id),
            )
            if attempt_at is not None:
                self._put_attempt(job, attempt_at)
            self._put_children(job.id, children)
            self._put_meta(meta or {})

    def accept_given(self, job: Job, twin: str, file: int | None) -> None:
        """Store the job of a request, whose file is in the journal already; None: it is its parent's."""
        with self._transaction():
            if file is None:
                self._put_children(job.parent or "", [(job, twin)])
            else:
                self._put_jobs([(job, twin)], file)

    def _put_children(self, parent: str, children: Sequence[tuple[Job, str]]) -> None:
        if children:
            row = self._db.execute("SELECT file FROM jobs WHERE id=?", (parent,)).fetchone()
            self._put_jobs(children, None if row is None else row[0])

    def _put_attempt(self, job: Job, at: float) -> None:
        self._db.execute(
            "INSERT INTO attempts (nonce, job, session, anchor, at) VALUES (?, ?, ?, ?, ?)",
            (job.nonce, job.id, job.session_id, job.anchor, at),
        )
        self._db.execute(
            "INSERT INTO lanes (lane, served) VALUES (?, (SELECT COALESCE(MAX(served), 0) + 1 FROM lanes))"
            " ON CONFLICT (lane) DO UPDATE SET served=excluded.served",
            (lane_of(job),),
        )

    def remember(self, meta: dict[str, Any]) -> None:
        """Store small facts by key: the gateway's session, the newest message seen, why sending is paused."""
        with self._transaction():
            self._put_meta(meta)

    def answer(self, request_id: int, outcomes: Sequence[Outcome], now: float) -> None:
        """Store what became of a steering request."""
        with self._transaction():
            requests.answer(self._db, request_id, outcomes, now)

    def open_requests(self) -> list[Request]:
        """The steering requests that have no answer yet, oldest first."""
        with translated(self.path):
            return requests.open_requests(self._db)

    def _put_meta(self, meta: dict[str, Any]) -> None:
        for key, value in meta.items():
            self._db.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value=excluded.value",
                (key, json.dumps(value)),
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def lane_of(job: Job) -> str:
    """The top-level folder of the inbox that the job is from; "" for the inbox itself."""
    top, slash, _ = (job.source.path if job.source else "").partition("/")
    return top.encode("utf-8", "backslashreplace").decode() if slash else ""


def _columns(job: Job) -> tuple[str | int | float | None, ...]:
    """What is kept of a job beside its body, to find it by, and the body."""
    result = None if job.result is None else job.result.message_id
    ids = (job.job_uuid, job.message_id, result)
    return (
        job.state,
        int(job.open),
        job.prompt.priority,
        job.next_action_at,
        *ids,
        len(job.nonces),
        dump_job(job),
    )
