from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mjwatch.cli.setup import default_folder, standard_places, write_configuration
from mjwatch.config import Config, Secret, load_keys
from mjwatch.errors import ConfigError

TOKEN = "invented.token-of_a-test"
GUILD = "111111111111111111"
CHANNEL = "222222222222222222"
ADDRESS = f"https://discord.com/channels/{GUILD}/{CHANNEL}"


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_written_loads_as_configuration_and_keys(tmp_path: Path) -> None:
    made = write_configuration(tmp_path / "a/mj", ADDRESS, f" {TOKEN}\n", environ={})
    config = Config.load(tmp_path / "a/mj/config.toml", environ={})
    keys = load_keys(config, {})
    assert (keys.token, keys.guild_id, keys.channel_id) == (Secret(TOKEN), GUILD, CHANNEL)
    assert config.inbox.path.is_dir()
    assert config.outbox.path.is_dir()
    assert config.state.path.is_dir()
    assert set(made) == {tmp_path / "a" / name for name in tree(tmp_path / "a")}
    assert made[-1] == tmp_path / "a/mj/config.toml"


def test_only_the_owner_can_read_the_keys(tmp_path: Path) -> None:
    write_configuration(tmp_path, ADDRESS, TOKEN, environ={})
    assert mode(tmp_path / "keys") == 0o700
    assert {mode(path) for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert TOKEN not in (tmp_path / "config.toml").read_text(encoding="utf-8")


def test_direct_messages_have_no_guild_and_the_token_may_come_later(tmp_path: Path) -> None:
    write_configuration(tmp_path, f"discord.com/channels/@me/{CHANNEL}", None, environ={})
    assert tree(tmp_path / "keys") == {"API_channel_id.key"}
    with pytest.raises(ConfigError, match="no Discord token"):
        load_keys(Config.load(tmp_path / "config.toml", environ={}), {})


def test_given_values_stand_in_the_file_and_their_folders_are_made(tmp_path: Path) -> None:
    values: dict[str, dict[str, object]] = {
        "inbox": {"path": tmp_path / "drop here"},
        "pace": {"max_in_flight": 5},
    }
    write_configuration(tmp_path / "mj", ADDRESS, TOKEN, values=values, environ={})
    config = Config.load(tmp_path / "mj/config.toml", environ={})
    assert config.inbox.path == tmp_path / "drop here"
    assert config.inbox.path.is_dir()
    assert config.pace.max_in_flight == 5


def test_a_second_init_is_refused_and_changes_no_file(tmp_path: Path) -> None:
    write_configuration(tmp_path, ADDRESS, TOKEN, environ={})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=r"config\.toml already exists"):
        write_configuration(tmp_path, ADDRESS, TOKEN, environ={})
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_key_that_is_there_with_another_value_stops_everything(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/authToken.key").write_text("another-invented-token", encoding="utf-8")
    with pytest.raises(ConfigError, match="with another value") as caught:
        write_configuration(tmp_path, ADDRESS, TOKEN, environ={})
    assert "token" not in str(caught.value).replace("authToken", "")
    assert tree(tmp_path) == {"keys", "keys/authToken.key"}


def test_a_key_file_that_is_no_text_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/API_channel_id.key").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not text"):
        write_configuration(tmp_path, ADDRESS, TOKEN, environ={})
    assert (tmp_path / "keys/API_channel_id.key").read_bytes() == b"\xff\xfe\x00"


def test_keys_and_folders_that_are_there_alike_are_kept(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox/cat.txt").write_text("a cat\n", encoding="utf-8")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/API_channel_id.key").write_text(f"{CHANNEL}\n", encoding="utf-8")
    made = write_configuration(tmp_path, ADDRESS, TOKEN, environ={})
    assert tmp_path / "inbox" not in made
    assert tmp_path / "keys/API_channel_id.key" not in made
    assert (tmp_path / "inbox/cat.txt").exists()


@pytest.mark.parametrize(
    ("address", "token", "values"),
    [
        ("https://example.org/x", TOKEN, {}),
        (ADDRESS, "two words", {}),
        (ADDRESS, "", {}),
        (ADDRESS, TOKEN, {"pace": {"delay": -1.0}}),
        (ADDRESS, TOKEN, {"outbox": {"path": "inbox/out"}}),
    ],
)
def test_what_can_not_be_used_is_refused_before_anything_is_written(
    tmp_path: Path, address: str, token: str, values: dict[str, dict[str, object]]
) -> None:
    with pytest.raises(ConfigError):
        write_configuration(tmp_path / "mj", address, token, values=values, environ={})
    assert tree(tmp_path) == set()


def test_a_folder_where_nothing_can_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="can't be created"):
        write_configuration(tmp_path / "file/mj", ADDRESS, TOKEN, environ={})


@pytest.mark.parametrize(
    ("folder", "inbox", "outbox", "state"),
    [
        ("/etc/mjwatch", "/srv/mjwatch/inbox", "/srv/mjwatch/outbox", "/var/lib/mjwatch"),
        ("/etc/mjwatch/acme", "/srv/mjwatch/acme/inbox", "/srv/mjwatch/acme/outbox", "/var/lib/mjwatch/acme"),
        ("/home/ada/mj", "/home/ada/mj/inbox", "/home/ada/mj/outbox", "/home/ada/mj/state"),
    ],
)
def test_no_folder_is_placed_under_etc(folder: str, inbox: str, outbox: str, state: str) -> None:
    places = {name: str(path) for name, path in standard_places(Path(folder)).items()}
    assert places == {"inbox": inbox, "outbox": outbox, "state": state}


@pytest.mark.parametrize(
    ("user", "has_own_place", "for_all"), [(0, False, True), (0, True, False), (1000, False, False)]
)
def test_root_sets_up_the_machine_and_others_their_own_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, has_own_place: bool, for_all: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config") if has_own_place else "")
    assert default_folder() == (Path("/etc/mjwatch") if for_all else tmp_path / ".config/mjwatch")
