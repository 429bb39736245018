"""Opens the journal's file: to read, or to see before a byte is changed whether it may be written to."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from mjwatch.errors import JournalError, NoJournalError
from mjwatch.jobs.schema import newest_version, version_of
from mjwatch.jobs.seal import is_sealed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
