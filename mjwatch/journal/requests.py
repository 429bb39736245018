"""The table of requests: a CLI command stores a request beside the daemon and reads the outcome later.

The CLI's second connection to the journal is here, and so is the storing of a prompt file, which a request
and the daemon have in common.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch.journal.database import (
    check_version,
    no_journal,
    refuse_odd_files,
    transaction,
    translate_errors,
)
from mjwatch.journal.serialization import stored_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mjwatch.journal.reader import TakenFile

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another writer's transaction to end; each is short."""

ANSWER_LIFETIME = 86_400.0
"""Seconds for which an answered request is kept."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked the daemon to do."""

    id: int
    verb: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request, for one job or for the sending as a whole (``job`` is None).

    ``done``: the requested state has been reached. ``needs_person``: it is not reached until a person has
    acted.
    """

    job: str | None
    done: bool
    message: str
    needs_person: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as ``--json`` prints it and as the journal stores it."""
        return {"job": self.job, "done": self.done, "words": self.message, "needs_person": self.needs_person}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        """Return the outcome that ``to_json`` described."""
        return cls(data["job"], data["done"], data["words"], data["needs_person"])


@contextmanager
def second_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the journal for writing, beside a running daemon or without one. Raise JournalError."""
    with translate_errors(path):
        if not path.exists():
            raise no_journal(path)
        refuse_odd_files(path)
        address = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT)) as db:
            check_version(db, path)
            db.execute("PRAGMA synchronous=FULL")
            yield db


def ask(
    path: Path, verb: str, arguments: Mapping[str, Any], now: float, file: TakenFile | None = None
) -> int:
    """Store a request durably and return its id. Raise JournalError if nothing was written.

    ``file``: where the prompts of the request come from; its number becomes the argument ``file``.
    """
    with second_writer(path) as db, transaction(db, path):
        if file is not None:
            arguments = {**arguments, "file": put_file(db, file, now)}
        row = db.execute(
            "INSERT INTO requests (at, verb, arguments) VALUES (?, ?, ?) RETURNING id",
            (now, verb, json.dumps(arguments)),
        ).fetchone()
        return int(row[0])


def put_file(db: sqlite3.Connection, file: TakenFile, now: float) -> int:
    """Store a prompt file as it was accepted, with its images, and return its number."""
    row = db.execute(
        "INSERT INTO files (path, sha256, mtime, taken, content, kept) VALUES (?, ?, ?, ?, ?, ?)"
        " RETURNING id",
        (stored_path(file.path), file.sha256, file.mtime, now, file.content, int(file.kept)),
    ).fetchone()
    number = int(row[0])
    for name, content in file.images.items():
        db.execute("INSERT INTO images (file, name, content) VALUES (?, ?, ?)", (number, name, content))
    return number


def open_requests(db: sqlite3.Connection) -> list[Request]:
    """Return the requests that have no answer yet, oldest first."""
    rows = db.execute(
        "SELECT id, verb, arguments FROM requests WHERE answered IS NULL ORDER BY id"
    ).fetchall()
    return [Request(row[0], row[1], json.loads(row[2])) for row in rows]


def answer(db: sqlite3.Connection, request_id: int, outcomes: Sequence[Outcome], now: float) -> None:
    """Store the outcomes of a request, and delete requests that were answered long ago."""
    text = json.dumps([outcome.to_json() for outcome in outcomes])
    db.execute("UPDATE requests SET answer=?, answered=? WHERE id=?", (text, now, request_id))
    db.execute("DELETE FROM requests WHERE answered<?", (now - ANSWER_LIFETIME,))


def read_answer(text: str) -> list[Outcome]:
    """Return the outcomes that ``answer`` stored."""
    return [Outcome.from_json(outcome) for outcome in json.loads(text)]
