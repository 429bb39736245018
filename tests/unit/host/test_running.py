"""Waking the daemon: by a socket, and without one."""

from __future__ import annotations

import queue
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.host import running as poking
from mjwatch.host.running import SOCKET_FILE, WakeupListener, poke
from tests.helpers.patience import deadline

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
    pokes: queue.SimpleQueue[str] = queue.SimpleQueue()
    listener = WakeupListener(state, lambda: pokes.put("poked"))
    listener.start()
    try:
        yield pokes
    finally:
        listener.stop()
        assert not listener._thread.is_alive()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a poke wakes it."""
    monkeypatch.setattr(poking, "PATIENCE", HANG * 10)
    monkeypatch.setattr(poking, "PATIENCE_WITHOUT_SOCKET", HANG * 10)


@pytest.mark.usefixtures("patient")
def test_a_poke_wakes_the_listener_and_the_socket_goes_with_it(state: Path) -> None:
    with listening(state) as pokes:
        for _ in range(3):
            poke(state)
            assert pokes.get(timeout=HANG) == "poked"
    assert list(state.iterdir()) == []


@pytest.mark.usefixtures("patient")
def test_the_socket_of_a_daemon_that_was_killed_is_replaced(state: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(state / SOCKET_FILE))
    poke(state)  # nobody hears it, nobody minds
    with listening(state) as pokes:
        poke(state)
        assert pokes.get(timeout=HANG) == "poked"


@pytest.mark.usefixtures("patient")
def test_a_listener_whose_file_is_gone_still_stops(state: Path) -> None:
    with listening(state):
        (state / SOCKET_FILE).unlink()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("mode", "socket_mode"), [(0o700, 0o600), (0o770, 0o660), (0o755, 0o644)])
def test_who_may_write_to_the_folder_may_poke(state: Path, mode: int, socket_mode: int) -> None:
    state.chmod(mode)
    with listening(state):
        assert (state / SOCKET_FILE).stat().st_mode & 0o777 == socket_mode


def test_without_a_poke_it_looks_now_and_then(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poking, "PATIENCE", 0.01)
    with listening(state) as pokes:
        assert [pokes.get(timeout=HANG) for _ in range(2)] == ["poked"] * 2


@pytest.mark.parametrize("lacking", ["sockets", "room", "right"])
def test_where_there_can_be_no_socket_it_looks_often(
    state: Path, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poking, "PATIENCE", HANG * 10)
    monkeypatch.setattr(poking, "PATIENCE_WITHOUT_SOCKET", 0.01)
    if lacking == "sockets":
        monkeypatch.delattr("socket.AF_UNIX")
    elif lacking == "room":
        state = state / ("x" * 100)
        state.mkdir()
    else:
        (state / SOCKET_FILE).mkdir()
    poke(state)
    with listening(state) as pokes:
        poke(state)
        assert [pokes.get(timeout=HANG) for _ in range(2)] == ["poked"] * 2
