"""Takes jobs that are long closed out of the journal, beside a running daemon, in short transactions.

Everything that the journal holds of one job, row by row, for those who look into what went wrong.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from mjwatch.jobs.pacing import DAY
from mjwatch.journal.database import check_version, open_read_only, translated
from mjwatch.journal.requests import beside

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


LEAST_AGE = DAY
"""Seconds. A younger job may still get a late result, and a younger attempt counts for the daily cap."""

BATCH = 500

PAUSE = 0.01
"""Seconds between two batches, for the daemon to write in."""

_OLD = "open=0 AND accepted<:before AND json_extract(body, '$.published')<:before"


def prunable(path: Path, before: float) -> int:
    """How many jobs were closed before this time (seconds since 1970)."""
    with beside(path) as db:
        row = db.execute(f"SELECT COUNT(*) FROM jobs WHERE {_OLD}", {"before": before}).fetchone()
        return int(row[0])


def prune(path: Path, before: float, now: float) -> int:
    """Remove the jobs that were closed before this time; how many those were.

    Their prompt files stay known by path, hash and time, so that a second delivery is still recognised; only
    their content goes. Folders in the outbox stay as they are. Raises JournalError.
    """
    before = min(before, now - LEAST_AGE)
    with beside(path) as db:
        pruned = _prune_jobs(db, before)
        _prune_attempts(db, before)
        _empty_files(db, before)
        _drop_images(db, before)
        return pruned


def _prune_jobs(db: sqlite3.Connection, before: float) -> int:
    pruned, last = 0, -1
    while True:
        # What is found may have been opened again before it is removed: looked at twice.
        rows = db.execute(
            f"SELECT number FROM jobs WHERE number>:last AND {_OLD} ORDER BY number LIMIT {BATCH}",
            {"before": before, "last": last},
        ).fetchall()
        if not rows:
            return pruned
        numbers = ",".join(str(int(row[0])) for row in rows)
        with _transaction(db):
            cursor = db.execute(
                f"DELETE FROM jobs WHERE number IN ({numbers}) AND {_OLD}", {"before": before}
            )
            pruned += cursor.rowcount
        last = rows[-1][0]


def _prune_attempts(db: sqlite3.Connection, before: float) -> None:
    """Those whose jobs are gone."""
    _in_batches(
        db,
        "DELETE FROM attempts WHERE nonce IN (SELECT nonce FROM attempts WHERE at<?"
        f" AND job NOT IN (SELECT id FROM jobs) LIMIT {BATCH})",
        before,
    )


def _empty_files(db: sqlite3.Connection, before: float) -> None:
    """The content of those whose jobs are gone; their keys stay for ever."""
    _in_batches(
        db,
        "UPDATE files SET content=x'' WHERE id IN (SELECT id FROM files WHERE taken<? AND length(content)>0"
        f" AND NOT EXISTS (SELECT 1 FROM jobs WHERE file=files.id) LIMIT {BATCH})",
        before,
    )


def _drop_images(db: sqlite3.Connection, before: float) -> None:
    """Local images of those files; nothing is known of an image but its content."""
    _in_batches(
        db,
        "DELETE FROM images WHERE (file, name) IN (SELECT file, name FROM images JOIN files ON files.id=file"
        f" WHERE taken<? AND NOT EXISTS (SELECT 1 FROM jobs WHERE file=files.id) LIMIT {BATCH})",
        before,
    )


def _in_batches(db: sqlite3.Connection, statement: str, before: float) -> None:
    changed = BATCH
    while changed == BATCH:
        with _transaction(db):
            changed = db.execute(statement, (before,)).rowcount


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    time.sleep(PAUSE)


_OF_JOB = {
    "jobs": "SELECT * FROM jobs WHERE id=:job",
    "attempts": "SELECT * FROM attempts WHERE job=:job ORDER BY at",
    "files": "SELECT * FROM files WHERE id=(SELECT file FROM jobs WHERE id=:job)",
    "images": "SELECT name, length(content) AS bytes FROM images"
    " WHERE file=(SELECT file FROM jobs WHERE id=:job)",
    "requests": "SELECT * FROM requests WHERE instr(arguments, :job) ORDER BY id",
    "relatives": "SELECT id, state, parent FROM jobs"
    " WHERE parent=:job OR id=(SELECT parent FROM jobs WHERE id=:job)",
    # Of the stream its place; what was said in the channel by others is nobody's business.
    "meta": "SELECT * FROM meta WHERE key IN ('paused', 'trouble', 'connected', 'gateway', 'newest')",
}


def rows_of(path: Path, job_id: str) -> dict[str, list[dict[str, Any]]]:
    """The rows by table, each by column; bytes as text. Raises JournalError."""
    with translated(path), closing(open_read_only(path)) as db:
        check_version(db, path)
        return {table: _rows(db, query, job_id) for table, query in _OF_JOB.items()}


def _rows(db: sqlite3.Connection, query: str, job_id: str) -> list[dict[str, Any]]:
    cursor = db.execute(query, {"job": job_id})
    names = [column[0] for column in cursor.description]
    return [{name: _text(value) for name, value in zip(names, row, strict=True)} for row in cursor.fetchall()]


def _text(value: Any) -> Any:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
