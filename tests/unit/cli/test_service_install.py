"""``mjwatch service``: what it puts in place, prints, and leaves to a person."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mjwatch import __main__
from mjwatch.host import service as installing
from mjwatch.host import service as units
from mjwatch.host.service import InstallProgress, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mjwatch.host.service import Step


class Told(NamedTuple):
    """How a verb ended and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    """Run ``mjwatch service ...`` on an installation that the machine's service could see."""
    source = tmp_path / "config.toml"
    source.write_text('[inbox]\npath = "in"\n[outbox]\npath = "out"\n[state]\npath = "/var/lib/mjwatch"\n')
    monkeypatch.setattr(units, "HIDDEN", {})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["mjwatch", "--config", str(source), "service", *arguments])
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        out, err = capsys.readouterr()
        return Told(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """The steps that were taken, in deed none."""
    steps: list[Step] = []

    def take(wanted: Sequence[Step]) -> InstallProgress:
        steps.extend(wanted)
        return InstallProgress(tuple(wanted), ())

    monkeypatch.setattr(installing, "take", take)
    return steps


def as_root(monkeypatch: pytest.MonkeyPatch, yes: bool) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if yes else 1000)


def test_it_prints_the_unit_and_on_standard_error_what_is_in_its_way(
    service: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "HIDDEN", {str(tmp_path): "PrivateTmp="})
    told = service("print", "--system")
    assert told.code == 0
    assert f"ReadWritePaths={tmp_path}/in {tmp_path}/out" in told.out
    assert f"mjwatch: the inbox {tmp_path}/in is in {tmp_path}" in told.err


def test_what_would_not_work_is_not_put_in_place(
    service: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: list[Step]
) -> None:
    monkeypatch.setattr(units, "HIDDEN", {str(tmp_path): "PrivateTmp="})
    told = service("install", "--system")
    assert told.code == 3
    assert "which the service can't see" in told.err
    assert taken == []


def test_root_gets_the_machines_service_and_is_told_how_to_start_it(
    service: Callable[..., Told], monkeypatch: pytest.MonkeyPatch, taken: list[Step]
) -> None:
    as_root(monkeypatch, True)
    monkeypatch.setattr(installing, "rights", lambda scope, config: [])
    told = service("install")
    assert told.code == 0
    assert taken[-1].command == ("systemctl", "daemon-reload")
    assert told.out.splitlines()[-2:] == ["Left to do:", "  systemctl enable --now mjwatch.service"]
    assert service("install", "--now").out.splitlines()[-1] == "done: systemctl enable --now mjwatch.service"


def test_it_is_not_started_while_it_lacks_rights(
    service: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: list[Step]
) -> None:
    as_root(monkeypatch, True)
    monkeypatch.setattr(installing, "account_ids", lambda: (4242, 4242))
    (tmp_path / "in").mkdir(0o755)
    told = service("install", "--now")
    assert told.out.splitlines()[-4:] == [
        "Left to do:",
        f"  chgrp mjwatch {tmp_path}/in",
        f"  chmod 2770 {tmp_path}/in",
        "  systemctl enable --now mjwatch.service",
    ]
    assert installing.start(Scope.SYSTEM) not in taken


def test_who_is_not_root_gets_the_commands(
    service: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: list[Step]
) -> None:
    as_root(monkeypatch, False)
    told = service("install", "--system")
    assert told.code == 4
    assert told.err == "mjwatch: this takes root's rights\n"
    assert taken == []
    lines = told.out.splitlines()
    assert f"  sudo install -d -o mjwatch -g mjwatch -m 2770 {tmp_path}/in" in lines
    (write,) = [line for line in lines if " service print --system | sudo install " in line]
    assert f"--config {tmp_path}/config.toml" in write
    assert lines[-1] == "  sudo systemctl enable --now mjwatch.service"


def test_a_users_service_needs_no_root(
    service: Callable[..., Told], monkeypatch: pytest.MonkeyPatch, taken: list[Step]
) -> None:
    as_root(monkeypatch, False)
    told = service("install")
    assert told.code == 0
    assert [step.command[:2] for step in taken] == [("install", "-D"), ("systemctl", "--user")]
    assert told.out.splitlines()[-1] == "To have it run while you are not logged in: loginctl enable-linger"


def test_a_step_that_fails_is_told_with_all_that_is_left(
    service: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        installing,
        "take",
        lambda steps: InstallProgress(tuple(steps[:1]), tuple(steps[1:]), "systemctl: no bus"),
    )
    told = service("install", "--user")
    assert told.code == 4
    assert told.err == "mjwatch: systemctl: no bus\n"
    assert "  systemctl --user daemon-reload\n  systemctl --user enable --now mjwatch.service" in told.out
    monkeypatch.setattr(installing, "unit_file", lambda scope: tmp_path)
    told = service("uninstall", "--user")
    assert told.code == 4
    assert told.out.splitlines()[-1] == "  systemctl --user daemon-reload"
    monkeypatch.setattr(installing, "unit_file", lambda scope: tmp_path / "none")
    nothing = f"Nothing to take away: {tmp_path}/none is not there.\n"
    assert service("uninstall", "--user") == (0, nothing, "")


def test_it_is_one_or_the_other(service: Callable[..., Told]) -> None:
    told = service("print", "--user", "--system")
    assert told.code == 2
    assert "either --user or --system" in told.err
