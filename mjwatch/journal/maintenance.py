"""Maintenance beside a running daemon: delete jobs that ended long ago, and export all rows of one job.

Pruning works in short transactions, so that the daemon can write in between.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from mjwatch.jobs.pacing import DAY
from mjwatch.journal.database import check_version, open_read_only, transaction, translate_errors
from mjwatch.journal.requests import second_writer

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


LEAST_AGE = DAY
"""Seconds. A younger job may still get a late result, and a younger attempt counts for the daily cap."""

BATCH_SIZE = 500
"""Rows in one transaction."""

BATCH_PAUSE = 0.01
"""Seconds between two transactions, in which the daemon can write."""

_IS_OLD = "open=0 AND accepted<:before AND json_extract(body, '$.published')<:before"


def prunable(path: Path, before: float) -> int:
    """Return how many jobs were closed before this time (seconds since 1970)."""
    with second_writer(path) as db:
        row = db.execute(f"SELECT COUNT(*) FROM jobs WHERE {_IS_OLD}", {"before": before}).fetchone()
        return int(row[0])


def prune(path: Path, before: float, now: float) -> int:
    """Delete the jobs that were closed before this time, and return their number. Raise JournalError.

    Their prompt files stay known by path, hash and time, so that a second delivery is still recognised; only
    the content of the files is deleted. Folders in the outbox stay as they are.
    """
    before = min(before, now - LEAST_AGE)
    with second_writer(path) as db:
        pruned = _prune_jobs(db, path, before)
        for statement in (_PRUNE_ATTEMPTS, _EMPTY_FILES, _PRUNE_IMAGES):
            _run_in_batches(db, path, statement, before)
        return pruned


def _prune_jobs(db: sqlite3.Connection, path: Path, before: float) -> int:
    pruned, last = 0, -1
    while True:
        # A job may be opened again between the two statements, so both check it.
        rows = db.execute(
            f"SELECT number FROM jobs WHERE number>:last AND {_IS_OLD} ORDER BY number LIMIT {BATCH_SIZE}",
            {"before": before, "last": last},
        ).fetchall()
        if not rows:
            return pruned
        numbers = ",".join(str(int(row[0])) for row in rows)
        with transaction(db, path):
            db.execute(
                "INSERT OR IGNORE INTO pruned_results"
                " SELECT COALESCE(NULLIF(result_message, ''), 'job ' || id), job_uuid FROM jobs"
                f" WHERE number IN ({numbers}) AND {_IS_OLD} AND result_message IS NOT NULL",
                {"before": before},
            )
            cursor = db.execute(
                f"DELETE FROM jobs WHERE number IN ({numbers}) AND {_IS_OLD}", {"before": before}
            )
            pruned += cursor.rowcount
        time.sleep(BATCH_PAUSE)
        last = rows[-1][0]


_PRUNE_ATTEMPTS = (
    "DELETE FROM attempts WHERE nonce IN (SELECT nonce FROM attempts WHERE at<:before"
    " AND job NOT IN (SELECT id FROM jobs) LIMIT :batch)"
)
"""Deletes the attempts of deleted jobs."""

_EMPTY_FILES = (
    "UPDATE files SET content=x'' WHERE id IN (SELECT id FROM files WHERE taken<:before"
    " AND length(content)>0 AND NOT EXISTS (SELECT 1 FROM jobs WHERE file=files.id) LIMIT :batch)"
)
"""Deletes the content of files whose jobs are deleted; their keys stay for ever."""

_PRUNE_IMAGES = (
    "DELETE FROM images WHERE (file, name) IN (SELECT file, name FROM images JOIN files ON files.id=file"
    " WHERE taken<:before AND NOT EXISTS (SELECT 1 FROM jobs WHERE file=files.id) LIMIT :batch)"
)
"""Deletes the local images of those files; an image has no key that must stay."""


def _run_in_batches(db: sqlite3.Connection, path: Path, statement: str, before: float) -> None:
    changed = BATCH_SIZE
    while changed == BATCH_SIZE:
        with transaction(db, path):
            changed = db.execute(statement, {"before": before, "batch": BATCH_SIZE}).rowcount
        time.sleep(BATCH_PAUSE)


_ROWS_OF_JOB = {
    "jobs": "SELECT * FROM jobs WHERE id=:job",
    "attempts": "SELECT * FROM attempts WHERE job=:job ORDER BY at",
    "files": "SELECT * FROM files WHERE id=(SELECT file FROM jobs WHERE id=:job)",
    "images": "SELECT name, length(content) AS bytes FROM images"
    " WHERE file=(SELECT file FROM jobs WHERE id=:job)",
    "requests": "SELECT * FROM requests WHERE instr(arguments, :job) ORDER BY id",
    "relatives": "SELECT id, state, parent FROM jobs"
    " WHERE parent=:job OR id=(SELECT parent FROM jobs WHERE id=:job)",
    # The position in the gateway's stream, but not what other people said in the channel.
    "meta": "SELECT * FROM meta WHERE key IN"
    " ('paused', 'trouble', 'troubles', 'connected', 'gateway', 'newest')",
}


def rows_of(path: Path, job_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one job by table, each row by column, bytes as text. Raise JournalError."""
    with translate_errors(path), closing(open_read_only(path)) as db:
        check_version(db, path)
        return {table: _rows(db, query, job_id) for table, query in _ROWS_OF_JOB.items()}


def _rows(db: sqlite3.Connection, query: str, job_id: str) -> list[dict[str, Any]]:
    cursor = db.execute(query, {"job": job_id})
    names = [column[0] for column in cursor.description]
    return [{name: _text(value) for name, value in zip(names, row, strict=True)} for row in cursor.fetchall()]


def _text(value: Any) -> Any:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
