"""How a service that can't run ends, so that systemd knows whether another start may help."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch import __main__
from mjwatch.daemon import EX_CONFIG, EX_NOPERM, exit_code_for_systemd
from mjwatch.errors import ConfigError, DaemonError, JournalError, MjwatchError, OwnerError, PausedError
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

HANG = deadline(20.0)


def caused(error: MjwatchError, cause: BaseException) -> MjwatchError:
    try:
        raise error from cause
    except MjwatchError as raised:
        return raised


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("unknown key"), EX_CONFIG),
        (caused(ConfigError("it can't be read"), PermissionError()), EX_CONFIG),
        (caused(DaemonError("the state folder can't be used"), PermissionError()), EX_NOPERM),
        (JournalError("it is damaged"), EX_NOPERM),
        (caused(JournalError("no database"), sqlite3.DatabaseError()), EX_NOPERM),
        (PausedError("a captcha"), EX_NOPERM),
        (OwnerError("the inbox is another host's"), EX_NOPERM),
        (caused(JournalError("the disk is full"), sqlite3.OperationalError()), 3),
        (caused(JournalError("the disk is gone"), OSError()), 3),
        (caused(DaemonError("the state folder can't be used"), OSError()), 3),
        (DaemonError("another mjwatch works there"), 3),
        (MjwatchError("something else"), 1),
    ],
)
def test_systemd_does_not_start_a_service_again_that_no_start_can_fix(error: MjwatchError, code: int) -> None:
    assert exit_code_for_systemd(error) == code


@pytest.fixture
def manager() -> Iterator[tuple[str, socket.socket]]:
    """Where a systemd listens, and its end."""
    with (
        tempfile.TemporaryDirectory(prefix="mjw") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
    ):
        listener.bind(str(Path(folder) / "notify"))
        listener.settimeout(HANG)
        yield str(Path(folder) / "notify"), listener


def run_verb(monkeypatch: pytest.MonkeyPatch, config: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["mjwatch", "--config", str(config), "run"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    return int(ended.value.code or 0)


def test_under_systemd_a_wrong_configuration_is_logged_reported_and_has_its_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    manager: tuple[str, socket.socket],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "config.toml").write_text("[pace]\nmax_in_fligth = 3\n[inbox]\nsettle = -1\n")
    monkeypatch.setenv("NOTIFY_SOCKET", manager[0])
    assert run_verb(monkeypatch, tmp_path / "config.toml") == EX_CONFIG
    status = manager[1].recv(4096).decode()
    assert status.startswith("STATUS=")
    assert len(caplog.records) == 2
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert "did you mean max_in_flight?" in caplog.text


def test_without_systemd_a_wrong_configuration_has_the_code_of_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    (tmp_path / "config.toml").write_text("[pace]\nmax_in_fligth = 3\n")
    assert run_verb(monkeypatch, tmp_path / "config.toml") == 3
    assert "did you mean max_in_flight?" in capsys.readouterr().err


def test_the_first_process_of_a_container_ends_at_sigterm_before_the_daemon_handles_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise an engine that stops it at once waits until its patience ends."""
    before = signal.getsignal(signal.SIGTERM)
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(sys, "argv", ["mjwatch", "--version"])
    try:
        with pytest.raises(SystemExit):
            __main__.main()
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert exits == [143]
