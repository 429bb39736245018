"""When systemd is sent what: the start, watchdog messages, the end."""

from __future__ import annotations

import socket
import tempfile
import threading
from pathlib import Path

import pytest

from mjwatch.host import systemd as module
from mjwatch.host.systemd import (
    LONGEST_BUILD,
    LONGEST_START,
    START_EXTENSION,
    STOP_LIMIT,
    Supervision,
    Systemd,
)
from tests.helpers.timeouts import deadline
from tests.unit.host.test_liveness_timer import Clock

HANG = deadline(20.0)


class RecordingSystemd(Systemd):
    """Keeps what systemd is sent."""

    def __init__(self, watchdog: float | None = 30.0) -> None:
        super().__init__({})
        self.watchdog = watchdog
        self.lines: list[str] = []

    def _send(self, line: str) -> None:
        self.lines.append(line)

    def sent(self) -> list[str]:
        """Return what was sent since the last call."""
        lines, self.lines = self.lines, []
        return lines


class FakeService:
    """A service in the state that the test gives it."""

    def __init__(self) -> None:
        self.unhealthy: list[str] = []
        self.is_started = True
        self.text = "Nothing to do."

    def unhealthy_parts(self) -> list[str]:
        return self.unhealthy

    def started(self) -> bool:
        return self.is_started

    def sentence(self) -> str:
        return self.text


EXTENDED = f"EXTEND_TIMEOUT_USEC={START_EXTENSION * 1e6:.0f}"


def test_a_long_start_gets_more_time_but_not_without_limit() -> None:
    systemd, clock = RecordingSystemd(), Clock()
    supervision = Supervision(systemd, clock)
    supervision.check()
    assert systemd.sent() == ["STATUS=Starting.", EXTENDED]
    clock.now += LONGEST_BUILD - 1
    supervision.check()
    assert systemd.sent() == [EXTENDED]
    clock.now += 1
    supervision.check()
    assert systemd.sent() == []


def test_it_is_ready_when_it_works_and_then_sends_watchdog_messages() -> None:
    systemd, service = RecordingSystemd(), FakeService()
    supervision = Supervision(systemd, Clock())
    service.is_started, service.text = False, "Waits for the gateway."
    supervision.attach(service)
    supervision.check()
    assert systemd.sent() == ["STATUS=Waits for the gateway.", EXTENDED]
    service.is_started, service.text = True, "Nothing to do."
    supervision.check()
    assert systemd.sent() == ["STATUS=Nothing to do.", "READY=1"]
    supervision.check()
    supervision.check()
    assert systemd.sent() == ["WATCHDOG=1", "WATCHDOG=1"]


def test_a_status_is_sent_when_it_changes() -> None:
    systemd, service = RecordingSystemd(), FakeService()
    supervision = Supervision(systemd, Clock())
    supervision.attach(service)
    for text in ("1 in flight.", "1 in flight.", "Nothing to do."):
        service.text = text
        supervision.check()
    assert [line for line in systemd.sent() if line.startswith("STATUS")] == [
        "STATUS=1 in flight.",
        "STATUS=Nothing to do.",
    ]


def test_a_service_that_waits_for_too_long_counts_as_started() -> None:
    systemd, service, clock = RecordingSystemd(), FakeService(), Clock()
    service.is_started = False
    supervision = Supervision(systemd, clock)
    supervision.attach(service)
    clock.now += LONGEST_START
    supervision.check()
    assert "READY=1" in systemd.sent()


def test_no_watchdog_message_while_a_part_is_unhealthy(caplog: pytest.LogCaptureFixture) -> None:
    systemd, service = RecordingSystemd(), FakeService()
    supervision = Supervision(systemd, Clock())
    supervision.attach(service)
    supervision.check()
    systemd.sent()
    service.unhealthy = ["the inbox", "control"]
    supervision.check()
    supervision.check()
    assert systemd.sent() == ["STATUS=No longer working: the inbox, control."]
    assert [record.getMessage() for record in caplog.records] == [
        "these parts no longer work: the inbox, control; systemd restarts the service"
    ]
    service.unhealthy = []
    supervision.check()
    assert systemd.sent() == ["STATUS=Nothing to do.", "WATCHDOG=1"]


def test_a_part_that_fails_during_the_start_keeps_the_service_from_being_ready() -> None:
    systemd, service, clock = RecordingSystemd(), FakeService(), Clock()
    service.unhealthy = ["the workers"]
    supervision = Supervision(systemd, clock)
    supervision.attach(service)
    clock.now += LONGEST_START
    supervision.check()
    assert systemd.sent() == ["STATUS=No longer working: the workers."]


@pytest.mark.parametrize(
    ("watchdog", "wait"), [(None, module.CHECK_INTERVAL), (60.0, module.CHECK_INTERVAL), (3.0, 1.0)]
)
def test_watchdog_messages_are_sent_more_often_than_required(watchdog: float | None, wait: float) -> None:
    supervision = Supervision(RecordingSystemd(watchdog), Clock())
    supervision.attach(FakeService())
    assert supervision.check() == wait


def test_the_end_is_reported_and_gets_its_time() -> None:
    systemd = RecordingSystemd()
    supervision = Supervision(systemd, Clock())
    supervision.attach(FakeService())
    supervision.stopping()
    assert systemd.sent() == [
        "STOPPING=1",
        f"EXTEND_TIMEOUT_USEC={STOP_LIMIT * 1e6:.0f}",
        "STATUS=Stopping; the next start continues what is in flight.",
    ]
    supervision.check()
    assert systemd.sent() == []


def test_the_thread_runs_from_the_start_to_the_end_and_only_under_systemd() -> None:
    with tempfile.TemporaryDirectory(prefix="mjw") as folder:
        path = str(Path(folder) / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(HANG)
            with Supervision(Systemd({"NOTIFY_SOCKET": path})) as supervision:
                assert manager.recv(4096) == b"STATUS=Starting."
                supervision.attach(FakeService())
                while manager.recv(4096) != b"READY=1":
                    pass
            assert "systemd" not in {thread.name for thread in threading.enumerate()}
    with Supervision(Systemd({})):
        assert "systemd" not in {thread.name for thread in threading.enumerate()}
