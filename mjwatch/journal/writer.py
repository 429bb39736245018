"""The single writer of the journal: jobs, attempts, accepted files and facts about the session.

The file is in WAL mode with ``synchronous=FULL``: what is committed survives a power cut. The event loop is
the only writer of jobs; any number of readers (the CLI) open the file read-only. The partial indexes on open
jobs make each query of the loop and the CLI independent of the number of finished jobs.
"""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mjwatch.filesystem.folder import private_folder
from mjwatch.host.platform import create_shared_file
from mjwatch.jobs.pacing import DAY
from mjwatch.journal import requests
from mjwatch.journal.database import (
    journal_error,
    mark_clean_close,
    migrate,
    newest_version,
    refuse_odd_files,
    refuse_unusable,
    remove_close_marker,
    transaction,
    translate_errors,
    version_of,
)
from mjwatch.journal.guard import FileGuard
from mjwatch.journal.reader import JournalReader, TakenFile
from mjwatch.journal.serialization import fairness_group, fixed_columns, job_columns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from mjwatch.journal.requests import Outcome, Request
    from mjwatch.journal.serialization import Columns
    from mjwatch.model import Job

log = logging.getLogger("mjwatch")

CLOCK_TOLERANCE = 60.0
"""Seconds by which two measurements of how far a clock was set may differ."""


class Journal(JournalReader):
    """The writer's view of the journal. An error of SQLite raises JournalError, and nothing was changed."""

    def __init__(self, path: Path) -> None:
        """Open the journal, create it if there is none, and migrate an older one.

        Raise JournalError, with the file untouched, if it is damaged or of a newer version.
        """
        self.path = path
        with translate_errors(path):
            private_folder(path.parent)
            refuse_odd_files(path)
            if path.exists():
                refuse_unusable(path)  # to open it for writing would change it
            create_shared_file(path)
            remove_close_marker(path)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file. If no other program has it open, the next start need not check it."""
        super().close()
        mark_clean_close(self.path)

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA fullfsync=ON")  # macOS: flush the drive's cache, too
        before = version_of(self._db)
        if before < newest_version():
            with transaction(self._db, self.path):
                migrate(self._db)
            if before > 0:
                log.info("the journal was migrated from version %d to %d", before, newest_version())
        self._guard = FileGuard(self._db, self.path)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Run the body as one durable transaction, unless a file of the journal is gone."""
        self._check_files()
        with transaction(self._db, self.path):
            yield

    def _check_files(self) -> None:
        with translate_errors(self.path):
            self._guard.check()

    # ---- writing: each call is one durable transaction

    def accept(self, file: TakenFile | None, jobs: Sequence[tuple[Job, str]], now: float) -> None:
        """Store an accepted file and its jobs with their duplicate keys. Then the inbox's copy may go."""
        rows = [_row(job, key) for job, key in jobs]
        with self._transaction():
            number = None if file is None else requests.put_file(self._db, file, now)
            for row in rows:
                self._db.execute(_INSERT_JOB, {**row, "file": number})

    def accept_requested(self, job: Job, duplicate_key: str, file: int | None) -> None:
        """Store the job of a request. Its file is in the journal already; None: the file of its parent."""
        row = _row(job, duplicate_key)
        with self._transaction():
            if file is None:
                self._db.execute(_INSERT_CHILD, row)
            else:
                self._db.execute(_INSERT_JOB, {**row, "file": file})

    def accept_imported(self, jobs: Sequence[tuple[Job, str]], meta: dict[str, Any]) -> None:
        """Store jobs that were made elsewhere, with their duplicate keys, and facts to remember."""
        rows = [_row(job, key) for job, key in jobs]
        with self._transaction():
            for row in rows:
                self._db.execute(_INSERT_JOB, {**row, "file": None})
            for key, value in meta.items():
                self._db.execute(_PUT_META, (key, json.dumps(value)))

    def move_file(self, before: int, file: TakenFile, now: float) -> None:
        """Store that the kept file with this number was moved to another path."""
        with self._transaction():
            after = requests.put_file(self._db, file, now)
            self._db.execute("UPDATE files SET moved=? WHERE id=?", (after, before))

    def mark_kept(self, files: Sequence[int], *, kept: bool) -> None:
        """Store whether these files stay in the inbox."""
        with self._transaction():
            self._db.executemany("UPDATE files SET kept=? WHERE id=?", [(int(kept), n) for n in files])

    def identity(self) -> str:
        """Return the id of this journal, which no other journal has; the first call creates it."""
        found = self.recall("journal")
        if found is None:
            found = secrets.token_hex(8)
            self.remember({"journal": found})
        return str(found)

    def update(
        self,
        job: Job,
        attempt_at: float | None = None,
        meta: dict[str, Any] | None = None,
        children: Sequence[tuple[Job, str]] = (),
        attempt_counts: bool | None = None,
    ) -> None:
        """Store a step of a job together with all that belongs to it.

        ``attempt_at``: the step starts a new attempt. ``meta``: facts to remember, such as the gateway's
        position. ``children``: the jobs of its follow-ups, with their duplicate keys. ``attempt_counts``:
        whether the job's last attempt was, or may have been, executed; None: nothing new is known.
        """
        rows = [_row(child, key) for child, key in children]
        group, columns = fairness_group(job), job_columns(job)
        attempt = None if attempt_at is None else (job.nonce, job.id, job.session_id, job.anchor, attempt_at)
        with self._transaction():
            self._db.execute(_UPDATE_JOB, {**columns, "id": job.id})
            if attempt is not None:
                self._begin_attempt(*attempt)
                self._db.execute(_COUNT_TURN, (group,))
            if attempt_counts is not None:
                self._db.execute(_COUNT_ATTEMPT, (attempt_counts, job.nonce))
            for row in rows:
                self._db.execute(_INSERT_CHILD, row)
            for key, value in (meta or {}).items():
                self._db.execute(_PUT_META, (key, json.dumps(value)))

    def count_submission(self, nonce: str, session_id: str, at: float) -> None:
        """Store a submission that is no job's here, so that it counts as sent; do this before its POST."""
        with self._transaction():
            self._begin_attempt(nonce, "", session_id, None, at)

    def _begin_attempt(self, *values: str | float | None) -> None:
        self._db.execute(_INSERT_ATTEMPT, values)
        self._db.execute(_FORGET_AHEAD, {"now": values[-1], "jump": 0.0})

    def not_executed(self, nonce: str) -> None:
        """Store that this submission was not executed, so that it does not count."""
        with self._transaction():
            self._db.execute(_COUNT_ATTEMPT, (False, nonce))

    def follow_clock(self, now: float, jump: float = 0.0) -> None:
        """Let attempts whose time has not come yet, because the clock is behind it, count as made before.

        Which of the two clocks is wrong shows later, so the attempt's own time is kept until it has counted
        for a day. ``jump``: the seconds by which the clock was set just now; 0.0 at a start, when nobody
        knows.
        """
        with self._transaction():
            for statement in (_WAS_BEHIND, _FORGET_AHEAD, _IS_BEHIND):
                self._db.execute(statement, {"now": now, "jump": jump})

    def update_all(self, jobs: Collection[Job]) -> None:
        """Store changes of these jobs together."""
        if not jobs:
            return
        with self._transaction():
            self._db.executemany(_UPDATE_JOB, [{**job_columns(job), "id": job.id} for job in jobs])

    def remember(self, meta: dict[str, Any]) -> None:
        """Store small facts by key: the gateway's session, the newest message seen, why sending is paused."""
        with self._transaction():
            for key, value in meta.items():
                self._db.execute(_PUT_META, (key, json.dumps(value)))

    def answer(self, request_id: int, outcomes: Sequence[Outcome], now: float) -> None:
        """Store the outcomes of a request."""
        with self._transaction():
            requests.answer(self._db, request_id, outcomes, now)

    def open_requests(self) -> list[Request]:
        """Return the requests that have no answer yet, oldest first.

        The loop asks every few seconds, so that a lost file is also noticed where nothing is written.
        """
        self._check_files()
        try:
            return requests.open_requests(self._db)
        except sqlite3.DatabaseError as error:
            raise journal_error(self.path, error) from error


_CHANGING_COLUMNS = (
    *("state", "open", "priority", "next_action_at", "job_uuid", "start_message", "result_message"),
    *("attempts", "body"),
)
_ALL_COLUMNS = (*_CHANGING_COLUMNS, "id", "duplicate_key", "fairness_group", "label", "parent", "accepted")

_UPDATE_JOB = f"UPDATE jobs SET {', '.join(f'{name}=:{name}' for name in _CHANGING_COLUMNS)} WHERE id=:id"
_INSERT_JOB = (
    f"INSERT INTO jobs ({', '.join(_ALL_COLUMNS)}, file)"
    f" VALUES ({', '.join(f':{name}' for name in _ALL_COLUMNS)}, :file)"
)
_INSERT_CHILD = _INSERT_JOB.replace(":file", "(SELECT file FROM jobs WHERE id=:parent)")
_INSERT_ATTEMPT = "INSERT INTO attempts (nonce, job, session, anchor, at) VALUES (?, ?, ?, ?, ?)"
_COUNT_ATTEMPT = "UPDATE attempts SET counts=? WHERE nonce=?"
_WAS_BEHIND = f"""UPDATE attempts SET at=ahead, ahead=NULL
    WHERE ahead<=:now AND (ahead-at<=:jump+{CLOCK_TOLERANCE} OR at<=:now-{DAY})"""
"""For attempts that are not ahead any more: the clock was set forward, at once or before this start."""
_FORGET_AHEAD = f"UPDATE attempts SET ahead=NULL WHERE ahead>:now AND at<=:now-{DAY}-MAX(:jump, 0)"
"""For attempts that are ahead, but have counted for a day: their own time does not count when it comes."""
_IS_BEHIND = """UPDATE attempts SET ahead=COALESCE(ahead, at), at=MIN(:now, at+MIN(:jump, 0))
    WHERE at>:now"""
"""For attempts that are ahead, because the clock was set back."""
_PUT_META = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value"
_COUNT_TURN = (
    "INSERT INTO fairness_groups (fairness_group, served)"
    " VALUES (?, (SELECT COALESCE(MAX(served), 0) + 1 FROM fairness_groups))"
    " ON CONFLICT (fairness_group) DO UPDATE SET served=excluded.served"
)


def _row(job: Job, duplicate_key: str) -> Columns:
    return {**fixed_columns(job), "duplicate_key": duplicate_key, **job_columns(job)}
