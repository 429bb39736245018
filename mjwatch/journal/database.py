"""The journal's tables, version by version: what makes a new file, and what mends an older one.

Opens the journal's file: to read, or to see before a byte is changed whether it may be written to.

The seal on a large journal that was closed well: untouched since, it need not be looked through.

SQLite's look at every page takes some two seconds for a million jobs, and a start should not take longer the
longer one has used mjwatch. A seal names the file's inode, size and times. It is broken before the file is
written to; whoever copies, restores or repairs the file, or kills mjwatch, leaves it without one that fits.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from mjwatch.errors import JournalError, NoJournalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


DAMAGED = (
    "it is damaged: put it aside together with its -wal file, then restore a copy or start without one;"
    " docs/how-to/backups.md says what either means. Nothing was changed"
)


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open it, also where this user may not write beside it, which readers of a live journal must.

    A journal that nobody has open has no -wal file, and can be read as it stands.
    """
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError:
        if _wal_of(path).exists():
            raise
        return _connect(path, "mode=ro&immutable=1")


def refuse_unusable(path: Path) -> None:
    """Refuse a file that is newer than this program or damaged, without so much as a -wal file made.

    Only where nobody else may begin to write.
    """
    wal = _wal_of(path)
    if path.stat().st_size == 0 and wal.exists() and wal.stat().st_size > 0:
        raise _damaged(path, "it is empty, but its -wal file is not")  # SQLite would throw that away
    with closing(_connect(path, "mode=ro" if wal.exists() else "mode=ro&immutable=1")) as db:
        if check_version(db, path) > 0 and not is_sealed(path):
            _check_sound(db, path)


def look_over(path: Path) -> int:
    """Look the whole file over, beside a daemon too; its version. Raises JournalError where it is damaged."""
    with translated(path), closing(open_read_only(path)) as db:
        version = check_version(db, path)
        _check_sound(db, path)
        return version


def check_version(db: sqlite3.Connection, path: Path) -> int:
    """The schema version of this file, 0 for a new one; refuses one that is newer than this program."""
    version, newest = version_of(db), newest_version()
    if version > newest:
        raise JournalError(
            f"the journal {path} was written by a newer mjwatch (version {version}, this one knows {newest})",
            "install that version again; nothing was changed",
        )
    return version


def _check_sound(db: sqlite3.Connection, path: Path) -> None:
    """SQLite's own look at every page; some two seconds for a million jobs."""
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
        db.execute("PRAGMA schema_version").close()  # the first look is what fails
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into JournalError, with what a person can do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise JournalError(f"the journal {path} can't be used: {error}", _mend(error)) from error
    except OSError as error:
        message = f"the journal {path} can't be used: {error.strerror or error}"
        raise JournalError(
            message, "see to its disk and its folder; `mjwatch check` looks them over"
        ) from error


def no_journal(path: Path) -> NoJournalError:
    """The error for readers where nothing has run yet."""
    return NoJournalError(f"there is no journal at {path} yet", "start the service with `mjwatch run`")


def _damaged(path: Path, what: str) -> JournalError:
    return JournalError(f"the journal {path} can't be used: {what}", DAMAGED)


def _mend(error: sqlite3.DatabaseError) -> str:
    words = str(error)
    if "malformed" in words or "not a database" in words:
        return DAMAGED
    if "full" in words:
        return "make room on its disk"
    if "readonly" in words or "unable to open" in words:
        return "this user must be able to write to its folder; ask as the user that the service runs as"
    return "another program has it open" if "locked" in words else ""


LARGE = 32 * 1024 * 1024
"""Bytes from which a seal is worth while; a smaller journal is looked through in 30 ms."""

GRANULE = 0.02
"""Seconds; a change that comes later shows in a file's times, however coarse the system's clock is."""


def seal(path: Path) -> None:
    """Seal the journal that was just closed, if it is large, and nobody else has it open."""
    with suppress(OSError):
        if path.stat().st_size >= LARGE and not _wal_of(path).exists():
            time.sleep(GRANULE)
            _seal_of(path).write_text(json.dumps(_look_of(path)), encoding="ascii")


def is_sealed(path: Path) -> bool:
    """Whether the journal is as it was when it was sealed."""
    try:
        sealed = json.loads(_seal_of(path).read_bytes())
    except (OSError, ValueError):
        return False
    return bool(sealed == _look_of(path)) and not _wal_of(path).exists()


def break_seal(path: Path) -> None:
    """From now on the journal may change; where the seal can't be removed, neither can the journal."""
    with suppress(OSError):
        _seal_of(path).unlink(missing_ok=True)


def _look_of(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-seal")
