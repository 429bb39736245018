"""Takes jobs that are long closed out of the journal, beside a running daemon, in short transactions."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mjwatch.jobs.control import beside
from mjwatch.jobs.pacing import DAY

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
