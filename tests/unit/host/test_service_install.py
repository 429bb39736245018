"""Installing a unit step by step, and what is left to a person."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mjwatch.config import Config
from mjwatch.host import service
from mjwatch.host.accounts import Account
from mjwatch.host.service import Scope, Step, installation, removal, rights, start, take
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PRINTED = "mjwatch service print --user"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    source = tmp_path / "config.toml"
    source.write_text('[inbox]\npath = "in"\n[outbox]\npath = "out"\n[state]\npath = "state"\n')
    source.chmod(0o644)
    return Config.load(source, environ={})


def shown(steps: list[Step], *, as_root: bool = False) -> list[str]:
    return [step.shown(as_root=as_root) for step in steps]


def test_for_the_system_service_account_and_folders_come_before_the_unit(
    config: Config, tmp_path: Path
) -> None:
    account, sysusers, inbox, outbox, write, reload = shown(
        installation(Scope.SYSTEM, config, "text", PRINTED), as_root=True
    )
    assert account.endswith("mjwatch.sysusers /etc/sysusers.d/mjwatch.conf")
    assert sysusers == "sudo systemd-sysusers /etc/sysusers.d/mjwatch.conf"
    assert inbox == f"sudo install -d -o mjwatch -g mjwatch -m 2770 {tmp_path}/in"
    assert outbox == f"sudo install -d -o mjwatch -g mjwatch -m 2770 {tmp_path}/out"
    target = "/etc/systemd/system/mjwatch.service"
    assert write == f"{PRINTED} | sudo install -D -m 644 /dev/stdin {target}"
    assert reload == "sudo systemctl daemon-reload"


def test_an_existing_folder_stays_unchanged(config: Config) -> None:
    config.inbox.path.mkdir()
    steps = shown(installation(Scope.SYSTEM, config, "text", PRINTED))
    assert not any(step.endswith("/in") for step in steps)


def test_a_user_unit_is_installed_in_that_users_folder(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    steps = installation(Scope.USER, config, "[Unit]\n", PRINTED)
    assert shown(steps) == [
        f"{PRINTED} | install -D -m 644 /dev/stdin {tmp_path}/systemd/user/mjwatch.service",
        "systemctl --user daemon-reload",
    ]
    progress = take(steps[:1])
    assert progress.left == ()
    assert (tmp_path / "systemd/user/mjwatch.service").read_text() == "[Unit]\n"


def test_starting_and_removing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/srv/ada/.config")
    assert start(Scope.SYSTEM).shown(as_root=False) == "systemctl enable --now mjwatch.service"
    assert shown(removal(Scope.USER)) == [
        "systemctl --user disable --now mjwatch.service",
        "rm -f /srv/ada/.config/systemd/user/mjwatch.service",
        "systemctl --user daemon-reload",
    ]


def test_the_first_failing_step_ends_the_installation_and_says_why(tmp_path: Path) -> None:
    made = Step(("mkdir", str(tmp_path / "one")))
    fails = Step(("sh", "-c", "echo first >&2; echo no way >&2; exit 3"))
    never = Step(("mkdir", str(tmp_path / "two")))
    progress = take([made, fails, never])
    assert (progress.done, progress.left) == ((made,), (fails, never))
    assert progress.obstacle == "sh: no way"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize(
    ("command", "obstacle"),
    [
        (("mjwatch-no-such-program",), "mjwatch-no-such-program: No such file or directory"),
        (("false",), "false: it ended with code 1"),
        (("sleep", "60"), "sleep: it took too long"),
    ],
)
def test_every_kind_of_failure_is_reported(
    command: tuple[str, ...], obstacle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STEP_TIMEOUT", deadline(20) if command[0] != "sleep" else 0.05)
    assert take([Step(command)]).obstacle == obstacle


# ---- the rights of the service's user


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None, int | None], None]:
    """Set the ids of the service's user."""

    def set_to(user: int | None, group: int | None) -> None:
        found = None if user is None or group is None else Account(service.ACCOUNT, user, (group,))
        monkeypatch.setattr(service, "named_account", lambda _name: found)

    return set_to


def test_missing_rights_of_the_service_are_left_to_the_owner(
    config: Config, tmp_path: Path, account: Callable[[int | None, int | None], None]
) -> None:
    account(4242, 4242)
    config.source.chmod(0o600)
    config.inbox.path.mkdir(0o755)
    assert shown(rights(Scope.SYSTEM, config)) == [
        f"chgrp mjwatch {tmp_path}/config.toml",
        f"chmod 640 {tmp_path}/config.toml",
        f"chgrp mjwatch {tmp_path}/in",
        f"chmod 2770 {tmp_path}/in",
    ]
    assert rights(Scope.USER, config) == []


@pytest.mark.parametrize(
    ("user", "group", "mode", "enough"),
    [
        (True, False, 0o700, True),
        (False, True, 0o770, True),
        (False, True, 0o750, False),
        (False, False, 0o777, True),
    ],
)
def test_rights_of_owner_group_or_others_may_each_be_enough(
    config: Config,
    account: Callable[[int | None, int | None], None],
    user: bool,
    group: bool,
    mode: int,
    enough: bool,
) -> None:
    account(os.getuid() if user else 4242, os.getgid() if group else 4242)
    config.inbox.path.mkdir()
    config.inbox.path.chmod(mode)
    assert (rights(Scope.SYSTEM, config) == []) is enough


def test_before_the_account_exists_nothing_belongs_to_it(
    config: Config, account: Callable[[int | None, int | None], None]
) -> None:
    account(None, None)
    config.outbox.path.mkdir()
    config.outbox.path.chmod(0o770)
    assert len(rights(Scope.SYSTEM, config)) == 2
