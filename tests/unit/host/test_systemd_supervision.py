"""When systemd hears what: the start, signs of life, the end."""

from __future__ import annotations

import socket
import tempfile
import threading
from pathlib import Path

import pytest

from mjwatch.host import systemd as module
from mjwatch.host.systemd import EXTENSION, LONGEST_BUILD, LONGEST_START, STOP_LIMIT, Supervision, Systemd
from tests.helpers.patience import deadline
from tests.unit.host.test_liveness_timer import Clock

HANG = deadline(20.0)


class CommandResult(Systemd):
    """Keeps what systemd is told."""

    def __init__(self, watchdog: float | None = 30.0) -> None:
        super().__init__({})
        self.watchdog = watchdog
        self.words: list[str] = []

    def _tell(self, line: str) -> None:
        self.words.append(line)

    def heard(self) -> list[str]:
        """What came since the last time."""
        words, self.words = self.words, []
        return words


class AService:
    """A service that is as a test says."""

    def __init__(self) -> None:
        self.dead: list[str] = []
        self.is_started = True
        self.words = "Nothing to do."

    def unhealthy_parts(self) -> list[str]:
        return self.dead

    def started(self) -> bool:
        return self.is_started

    def sentence(self) -> str:
        return self.words


EXTENDED = f"EXTEND_TIMEOUT_USEC={EXTENSION * 1e6:.0f}"


def test_a_start_that_takes_long_is_given_time_but_not_for_ever() -> None:
    told, clock = CommandResult(), Clock()
    supervision = Supervision(told, clock)
    supervision.look()
    assert told.heard() == ["STATUS=Starting.", EXTENDED]
    clock.now += LONGEST_BUILD - 1
    supervision.look()
    assert told.heard() == [EXTENDED]
    clock.now += 1
    supervision.look()
    assert told.heard() == []


def test_it_is_ready_once_it_does_its_work_and_then_shows_that_it_lives() -> None:
    told, service = CommandResult(), AService()
    supervision = Supervision(told, Clock())
    service.is_started, service.words = False, "Waits for the gateway."
    supervision.look_at(service)
    supervision.look()
    assert told.heard() == ["STATUS=Waits for the gateway.", EXTENDED]
    service.is_started, service.words = True, "Nothing to do."
    supervision.look()
    assert told.heard() == ["STATUS=Nothing to do.", "READY=1"]
    supervision.look()
    supervision.look()
    assert told.heard() == ["WATCHDOG=1", "WATCHDOG=1"]


def test_a_status_is_told_when_it_changes() -> None:
    told, service = CommandResult(), AService()
    supervision = Supervision(told, Clock())
    supervision.look_at(service)
    for words in ("1 in flight.", "1 in flight.", "Nothing to do."):
        service.words = words
        supervision.look()
    assert [word for word in told.heard() if word.startswith("STATUS")] == [
        "STATUS=1 in flight.",
        "STATUS=Nothing to do.",
    ]


def test_what_waits_for_something_for_too_long_counts_as_started() -> None:
    told, service, clock = CommandResult(), AService(), Clock()
    service.is_started = False
    supervision = Supervision(told, clock)
    supervision.look_at(service)
    clock.now += LONGEST_START
    supervision.look()
    assert "READY=1" in told.heard()


def test_no_sign_of_life_while_a_part_is_dead(caplog: pytest.LogCaptureFixture) -> None:
    told, service = CommandResult(), AService()
    supervision = Supervision(told, Clock())
    supervision.look_at(service)
    supervision.look()
    told.heard()
    service.dead = ["the inbox", "control"]
    supervision.look()
    supervision.look()
    assert told.heard() == ["STATUS=No longer at work: the inbox, control."]
    assert [record.getMessage() for record in caplog.records] == [
        "no longer at work: the inbox, control; systemd is left to start it again"
    ]
    service.dead = []
    supervision.look()
    assert told.heard() == ["STATUS=Nothing to do.", "WATCHDOG=1"]


def test_a_part_that_dies_in_the_start_keeps_it_from_being_ready() -> None:
    told, service, clock = CommandResult(), AService(), Clock()
    service.dead = ["the workers"]
    supervision = Supervision(told, clock)
    supervision.look_at(service)
    clock.now += LONGEST_START
    supervision.look()
    assert told.heard() == ["STATUS=No longer at work: the workers."]


@pytest.mark.parametrize(("watchdog", "wait"), [(None, module.LOOK), (60.0, module.LOOK), (3.0, 1.0)])
def test_signs_of_life_come_more_often_than_they_are_wanted(watchdog: float | None, wait: float) -> None:
    supervision = Supervision(CommandResult(watchdog), Clock())
    supervision.look_at(AService())
    assert supervision.look() == wait


def test_the_end_is_told_and_given_its_time() -> None:
    told = CommandResult()
    supervision = Supervision(told, Clock())
    supervision.look_at(AService())
    supervision.stopping()
    assert told.heard() == [
        "STOPPING=1",
        f"EXTEND_TIMEOUT_USEC={STOP_LIMIT * 1e6:.0f}",
        "STATUS=Stopping; what is in flight is taken up by the next start.",
    ]
    supervision.look()
    assert told.heard() == []


def test_its_thread_runs_from_the_start_to_the_end_and_only_under_systemd() -> None:
    with tempfile.TemporaryDirectory(prefix="mjw") as folder:
        path = str(Path(folder) / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(HANG)
            with Supervision(Systemd({"NOTIFY_SOCKET": path})) as supervision:
                assert manager.recv(4096) == b"STATUS=Starting."
                supervision.look_at(AService())
                while manager.recv(4096) != b"READY=1":
                    pass
            assert "systemd" not in {thread.name for thread in threading.enumerate()}
    with Supervision(Systemd({})):
        assert "systemd" not in {thread.name for thread in threading.enumerate()}
