from __future__ import annotations

import signal
import subprocess
import sys
import threading
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.errors import ConfigError, DaemonError
from mjwatch.host import lock
from mjwatch.host.lock import account_lock, daemon_lock, inbox_lock
from mjwatch.host.running import LOCK_FILE, daemon_runs
from tests.helpers.timeouts import deadline
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = """
import sys
from pathlib import Path
from mjwatch.host.lock import account_lock, daemon_lock
with daemon_lock(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


@contextmanager
def owner(state: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns this state folder."""
    command = [sys.executable, "-c", OWNER, str(state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        yield process


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 0.05)


def test_one_folder_has_one_owner(tmp_path: Path) -> None:
    with owner(tmp_path) as process:
        assert daemon_runs(tmp_path)
        with pytest.raises(DaemonError, match="another mjwatch already works with"), daemon_lock(tmp_path):
            pass
        process.communicate()
    assert not daemon_runs(tmp_path)
    with daemon_lock(tmp_path):
        assert daemon_runs(tmp_path)
    assert not daemon_runs(tmp_path)


def test_a_killed_owner_owns_nothing(tmp_path: Path) -> None:
    with owner(tmp_path) as process:
        process.kill()
        assert process.wait(deadline(20)) == -signal.SIGKILL
    assert (tmp_path / LOCK_FILE).exists()
    assert not daemon_runs(tmp_path)
    with daemon_lock(tmp_path):
        pass


def test_other_folders_are_independent(tmp_path: Path) -> None:
    with daemon_lock(tmp_path / "one"), daemon_lock(tmp_path / "two"):
        assert daemon_runs(tmp_path / "one")
    assert not daemon_runs(tmp_path / "three")
    assert not (tmp_path / "three").exists()


def test_an_error_inside_releases_the_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), daemon_lock(tmp_path):
        raise RuntimeError
    assert not daemon_runs(tmp_path)


def test_processes_that_ask_never_take_each_other_for_the_owner(tmp_path: Path) -> None:
    with daemon_lock(tmp_path):
        pass
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.extend(daemon_runs(tmp_path) for _ in range(200)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline(60))
    assert answers == [False] * 800


def test_a_daemon_that_starts_is_not_kept_out_by_processes_that_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", deadline(20))
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            daemon_runs(tmp_path)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(5):
            with daemon_lock(tmp_path):
                pass
    finally:
        done.set()
        asking.join(deadline(20))


def test_a_user_who_may_only_read_can_ask(tmp_path: Path) -> None:
    with unprivileged() as folder:
        state = folder / "state"
        with daemon_lock(state):
            (state / LOCK_FILE).chmod(0o444)
            state.chmod(0o555)
            assert daemon_runs(state)
        assert not daemon_runs(state)


def test_missing_rights_are_reported() -> None:
    with unprivileged() as folder:
        state = folder / "state"
        with daemon_lock(state):
            pass
        (state / LOCK_FILE).chmod(0)
        state.chmod(0o500)
        with pytest.raises(DaemonError, match="can't be used: Permission denied"), daemon_lock(state):
            pass
        state.chmod(0)
        with pytest.raises(DaemonError, match="can't be read: Permission denied"):
            daemon_runs(state)


def test_a_file_in_place_of_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(DaemonError, match="can't be used"), daemon_lock(tmp_path / "state"):
        pass


# ---- one account and channel

URL, TOKEN, CHANNEL = "http://127.0.0.1:1", f"invented.token.{uuid.uuid4().hex}", "1234"
"""The lock is the machine's, which other test runs use at the same time."""

ACCOUNT = f"""
import sys
from mjwatch.host.lock import account_lock
with account_lock("{URL}", "{TOKEN}", "{CHANNEL}"):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_one_token_and_channel_have_one_sender_on_a_machine() -> None:
    command = [sys.executable, "-c", ACCOUNT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        with (
            pytest.raises(DaemonError, match="already sends with this token into this channel") as error,
            account_lock(URL, TOKEN, CHANNEL),
        ):
            pass
        assert TOKEN not in str(error.value)
        for url, token, channel in (
            ("http://127.0.0.1:2", TOKEN, CHANNEL),
            (URL, "x", CHANNEL),
            (URL, TOKEN, "5"),
        ):
            with account_lock(url, token, channel):
                pass
        process.kill()
        process.wait()
        with account_lock(URL, TOKEN, CHANNEL):
            pass


def test_what_others_can_see_of_the_lock_does_not_contain_the_token() -> None:
    with account_lock(URL, TOKEN, CHANNEL):
        seen = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace")
    assert "@mjwatch-" in seen
    assert TOKEN not in seen


# ---- one inbox

INBOX_OWNER = """
import sys
from pathlib import Path
from mjwatch.host.lock import inbox_lock
with inbox_lock(Path(sys.argv[1]), "1234567890abcdef"):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_one_inbox_has_one_process_on_a_machine_whatever_path_leads_to_it(tmp_path: Path) -> None:
    inbox, link, other = tmp_path / "a" / "inbox", tmp_path / "link", tmp_path / "other"
    command = [sys.executable, "-c", INBOX_OWNER, str(inbox)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        link.symlink_to(inbox)
        for path in (inbox, link):
            with (
                pytest.raises(DaemonError, match=r"already takes the prompt files from") as error,
                inbox_lock(path, "1234567890abcdef"),
            ):
                pass
            assert error.value.exit_code == 3
        with inbox_lock(other, "1234567890abcdef"), inbox_lock(inbox, "another machine"):
            pass
        process.kill()
        process.wait()
    with inbox_lock(inbox, "1234567890abcdef"):
        pass


def test_an_inbox_that_can_not_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("in the way")
    with pytest.raises(ConfigError, match="can't be created"), inbox_lock(tmp_path / "inbox", "x"):
        pass
