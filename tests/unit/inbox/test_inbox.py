from __future__ import annotations

import errno
import itertools
import logging
import os
import queue
import shutil
import socket
import threading
import unicodedata
from typing import TYPE_CHECKING

import pytest

from mjwatch.errors import ConfigError
from mjwatch.events import InboxScanned
from mjwatch.filesystem import files
from mjwatch.inbox import inbox as inbox_module
from mjwatch.inbox import pickup, watcher
from mjwatch.trouble import inbox_trouble
from tests.helpers.running_inbox import HANG, Running, move_in, running
from tests.helpers.unprivileged_user import unprivileged
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mjwatch.inbox.scanner import InboxScan
    from mjwatch.model import Identity


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


# ---- arriving


def test_what_lies_there_at_the_start_is_taken_whole(root: Path) -> None:
    root.mkdir()
    (root / "cat.txt").write_bytes(b"a cat\r\n")
    os.utime(root / "cat.txt", (1_577_836_800, 1_577_836_800))
    with running(root) as it:
        file = it.settled()
    assert (file.path, file.data, file.mtime) == ("cat.txt", b"a cat\r\n", 1_577_836_800)
    assert file.identity[:2] == ((root / "cat.txt").stat().st_dev, (root / "cat.txt").stat().st_ino)


def test_the_folder_is_made_where_it_is_missing(root: Path) -> None:
    with running(root / "deep") as it:
        assert it.events.get(timeout=HANG) == InboxScanned(0)
    assert (root / "deep").is_dir()


def test_a_folder_that_can_not_be_made_is_reported_on_one_line(root: Path) -> None:
    root.write_text("not a folder")
    with pytest.raises(ConfigError, match="can't be made"):
        Running(root / "inbox").inbox.start()


@pytest.mark.parametrize("how", ["copy", "move", "link", "replace"])
def test_however_a_file_arrives_events_hasten_the_scan(root: Path, how: str) -> None:
    root.mkdir()
    other = root.parent / "other.txt"
    other.write_text("a cat\n")
    with running(root, scan_interval=3600) as it:
        assert it.events.get(timeout=HANG) == InboxScanned(0)
        if how == "copy":
            shutil.copy(other, root / "cat.txt")
        elif how == "move":
            other.rename(root / "cat.txt")
        elif how == "link":
            os.link(other, root / "cat.txt")
        else:
            (root / "sedA1b2C3").write_text("a cat\n")
            (root / "sedA1b2C3").rename(root / "cat.txt")
        assert it.settled().path == "cat.txt"
        assert it.events.get(timeout=HANG) == InboxScanned(0)


def test_without_any_event_the_scan_finds_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("watchdog.observers.api.BaseObserver.schedule", refuse)
    with running(root) as it:
        move_in(root / "cat.txt")
        assert it.settled().path == "cat.txt"


def test_a_file_written_in_pieces_is_one_prompt(root: Path) -> None:
    with running(root, settle=0.3, settle_incomplete=HANG) as it:
        for piece in ("a cat", " on a", " wall\n"):
            with (root / "cat.txt").open("a") as file:
                file.write(piece)
            it.events.get(timeout=HANG)  # a scan has seen it so
        assert it.settled().data == b"a cat on a wall\n"
        assert it.scans() == [InboxScanned(0)] * 2


def test_text_without_a_final_newline_is_taken_after_the_longer_wait(root: Path) -> None:
    root.mkdir()
    (root / "cat.txt").write_text("a cat")
    (root / "dog.txt").write_text("a dog\n")
    with running(root) as it:
        assert [it.settled().path, it.settled().path] == ["dog.txt", "cat.txt"]


def test_an_empty_file_is_handed_over_in_the_end(root: Path) -> None:
    root.mkdir()
    (root / "cat.txt").touch()
    with running(root, settle_incomplete=0.02) as it:
        assert it.settled().data == b""


def test_a_ready_file_is_taken_at_once(root: Path) -> None:
    with running(root, settle=3600, settle_incomplete=3600) as it:
        move_in(root / "slow.txt")
        move_in(root / "cat.ready.txt", "a cat")
        assert it.settled().path == "cat.ready.txt"


def test_subfolders_are_scanned_also_when_they_are_moved_in_whole(root: Path) -> None:
    tree = root.parent / "clients"
    (tree / "acme/deep").mkdir(parents=True)
    (tree / "acme/cat.txt").write_text("a cat\n")
    (tree / "acme/deep/dog.toml").write_text('prompt = "a dog"\n')
    with running(root, scan_interval=3600) as it:
        assert it.events.get(timeout=HANG) == InboxScanned(0)
        tree.rename(root / "clients")
        assert it.settled_names(2) == ["clients/acme/cat.txt", "clients/acme/deep/dog.toml"]


def test_an_old_name_with_new_content_is_taken_again_but_nothing_is_taken_twice(root: Path) -> None:
    with running(root) as it:
        move_in(root / "cat.txt", "a cat\n")
        assert it.settled().data == b"a cat\n"
        assert it.scans(3) == [InboxScanned(0)] * 3
        move_in(root / "cat.txt", "two cats\n")
        assert it.settled().data == b"two cats\n"
        assert it.scans(3) == [InboxScanned(0)] * 3


def test_two_hundred_files_at_once_are_each_taken_once(root: Path) -> None:
    names = [f"{number}.txt" for number in range(200)]
    with running(root, settle_incomplete=HANG) as it:  # the file may stay empty for so long
        for name in names:
            (root / name).write_text(f"cat {name}\n")
        assert it.settled_names(200) == sorted(names)
        assert it.scans() == [InboxScanned(0)] * 2


def test_every_scan_says_how_many_files_are_awaited(root: Path) -> None:
    root.mkdir()
    (root / "cat.txt").write_text("a cat\n")
    with running(root, settle=3600) as it:
        assert it.events.get(timeout=HANG) == InboxScanned(1)


# ---- left alone


def test_nothing_but_regular_files_with_the_right_names_is_taken(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (tmp_path / "secret").write_text("a secret\n")
    (root / "link.txt").symlink_to(tmp_path / "secret")
    (root / "dangling.txt").symlink_to(tmp_path / "nothing")
    (root / "folder.txt").mkdir()
    os.mkfifo(root / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(str(root / "socket.txt"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/cat.txt").write_text("a cat\n")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    for name in ("_later/cat.txt", ".stversions/cat.txt", "@eaDir/cat.txt"):
        (root / name).parent.mkdir()
        (root / name).write_text("a cat\n")
    for name in ("_defaults.toml", ".cat.txt", "cat.txt~", "cat.png", "cat (conflicting copy).txt"):
        (root / name).write_text("a cat\n")
    (root / "folder.txt/inside.txt").write_text("a cat\n")
    with running(root) as it:
        assert it.settled().path == "folder.txt/inside.txt"
        assert it.scans() == [InboxScanned(0)] * 2


def test_somebody_reading_does_not_wake_it(root: Path) -> None:
    root.mkdir()
    (root / "cat.png").write_bytes(b"no prompt")
    with running(root, scan_interval=3600) as it:
        assert it.events.get(timeout=HANG) == InboxScanned(0)
        (root / "cat.png").read_bytes()
        (root / "cat.png").write_bytes(b"and what is no prompt file does not, either")
        move_in(root / "cat.txt")
        assert it.events.get(timeout=HANG) == InboxScanned(1)


# ---- what can't be read


def test_an_inbox_that_can_not_be_read_is_not_an_empty_one(root: Path) -> None:
    with running(root, settle=3600) as it:
        move_in(root / "cat.txt")
        while it.events.get(timeout=HANG) != InboxScanned(1):
            pass
        root.rename(root.parent / "unmounted")
        trouble = inbox_trouble(root, FileNotFoundError(errno.ENOENT, "No such file or directory"))
        assert "the folder is missing" in trouble.sentence
        while it.events.get(timeout=HANG) != InboxScanned(1, trouble=trouble):
            pass
        (root.parent / "unmounted").rename(root)
        while it.events.get(timeout=HANG) != InboxScanned(1):
            pass


def test_a_file_that_goes_with_its_inbox_is_still_awaited(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inbox goes after the look at it, and before the look at the file that an event names."""

    def go(root: Path, path: str) -> Identity | None:
        if root.exists():
            root.rename(root.parent / "unmounted")
        return files.identify(root, path)

    with running(root, settle=3600, scan_interval=3600) as it:
        move_in(root / "cat.txt")
        while it.events.get(timeout=HANG) != InboxScanned(1):
            pass
        monkeypatch.setattr(inbox_module, "identify", go)
        it.inbox._hints.add("cat.txt")
        it.trouble()
        assert it.inbox.has_file("cat.txt")


def events_of(
    monkeypatch: pytest.MonkeyPatch, logger: logging.Logger, method: str
) -> queue.Queue[tuple[object, ...]]:
    """What is logged by this method from now on, to be waited for."""
    calls: queue.Queue[tuple[object, ...]] = queue.Queue()
    original: Callable[..., None] = getattr(logger, method)

    def note(*arguments: object) -> None:
        original(*arguments)
        calls.put(arguments)

    monkeypatch.setattr(logger, method, note)
    return calls


def test_unreadable_files_and_folders_are_logged_once_and_stop_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with unprivileged() as folder:
        root = folder / "inbox"
        (root / "closed").mkdir(parents=True)
        (root / "closed/dog.txt").write_text("a dog\n")
        (root / "closed").chmod(0)
        (root / "cat.txt").write_text("a cat\n")
        (root / "cat.txt").chmod(0)
        with running(root, settle_incomplete=0.01) as it:
            move_in(root / "bird.txt")
            assert it.settled().path == "bird.txt"
            assert it.scans(5) == [InboxScanned(0)] * 5
            (root / "cat.txt").chmod(0o644)
            assert it.settled().path == "cat.txt"
            (root / "closed").chmod(0o755)
            assert it.settled().path == "closed/dog.txt"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sorted(warnings) == [
        "cat.txt is left in the inbox: it can't be read: Permission denied",
        "closed/ is left in the inbox: a folder that can't be read",
    ]


def test_an_inbox_without_any_permissions_is_a_trouble_and_waited_for() -> None:
    with unprivileged() as folder:
        root = folder / "inbox"
        root.mkdir()
        (root / "cat.txt").write_text("a cat\n")
        root.chmod(0)
        with running(root) as it:
            event = it.events.get(timeout=HANG)
            assert isinstance(event, InboxScanned)
            assert event.trouble is not None
            root.chmod(0o755)
            assert it.settled().path == "cat.txt"


def on_reading(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, times: int = 2
) -> threading.Event:
    """Have something happen before the so many-th reading of a file; set once it did."""
    original, count, done = files.read_alike, itertools.count(1), threading.Event()

    def read(root: Path, path: str, identity: Identity, limit: int) -> bytes | None:
        if next(count) == times - 1:
            act()
            done.set()
        return original(root, path, identity, limit)

    monkeypatch.setattr(pickup, "read_alike", read)
    return done


def test_a_file_that_is_rewritten_while_it_is_read_is_read_again_later(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_reading(monkeypatch, lambda: (root / "cat.txt").write_text("two cats\n"))
    with running(root, scan_interval=3600) as it:
        assert it.events.get(timeout=HANG) == InboxScanned(0)
        move_in(root / "cat.txt", "a cat\n")
        assert it.settled().data == b"two cats\n"


def test_content_that_changes_behind_the_file_systems_back_is_not_taken(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = itertools.chain([b"a c\n", b"a cat\n"], itertools.repeat(b"a cat\n"))  # as by a memory map
    monkeypatch.setattr(files, "read_unchanged", lambda root, path, identity, limit: next(versions))
    with running(root) as it:
        move_in(root / "cat.txt")
        assert it.settled().data == b"a cat\n"


def test_a_file_that_is_deleted_while_it_is_read_is_forgotten(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deleted = on_reading(monkeypatch, (root / "cat.txt").unlink)
    with running(root) as it:
        move_in(root / "cat.txt")
        assert deleted.wait(HANG)
        assert it.scans() == [InboxScanned(0)] * 2
    assert [record for record in caplog.records if record.name.startswith("mjwatch")] == []


def test_an_error_that_nobody_foresaw_does_not_end_the_watch(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    once = iter([RuntimeError("a bug")])

    def looks_incomplete(data: bytes, name: str) -> bool:
        for error in once:
            raise error
        return False

    monkeypatch.setattr(pickup, "looks_incomplete", looks_incomplete)
    with running(root) as it:
        move_in(root / "cat.txt")
        assert it.settled().path == "cat.txt"
    assert "RuntimeError: a bug" in caplog.text


# ---- a file that is too large


def test_a_file_that_is_too_large_is_read_in_part_and_left_where_it_is(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root.mkdir()
    (root / "big.txt").write_bytes(b"x" * 10_000_000)
    with running(root) as it:
        file = it.settled()
        assert len(file.data) == 65_537
        assert file.identity[2] == 10_000_000
        assert not it.inbox.remove(file.path, file.identity)
        assert it.scans(3) == [InboxScanned(0)] * 3
    assert (root / "big.txt").stat().st_size == 10_000_000
    assert "left in the inbox" in caplog.text


# ---- an inbox that goes and comes


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "SCAN_INTERVAL", 0.05)


@pytest.mark.parametrize("how", ["removed", "moved away", "replaced"])
@pytest.mark.usefixtures("impatient")
def test_an_inbox_that_went_and_came_again_is_watched_again(root: Path, how: str) -> None:
    interval = 3600 if how == "removed" else 0.2  # only a removal makes itself heard
    with running(root, scan_interval=interval) as it:
        assert it.events.get(timeout=HANG) == InboxScanned(0)
        if how == "removed":
            root.rmdir()
        else:
            root.rename(root.with_name("elsewhere"))
        if how != "replaced":
            it.trouble()
        root.mkdir()
        move_in(root / "first.txt")
        assert it.settled().path == "first.txt"
        assert it.inbox._watcher._is_working()
        it.inbox._interval = 3600.0
        move_in(root / "second.txt")
        assert it.settled().path == "second.txt"


@pytest.mark.usefixtures("impatient")
def test_an_inbox_that_may_not_be_read_is_a_trouble_and_used_again() -> None:
    with unprivileged() as folder, running(folder / "inbox") as it:
        it.scans(1)
        it.root.chmod(0)
        assert "mjwatch has no right to" in it.trouble().sentence
        it.root.chmod(0o700)
        move_in(it.root / "cat.txt")
        assert it.settled().path == "cat.txt"


def test_a_watch_that_ends_while_the_folder_goes_is_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "RETRY_INTERVAL", 0.0)
    with running(root) as it:
        it.scans(1)
        with monkeypatch.context() as once:
            once.setattr("watchdog.observers.api.BaseObserver.schedule", gone)
            it.inbox._watcher._watched = None
            wait_until(lambda: not it.inbox._watcher.is_complete, "it is not watched any more")
        wait_until(lambda: it.inbox._watcher.is_complete, "the watch is set up again")


def gone(*_: object, **__: object) -> None:
    raise FileNotFoundError(2, "No such file or directory")


# ---- order, and how much at a time


def test_of_what_is_seen_together_the_natural_order_counts_and_else_what_was_seen_first(root: Path) -> None:
    root.mkdir()
    for name in ("cat10.txt", "b/1.txt", "cat2.txt", "Cat1.txt", "10.txt", "9.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("a cat\n")
    with running(root) as it:
        order = ["9.txt", "10.txt", "b/1.txt", "Cat1.txt", "cat2.txt", "cat10.txt"]
        assert [it.settled().path for _ in order] == order


def test_a_file_that_came_first_goes_first_though_it_settles_together_with_a_later_one(root: Path) -> None:
    with running(root, settle=0.5) as it:
        move_in(root / "z.txt")
        while it.events.get(timeout=HANG) != InboxScanned(1):
            pass
        move_in(root / "a.txt")
        assert [it.settled().path, it.settled().path] == ["z.txt", "a.txt"]


def test_only_so_many_files_are_out_at_a_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mjwatch.inbox.pickup.MOST_FILES", 3)
    root.mkdir()
    for number in range(10):
        (root / f"{number}.txt").write_text("a cat\n")
    with running(root, scan_interval=3600) as it:
        out = [it.settled() for _ in range(3)]
        while it.events.get(timeout=HANG) != InboxScanned(7):
            pass
        assert it.events.empty()
        taken = 0
        while out:
            file = out.pop(0)
            taken += 1
            assert it.inbox.remove(file.path, file.identity)
            if taken <= 7:
                out.append(it.settled())
        assert taken == 10


# ---- what stays


def test_kept_files_stay_and_are_handed_over_once(root: Path) -> None:
    with running(root, keep=True) as it:
        move_in(root / "cat.txt")
        file = it.settled()
        assert not it.inbox.remove(file.path, file.identity)
        assert it.scans(3) == [InboxScanned(0)] * 3
        assert it.inbox.has_file("cat.txt")
        os.utime(root / "cat.txt")
        assert it.settled().path == "cat.txt"  # whether that is new the journal knows
        (root / "cat.txt").rename(root / "lion.txt")
        assert it.settled().path == "lion.txt"
        assert (it.inbox.has_file("cat.txt"), it.inbox.has_file("lion.txt")) == (False, True)
    assert (root / "lion.txt").exists()


def test_a_file_that_was_moved_in_two_steps_is_known_to_be_gone_when_the_new_one_is_taken(root: Path) -> None:
    with running(root, keep=True, settle_incomplete=HANG, scan_interval=3600) as it:
        move_in(root / "cat.txt")
        file = it.settled()
        it.inbox.remove(file.path, file.identity)
        move_in(root / "lion.txt", "a cat")  # not complete before cat.txt is gone
        while it.events.get(timeout=HANG) != InboxScanned(1):
            pass
        (root / "cat.txt").unlink()  # of which no notice is asked for
        with (root / "lion.txt").open("a") as lion:
            lion.write("\n")
        assert it.settled().path == "lion.txt"
        assert not it.inbox.has_file("cat.txt")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_what_lies_there_is_known_by_any_composition_of_its_name(root: Path, form: str) -> None:
    with running(root, keep=True) as it:
        move_in(root / unicodedata.normalize(form, "café.txt"))  # type: ignore[arg-type]
        it.settled()
        assert it.inbox.has_file(unicodedata.normalize("NFC", "café.txt"))


def test_a_deferred_file_is_reported_and_handed_over_again(root: Path) -> None:
    with running(root) as it:
        move_in(root / "cat.txt")
        it.settled()
        it.inbox.defer("cat.txt", "too often", HANG)
        assert it.left() == {"cat.txt": "too often"}
        it.skip(HANG)
        assert it.settled().path == "cat.txt"
        assert it.left() == {}


def test_a_file_whose_wait_is_over_takes_one_more_scan_and_not_hundreds(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[set[str] | None] = []
    turn = inbox_module.Inbox._turn_safely

    def counted(it: inbox_module.Inbox, hints: set[str] | None) -> float:
        turns.append(hints)
        return turn(it, hints)

    monkeypatch.setattr(inbox_module.Inbox, "_turn_safely", counted)
    with running(root, scan_interval=3600) as it:
        move_in(root / "cat.txt")
        it.settled()
        it.inbox.defer("cat.txt", "too often", 0.2)
        assert it.settled().path == "cat.txt"
    assert len(turns) < 20


def test_a_file_that_was_put_back_by_a_failed_removal_is_not_taken_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = iter([True])
    with running(root) as it:

        def fail(root: Path, path: str, identity: tuple[int, ...]) -> bool:
            file, is_first = root / path, next(first, False)  # later ones are the inbox's own
            file.rename(file.with_name("aside"))
            assert not is_first or it.scans(3) == [InboxScanned(0)] * 3
            file.with_name("aside").rename(file)
            assert not is_first or it.scans(3) == [InboxScanned(0)] * 3
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(inbox_module, "remove_taken", fail)
        file = move_in(root / "cat.txt")
        taken = it.settled()
        before = file.stat().st_ctime_ns
        assert not it.inbox.remove(taken.path, taken.identity)
        assert file.stat().st_ctime_ns != before
        assert it.scans(3) == [InboxScanned(0)] * 3
        assert "can't be removed" in it.left()["cat.txt"]


def test_a_scan_of_before_a_failed_removal_had_put_a_file_back_does_not_make_it_new(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_aside, is_seen_aside, has_failed = (threading.Event() for _ in range(3))
    apply = inbox_module.Inbox._apply

    def apply_late(it: inbox_module.Inbox, scan: InboxScan, now: float) -> None:
        if is_aside.is_set() and "cat.txt" not in scan.files:
            is_seen_aside.set()
            assert has_failed.wait(HANG)
        apply(it, scan, now)

    def fail(root: Path, path: str, identity: tuple[int, ...]) -> bool:
        if not has_failed.is_set():
            (root / path).rename(root / "aside")
            is_aside.set()
            assert is_seen_aside.wait(HANG)
            (root / "aside").rename(root / path)
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(inbox_module.Inbox, "_apply", apply_late)
    monkeypatch.setattr(inbox_module, "remove_taken", fail)
    with running(root) as it:
        move_in(root / "cat.txt")
        taken = it.settled()
        assert not it.inbox.remove(taken.path, taken.identity)
        has_failed.set()
        assert it.scans(3) == [InboxScanned(0)] * 3
        assert "can't be removed" in it.left()["cat.txt"]


def test_one_path_that_can_not_be_read_is_no_trouble_of_the_whole_inbox(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def some_fail(root: Path, path: str) -> Identity | None:
        if path == "bad.txt":
            raise PermissionError(errno.EACCES, "Permission denied")
        return files.identify(root, path)

    monkeypatch.setattr(inbox_module, "identify", some_fail)
    with running(root, scan_interval=3600) as it:
        move_in(root / "bad.txt")
        move_in(root / "cat.txt")
        assert it.settled_names(2) == ["bad.txt", "cat.txt"]
    assert "can't be read" not in caplog.text


def test_a_file_that_waits_without_a_reason_is_still_awaited(root: Path) -> None:
    with running(root) as it:
        move_in(root / "copy.txt")
        it.settled()
        it.inbox.defer("copy.txt", None, 3600)
        while it.events.get(timeout=HANG) != InboxScanned(1):
            pass


def test_files_that_wait_for_long_are_reported(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mjwatch.inbox.settling.LONG_WAIT", 0.1)
    root.mkdir()
    (root / "cat.txt").touch()
    (root / "dog.toml").write_text('prompt = "a dog"\nimages = ["ref.png"]\n')
    with running(root, settle_incomplete=3600) as it:
        wanted = {"cat.txt": "it is not complete", "dog.toml": "it waits for ref.png"}
        found: dict[str, str] = {}
        while found != wanted:
            event = it.events.get(timeout=HANG)
            assert isinstance(event, InboxScanned)
            found = {ignored.path: ignored.why for ignored in event.ignored}
