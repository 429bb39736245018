from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from mjwatch.events import FileSettled, InboxScanned
from mjwatch.inbox import removal
from mjwatch.inbox.removal import ASIDE_PREFIX
from tests.helpers.running_inbox import HANG, Running, move_in, running
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


@pytest.fixture
def taken(root: Path) -> Iterator[tuple[Running, FileSettled]]:
    """A running inbox and a file that it handed over."""
    with running(root) as it:
        move_in(root / "cat.txt")
        yield it, it.settled()


def left(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_a_taken_file_is_removed(root: Path, taken: tuple[Running, FileSettled]) -> None:
    it, file = taken
    assert it.inbox.remove(file.path, file.identity)
    assert left(root) == []
    assert it.inbox.remove(file.path, file.identity)  # gone is removed


def test_a_newer_file_in_its_place_stays_and_is_taken(root: Path, taken: tuple[Running, FileSettled]) -> None:
    it, file = taken
    move_in(root / "cat.txt", "two cats\n")
    assert it.inbox.remove(file.path, file.identity)
    newer = it.settled()
    assert newer.data == b"two cats\n"
    assert it.inbox.remove(newer.path, newer.identity)
    assert left(root) == []


def rename_after(path: Path, action: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Act between the check of this file and its rename."""
    original = os.rename

    def rename(name: str, target: str, **folders: int) -> None:
        if name == path.name and target.startswith(ASIDE_PREFIX):
            action()
        original(name, target, **folders)

    monkeypatch.setattr(os, "rename", rename)


def test_a_file_replaced_between_check_and_rename_is_put_back(
    root: Path, taken: tuple[Running, FileSettled], monkeypatch: pytest.MonkeyPatch
) -> None:
    it, file = taken
    rename_after(root / "cat.txt", lambda: move_in(root / "cat.txt", "two cats\n"), monkeypatch)
    assert it.inbox.remove(file.path, file.identity)
    assert left(root) == ["cat.txt"]
    assert it.settled().data == b"two cats\n"


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_putting_back_replaces_nothing(root: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    root.mkdir()
    file = root / "cat.txt"
    file.write_text("newest\n")
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    aside = root / f"{ASIDE_PREFIX}0123abcd-cat.txt"
    aside.write_text("older\n")
    removal.restore_aside(root)
    assert file.read_text() == "newest\n"
    assert left(root) == ["cat.txt"]


def no_links(*_arguments: object, **_options: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_what_a_crash_left_aside_is_put_back_at_the_next_start(
    root: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "clients").mkdir(parents=True)
    (root / "clients" / f"{ASIDE_PREFIX}0123abcd-cat-1.txt").write_text("a cat\n")
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with running(root) as it:
        assert it.settled().path == "clients/cat-1.txt"
    assert left(root / "clients") == ["cat-1.txt"]


def test_a_link_that_looks_like_one_of_ours_is_not_put_back(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (tmp_path / "secret").write_text("a secret\n")
    (root / f"{ASIDE_PREFIX}0123abcd-cat.txt").symlink_to(tmp_path / "secret")
    with running(root) as it:
        assert it.scans() == [InboxScanned(0)] * 2
    assert not (root / "cat.txt").exists()


def test_a_name_with_no_room_for_another_before_it_is_removed_too(root: Path) -> None:
    name = "ä" * 125 + ".txt"
    with running(root, settle_incomplete=HANG) as it:  # so long it may stay empty until it is written
        (root / name).write_text("a cat\n")
        file = it.settled()
        assert it.inbox.remove(file.path, file.identity)
    assert left(root) == []


def test_a_name_that_is_no_utf_8_comes_through(root: Path) -> None:
    root.mkdir()
    (root / "caf\udce9.txt").write_text("a cat\n")
    with running(root) as it:
        file = it.settled()
        assert file.path == "caf\udce9.txt"
        assert it.inbox.remove(file.path, file.identity)
    assert left(root) == []


def test_a_file_that_may_not_be_removed_is_reported_and_not_taken_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with unprivileged() as folder:
        root = folder / "inbox"
        root.mkdir()
        (root / "cat.txt").write_text("a cat\n")
        root.chmod(0o500)
        with running(root) as it:
            file = it.settled()
            assert not it.inbox.remove(file.path, file.identity)
            assert it.scans(3) == [InboxScanned(0)] * 3
        assert left(root) == ["cat.txt"]
    why = "it was taken, but can't be removed: Permission denied; run `chmod u+rwx"
    assert caplog.text.count(f"cat.txt is left in the inbox: {why} {root}`") == 1


def test_what_could_not_be_removed_goes_once_it_is_allowed_and_is_not_taken_again() -> None:
    with unprivileged() as folder:
        root = folder / "inbox"
        (root / "sub").mkdir(parents=True)
        for name in ("cat.txt", "dog.txt"):
            (root / "sub" / name).write_text("a cat\n")
        (root / "sub").chmod(0o500)
        with running(root, settle_incomplete=HANG) as it:
            for file in (it.settled(), it.settled()):
                assert not it.inbox.remove(file.path, file.identity)
            assert set(it.left()) == {"sub/cat.txt", "sub/dog.txt"}
            (root / "sub").chmod(0o700)
            (root / "sub/dog.txt").write_text("a dog\n")
            newer = it.settled()
            assert (newer.path, newer.data) == ("sub/dog.txt", b"a dog\n")
            assert it.left() == {}
            assert left(root / "sub") == ["dog.txt"]
            assert it.inbox.remove(newer.path, newer.identity)


def test_a_file_that_can_be_renamed_but_not_removed_is_where_it_was(
    root: Path, taken: tuple[Running, FileSettled], monkeypatch: pytest.MonkeyPatch
) -> None:
    it, file = taken
    original, refused = os.unlink, iter([True])

    def unlink(name: str, *, dir_fd: int | None = None) -> None:
        if next(refused, False):
            raise PermissionError(1, "Operation not permitted")
        original(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    assert not it.inbox.remove(file.path, file.identity)
    assert left(root) == ["cat.txt"]


def test_many_threads_may_remove_at_once(root: Path) -> None:
    with running(root, settle_incomplete=HANG) as it:
        for number in range(40):
            (root / f"{number}.txt").write_text("a cat\n")
        files = [it.settled() for _ in range(40)]
        threads = [threading.Thread(target=it.inbox.remove, args=(f.path, f.identity)) for f in files]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
        assert left(root) == []
        assert it.scans() == [InboxScanned(0)] * 2


def test_a_deferred_file_is_reported_at_once_and_not_at_the_next_full_scan(root: Path) -> None:
    with running(root, scan_interval=10 * HANG) as it:
        move_in(root / "cat.ready.txt")
        file = it.settled()
        # The scan that found it is over, as it is when an answer comes from the journal.
        assert it.events.get(timeout=HANG) == InboxScanned(0)
        it.inbox.defer(file.path, "it came too often", 10 * HANG)
        while not (isinstance(event := it.events.get(timeout=HANG), InboxScanned) and event.ignored):
            pass
        assert [(ignored.path, ignored.why) for ignored in event.ignored] == [
            (file.path, "it came too often")
        ]
