"""Notice that a file of the open journal is removed, replaced or cut, and save what it held.

SQLite goes on with the files that it has open, and commits to them what is lost when the process ends. What
lies in the -wal file can still be read then, and is written into the journal itself, where that is safe. Of a
-wal file that was cut, what SQLite has in memory is saved in a copy, if it has all.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from mjwatch.errors import JournalError
from mjwatch.filesystem.folder import open_folder
from mjwatch.journal.database import check_pages, file_identity, open_read_only

if TYPE_CHECKING:
    from pathlib import Path

ENDINGS = ("", "-wal", "-shm")
"""The journal, the log of its latest changes, and the index of that log, which its programs share."""


class FileGuard:
    """Watches the files of one open journal, from the moment when all of them exist."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._files = [path.with_name(path.name + ending) for ending in ENDINGS]
        self._opened_as = self._identities()
        self._log_size = 0
        self._is_cut = False
        # One name for all tries, so that each reports the same error.
        self._copy_target = path.with_name(f"{path.name}-saved-{secrets.token_hex(4)}")
        self._copy: Path | None = None
        self._is_saved = False

    def check(self) -> None:
        """Raise JournalError, with what it held saved, if a file is not the one that was opened."""
        found = self._identities()
        before = zip(self._files, self._opened_as, found, strict=True)
        lost = [file for file, opened, present in before if opened != present]
        if not lost:
            self._check_log()
            if not self._is_cut:
                self._all_are_back()
                return
        if self._path in lost:
            what = f"the journal {self._path} is not where it was opened: it was moved, removed or replaced"
        elif lost:
            names = " and ".join(file.name for file in lost)
            what = f"the journal {self._path} has lost {names}: it was moved, removed or replaced"
        else:
            what = (
                f"the journal {self._path} has lost a part of {self._files[1].name}: another program cut it"
            )
        try:
            if not self._is_saved:
                self._save(lost)
        except (sqlite3.DatabaseError, OSError, JournalError) as error:
            saved, hint = f"what it held can't be saved: {error}", "put the file back, or stop mjwatch"
        else:
            saved, hint = self._what_is_saved()
        raise JournalError(f"{what}; {saved}", hint)

    def _identities(self) -> list[tuple[int, int] | None]:
        return [file_identity(file) for file in self._files]

    def _check_log(self) -> None:
        """Note whether the -wal file is shorter than it was, and what is left of it can't be read.

        SQLite never shortens it while it is open, but a checkpoint of another program may, without harm. What
        was cut stays so until the next start, because a file that grows again has a hole.
        """
        if self._opened_as[1] is None or self._is_cut:  # None: a journal in memory
            return
        size = self._files[1].stat().st_size
        if size < self._log_size:
            try:
                with closing(open_read_only(self._path)) as reader:  # without what is in our memory
                    check_pages(reader, self._path)
            except (sqlite3.DatabaseError, JournalError):
                self._is_cut = True
                return
        self._log_size = size

    def _all_are_back(self) -> None:
        self._is_saved = False
        if self._copy is not None:
            self._copy.unlink(missing_ok=True)
            self._copy = None

    def _what_is_saved(self) -> tuple[str, str]:
        if self._copy is None:
            return "all that was stored is saved in it", "stop mjwatch and start it again"
        return (
            f"all that was stored is saved in {self._copy}",
            f"stop mjwatch, rename that file to {self._path.name}, with no -wal file beside it, and start it",
        )

    def _save(self, lost: list[Path]) -> None:
        """Write what lies in the -wal file into the journal, or all into a copy where that is not safe."""
        journal, wal, _ = self._files
        check_pages(self._db, self._path)
        has_foreign_changes = wal in lost and wal.exists() and wal.stat().st_size > 0
        # What others have written since does not go with ours.
        if journal in lost or has_foreign_changes or self._is_cut:
            self._copy = self._copied(self._copy_target)
        else:
            with closing(self._db.execute("PRAGMA wal_checkpoint(FULL)")) as cursor:
                is_busy, pages, written = cursor.fetchone()
            if is_busy or pages != written:
                raise JournalError("another program is reading it")
        self._is_saved = True

    def _copied(self, copy: Path) -> Path:
        try:
            self._db.execute("VACUUM INTO ?", (str(copy),))
            with open_folder(copy.parent) as folder, copy.open("rb+") as file:
                os.fsync(file.fileno())
                folder.sync()
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        return copy
