"""Writes a first configuration with its keys and folders, and never over anything that is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mjwatch.config import Config, config_template
from mjwatch.errors import ConfigError
from mjwatch.keys import (
    CHANNEL_FILE,
    DIRECT_MESSAGES,
    GUILD_FILE,
    TOKEN_FILE,
    check_token,
    parse_channel_address,
)
from mjwatch.settings import is_snowflake

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_configuration(
    folder: Path,
    channel_address: str,
    token: str | None,
    *,
    values: Mapping[str, Mapping[str, object]] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[Path]:
    """Make ``folder/config.toml``, the key files (mode 0600) and the folders that they name.

    ``channel_address`` is the channel's address from a browser; ``token`` may come later, by hand;
    ``values`` are settings by section and key. Returns what was made. Raises ConfigError, before anything
    is written, if a file is there already with something else in it, or a value can't be used.
    """
    folder = folder.absolute()
    source = folder / "config.toml"
    text = config_template(values)
    config = Config.from_toml(text, source, environ=environ)
    problems = config.folder_problems()
    if problems:
        raise ConfigError("\n".join(problems), "choose other folders")
    keys = _key_files(config.keys.path, channel_address, token)
    missing = {path: content for path, content in keys.items() if not _is_there(path, content)}
    if os.path.lexists(source):
        raise ConfigError(f"{source} is there already", "edit it, or choose another folder")
    made = []
    for path in (folder, config.inbox.path, config.outbox.path, config.state.path):
        made += _make_folder(path)
    made += _make_folder(config.keys.path, 0o700)
    for path, content in missing.items():
        _write_new(path, f"{content}\n", 0o600)
    _write_new(source, text, 0o644)
    return [*made, *missing, source]


def write_keys(folder: Path, name: str, text: str) -> list[Path]:
    """Write ``token``, ``channel`` or ``guild`` into its file, in the place of what was there; mode 0600.

    A channel may be an id or an address; an address gives the guild too. Returns the files. Raises
    ConfigError for what can't be a key, before anything is written; no error shows a token.
    """
    _make_folder(folder, 0o700)
    files = {folder / file: content for file, content in _keys_in(name, text.strip()).items()}
    for path, content in files.items():
        staged = path.with_name(f".{path.name}.new")
        try:
            staged.unlink(missing_ok=True)
            _write_new(staged, f"{content}\n", 0o600)
            staged.replace(path)
        except OSError as error:
            raise ConfigError(f"{path} can't be written: {error.strerror}", "run it as its owner") from error
    return list(files)


def _keys_in(name: str, text: str) -> dict[str, str]:
    """What this text gives, by file."""
    if name == "token":
        return {TOKEN_FILE: check_token(text, "your answer")}
    if is_snowflake(text):
        return {GUILD_FILE if name == "guild" else CHANNEL_FILE: text}
    if name == "guild":
        if text != DIRECT_MESSAGES:
            raise ConfigError(
                "that is no guild's id", "it is the first number in the channel's address, or @me"
            )
        return {GUILD_FILE: DIRECT_MESSAGES}
    try:
        guild, channel = parse_channel_address(text)
    except ConfigError as error:
        # What was given is not repeated: it may be the token.
        raise ConfigError("that is neither a channel's id nor its address", error.mend) from error
    return {CHANNEL_FILE: channel, GUILD_FILE: guild or DIRECT_MESSAGES}


def _key_files(folder: Path, channel_address: str, token: str | None) -> dict[Path, str]:
    guild_id, channel_id = parse_channel_address(channel_address)
    files = {folder / CHANNEL_FILE: channel_id}
    if guild_id is not None:
        files[folder / GUILD_FILE] = guild_id
    if token is not None:
        files[folder / TOKEN_FILE] = check_token(token, "your answer")
    return files


def _is_there(path: Path, content: str) -> bool:
    """Whether this very key is there already. Raises ConfigError if the file holds something else."""
    try:
        present = path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", "choose another folder") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is there already and is no text", "move it away first") from error
    if present != content:
        raise ConfigError(f"{path} is there already with another value", "move it away first, or edit it")
    return True


def _make_folder(path: Path, mode: int = 0o777) -> list[Path]:
    try:
        if path.is_dir():
            return []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode)
    except OSError as error:
        raise ConfigError(f"{path} can't be made: {error.strerror}", "choose another folder") from error
    return [path]


def _write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that must not exist; its mode is right from the first byte on."""
    try:
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8"
        ) as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}", "mend that and try again") from error
