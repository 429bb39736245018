from __future__ import annotations

import errno
import logging
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from watchdog.events import DirMovedEvent, FileCreatedEvent, FileDeletedEvent, FileMovedEvent

from mjwatch.events import InboxScanned
from mjwatch.inbox import inbox as inbox_module
from mjwatch.inbox import watcher
from mjwatch.inbox.watcher import MOST_HINTS, ChangeHints, FolderWatcher, count_watches
from tests.helpers.running_inbox import HANG, move_in, running
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "inbox"
    root.mkdir()
    return root


@pytest.fixture
def hints(root: Path) -> ChangeHints:
    hints = ChangeHints(root)
    assert hints.take() is None  # at first anything may be new
    return hints


@pytest.fixture
def watch(root: Path, hints: ChangeHints) -> Iterator[FolderWatcher]:
    watch = FolderWatcher(root, hints)
    watch.start()
    yield watch
    watch.stop()


def next_hints(hints: ChangeHints) -> set[str] | None:
    hints.wait(HANG)
    return hints.take()


def is_complete(watch: FolderWatcher) -> bool:
    return watch.is_complete


# ---- the hints


def test_it_says_which_files_may_have_changed(root: Path, hints: ChangeHints) -> None:
    hints.on_any_event(FileCreatedEvent(f"{root}/a/cat.txt"))
    hints.on_any_event(FileMovedEvent(f"{root}/sedA1b2C3", f"{root}/dog.toml"))
    hints.on_any_event(FileMovedEvent(f"{root}/old.txt", f"{root}/new.txt"))
    assert hints.take() == {"a/cat.txt", "dog.toml", "old.txt", "new.txt"}
    assert hints.take() == set()


def test_a_file_that_is_no_request_gives_no_hint(root: Path, hints: ChangeHints) -> None:
    for name in ("cat.png", ".cat.txt.swp", "_draft.txt", "cat (conflicting copy).txt"):
        hints.on_any_event(FileCreatedEvent(f"{root}/{name}"))
    hints.on_any_event(DirMovedEvent(f"{root}/.old", f"{root}/_later"))
    assert not hints._has_hints.is_set()


def test_a_new_folder_or_a_change_of_the_inbox_or_its_marker_needs_a_full_scan(
    root: Path, hints: ChangeHints
) -> None:
    for event in (
        DirMovedEvent(f"{root}/.tmp", f"{root}/clients"),
        FileDeletedEvent(str(root)),
        FileCreatedEvent(f"{root}/.mjwatch-owner"),
    ):
        hints.on_any_event(event)
        assert hints.take() is None


def test_too_many_changed_files_need_a_full_scan(root: Path, hints: ChangeHints) -> None:
    for number in range(MOST_HINTS + 1):
        hints.on_any_event(FileCreatedEvent(f"{root}/{number}.txt"))
    assert hints.take() is None


def test_an_event_that_can_not_be_processed_ends_nothing(
    root: Path, hints: ChangeHints, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def trip(name: str) -> bool:
        raise RuntimeError("a bug")

    monkeypatch.setattr(watcher, "is_request_path", trip)
    hints.on_any_event(FileCreatedEvent(f"{root}/cat.txt"))
    assert hints.take() is None
    assert "RuntimeError: a bug" in caplog.text


def test_a_name_that_is_not_utf_8_is_hinted_at_as_the_system_has_it(root: Path, hints: ChangeHints) -> None:
    hints.on_any_event(FileCreatedEvent(f"{root}/caf\udce9.txt"))
    assert hints.take() == {"caf\udce9.txt"}


# ---- the watch


def test_changes_in_new_folders_are_noticed_too(root: Path, hints: ChangeHints, watch: FolderWatcher) -> None:
    assert is_complete(watch)
    (root / "a").mkdir()
    assert next_hints(hints) is None
    wait_until(lambda: (count_watches() or 0) >= 2, "the new folder is watched")
    hints.take()
    (root / "a/cat.txt").write_text("a cat\n")
    assert next_hints(hints) == {"a/cat.txt"}


def test_reading_and_what_is_no_request_are_not_even_passed_on(root: Path, hints: ChangeHints) -> None:
    (root / "cat.txt").write_text("a cat\n")
    watch = FolderWatcher(root, hints)
    watch.start()
    (root / "cat.txt").read_text()
    (root / "picture.png").write_bytes(b"no prompt")
    (root / "dog.txt").write_text("a dog\n")
    assert next_hints(hints) == {"dog.txt"}
    watch.stop()


def test_an_inbox_that_is_a_link_is_watched_also_when_the_link_changes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    root = tmp_path / "inbox"
    root.symlink_to(tmp_path / "one")
    hints = ChangeHints(root)
    watch = FolderWatcher(root, hints)
    watch.start()
    for name in ("one", "two"):
        root.unlink()
        root.symlink_to(tmp_path / name)
        watch.check(1, 1.0)
        hints.take()
        (root / "cat.txt").write_text("a cat\n")
        assert next_hints(hints) == {"cat.txt"}
    watch.stop()


@pytest.mark.parametrize("part", ["dispatcher", "emitter", "reader"])
def test_a_thread_that_died_is_noticed_logged_and_replaced(
    root: Path, hints: ChangeHints, watch: FolderWatcher, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    observer = watch._observer
    assert observer is not None
    if part == "dispatcher":
        observer.stop()
        observer.join(HANG)
    elif part == "emitter":
        for emitter in observer.emitters:
            emitter.stop()
            emitter.join(HANG)
    else:
        observer._inotify_fd.stop()  # type: ignore[attr-defined]
        observer._inotify_fd.join(HANG)  # type: ignore[attr-defined]
    assert not watch._is_working()
    watch.check(1, 10.0)
    assert watch._is_working()
    assert "watching it again" in caplog.text
    assert next_hints(hints) is None  # what came before it was replaced
    (root / "cat.txt").write_text("a cat\n")
    assert next_hints(hints) == {"cat.txt"}


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the limit fs.inotify.max_user_watches is reached"),
     (errno.EMFILE, "the limit fs.inotify.max_user_instances is reached"),
     (errno.EACCES, "[Errno 13]")],
)  # fmt: skip
@pytest.mark.parametrize("where", ["schedule", "start"])
def test_a_folder_that_can_not_be_watched_is_logged_once_and_tried_again(
    root: Path,
    hints: ChangeHints,
    number: int,
    words: str,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "no")

    caplog.set_level(logging.INFO, "mjwatch.inbox")
    watch = FolderWatcher(root, hints)
    with monkeypatch.context() as once:
        once.setattr(f"watchdog.observers.api.BaseObserver.{where}", refuse)
        watch.start()
        watch.check(1, watcher.RETRY_INTERVAL)
        watch.check(1, watcher.RETRY_INTERVAL + 1)
    assert not is_complete(watch)
    for later in range(3):
        watch.check(1, (3 + later) * watcher.RETRY_INTERVAL)
    assert is_complete(watch)
    watch.stop()
    assert caplog.text.count(words) == 1
    assert caplog.text.count("is watched again") == 1


def test_folders_beyond_the_limit_are_found_by_counting(
    root: Path,
    hints: ChangeHints,
    watch: FolderWatcher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(watcher, "count_watches", lambda: 10)
    watch.check(11, 1.0)
    assert is_complete(watch)  # it may have come this very moment
    watch.check(11, 2.0)
    assert not is_complete(watch)
    assert "fs.inotify.max_user_watches may be too low for 11 folders" in caplog.text
    tried = watch._observer
    watch.check(11, 3.0)
    assert watch._observer is tried
    watch.check(11, 3.0 + watcher.RETRY_INTERVAL)
    assert watch._observer is not tried
    assert not is_complete(watch)
    watch.check(10, 4.0 + watcher.RETRY_INTERVAL)
    assert is_complete(watch)
    assert len(caplog.records) == 1


def test_the_kernel_counts_what_is_watched(root: Path, hints: ChangeHints) -> None:
    for name in ("a", "b", "a/c"):
        (root / name).mkdir()
    before = count_watches()
    assert before is not None
    watch = FolderWatcher(root, hints)
    watch.start()
    assert count_watches() == before + 4
    watch.stop()
    wait_until(lambda: count_watches() == before, "the watches are given back")


LIMITED = """
import logging, sys
from pathlib import Path
from mjwatch.inbox.watcher import ChangeHints, FolderWatcher

Path("/proc/sys/user/max_inotify_watches").write_text("5")
logging.basicConfig()
root = Path(sys.argv[1])
watch = FolderWatcher(root, ChangeHints(root))
watch.start()
for now in range(3):
    watch.check(11, float(now))
print(watch.is_complete)
watch.stop()
"""


@pytest.mark.real
def test_the_kernels_own_limit_is_noticed(root: Path) -> None:
    for number in range(10):
        (root / str(number)).mkdir()
    found = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", LIMITED, str(root)],
        capture_output=True,
        text=True,
        timeout=HANG,
        check=True,
    )
    assert found.stdout == "False\n", found.stderr
    assert "may be too low for 11 folders" in found.stderr


def test_a_network_file_system_is_logged_and_scanned_every_few_seconds(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mjwatch.inbox")
    monkeypatch.setattr(watcher, "remote_type", lambda root: "nfs4")
    monkeypatch.setattr(inbox_module, "SCAN_INTERVAL", 0.05)
    monkeypatch.setattr(inbox_module, "REMOTE_SETTLE", 0.4)
    (root / "cat.txt").write_text("a cat\n")
    with running(root, scan_interval=3600) as it:
        assert it.settled().path == "cat.txt"
        for _ in range(5):
            assert isinstance(it.events.get(timeout=HANG), InboxScanned)  # without any notice
        assert it.inbox._settling.quiet == 0.4
    assert caplog.text.count("network file system (nfs4)") == 1


# ---- in the inbox


def test_lost_events_are_logged_and_lead_to_a_full_scan(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(root, scan_interval=3600) as it:
        assert it.events.get(timeout=HANG) == InboxScanned(0)
        with silenced(it.inbox._hints):
            move_in(root / "cat.ready.txt")
            logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed; events lost")
        assert it.settled().path == "cat.ready.txt"
    assert "events were lost" in caplog.text
    assert logging.getLogger("watchdog.observers.inotify_c").handlers == []


class silenced:  # noqa: N801
    """Keep events from the hints for a while."""

    def __init__(self, hints: ChangeHints) -> None:
        self._hints = hints

    def __enter__(self) -> None:
        self._hints.add = lambda path: None  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        del self._hints.add


BURST = 300
"""Files whose notices are lost: the kernel's queue is full of other notices, as long as nobody reads them."""
QUEUE_LENGTH = Path("/proc/sys/fs/inotify/max_queued_events")

STOPPED = """
import logging, queue, sys
from pathlib import Path
from mjwatch.events import FileSettled
from mjwatch.inbox.inbox import Inbox

logging.basicConfig(stream=sys.stdout, format="%(message)s")
events = queue.SimpleQueue()
inbox = Inbox(Path(sys.argv[1]), events.put, settle=0.2, settle_incomplete=1, scan_interval=3600)
inbox.start()
events.get()
print("ready", flush=True)
paths = []
while len(paths) < int(sys.argv[2]):
    event = events.get(timeout=float(sys.argv[3]))
    if isinstance(event, FileSettled):
        paths.append(event.path)
        inbox.remove(event.path, event.identity)
inbox.stop()
print(len(paths), len(set(paths)), "taken")
"""


def test_all_that_comes_while_the_process_stands_still_is_found(root: Path) -> None:
    command = [sys.executable, "-c", STOPPED, str(root), str(BURST), str(HANG * 3)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGSTOP)
            noise, renamed = root / "noise.tmp", root / "renamed.tmp"
            noise.touch()
            for _ in range(int(QUEUE_LENGTH.read_text()) // 2):  # two notices each
                noise.rename(renamed)
                noise, renamed = renamed, noise
            noise.unlink()
            for number in range(BURST):
                (root / f"{number}.txt").write_text("a cat\n")
            process.send_signal(signal.SIGCONT)
            timer = threading.Timer(HANG * 3, process.kill)
            timer.start()
            output = process.stdout.read()
            timer.cancel()
        finally:
            process.kill()
    assert output.endswith(f"{BURST} {BURST} taken\n")
    assert "events were lost" in output
    assert list(root.iterdir()) == []
