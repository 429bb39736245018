"""The journal's tables, version by version: what makes a new file, and what mends an older one."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        # A path that is no UTF-8 is kept as its bytes.
        """CREATE TABLE files (
            id INTEGER PRIMARY KEY, path NOT NULL, sha256 TEXT NOT NULL, mtime REAL NOT NULL,
            taken REAL NOT NULL, content BLOB NOT NULL)""",
        "CREATE INDEX files_by_path ON files (path, sha256)",
        """CREATE TABLE jobs (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, open INTEGER NOT NULL,
            priority INTEGER NOT NULL, due REAL, twin TEXT NOT NULL, job_uuid TEXT, start_message TEXT,
            result_message TEXT, attempts INTEGER NOT NULL, accepted REAL NOT NULL,
            file INTEGER REFERENCES files (id), body TEXT NOT NULL)""",
        "CREATE INDEX jobs_open ON jobs (state, priority DESC, number, due, twin) WHERE open = 1",
        "CREATE INDEX jobs_due ON jobs (due) WHERE open = 1 AND state = 'queued' AND due IS NOT NULL",
        "CREATE INDEX jobs_by_state ON jobs (state)",
        "CREATE INDEX jobs_by_uuid ON jobs (job_uuid) WHERE job_uuid IS NOT NULL",
        "CREATE INDEX jobs_by_result ON jobs (result_message) WHERE result_message IS NOT NULL",
        "CREATE INDEX jobs_by_start ON jobs (start_message) WHERE start_message IS NOT NULL",
        "CREATE INDEX jobs_put_back ON jobs (number) WHERE open = 1 AND state = 'queued' AND attempts > 0",
        "CREATE INDEX jobs_by_file ON jobs (file) WHERE file IS NOT NULL",
        """CREATE TABLE attempts (
            nonce TEXT PRIMARY KEY, job TEXT NOT NULL, session TEXT, anchor TEXT, at REAL NOT NULL)
            WITHOUT ROWID""",
        "CREATE INDEX attempts_by_time ON attempts (at)",
        # What a person asks of the daemon, and its answer.
        """CREATE TABLE requests (
            id INTEGER PRIMARY KEY, at REAL NOT NULL, verb TEXT NOT NULL, arguments TEXT NOT NULL,
            answer TEXT, answered REAL)""",
        "CREATE INDEX requests_open ON requests (id) WHERE answered IS NULL",
        "CREATE INDEX requests_by_time ON requests (answered) WHERE answered IS NOT NULL",
    ),
    2: (
        # The top-level folder of the inbox that a job is from: each has its turn.
        "ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE jobs ADD COLUMN parent TEXT",
        """CREATE INDEX jobs_queue ON jobs (lane, priority DESC, number, due, twin)
            WHERE open = 1 AND state = 'queued'""",
        "CREATE INDEX jobs_by_parent ON jobs (parent) WHERE parent IS NOT NULL",
        "CREATE TABLE lanes (lane TEXT PRIMARY KEY, served INTEGER NOT NULL) WITHOUT ROWID",
        # Local images that a prompt file names, as they were when it was taken.
        """CREATE TABLE images (
            file INTEGER NOT NULL REFERENCES files (id), name TEXT NOT NULL, content BLOB NOT NULL,
            PRIMARY KEY (file, name)) WITHOUT ROWID""",
        "CREATE INDEX files_by_content ON files (sha256)",
        # Whether it stays in the inbox, and as which file it lies elsewhere in it by now.
        "ALTER TABLE files ADD COLUMN kept INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE files ADD COLUMN moved INTEGER REFERENCES files (id)",
        "CREATE INDEX files_kept ON files (path) WHERE kept = 1",
        "ALTER TABLE jobs ADD COLUMN label TEXT",
        "CREATE INDEX jobs_by_label ON jobs (label) WHERE label IS NOT NULL",
    ),
}
"""By version: the statements that lead to it from the one before. What was released is never changed here."""


def newest_version() -> int:
    """The version that this program reads and writes."""
    return max(MIGRATIONS)


def version_of(db: sqlite3.Connection) -> int:
    """The version that is written in a file, 0 in one that is empty."""
    with closing(db.execute("PRAGMA user_version")) as cursor:
        return int(cursor.fetchone()[0])


def migrate(db: sqlite3.Connection) -> None:
    """Bring it to the newest version; within the caller's transaction, so that all of it counts or none."""
    for version in range(version_of(db) + 1, newest_version() + 1):
        for statement in MIGRATIONS[version]:
            db.execute(statement)
        db.execute(f"PRAGMA user_version={version}")
