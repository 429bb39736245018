from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import pytest

from mjwatch.config import Config, KeysSettings, load_keys
from mjwatch.errors import ConfigError
from mjwatch.settings.secrets import Keys, Secret, parse_channel_address, read_keys
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "invented.token-of_a-test"
GUILD = "111111111111111111"
CHANNEL = "222222222222222222"


def write(folder: Path, **files: str | bytes) -> Path:
    """Write key files by stem, with mode 0600."""
    folder.mkdir(exist_ok=True)
    for stem, text in files.items():
        path = folder / f"{stem}.key"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
    return folder


def refused(folder: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read_keys(folder, environ or {})
    assert TOKEN not in str(caught.value)
    return str(caught.value)


def test_keys_come_from_their_files_stripped(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        authToken=f"\ufeff{TOKEN}\r\n",
        API_guild_id=f" {GUILD}\n",
        API_channel_id=CHANNEL,
        API_session_id="",
    )
    assert read_keys(folder, {}) == Keys(Secret(TOKEN), GUILD, CHANNEL)
    assert load_keys(Config(keys=KeysSettings(path=folder)), {}) == read_keys(folder, {})


def test_the_old_name_of_the_guild_file_is_read_too(tmp_path: Path) -> None:
    folder = write(tmp_path, authToken=TOKEN, DiscordServerID=GUILD, API_channel_id=CHANNEL)
    assert read_keys(folder, {}).guild_id == GUILD


@pytest.mark.parametrize(
    ("guild", "channel", "meant"),
    [
        (None, CHANNEL, None),
        ("", CHANNEL, None),
        ("@me", CHANNEL, None),
        (None, f"https://discord.com/channels/@me/{CHANNEL}", None),
        ("@me", f"https://discord.com/channels/@me/{CHANNEL}", None),
        (None, f"https://discord.com/channels/{GUILD}/{CHANNEL}\n", GUILD),
        (GUILD, f"https://discord.com/channels/{GUILD}/{CHANNEL}", GUILD),
    ],
)
def test_the_guild_comes_from_its_file_or_the_channels_address(
    tmp_path: Path, guild: str | None, channel: str, meant: str | None
) -> None:
    folder = write(tmp_path, authToken=TOKEN, API_channel_id=channel)
    if guild is not None:
        write(tmp_path, API_guild_id=guild)
    keys = read_keys(folder, {})
    assert (keys.guild_id, keys.channel_id) == (meant, CHANNEL)


@pytest.mark.parametrize("guild", ["@me", "333333333333333333"])
def test_a_guild_that_contradicts_the_address_is_refused(tmp_path: Path, guild: str) -> None:
    folder = write(
        tmp_path,
        authToken=TOKEN,
        API_guild_id=guild,
        API_channel_id=f"https://discord.com/channels/{GUILD}/{CHANNEL}",
    )
    assert "one of them is wrong" in refused(folder)


def test_a_credential_wins_over_a_file_and_a_file_over_the_environment(tmp_path: Path) -> None:
    environ = {"MJWATCH_TOKEN": "from-environment", "MJWATCH_GUILD_ID": GUILD, "MJWATCH_CHANNEL_ID": CHANNEL}
    folder = tmp_path / "keys"
    assert read_keys(folder, environ) == Keys(Secret("from-environment"), GUILD, CHANNEL)
    write(folder, authToken="from-file")
    assert read_keys(folder, environ).token.reveal() == "from-file"
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    environ["CREDENTIALS_DIRECTORY"] = str(credentials)
    assert read_keys(folder, environ).token.reveal() == "from-file"
    (credentials / "token").write_text("from-credential", encoding="utf-8")
    (credentials / "token").chmod(0o440)
    (credentials / "API_channel_id.key").write_text("333333333333333333", encoding="utf-8")
    keys = read_keys(folder, environ)
    assert (keys.token.reveal(), keys.channel_id) == ("from-credential", "333333333333333333")


def test_a_key_file_that_this_user_may_not_read_is_not_called_missing() -> None:
    with unprivileged() as folder:
        write(folder / "keys", authToken=TOKEN, API_channel_id=CHANNEL)
        (folder / "keys" / "authToken.key").chmod(0)
        with pytest.raises(ConfigError) as caught:
            read_keys(folder / "keys", {"CREDENTIALS_DIRECTORY": str(folder)})
        assert "authToken.key is closed to this user" in str(caught.value)
        (folder / "keys").chmod(0)
        with pytest.raises(ConfigError) as caught:
            read_keys(folder / "keys", {"CREDENTIALS_DIRECTORY": str(folder)})
        assert "API_channel_id.key is closed to this user" in str(caught.value)
        (folder / "keys").chmod(0o700)


def test_an_empty_file_counts_as_missing(tmp_path: Path) -> None:
    folder = write(tmp_path, authToken=" \n", API_channel_id=CHANNEL)
    assert read_keys(folder, {"MJWATCH_TOKEN": TOKEN}).token == Secret(TOKEN)
    told = refused(folder)
    assert "no Discord token" in told
    assert str(folder / "authToken.key") in told


def test_every_missing_key_is_reported_with_the_file_to_write(tmp_path: Path) -> None:
    lines = refused(tmp_path).splitlines()
    assert len(lines) == 2
    assert f"chmod 600 {tmp_path / 'authToken.key'}" in lines[0]
    assert str(tmp_path / "API_channel_id.key") in lines[1]
    assert "https://discord.com/channels/" in lines[1]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o602])
def test_a_token_file_that_others_can_read_is_refused_with_a_hint(tmp_path: Path, mode: int) -> None:
    folder = write(tmp_path, authToken=TOKEN, API_channel_id=CHANNEL)
    (folder / "authToken.key").chmod(mode)
    assert f"chmod 600 {folder / 'authToken.key'}" in refused(folder)


@pytest.mark.parametrize(
    "content",
    [
        f"{TOKEN} {TOKEN}",
        f"{TOKEN}\n{TOKEN}",
        f"Bot\t{TOKEN}",
        f"{TOKEN}\x00",
        f"{TOKEN}é",
        f"{TOKEN}\xff".encode("latin-1"),
        f"{TOKEN} " * 1000,
    ],
)
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(
    tmp_path: Path, content: str | bytes
) -> None:
    refused(write(tmp_path, authToken=content, API_channel_id=CHANNEL))


def test_quotes_around_a_pasted_token_are_dropped(tmp_path: Path) -> None:
    folder = write(tmp_path, authToken=f'"{TOKEN}"\n', API_channel_id=CHANNEL)
    assert read_keys(folder, {}).token.reveal() == TOKEN


def test_a_token_in_the_wrong_file_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    told = refused(write(tmp_path, authToken=TOKEN, API_channel_id=TOKEN, API_guild_id=TOKEN))
    assert "API_channel_id.key" in told
    assert "API_guild_id.key" in told


def test_a_key_that_is_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "authToken.key").mkdir()
    assert "is not a regular file" in refused(tmp_path)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (f"https://discord.com/channels/{GUILD}/{CHANNEL}", (GUILD, CHANNEL)),
        (f"  https://discord.com/channels/@me/{CHANNEL}/ ", (None, CHANNEL)),
        (f"https://ptb.discord.com/channels/{GUILD}/{CHANNEL}/444444444444444444", (GUILD, CHANNEL)),
        (f"discord.com/channels/{GUILD}/{CHANNEL}?x=1#y", (GUILD, CHANNEL)),
        (f"https://discordapp.com/channels/{GUILD}/{CHANNEL}", (GUILD, CHANNEL)),
    ],
)
def test_a_channels_address_gives_guild_and_channel(text: str, meant: tuple[str | None, str]) -> None:
    assert parse_channel_address(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        CHANNEL,
        f"https://example.org/channels/{GUILD}/{CHANNEL}",
        f"https://discord.com.example.org/channels/{GUILD}/{CHANNEL}",
        f"https://discord.com/channels/{GUILD}",
        f"https://discord.com/invite/{GUILD}/{CHANNEL}",
        f"https://discord.com/channels/{GUILD}/general",
        f"https://discord.com/channels/me/{CHANNEL}",
        f"https://discord.com/channels/@me/{10**20}",
        "https://discord.com/channels/@me/²",
        "https://[discord.com/channels/@me/2",
    ],
)
def test_a_text_that_is_not_a_channels_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="paste"):
        parse_channel_address(text)


def test_a_secret_is_never_shown() -> None:
    secret = Secret(TOKEN)
    keys = Keys(secret, None, CHANNEL)
    for text in (str(secret), repr(secret), f"{secret}", f"{secret!r:>40}", repr(keys), f"{keys}"):
        assert TOKEN not in text
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert secret == Secret(TOKEN)
    assert hash(secret) == hash(Secret(TOKEN))
    assert secret != Secret("other")
    assert secret != TOKEN
    assert copy.deepcopy(keys) == keys


# ---- Apprise's addresses

URL = "ntfys://me:invented-pass%21@ntfy.example.org/topic"


def test_apprises_addresses_come_from_their_file_and_the_configuration(tmp_path: Path) -> None:
    lines = f"# my phone\n\n {URL}\r\njson://127.0.0.1:9/\n"
    folder = write(tmp_path / "keys", authToken=TOKEN, API_channel_id=CHANNEL, apprise=lines)
    assert [url.reveal() for url in read_keys(folder, {}).apprise] == [URL, "json://127.0.0.1:9/"]
    text = '[notify]\napprise = ["tgram://123/456"]\n'
    keys = load_keys(Config.from_toml(text, tmp_path / "config.toml", environ={}), {})
    assert [url.reveal() for url in keys.apprise][1:] == ["json://127.0.0.1:9/", "tgram://123/456"]
    assert set(keys.secrets()) >= {TOKEN, URL, "tgram://123/456", "invented-pass%21", "invented-pass!"}
    assert "invented-pass" not in repr(keys)


def test_apprises_addresses_may_be_a_credential(tmp_path: Path) -> None:
    folder = write(tmp_path / "keys", authToken=TOKEN, API_channel_id=CHANNEL, apprise="json://other")
    write(tmp_path / "credentials", apprise=URL)
    keys = read_keys(folder, {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    assert keys.apprise == (Secret(URL),)


@pytest.mark.parametrize("line", ["invented-pass", "ntfys://me:invented-pass@a b", "://invented-pass"])
def test_a_line_that_is_no_address_is_named_without_its_text(tmp_path: Path, line: str) -> None:
    folder = write(tmp_path, authToken=TOKEN, API_channel_id=CHANNEL, apprise=f"{URL}\n{line}\n")
    error = refused(folder)
    assert f"line 2 of {folder}/apprise.key is not an address for Apprise" in error
    assert "invented-pass" not in error


def test_apprises_file_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = write(tmp_path, authToken=TOKEN, API_channel_id=CHANNEL, apprise=URL)
    (folder / "apprise.key").chmod(0o640)
    assert "can be read or changed by others (mode 0640)" in refused(folder)


@pytest.mark.parametrize("value", [f'"{URL}"', '["invented-pass"]', f'["{URL}", 1]'])
def test_unusable_addresses_in_the_configuration_are_not_shown(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="apprise is not usable, but must be a list of") as error:
        Config.from_toml(f"[notify]\napprise = {value}\n", tmp_path / "config.toml", environ={})
    assert "invented-pass" not in str(error.value)
