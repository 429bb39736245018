"""``mjwatch service``: what it installs, prints, and leaves to a person."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from mjwatch import __main__
from mjwatch.host import service as systemd_service
from mjwatch.host.accounts import Account
from mjwatch.host.service import InstallProgress, Scope
from tests.helpers.command_result import CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mjwatch.host.service import Step


@pytest.fixture
def service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., CommandResult]:
    """Run ``mjwatch service ...`` on an installation that a system service could read."""
    source = tmp_path / "config.toml"
    source.write_text('[inbox]\npath = "in"\n[outbox]\npath = "out"\n[state]\npath = "/var/lib/mjwatch"\n')
    monkeypatch.setattr(systemd_service, "HIDDEN_FOLDERS", {})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*arguments: str) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["mjwatch", "--config", str(source), "service", *arguments])
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        out, err = capsys.readouterr()
        return CommandResult(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Record the steps instead of taking them."""
    steps: list[Step] = []

    def take(wanted: Sequence[Step]) -> InstallProgress:
        steps.extend(wanted)
        return InstallProgress(tuple(wanted), ())

    monkeypatch.setattr(systemd_service, "take", take)
    return steps


def as_root(monkeypatch: pytest.MonkeyPatch, yes: bool) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if yes else 1000)


def test_it_prints_the_unit_and_on_standard_error_what_is_in_its_way(
    service: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd_service, "HIDDEN_FOLDERS", {str(tmp_path): "PrivateTmp="})
    result = service("print", "--system")
    assert result.code == 0
    assert f"ReadWritePaths={tmp_path}/in {tmp_path}/out" in result.out
    assert f"mjwatch: the inbox {tmp_path}/in is in {tmp_path}" in result.err


def test_what_would_not_work_is_not_put_in_place(
    service: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: list[Step]
) -> None:
    monkeypatch.setattr(systemd_service, "HIDDEN_FOLDERS", {str(tmp_path): "PrivateTmp="})
    result = service("install", "--system")
    assert result.code == 3
    assert "which the service can't see" in result.err
    assert taken == []


def test_root_gets_a_system_service_and_the_command_that_starts_it(
    service: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch, taken: list[Step]
) -> None:
    as_root(monkeypatch, True)
    monkeypatch.setattr(systemd_service, "rights", lambda scope, config: [])
    result = service("install")
    assert result.code == 0
    assert taken[-1].command == ("systemctl", "daemon-reload")
    assert result.out.splitlines()[-2:] == ["Left to do:", "  systemctl enable --now mjwatch.service"]
    assert service("install", "--now").out.splitlines()[-1] == "done: systemctl enable --now mjwatch.service"


def test_it_is_not_started_while_it_lacks_rights(
    service: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: list[Step]
) -> None:
    as_root(monkeypatch, True)
    account = Account("mjwatch", 4242, (4242,))
    monkeypatch.setattr(systemd_service, "named_account", lambda _name: account)
    (tmp_path / "in").mkdir(0o755)
    result = service("install", "--now")
    assert result.out.splitlines()[-4:] == [
        "Left to do:",
        f"  chgrp mjwatch {tmp_path}/in",
        f"  chmod 2770 {tmp_path}/in",
        "  systemctl enable --now mjwatch.service",
    ]
    assert systemd_service.start(Scope.SYSTEM) not in taken


def test_who_is_not_root_gets_the_commands(
    service: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: list[Step]
) -> None:
    as_root(monkeypatch, False)
    result = service("install", "--system")
    assert result.code == 4
    assert result.err == "mjwatch: this needs root's rights\n"
    assert taken == []
    lines = result.out.splitlines()
    assert f"  sudo install -d -o mjwatch -g mjwatch -m 2770 {tmp_path}/in" in lines
    (write,) = [line for line in lines if " service print --system | sudo install " in line]
    assert f"--config {tmp_path}/config.toml" in write
    assert lines[-1] == "  sudo systemctl enable --now mjwatch.service"


def test_a_users_service_needs_no_root(
    service: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch, taken: list[Step]
) -> None:
    as_root(monkeypatch, False)
    result = service("install")
    assert result.code == 0
    assert [step.command[:2] for step in taken] == [("install", "-D"), ("systemctl", "--user")]
    assert (
        result.out.splitlines()[-1]
        == "To keep the service running while you are logged out: loginctl enable-linger"
    )


def test_a_failed_step_is_reported_with_all_that_is_left_to_do(
    service: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        systemd_service,
        "take",
        lambda steps: InstallProgress(tuple(steps[:1]), tuple(steps[1:]), "systemctl: no bus"),
    )
    result = service("install", "--user")
    assert result.code == 4
    assert result.err == "mjwatch: systemctl: no bus\n"
    assert "  systemctl --user daemon-reload\n  systemctl --user enable --now mjwatch.service" in result.out
    monkeypatch.setattr(systemd_service, "unit_file", lambda scope: tmp_path)
    result = service("uninstall", "--user")
    assert result.code == 4
    assert result.out.splitlines()[-1] == "  systemctl --user daemon-reload"
    monkeypatch.setattr(systemd_service, "unit_file", lambda scope: tmp_path / "none")
    nothing = f"Nothing to remove: there is no {tmp_path}/none.\n"
    assert service("uninstall", "--user") == (0, nothing, "")


def test_user_and_system_exclude_each_other(service: Callable[..., CommandResult]) -> None:
    result = service("print", "--user", "--system")
    assert result.code == 2
    assert "either --user or --system" in result.err
