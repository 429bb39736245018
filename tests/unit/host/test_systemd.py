"""What systemd is sent, over a socket with a path or with a name in the abstract namespace."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.host.systemd import LONGEST_STATUS, Systemd
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

HANG = deadline(20.0)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[tuple[str, socket.socket]]:
    """What NOTIFY_SOCKET says, and the socket that listens there."""
    with (
        tempfile.TemporaryDirectory(prefix="mjw") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
    ):
        path = str(Path(folder) / "notify")
        name = f"mjwatch-test-{os.getpid()}"
        listener.bind(path if request.param == "path" else f"\0{name}")
        listener.settimeout(HANG)
        yield path if request.param == "path" else f"@{name}", listener


def test_each_message_is_one_datagram(manager: tuple[str, socket.socket]) -> None:
    address, listener = manager
    systemd = Systemd({"NOTIFY_SOCKET": address})
    assert systemd.listens
    systemd.ready()
    systemd.status("3 in flight,\n  2 queued\x00.")
    systemd.alive()
    systemd.extend(1.5)
    systemd.stopping()
    assert [listener.recv(4096).decode() for _ in range(5)] == [
        "READY=1",
        "STATUS=3 in flight, 2 queued\x00.",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=1500000",
        "STOPPING=1",
    ]


def test_a_long_status_is_cut(manager: tuple[str, socket.socket]) -> None:
    address, listener = manager
    Systemd({"NOTIFY_SOCKET": address}).status("a\udce9" * 1000)
    status = listener.recv(65536).decode().removeprefix("STATUS=")
    assert len(status) == LONGEST_STATUS
    assert status.endswith("…")


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative/path"])
def test_without_a_manager_that_we_could_reach_nothing_is_sent(address: str) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    assert not systemd.listens
    assert systemd.watchdog is None
    systemd.ready()


def test_a_manager_that_has_ended_is_no_error(tmp_path: Path) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert systemd.listens
    systemd.ready()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_is_meant_for_this_process(
    environ: dict[str, str], seconds: float | None
) -> None:
    assert Systemd({"NOTIFY_SOCKET": "@mjwatch-nobody", **environ}).watchdog == seconds
