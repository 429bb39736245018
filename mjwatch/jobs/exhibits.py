"""Everything that the journal holds of one job, row by row, for those who look into what went wrong."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from mjwatch.jobs.opening import check_version, open_read_only, translated

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

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
