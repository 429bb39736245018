"""The units as shipped, with this installation's paths, and the problems of an installation."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.cli.setup import standard_places
from mjwatch.config import Config
from mjwatch.errors import ConfigError
from mjwatch.host import service
from mjwatch.host.service import (
    STATE_DIRECTORY,
    Scope,
    load_config,
    own_program,
    problems,
    shipped,
    template_unit,
    unit,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
SHIPPED = ("mjwatch.service", "mjwatch.sysusers", "user/mjwatch.service")

PROGRAM = ("/opt/mjwatch/bin/mjwatch",)
PLACES = """
[inbox]
path = "/srv/mjwatch/inbox"
[outbox]
path = "/srv/mjwatch/outbox"
[state]
path = "/var/lib/mjwatch"
"""


def config_at(source: str, text: str = PLACES) -> Config:
    return Config.from_toml(text, Path(source), environ={})


def changed(scope: Scope, config: Config, program: tuple[str, ...] = PROGRAM) -> dict[str, str]:
    """Return the lines that differ from the shipped ones, by key."""
    name = f"user/{service.UNIT}" if scope is Scope.USER else service.UNIT
    before = shipped(name).splitlines()
    after = unit(scope, config, program, {"HOME": "/srv/ada"}).splitlines()
    assert len(after) == len(before)
    pairs = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert all(old.partition("=")[0] == new.partition("=")[0] for old, new in pairs)
    return {new.partition("=")[0]: new.partition("=")[2] for _, new in pairs}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_files_in_systemd_are_those_of_the_package(name: str) -> None:
    assert (ROOT / "systemd" / name).read_text() == shipped(name)


def test_with_the_default_paths_the_system_unit_is_as_shipped() -> None:
    assert unit(Scope.SYSTEM, config_at("/etc/mjwatch/config.toml"), PROGRAM) == shipped(service.UNIT)


def test_a_unit_for_other_folders_differs_in_its_paths_only() -> None:
    config = config_at(
        "/etc/other/my.toml",
        '[inbox]\npath = "/data/in"\n[outbox]\npath = "/data/100% my out"\n[state]\npath = "/data/state"\n'
        '[keys]\npath = "/etc/other/my keys"',
    )
    assert changed(Scope.SYSTEM, config, ("/opt/a b/python", "-m", "mjwatch")) == {
        "ExecStart": '"/opt/a b/python" -m mjwatch --config /etc/other/my.toml run',
        "RequiresMountsFor": '/data/in "/data/100%% my out"',
        "ReadWritePaths": '/data/in "/data/100%% my out" /data/state',
        "LoadCredential": "API_guild_id.key:/etc/other/my keys/API_guild_id.key",
    }


def test_the_folder_of_the_metrics_file_can_be_written_to_by_the_service() -> None:
    text = PLACES + '[metrics]\ntextfile = "/var/lib/prometheus/node-exporter/mjwatch.prom"'
    lines = unit(Scope.SYSTEM, config_at("/etc/mjwatch/config.toml", text), PROGRAM).splitlines()
    (line,) = [line for line in lines if line.startswith("ReadWritePaths=")]
    assert line.endswith(" /var/lib/prometheus/node-exporter")


def test_each_key_is_loaded_from_the_folder_of_keys() -> None:
    config = config_at("/etc/mjwatch/config.toml", PLACES + '[keys]\npath = "secrets"')
    lines = unit(Scope.SYSTEM, config, PROGRAM).splitlines()
    assert [line for line in lines if line.startswith("LoadCredential=")] == [
        f"LoadCredential={name}:/etc/mjwatch/secrets/{name}"
        for name in ("authToken.key", "API_channel_id.key", "API_guild_id.key")
    ]


def test_a_user_unit_names_the_configuration_only_if_it_is_not_the_default_one() -> None:
    default = config_at("/srv/ada/.config/mjwatch/config.toml")
    assert changed(Scope.USER, default) == {"ExecStart": "/opt/mjwatch/bin/mjwatch run"}
    other = config_at('/srv/ada/a $5 "note".toml')
    assert changed(Scope.USER, other) == {
        "ExecStart": r'/opt/mjwatch/bin/mjwatch --config "/srv/ada/a $$5 \"note\".toml" run'
    }


def test_the_template_has_the_folders_of_init_for_each_instance() -> None:
    text = template_unit(PROGRAM)
    lines = text.splitlines()
    assert "ExecStart=/opt/mjwatch/bin/mjwatch --config /etc/mjwatch/%i/config.toml run" in lines
    assert "LoadCredential=authToken.key:/etc/mjwatch/%i/keys/authToken.key" in lines
    places = standard_places(Path("/etc/mjwatch/acme"))
    instance = text.replace("%i", "acme").splitlines()
    assert f"ReadWritePaths={places['inbox']} {places['outbox']}" in instance
    assert f"StateDirectory={places['state'].relative_to('/var/lib')}" in instance
    assert [line.partition("=")[0] for line in lines] == [
        line.partition("=")[0] for line in shipped(service.UNIT).splitlines()
    ]


def test_a_path_with_dots_is_resolved(tmp_path: Path) -> None:
    config = config_at(
        "/etc/mjwatch/config.toml", f'[inbox]\npath = "{tmp_path}/a/../in"\n[outbox]\npath = "/out"'
    )
    assert changed(Scope.SYSTEM, config)["RequiresMountsFor"] == f"{tmp_path.resolve()}/in /out"


def test_a_path_that_no_unit_can_contain_is_refused() -> None:
    config = replace(config_at("/etc/mjwatch/config.toml"), source=Path("/etc/mj\nwatch/config.toml"))
    with pytest.raises(ConfigError, match="a systemd unit can't contain"):
        unit(Scope.SYSTEM, config, PROGRAM)


def test_the_program_is_the_one_that_runs_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert own_program() == (str(tmp_path / "python"), "-m", "mjwatch")
    (tmp_path / "mjwatch").touch()
    assert own_program() == (str(tmp_path / "mjwatch"),)


# ---- problems


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return the problems of an installation; in these tests a service can see ``tmp_path``."""
    monkeypatch.setattr(service, "HIDDEN_FOLDERS", {str(tmp_path / "home"): "ProtectHome="})
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "usr"))
    source = tmp_path / "config.toml"

    def found(scope: Scope = Scope.SYSTEM, program: str = "opt/mjwatch", **paths: str) -> list[str]:
        places = {"inbox": "in", "outbox": "out", "state": str(STATE_DIRECTORY)} | paths
        source.write_text("".join(f'[{name}]\npath = "{path}"\n' for name, path in places.items() if path))
        config = Config.load(source, environ={})
        return [str(problem) for problem in problems(scope, config, (str(tmp_path / program),))]

    return found


def test_an_installation_that_the_service_can_see_has_no_problem(installed: Callable[..., list[str]]) -> None:
    assert installed() == []


@pytest.mark.parametrize("what", ["program", "inbox", "outbox", "state", "interpreter", "link"])
def test_a_path_that_the_system_service_can_not_see_is_reported(
    installed: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    hidden = tmp_path / "home" / "ada"
    hidden.mkdir(parents=True)
    if what == "interpreter":
        monkeypatch.setattr(sys, "base_prefix", str(hidden / "pyenv"))
        found = installed()
    elif what == "program":
        found = installed(program="home/ada/mjwatch")
    elif what == "link":
        (tmp_path / "in").symlink_to(hidden)
        found = installed()
    else:
        found = installed(**{what: str(hidden / what)})
    assert len(found) == 1
    assert "which the service can't see (ProtectHome=)" in found[0]


def test_a_state_folder_that_only_the_service_would_find_is_reported(
    installed: Callable[..., list[str]],
) -> None:
    (problem,) = installed(state="")
    assert "`mjwatch status` would look in" in problem
    assert f'write `path = "{STATE_DIRECTORY}"` under [state]' in problem


def test_a_user_service_sees_that_users_home(installed: Callable[..., list[str]], tmp_path: Path) -> None:
    assert installed(Scope.USER, program="home/ada/mjwatch", inbox=str(tmp_path / "home/in"), state="") == []


def test_folders_inside_each_other_are_reported(installed: Callable[..., list[str]]) -> None:
    (problem,) = installed(Scope.USER, outbox="in/out")
    assert "must be separate" in problem


def test_for_the_system_service_a_users_own_configuration_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "mjwatch" / "config.toml"
    own.parent.mkdir()
    own.touch()
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    monkeypatch.setattr(service, "SYSTEM_CONFIG", tmp_path / "etc" / "config.toml")
    assert load_config(Scope.USER, None, environ).source == own
    assert load_config(Scope.SYSTEM, own, environ).source == own
    with pytest.raises(ConfigError, match=r"etc/config\.toml"):
        load_config(Scope.SYSTEM, None, environ)
