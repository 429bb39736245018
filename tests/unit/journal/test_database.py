"""A large journal that was closed cleanly opens at once; one that was touched or left by a crash is checked.

Seen to catch: a marker that matches a file which was changed, copied or left by a crash; a marker that is
not removed.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from mjwatch.errors import JournalError
from mjwatch.journal import database
from mjwatch.journal.writer import Journal
from tests.helpers.job_factory import made_job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal that was closed cleanly and counts as large."""
    monkeypatch.setattr(database, "LARGE_JOURNAL", 0)
    path = tmp_path / "journal.sqlite3"
    with closing(Journal(path)) as journal:
        journal.accept(None, [(made_job(f"job{number}"), "a cat") for number in range(200)], 1.0)
    return path


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The journals that were checked."""
    checked: list[Path] = []
    whole = database.check_pages

    def noted(db: object, path: Path) -> None:
        checked.append(path)
        whole(db, path)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "check_pages", noted)
    return checked


def opened(path: Path) -> None:
    with closing(Journal(path)) as journal:
        assert len(journal.listed(None, 500)) == 200


def test_a_journal_that_was_closed_cleanly_is_not_checked_again(path: Path, checked: list[Path]) -> None:
    for _ in range(3):
        opened(path)
    assert checked == []


def test_a_small_journal_is_always_checked(
    path: Path, checked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LARGE_JOURNAL", path.stat().st_size + 1)
    opened(path)
    opened(path)
    assert checked == [path]
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def replace_by_a_copy(path: Path) -> None:
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def write_back_as_it_was(path: Path) -> None:
    rewrite(path, path.read_bytes())


def rewrite(path: Path, data: bytes) -> None:
    """Write the file so that its time shows it, which on some systems goes in steps."""
    before = path.stat().st_mtime_ns
    while path.stat().st_mtime_ns == before:
        path.write_bytes(data)


def damage_the_marker(path: Path) -> None:
    path.with_name(f"{path.name}-seal").write_bytes(b"\xff{")


def remove_the_marker(path: Path) -> None:
    path.with_name(f"{path.name}-seal").unlink()


def leave_a_wal_file(path: Path) -> None:
    path.with_name(f"{path.name}-wal").touch()


@pytest.mark.parametrize(
    "meddle",
    [touch, replace_by_a_copy, write_back_as_it_was, damage_the_marker, remove_the_marker, leave_a_wal_file],
)
def test_a_journal_that_somebody_touched_is_checked(
    path: Path, checked: list[Path], meddle: Callable[[Path], None]
) -> None:
    meddle(path)
    opened(path)
    assert checked == [path]


def test_damage_is_found_at_the_next_start(path: Path) -> None:
    data = path.read_bytes()
    rewrite(path, data[:8192] + b"\0" * 4096 + data[12288:])
    with pytest.raises(JournalError, match="can't be used"):
        Journal(path)


def test_a_journal_that_a_crash_left_is_checked(path: Path, checked: list[Path]) -> None:
    crashed = path.with_name("crashed") / path.name
    crashed.parent.mkdir()
    with closing(Journal(path)):
        for name in (path.name, f"{path.name}-wal"):
            shutil.copy2(path.with_name(name), crashed.with_name(name))
        assert not path.with_name(f"{path.name}-seal").exists()
    opened(crashed)
    assert checked == [crashed]


def test_a_journal_that_another_process_has_open_gets_no_marker(path: Path) -> None:
    remove_the_marker(path)
    first = Journal(path)
    with closing(Journal(path)):
        first.remember({"fact": 1})
        first.close()
        assert not path.with_name(f"{path.name}-seal").exists()
    assert path.with_name(f"{path.name}-seal").exists()
