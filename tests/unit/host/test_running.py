"""Waking the daemon: through a socket, and without one."""

from __future__ import annotations

import queue
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.host import running
from mjwatch.host.running import SOCKET_FILE, WakeupListener, unhealthy_parts, wake_daemon
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

HANG = deadline(20.0)


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder whose path is short enough for a socket, wherever the tests run."""
    with tempfile.TemporaryDirectory(prefix="mjw") as folder:
        yield Path(folder)


@contextmanager
def listening(state: Path) -> Iterator[queue.SimpleQueue[str]]:
    wakeups: queue.SimpleQueue[str] = queue.SimpleQueue()
    listener = WakeupListener(state, lambda: wakeups.put("woken"))
    listener.start()
    try:
        yield wakeups
    finally:
        listener.stop()
        assert not listener._thread.is_alive()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a datagram wakes the listener."""
    monkeypatch.setattr(running, "CHECK_INTERVAL", HANG * 10)
    monkeypatch.setattr(running, "CHECK_INTERVAL_WITHOUT_SOCKET", HANG * 10)


@pytest.mark.usefixtures("patient")
def test_a_datagram_wakes_the_listener_and_the_socket_is_removed_at_its_end(state: Path) -> None:
    with listening(state) as wakeups:
        for _ in range(3):
            wake_daemon(state)
            assert wakeups.get(timeout=HANG) == "woken"
    assert list(state.iterdir()) == []


@pytest.mark.usefixtures("patient")
def test_the_socket_of_a_daemon_that_was_killed_is_replaced(state: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(state / SOCKET_FILE))
    wake_daemon(state)  # nobody listens, and that is no error
    with listening(state) as wakeups:
        wake_daemon(state)
        assert wakeups.get(timeout=HANG) == "woken"


@pytest.mark.usefixtures("patient")
def test_a_listener_whose_file_is_gone_still_stops(state: Path) -> None:
    with listening(state):
        (state / SOCKET_FILE).unlink()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("mode", "socket_mode"), [(0o700, 0o600), (0o770, 0o660), (0o755, 0o644)])
def test_users_who_may_write_to_the_folder_may_wake_the_daemon(
    state: Path, mode: int, socket_mode: int
) -> None:
    state.chmod(mode)
    with listening(state):
        assert (state / SOCKET_FILE).stat().st_mode & 0o777 == socket_mode


def test_without_a_datagram_it_checks_at_intervals(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHECK_INTERVAL", 0.01)
    with listening(state) as wakeups:
        assert [wakeups.get(timeout=HANG) for _ in range(2)] == ["woken"] * 2


@pytest.mark.parametrize("lacking", ["sockets", "room", "right"])
def test_without_a_socket_it_checks_often(state: Path, lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHECK_INTERVAL", HANG * 10)
    monkeypatch.setattr(running, "CHECK_INTERVAL_WITHOUT_SOCKET", 0.01)
    if lacking == "sockets":
        monkeypatch.delattr("socket.AF_UNIX")
    elif lacking == "room":
        state = state / ("x" * 100)
        state.mkdir()
    else:
        (state / SOCKET_FILE).mkdir()
    wake_daemon(state)
    with listening(state) as wakeups:
        wake_daemon(state)
        assert [wakeups.get(timeout=HANG) for _ in range(2)] == ["woken"] * 2


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("failed", [[], ["the loop"], ["the inbox", "the workers"]])
def test_the_daemon_says_which_of_its_parts_no_longer_work(state: Path, failed: list[str]) -> None:
    listener = WakeupListener(state, lambda: None, lambda: failed)
    listener.start()
    try:
        assert unhealthy_parts(state, HANG) == failed
        assert unhealthy_parts(state, HANG) == failed
    finally:
        listener.stop()


def test_a_daemon_that_does_not_answer_hangs_and_one_without_a_socket_can_not_be_asked(state: Path) -> None:
    assert unhealthy_parts(state) == []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as silent:
        silent.bind(str(state / SOCKET_FILE))
        assert unhealthy_parts(state, 0.01) == ["control"]
    assert unhealthy_parts(state) == []  # it was killed, and its file is still there
