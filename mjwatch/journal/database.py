"""The journal's SQLite file: schema and migrations, transactions, safe opening and the clean-close marker.

SQLite's check of every page takes about two seconds for a million jobs, and a start must not become slower
the longer mjwatch is used. A large journal that was closed properly therefore gets a marker file, which
holds the journal's inode, size and times; while they match, the next start skips the check. The marker is
removed before the journal is written to. After a copy, a restore, a repair or a kill of mjwatch there is no
matching marker.
"""

from __future__ import annotations

import json
import sqlite3
import stat
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from mjwatch.errors import JournalError, NoJournalError
from mjwatch.filesystem.files import read_file, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAMAGED = (
    "it is damaged: move it away together with its -wal file, then restore a backup or start without"
    " a journal; docs/how-to/backups.md explains what each means. Nothing was changed"
)

LARGE_JOURNAL = 32 * 1024 * 1024
"""Bytes from which the clean-close marker is worthwhile; a smaller journal is checked in 30 ms."""

_LARGEST_MARKER = 200
"""Bytes."""

TIMESTAMP_RESOLUTION = 0.02
"""Seconds. A change that comes later shows in a file's times, however coarse the system's clock is."""

MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        # A path that is not valid UTF-8 is stored as bytes.
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
        # What a person requests of the daemon, and the answer.
        """CREATE TABLE requests (
            id INTEGER PRIMARY KEY, at REAL NOT NULL, verb TEXT NOT NULL, arguments TEXT NOT NULL,
            answer TEXT, answered REAL)""",
        "CREATE INDEX requests_open ON requests (id) WHERE answered IS NULL",
        "CREATE INDEX requests_by_time ON requests (answered) WHERE answered IS NOT NULL",
    ),
    2: (
        # The top-level folder of the inbox that a job comes from: the folders take turns.
        "ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE jobs ADD COLUMN parent TEXT",
        """CREATE INDEX jobs_queue ON jobs (lane, priority DESC, number, due, twin)
            WHERE open = 1 AND state = 'queued'""",
        "CREATE INDEX jobs_by_parent ON jobs (parent) WHERE parent IS NOT NULL",
        "CREATE TABLE lanes (lane TEXT PRIMARY KEY, served INTEGER NOT NULL) WITHOUT ROWID",
        # The local images that a prompt file names, as they were when it was accepted.
        """CREATE TABLE images (
            file INTEGER NOT NULL REFERENCES files (id), name TEXT NOT NULL, content BLOB NOT NULL,
            PRIMARY KEY (file, name)) WITHOUT ROWID""",
        "CREATE INDEX files_by_content ON files (sha256)",
        # kept: the file stays in the inbox. moved: the row of the path to which the kept file was moved.
        "ALTER TABLE files ADD COLUMN kept INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE files ADD COLUMN moved INTEGER REFERENCES files (id)",
        "CREATE INDEX files_kept ON files (path) WHERE kept = 1",
        "ALTER TABLE jobs ADD COLUMN label TEXT",
        "CREATE INDEX jobs_by_label ON jobs (label) WHERE label IS NOT NULL",
    ),
    3: (
        # Plain names; the indexes on these columns follow them.
        "ALTER TABLE jobs RENAME COLUMN due TO next_action_at",
        "ALTER TABLE jobs RENAME COLUMN twin TO duplicate_key",
        "ALTER TABLE jobs RENAME COLUMN lane TO fairness_group",
        "ALTER TABLE lanes RENAME TO fairness_groups",
        "ALTER TABLE fairness_groups RENAME COLUMN lane TO fairness_group",
        "DROP INDEX jobs_due",
        """CREATE INDEX jobs_by_next_action ON jobs (next_action_at)
            WHERE open = 1 AND state = 'queued' AND next_action_at IS NOT NULL""",
    ),
    4: (
        # counts: the attempt was executed, or may have been, so the daily cap counts it.
        "ALTER TABLE attempts ADD COLUMN counts INTEGER NOT NULL DEFAULT 1",
    ),
    5: (
        # The results of deleted jobs: an import must not take them for pictures that were made elsewhere.
        "CREATE TABLE pruned_results (message TEXT PRIMARY KEY, job_uuid TEXT) WITHOUT ROWID",
        "CREATE INDEX pruned_by_uuid ON pruned_results (job_uuid) WHERE job_uuid IS NOT NULL",
    ),
    6: (
        # ahead: when the attempt was made, by a clock that the present one is behind; see follow_clock.
        "ALTER TABLE attempts ADD COLUMN ahead REAL",
        "CREATE INDEX attempts_ahead ON attempts (ahead) WHERE ahead IS NOT NULL",
    ),
}
"""The statements that lead to each version from the one before. Never change those of a released version."""

# ---- schema


def newest_version() -> int:
    """Return the schema version that this program reads and writes."""
    return max(MIGRATIONS)


def version_of(db: sqlite3.Connection) -> int:
    """Return the schema version of an open file, 0 for an empty one."""
    with closing(db.execute("PRAGMA user_version")) as cursor:
        return int(cursor.fetchone()[0])


def check_version(db: sqlite3.Connection, path: Path) -> int:
    """Return the schema version, 0 for a new file; raise JournalError if it is newer than this program."""
    version, newest = version_of(db), newest_version()
    if version > newest:
        raise JournalError(
            f"the journal {path} was written by a newer mjwatch (version {version}, this one knows {newest})",
            "install the newer mjwatch again; nothing was changed",
        )
    return version


def migrate(db: sqlite3.Connection) -> None:
    """Bring the schema to the newest version. The caller's transaction makes it all or nothing."""
    for version in range(version_of(db) + 1, newest_version() + 1):
        for statement in MIGRATIONS[version]:
            db.execute(statement)
        db.execute(f"PRAGMA user_version={version}")


# ---- transactions and errors


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of the file that has this path now; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def transaction(db: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Run the body as one durable transaction: all its changes are committed or none. Raise JournalError."""
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    except (sqlite3.DatabaseError, OSError) as error:
        raise journal_error(path, error) from error


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the system into JournalError."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as error:
        raise journal_error(path, error) from error


def journal_error(path: Path, error: sqlite3.DatabaseError | OSError) -> JournalError:
    """Return the JournalError for an error of SQLite or of the system, with what a person can do about it."""
    if isinstance(error, OSError):
        reason: object = error.strerror or error
        hint = "check its disk and its folder; `mjwatch check` examines both"
    else:
        reason, hint = error, _hint(str(error))
    return JournalError(f"the journal {path} can't be used: {reason}", hint)


def _hint(reason: str) -> str:
    if "malformed" in reason or "not a database" in reason:
        return DAMAGED
    if "full" in reason:
        return "make room on its disk"
    if "readonly" in reason or "unable to open" in reason:
        return "this user must be able to write to its folder; ask as the user that the service runs as"
    return "another program has it open" if "locked" in reason else ""


def no_journal(path: Path) -> NoJournalError:
    """Return the error for readers of a journal that does not exist yet."""
    return NoJournalError(f"there is no journal at {path} yet", "start the service with `mjwatch run`")


def _damaged(path: Path, reason: str) -> JournalError:
    return JournalError(f"the journal {path} can't be used: {reason}", DAMAGED)


# ---- opening


def refuse_odd_files(path: Path) -> None:
    """Raise JournalError if a pipe, a folder and the like is where SQLite expects a file: it would hang.

    The journal itself may be a link; a link beside it would lead SQLite's changes elsewhere.
    """
    for ending in ("", "-wal", "-shm", "-journal"):
        file = path.with_name(path.name + ending)
        try:
            found = file.lstat() if ending else file.stat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode):
            raise JournalError(f"{file} is not a regular file", "move it away")


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open the journal for reading, also where this user may not write to its folder.

    Readers of a journal in use must write beside it. A journal that nobody has open has no -wal file and can
    be read as it is.
    """
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError:
        if _wal_of(path).exists():
            raise
        return _connect(path, "mode=ro&immutable=1")


def refuse_unusable(path: Path) -> None:
    """Raise JournalError for a file that is damaged or newer than this program, and create no -wal file.

    Call it only where no other program may begin to write.
    """
    wal = _wal_of(path)
    if path.stat().st_size == 0 and wal.exists() and wal.stat().st_size > 0:
        raise _damaged(path, "it is empty, but its -wal file is not")  # SQLite would discard the -wal file
    with closing(_connect(path, "mode=ro" if wal.exists() else "mode=ro&immutable=1")) as db:
        if check_version(db, path) > 0 and not was_closed_cleanly(path):
            check_pages(db, path)


def check_integrity(path: Path) -> int:
    """Check the whole file, also while a daemon uses it, and return its version. Raise JournalError."""
    with translate_errors(path):
        refuse_odd_files(path)
        with closing(open_read_only(path)) as db:
            version = check_version(db, path)
            check_pages(db, path)
            return version


def check_pages(db: sqlite3.Connection, path: Path) -> None:
    """Let SQLite check every page: about two seconds for a million jobs. Raise JournalError for damage."""
    with closing(db.execute("PRAGMA quick_check(1)")) as cursor:
        found = str(cursor.fetchone()[0])
    if found != "ok":
        raise _damaged(path, found.splitlines()[-1])


def _wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _connect(path: Path, options: str) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?{options}"
    db = sqlite3.connect(address, uri=True, isolation_level=None, timeout=5.0)
    try:
        db.execute("PRAGMA schema_version").close()  # an unusable file fails at the first query
    except BaseException:
        db.close()
        raise
    return db


# ---- the clean-close marker


def mark_clean_close(path: Path) -> None:
    """Write the marker for a journal that was just closed, if it is large and nobody has it open."""
    with suppress(OSError):
        if path.stat().st_size >= LARGE_JOURNAL and not _wal_of(path).exists():
            time.sleep(TIMESTAMP_RESOLUTION)
            marker = json.dumps(_file_state(path)).encode("ascii")
            replace_file(path.parent, _marker_of(path).name, marker)


def was_closed_cleanly(path: Path) -> bool:
    """Return whether the journal is unchanged since its marker was written."""
    try:
        marked = json.loads(read_file(path.parent, _marker_of(path).name, _LARGEST_MARKER))
        return bool(marked == _file_state(path)) and not _wal_of(path).exists()
    except (OSError, ValueError):
        return False


def unclosed_since(path: Path) -> float | None:
    """Return when a journal that its process did not close was last written; None if it was closed."""
    try:
        found = _wal_of(path).stat()
    except OSError:
        return None
    return found.st_mtime if found.st_size else None


def remove_close_marker(path: Path) -> None:
    """Remove the marker, as the journal may change now. If that fails, the journal is not writable either."""
    with suppress(OSError):
        _marker_of(path).unlink(missing_ok=True)


def _file_state(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _marker_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-seal")
