"""A file of the journal that goes away while it is open: nothing more is committed, and nothing is lost.

Seen to catch: only the journal's own file watched; the -wal file's content lost with the process; a loop
that notices nothing as long as it writes nothing; another program's changes mixed with ours.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.errors import JournalError
from mjwatch.journal.reader import JournalReader
from mjwatch.journal.writer import Journal
from tests.helpers.job_factory import made_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_770_000_000.0
JOBS = [f"job{number:05}" for number in range(3)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state/journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        for job in JOBS:
            accept(journal, job)
        yield journal


def accept(journal: Journal, job: str) -> None:
    journal.accept(None, [(made_job(job), job)], NOW)


def after_a_kill(path: Path) -> list[str]:
    """Return the jobs that a start would find now, had the process been killed."""
    left = path.parent.with_name("after a kill")
    shutil.copytree(path.parent, left)
    with closing(Journal(left / path.name)) as journal:
        jobs = [job.id for job in journal.live_jobs()]
        jobs += [job for job in JOBS if journal.job(job) is not None]
    shutil.rmtree(left)
    return jobs


def remove(path: Path, *endings: str) -> None:
    for ending in endings:
        path.with_name(path.name + ending).unlink()


@pytest.mark.parametrize("read_first", [False, True])
@pytest.mark.parametrize("endings", [("-wal",), ("-shm",), ("-wal", "-shm")], ids=" ".join)
def test_a_file_beside_it_that_is_removed_stops_all_commits_and_costs_nothing(
    path: Path, journal: Journal, endings: tuple[str, ...], read_first: bool
) -> None:
    remove(path, *endings)
    if read_first:  # a reader makes the missing file again
        try:
            JournalReader(path).close()
        except JournalError:
            assert "-wal" in endings
    for _ in range(2):
        with pytest.raises(
            JournalError, match="moved, removed or replaced; all that was stored is saved in it"
        ):
            accept(journal, "job99999")
    assert journal.job("job99999") is None
    assert after_a_kill(path) == JOBS
    with closing(JournalReader(path)) as reader:  # the far end and `status` see the rest
        assert reader.job(JOBS[0]) is not None
    journal.close()
    with closing(Journal(path)) as again:
        accept(again, "job99999")
        assert [job for job in [*JOBS, "job99999"] if again.job(job)] == [*JOBS, "job99999"]


def test_it_is_noticed_where_nothing_is_written(path: Path, journal: Journal) -> None:
    remove(path, "-wal")
    with pytest.raises(JournalError, match=r"has lost journal\.sqlite3-wal: it was moved"):
        journal.open_requests()
    assert after_a_kill(path) == JOBS


def test_a_journal_that_is_removed_itself_is_saved_beside_it(path: Path, journal: Journal) -> None:
    remove(path, "")
    with pytest.raises(JournalError, match="all that was stored is saved in ") as caught:
        accept(journal, "job99999")
    (copy,) = path.parent.glob("journal.sqlite3-saved-*")
    assert str(copy) in caught.value.message
    assert f"rename that file to {path.name}" in caught.value.hint
    with pytest.raises(JournalError):
        accept(journal, "job99999")
    assert len(list(path.parent.glob("journal.sqlite3-saved-*"))) == 1
    journal.close()
    copy.rename(path)
    with closing(Journal(path)) as again:
        assert all(again.job(job) for job in JOBS)


def test_a_log_that_another_program_cuts_stops_all_commits_and_what_is_in_memory_is_saved(
    path: Path, journal: Journal
) -> None:
    accept(journal, "job00003")
    with path.with_name(f"{path.name}-wal").open("r+b") as log:
        log.truncate(0)
    with pytest.raises(JournalError, match=r"a part of journal\.sqlite3-wal: .* is saved in ") as caught:
        accept(journal, "job99999")
    assert f"rename that file to {path.name}" in caught.value.hint
    with path.with_name(f"{path.name}-wal").open("r+b") as log:
        log.truncate(1 << 20)  # as a write behind the end does: what was cut is not back
    with pytest.raises(JournalError, match="is saved in "):
        accept(journal, "job99999")
    (copy,) = path.parent.glob("journal.sqlite3-saved-*")
    with closing(JournalReader(copy)) as saved:
        assert all(saved.job(job) for job in [*JOBS, "job00003"])
        assert saved.job("job99999") is None


def test_a_checkpoint_of_another_program_may_shorten_the_log(path: Path, journal: Journal) -> None:
    journal.open_requests()
    code = f"import sqlite3; sqlite3.connect({str(path)!r}).execute('PRAGMA wal_checkpoint(TRUNCATE)')"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert path.with_name(f"{path.name}-wal").stat().st_size == 0
    accept(journal, "job99999")
    assert set(after_a_kill(path)) >= set(JOBS)
    assert not list(path.parent.glob("*-saved-*"))


def test_what_another_program_has_written_meanwhile_is_not_mixed_with_ours(
    path: Path, journal: Journal
) -> None:
    remove(path, "-wal", "-shm")
    code = f"import sqlite3; db = sqlite3.connect({str(path)!r}); db.execute('CREATE TABLE other (x)')"
    subprocess.run([sys.executable, "-c", code], check=True)  # in one process all share the index
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"saved in .*journal\.sqlite3-saved-"):
        accept(journal, "job99999")
    assert path.read_bytes() == before
    (copy,) = path.parent.glob("journal.sqlite3-saved-*")
    with closing(JournalReader(copy)) as saved:
        assert all(saved.job(job) for job in JOBS)


def test_files_that_come_back_are_used_again(path: Path, journal: Journal) -> None:
    wal = path.with_name(f"{path.name}-wal")
    for file in (path, wal):
        file.rename(file.with_name("aside"))
        with pytest.raises(JournalError):
            accept(journal, "job99999")
        file.with_name("aside").rename(file)
        journal.open_requests()
    accept(journal, "job99999")
    assert after_a_kill(path) == JOBS
    assert not list(path.parent.glob("*-saved-*"))


def test_where_it_can_not_be_saved_that_is_said_and_tried_again(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    remove(path, "-wal")
    with monkeypatch.context() as patch:
        patch.setattr("mjwatch.journal.guard.check_pages", full)
        with pytest.raises(JournalError, match="what it held can't be saved: database or disk is full"):
            accept(journal, "job99999")
    with pytest.raises(JournalError, match="is saved in it"):
        accept(journal, "job99999")
    assert after_a_kill(path) == JOBS


def test_each_try_to_save_it_reports_the_same_error(path: Path, journal: Journal) -> None:
    shutil.rmtree(path.parent)
    errors = []
    for _ in range(2):
        with pytest.raises(JournalError) as caught:
            accept(journal, "later")
        errors.append(str(caught.value))
    assert "can't be saved" in errors[0]
    assert errors[0] == errors[1]
