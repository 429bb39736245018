from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import textwrap
import threading
import unicodedata
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from mjwatch.errors import JournalError
from mjwatch.jobs.intake import TakenBefore
from mjwatch.journal import database
from mjwatch.journal.database import check_integrity, newest_version, version_of
from mjwatch.journal.reader import JournalReader, TakenFile
from mjwatch.journal.serialization import dump_job, load_job, stored_path
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, Note, State
from tests.helpers.job_factory import made_job, text, wild_jobs
from tests.helpers.timeouts import deadline
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = 1_770_000_000.0
DAY = 86_400.0
FILE = TakenFile("clients/acme/cat.txt", "ab" * 32, 1_769_999_999.5, b"a cat\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state/journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


def accept(journal: Journal, *jobs: Job, keys: str = "") -> None:
    journal.accept(None, [(job, keys[n : n + 1] or job.id) for n, job in enumerate(jobs)], NOW)


# ---- keeping


@given(job=wild_jobs)
def test_every_field_of_a_job_comes_back_as_it_was(job: Job) -> None:
    line = dump_job(job)
    assert load_job(line) == job
    assert line.isascii()
    assert "\n" not in line


@pytest.mark.parametrize("line", ["", "{}", "[]", "null", '{"state": "queued"}', "{", '{"state": "flying"}'])
def test_other_text_than_a_job_is_refused(line: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        load_job(line)


@pytest.mark.parametrize(
    ("event", "note"),
    [
        ("not sent: no network; again in 60 s", Note(1.0, "not sent: no network", 60.0)),
        ("failed: try again; again in 5 s; again in 8 s", Note(1.0, "failed: try again; again in 5 s", 8.0)),
        ("failed: come back; again in May", Note(1.0, "failed: come back; again in May")),
        ("; again in 5 s", Note(1.0, "; again in 5 s")),
    ],
)
def test_the_wait_in_an_old_note_becomes_a_field(event: str, note: Note) -> None:
    body = json.loads(dump_job(made_job("job")))
    body["history"] = [{"at": 1.0, "event": event}]
    assert load_job(json.dumps(body)).history == (note,)
    new = replace(made_job("job"), history=(Note(1.0, event),))
    assert load_job(dump_job(new)) == new  # a new note is taken as it is


def test_a_file_its_jobs_and_their_order_are_kept(path: Path, journal: Journal) -> None:
    jobs = [made_job(f"job{number}") for number in range(3)]
    journal.accept(FILE, [(job, "a cat") for job in jobs], NOW)
    journal.close()
    with closing(Journal(path)) as again:
        assert [again.job(job.id) for job in jobs] == jobs
        assert again.file_of("job2") == FILE
        assert again.jobs_of_file(FILE.path, FILE.sha256) == jobs
        assert again.taken(FILE.sha256) == [TakenBefore(1, FILE.path, FILE.mtime, NOW)]


def test_names_that_are_not_utf_8_are_kept(journal: Journal) -> None:
    name = "caf\udce9/\udcff猫.txt"
    file = replace(FILE, path=name)
    job = made_job(path=name)
    journal.accept(file, [(job, "a cat")], NOW)
    assert journal.file_of(job.id) == file
    assert journal.job(job.id) == job
    assert [(one.path, one.mtime) for one in journal.taken(file.sha256)] == [(name, file.mtime)]
    assert journal.was_taken(name, file.sha256)
    assert journal.jobs_of_file(name, file.sha256) == [job]
    assert not journal.was_taken("caf\\udce9/\\udcff猫.txt", file.sha256)


@given(name=text)
def test_a_path_is_stored_as_text_in_one_form_or_as_its_bytes(name: str) -> None:
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return  # no file system gives such a name
    stored = stored_path(name)
    if isinstance(stored, bytes):
        assert stored == raw
    else:
        assert stored == unicodedata.normalize("NFC", name)
        assert stored_path(unicodedata.normalize("NFD", name)) == stored


def test_an_attempt_ahead_of_the_clock_counts_for_a_day_or_from_its_own_time_if_the_clock_was_behind(
    journal: Journal,
) -> None:
    ahead = NOW + 30 * DAY
    journal.count_submission("5", "session", ahead)
    journal.follow_clock(NOW)
    journal.follow_clock(NOW + 100)
    assert journal.attempts_since(0) == [NOW]
    clock = NOW + 100
    for jump in (DAY + 100, 29 * DAY):  # in two steps: a day later it is not forgotten yet
        clock += jump
        journal.follow_clock(clock, jump)
    assert journal.attempts_since(0) == [ahead]
    journal.follow_clock(NOW)
    journal.follow_clock(NOW + DAY)
    journal.follow_clock(ahead + 60)
    assert journal.attempts_since(0) == [NOW]


def test_a_step_is_stored_with_its_attempt_and_the_position_in_the_stream(journal: Journal) -> None:
    accept(journal, made_job("job1"))
    job = made_job("job1", state=State.SUBMITTING, nonces=("5",), session_id="s", anchor="4")
    journal.update(job, attempt_at=NOW + 1, meta={"newest": "4", "gateway": {"seq": 7}})
    assert journal.job("job1") == job
    assert journal.attempts_since(NOW) == [NOW + 1]
    journal.update(job, attempt_counts=False)
    assert journal.attempts_since(NOW) == []
    journal.update(job, attempt_counts=True)
    assert journal.attempts_since(NOW) == [NOW + 1]
    for nonce, at in (("6", NOW + 3), ("7", NOW + 2)):
        journal.update(replace(job, nonces=("5", nonce)), attempt_at=at)
    assert journal.last_attempts(2) == [NOW + 2, NOW + 3]
    assert (journal.recall("newest"), journal.recall("gateway")) == ("4", {"seq": 7})
    assert journal.recall("nothing") is None


def test_a_remembered_fact_is_replaced_by_a_new_one(journal: Journal) -> None:
    journal.remember({"paused": "a captcha", "newest": "1"})
    journal.remember({"paused": None})
    assert (journal.recall("paused"), journal.recall("newest")) == (None, "1")


def test_a_nonce_is_never_stored_twice_and_nothing_of_such_a_step_is_kept(journal: Journal) -> None:
    accept(journal, made_job("job1"), made_job("job2"))
    journal.update(made_job("job1", nonces=("5",)), attempt_at=NOW)
    with pytest.raises(JournalError):
        journal.update(
            made_job("job2", state=State.SUBMITTING, nonces=("5",)), attempt_at=NOW, meta={"newest": "9"}
        )
    assert journal.job("job2") == made_job("job2")
    assert journal.recall("newest") is None
    journal.remember({"newest": "1"})  # and no transaction is left open


def test_nothing_is_kept_of_a_file_with_a_job_that_exists_already(journal: Journal) -> None:
    accept(journal, made_job("job1"))
    with pytest.raises(JournalError):
        journal.accept(FILE, [(made_job("job2"), ""), (made_job("job1"), "")], NOW)
    assert journal.job("job2") is None
    assert journal.taken(FILE.sha256) == []


# ---- durable


def test_what_is_committed_survives_a_power_cut(journal: Journal) -> None:
    pragmas = {name: journal._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode",)}
    pragmas |= {n: journal._db.execute(f"PRAGMA {n}").fetchone()[0] for n in ("synchronous", "fullfsync")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1}


def test_what_is_committed_survives_a_killed_process(path: Path) -> None:
    code = """
        import os, sys
        from pathlib import Path
        from mjwatch.journal.writer import Journal
        journal = Journal(Path(sys.argv[1]))
        journal.remember({"newest": "1"})
        journal._db.execute("BEGIN IMMEDIATE")
        journal._db.execute("UPDATE meta SET value='2' WHERE key='newest'")
        os.kill(os.getpid(), 9)
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], timeout=deadline(60), check=False
    )
    assert found.returncode == -9
    with closing(JournalReader(path)) as reader:
        assert reader.recall("newest") == "1"
    with closing(Journal(path)) as journal:
        assert journal.recall("newest") == "1"


def test_a_full_disk_changes_nothing_and_is_reported(journal: Journal) -> None:
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(JournalError, match=r"disk is full \(make room on its disk\)"):
        journal.accept(replace(FILE, content=b"x" * 60_000), [(made_job("job1"), "")], NOW)
    assert journal.job("job1") is None
    journal._db.execute("PRAGMA max_page_count=1000000")
    journal.accept(FILE, [(made_job("job1"), "")], NOW)


# ---- refused


def closed_with_version(path: Path, version: int, *, in_wal: bool) -> dict[str, bytes]:
    """A journal of that version, as a crash leaves it if ``in_wal``; its bytes."""
    Journal(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version={version}")
        crashed = contents(path)
    for name, data in crashed.items() if in_wal else ():
        (path.parent / name).write_bytes(data)
    return contents(path)


def contents(path: Path) -> dict[str, bytes]:
    return {found.name: found.read_bytes() for found in path.parent.iterdir() if "-shm" not in found.name}


@pytest.mark.parametrize("in_wal", [False, True], ids=["closed cleanly", "with a -wal file"])
@pytest.mark.parametrize("opened", [Journal, JournalReader])
def test_a_newer_journal_is_refused_and_not_a_byte_of_it_changes(
    path: Path, opened: type[Journal | JournalReader], in_wal: bool
) -> None:
    before = closed_with_version(path, newest_version() + 1, in_wal=in_wal)
    assert len(before) == 1 + in_wal
    with pytest.raises(JournalError, match="written by a newer mjwatch") as caught:
        opened(path)
    assert "install the newer mjwatch" in caught.value.hint
    after = contents(path)
    if opened is JournalReader and not in_wal:
        assert after.pop(f"{path.name}-wal") == b""  # SQLite makes it to read, and nothing is in it
    assert after == before


@pytest.mark.parametrize("opened", [Journal, JournalReader])
@pytest.mark.parametrize("data", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_journal_is_refused_with_what_to_do(
    path: Path, opened: type[Journal | JournalReader], data: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(JournalError) as caught:
        opened(path)
    assert caught.value.hint
    assert path.read_bytes() == data


def filled(path: Path, *, in_wal: bool) -> dict[str, bytes]:
    """A journal with many jobs, closed, or as a crash leaves it if ``in_wal``; its files."""
    with closing(Journal(path)) as journal:
        accept(journal, *(made_job(f"job{number}") for number in range(200)))
        journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        accept(journal, *(made_job(f"later{number}") for number in range(9)))
        crashed = contents(path)
    for name, data in crashed.items() if in_wal else ():
        (path.parent / name).write_bytes(data)
    return contents(path)


def a_page_of_nothing(data: bytes) -> bytes:
    return data[:8192] + b"\0" * 4096 + data[12288:]


def half_overwritten(data: bytes) -> bytes:
    return data[:8192] + b"\xff" * (len(data) - 12288) + data[-4096:]


def cut_short(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("in_wal", [False, True], ids=["closed cleanly", "with a -wal file"])
@pytest.mark.parametrize("damage", [a_page_of_nothing, half_overwritten, cut_short])
def test_damage_inside_refuses_the_start_and_not_a_byte_changes(
    path: Path, damage: Callable[[bytes], bytes], in_wal: bool
) -> None:
    before = filled(path, in_wal=in_wal)
    assert len(before) == 1 + in_wal
    before[path.name] = damage(before[path.name])
    path.write_bytes(before[path.name])
    with pytest.raises(JournalError) as caught:
        Journal(path)
    assert "it is damaged: move it away" in caught.value.hint
    assert contents(path) == before
    with pytest.raises(JournalError, match="damaged"):
        check_integrity(path)


def test_a_journal_that_lost_all_but_its_wal_file_is_not_a_new_one(path: Path) -> None:
    before = filled(path, in_wal=True) | {path.name: b""}
    path.write_bytes(b"")
    with pytest.raises(JournalError, match="its -wal file is not"):
        Journal(path)
    assert contents(path) == before


@pytest.mark.parametrize("in_wal", [False, True], ids=["closed cleanly", "with a -wal file"])
def test_a_sound_journal_is_checked_and_opened(path: Path, in_wal: bool) -> None:
    filled(path, in_wal=in_wal)
    assert check_integrity(path) == newest_version()
    with closing(Journal(path)) as journal:
        assert check_integrity(path) == newest_version()  # beside a daemon
        assert len(journal.listed(None, 500)) == 209


def test_damage_inside_is_found_when_it_is_read(path: Path) -> None:
    data = filled(path, in_wal=False)[path.name]
    path.write_bytes(half_overwritten(data))
    with closing(JournalReader(path)) as reader, pytest.raises(JournalError) as caught:
        reader.listed(None, 500)
    assert "damaged" in caught.value.hint


# ---- versions


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[str, ...]]:
    """The migrations, to which a test may add; they are put back after it."""
    found = dict(database.MIGRATIONS)
    monkeypatch.setattr(database, "MIGRATIONS", found)
    return found


def test_an_older_journal_is_migrated_with_all_its_content(
    path: Path, versions: dict[int, tuple[str, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    filled(path, in_wal=True)
    newest = max(versions)
    versions[newest + 1] = ("ALTER TABLE jobs ADD COLUMN mood TEXT", "UPDATE jobs SET mood='calm'")
    versions[newest + 2] = ("CREATE TABLE moods AS SELECT DISTINCT mood FROM jobs",)
    with caplog.at_level("INFO"), closing(Journal(path)) as journal:
        assert f"from version {newest} to {newest + 2}" in caplog.text
        assert version_of(journal._db) == newest + 2
        assert journal._db.execute("SELECT mood FROM moods").fetchall() == [("calm",)]
        assert len(journal.listed(None, 500)) == 209
        accept(journal, made_job("job after"))
    caplog.clear()
    with closing(Journal(path)) as journal:  # once is enough
        assert journal.job("job after") is not None
    assert caplog.text == ""


def test_a_new_journal_goes_through_all_versions(path: Path, versions: dict[int, tuple[str, ...]]) -> None:
    newest = max(versions)
    versions[newest + 1] = ("ALTER TABLE jobs ADD COLUMN mood TEXT",)
    with closing(Journal(path)) as journal:
        assert version_of(journal._db) == newest + 1
        assert journal._db.execute("SELECT mood FROM jobs").fetchall() == []


def test_a_migration_that_fails_midway_changes_nothing(
    path: Path, versions: dict[int, tuple[str, ...]]
) -> None:
    filled(path, in_wal=False)
    newest = max(versions)
    versions[newest + 1] = ("ALTER TABLE jobs ADD COLUMN mood TEXT",)
    versions[newest + 2] = ("DELETE FROM jobs", "UPDATE nowhere SET mood='calm'")
    with pytest.raises(JournalError, match="nowhere"):
        Journal(path)
    del versions[newest + 1], versions[newest + 2]
    with closing(Journal(path)) as journal:
        assert version_of(journal._db) == newest
        assert len(journal.listed(None, 500)) == 209


def test_a_reader_says_who_must_migrate_an_older_journal(
    path: Path, versions: dict[int, tuple[str, ...]]
) -> None:
    filled(path, in_wal=False)
    versions[max(versions) + 1] = ("ALTER TABLE jobs ADD COLUMN mood TEXT",)
    with pytest.raises(JournalError, match="written by an older mjwatch") as caught:
        JournalReader(path)
    assert "`mjwatch run` updates it" in caught.value.hint


# ---- a file that goes away


@pytest.mark.parametrize("back", [False, True], ids=["removed", "moved and put back"])
def test_nothing_is_committed_to_a_file_whose_name_is_gone(path: Path, journal: Journal, back: bool) -> None:
    journal.remember({"newest": "1"})
    path.parent.rename(path.parent.with_name("elsewhere"))
    with pytest.raises(JournalError, match="is not where it was opened"):
        journal.remember({"newest": "2"})
    if back:
        path.parent.with_name("elsewhere").rename(path.parent)
        journal.remember({"newest": "3"})
    assert journal.recall("newest") == ("3" if back else "1")


def test_nothing_is_committed_to_a_file_that_was_replaced(path: Path, journal: Journal) -> None:
    path.rename(path.with_name("aside"))
    path.write_bytes(path.with_name("aside").read_bytes())
    with pytest.raises(JournalError, match="moved, removed or replaced"):
        accept(journal, made_job("job1"))
    assert path.read_bytes() == path.with_name("aside").read_bytes()


def test_a_job_with_an_invalid_body_is_reported_as_damage(path: Path, journal: Journal) -> None:
    accept(journal, made_job("job1"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE jobs SET body='{}'")
    with pytest.raises(JournalError, match="damaged"):
        journal.job("job1")


def test_a_foreign_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE jobs (id)")
    with pytest.raises(JournalError, match="already exists"):
        Journal(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("jobs",)]


def test_a_missing_journal_is_reported_as_missing(path: Path) -> None:
    with pytest.raises(JournalError, match=r"no journal at .* yet"):
        JournalReader(path)
    path.parent.mkdir()
    path.touch()
    with pytest.raises(JournalError, match=r"no journal at .* yet"):
        JournalReader(path)
    with closing(Journal(path)) as journal:
        assert journal.listed(None, 1) == []


@pytest.mark.parametrize("name", ["a b?mode=rw#x.sqlite3", "100%.sqlite3", "caf\udce9.sqlite3", "猫.sqlite3"])
def test_a_journal_may_have_any_path(tmp_path: Path, name: str) -> None:
    with closing(Journal(tmp_path / name)) as journal:
        journal.remember({"newest": "1"})
        with closing(JournalReader(tmp_path / name)) as reader:
            assert reader.recall("newest") == "1"


# ---- two at once


def test_a_reader_never_writes(path: Path, journal: Journal) -> None:
    with closing(JournalReader(path)) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM jobs")


def test_readers_are_never_locked_out_by_the_writer_nor_the_writer_by_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect: Any = sqlite3.connect

    def patient(*arguments: Any, timeout: float, **options: Any) -> Any:
        return connect(
            *arguments, timeout=timeout * deadline(5), **options
        )  # a busy machine may stop the one that has the lock

    monkeypatch.setattr(sqlite3, "connect", patient)
    Journal(path).close()
    done = threading.Event()
    seen: list[int] = []
    errors: list[JournalError] = []

    def read() -> None:
        try:
            is_last = False
            while not is_last:
                is_last = done.is_set()
                with closing(JournalReader(path)) as reader:
                    seen.append(len(reader.listed(None, 100)))
        except JournalError as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    try:
        for number in range(20):
            with closing(Journal(path)) as journal:  # opening and closing is when SQLite locks most
                accept(journal, made_job(f"job{number}"))
    finally:
        done.set()
        for thread in readers:
            thread.join()
    assert errors == []
    assert max(seen) == 20


def test_a_writer_that_waits_in_vain_learns_that_another_program_blocks_it(
    path: Path, journal: Journal
) -> None:
    journal._db.execute("PRAGMA busy_timeout=1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another program has it open"):
            journal.remember({"newest": "1"})
        other.execute("ROLLBACK")
    journal.remember({"newest": "1"})


def test_a_journal_can_be_read_without_the_right_to_write_beside_it() -> None:
    with unprivileged() as folder:
        path = folder / "state/journal.sqlite3"
        with closing(Journal(path)) as journal:
            accept(journal, made_job("job1"))
            path.parent.chmod(0o500)
            with closing(JournalReader(path)) as reader:  # beside a daemon
                assert [job.id for job in reader.listed(None, 9)] == ["job1"]
            path.parent.chmod(0o700)
        path.parent.chmod(0o500)
        with closing(JournalReader(path)) as reader:  # without one
            assert [job.id for job in reader.listed(None, 9)] == ["job1"]


def test_a_journal_that_a_crash_left_needs_the_right_to_write_and_says_so() -> None:
    with unprivileged() as folder:
        path = folder / "state/journal.sqlite3"
        closed_with_version(path, newest_version(), in_wal=True)
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        path.parent.chmod(0o500)
        with pytest.raises(JournalError, match="must be able to write to its folder"):
            JournalReader(path)


def test_a_journal_in_a_folder_without_access_is_reported() -> None:
    with unprivileged() as folder:
        path = folder / "state/journal.sqlite3"
        Journal(path).close()
        path.parent.chmod(0)
        for opened in (Journal, JournalReader):
            with pytest.raises(JournalError, match="Permission denied"):
                opened(path)


def test_the_version_of_the_schema_is_stored(journal: Journal) -> None:
    assert version_of(journal._db) == newest_version() == 6
