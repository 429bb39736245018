"""Commands that set mjwatch up: ``init`` and ``keys set``. They never overwrite a configuration."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from mjwatch.cli.app import CliGroup, read_config
from mjwatch.cli.output import echo_fields, plain
from mjwatch.config import SYSTEM_CONFIG, Config, config_template, find_config, user_config
from mjwatch.errors import ConfigError, MjwatchError
from mjwatch.settings.secrets import (
    CHANNEL_FILE,
    DIRECT_MESSAGES,
    GUILD_FILE,
    TOKEN_FILE,
    check_token,
    origins,
    parse_channel_address,
)
from mjwatch.settings.values import did_you_mean, is_snowflake

if TYPE_CHECKING:
    from collections.abc import Mapping


WARNING = """\
mjwatch controls your own Discord account with a program. The terms of Discord
and of Midjourney forbid that: each of them may block the account for it, at any
pace. It is your decision and your risk.
"""
CHANNEL_QUESTION = "The channel's address, from the browser's address bar"
INBOX_QUESTION = "Folder for prompt files"
OUTBOX_QUESTION = "Folder for pictures"
TOKEN_QUESTION = "The account's token (not shown; leave it empty to set it later)"
KEYS = ("token", "channel", "guild")
NAME_WIDTH = 15

keys = typer.Typer(
    name="keys",
    cls=CliGroup,
    help="Set the account's token, the channel and the guild.",
    rich_markup_mode=None,
)


# ---- init


def init(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for config and keys; default: ~/.config/mjwatch, for root /etc/mjwatch.",
        ),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The channel's address from the browser: https://discord.com/channels/GUILD/CHANNEL.",
        ),
    ] = None,
    inbox: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder for prompt files.")] = None,
    outbox: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder for pictures.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask no questions; you accept the risk.")] = False,
) -> None:
    """Write a first configuration with its keys and folders.

    Asks for everything that no option gives. Writes only after the last answer, and never overwrites a file.
    """
    folder = (folder or _named_folder(context.obj) or default_folder()).absolute()
    _refuse_second(folder)
    if yes and channel is None:
        raise typer.BadParameter("--yes needs the channel's address.", param_hint="--channel")
    typer.echo(WARNING)
    if not yes and not typer.confirm("Continue?"):
        raise MjwatchError("stopped before the setup; nothing was written")
    token = None
    places = standard_places(folder)
    if not yes:
        channel = channel or _ask_channel()
        inbox = inbox or Path(typer.prompt(INBOX_QUESTION, default=str(places["inbox"])))
        outbox = outbox or Path(typer.prompt(OUTBOX_QUESTION, default=str(places["outbox"])))
        token = typer.prompt(TOKEN_QUESTION, default="", hide_input=True, show_default=False) or None
        typer.echo("")
    elsewhere = {name: path for name, path in places.items() if not path.is_relative_to(folder)}
    chosen = elsewhere | {name: path for name, path in (("inbox", inbox), ("outbox", outbox)) if path}
    values = {section: _path_setting(path, folder) for section, path in chosen.items()}
    write_configuration(folder, channel or "", token, values=values)
    _echo_paths(folder / "config.toml")
    file = folder / "config.toml"
    _echo_next_steps(None if file == _found_by_default() else file, bool(token) or _has_token(file))


def default_folder() -> Path:
    """Return the folder for a first configuration.

    Root sets up the machine, unless its environment names a place for its own configurations.
    """
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    is_for_all = is_root and not os.environ.get("XDG_CONFIG_HOME")
    return (SYSTEM_CONFIG if is_for_all else user_config()).parent


def _found_by_default() -> Path | None:
    """Return the configuration that commands find on their own."""
    try:
        return find_config(None, {**os.environ, "MJWATCH_CONFIG": ""})
    except ConfigError:
        return None


def standard_places(folder: Path) -> dict[str, Path]:
    """Return the default folders, by section, for a configuration in ``folder``.

    /etc holds configurations and nothing else (hier(7)): /etc/mjwatch has its folders in /srv/mjwatch and its
    state in /var/lib/mjwatch, and /etc/mjwatch/NAME in folders of that name there.
    """
    if not folder.is_relative_to("/etc"):
        return {"inbox": folder / "inbox", "outbox": folder / "outbox", "state": folder / "state"}
    name = folder.relative_to("/etc")
    served = "/srv" / name
    return {"inbox": served / "inbox", "outbox": served / "outbox", "state": "/var/lib" / name}


def _echo_paths(file: Path) -> None:
    config = Config.load(file)
    paths = {
        "configuration": file,
        "keys": config.keys.path,
        "prompt files": config.inbox.path,
        "pictures": config.outbox.path,
        "state": config.state.path,
    }
    echo_fields(((name, plain(path)) for name, path in paths.items()), NAME_WIDTH)
    typer.echo("")


def _has_token(file: Path) -> bool:
    """Return whether a token comes from elsewhere, such as a container's secrets."""
    with suppress(ConfigError):
        return bool(origins(Config.load(file).keys.path)["token"])
    return False


def _echo_next_steps(file: Path | None, has_token: bool) -> None:
    """Print the next commands. ``file``: the configuration, where it must be named on the command line."""
    mjwatch = "mjwatch" if file is None else f"mjwatch --config {quote(plain(file))}"
    if not has_token:
        typer.echo("The token is still missing.")
    typer.echo("Next:")
    for command in ([] if has_token else ["keys set token"]) + ["check", "run"]:
        typer.echo(f"  {mjwatch} {command}")


def _named_folder(option: Path | None) -> Path | None:
    """Return the folder that ``mjwatch --config FILE init`` means, or that the environment names."""
    named = os.environ.get("MJWATCH_CONFIG")
    config = option or (Path(named) if named else None)
    if config is not None and config.name != "config.toml":
        source = "--config" if option else "MJWATCH_CONFIG"
        raise ConfigError(
            f"init writes a config.toml, but {source} names {config.name}", "use --folder instead"
        )
    return None if config is None else config.parent


def _refuse_second(folder: Path) -> None:
    """Raise ConfigError where there is a configuration, before any question is asked."""
    if (folder / "config.toml").exists():
        raise ConfigError(f"{folder / 'config.toml'} already exists", "edit it, or give another --folder")


def _ask_channel() -> str:
    # The answer gets a line of its own: question and address do not fit on one line.
    answer: str = typer.prompt(CHANNEL_QUESTION, value_proc=_valid_channel, prompt_suffix=":\n> ")
    return answer


def _valid_channel(answer: str) -> str:
    """Return the answer if it is a channel's address; otherwise typer asks again."""
    try:
        parse_channel_address(answer)
    except ConfigError as error:
        raise typer.BadParameter(f"{plain(error.message)}\n{error.hint}") from error
    return answer


def _path_setting(typed: Path, folder: Path) -> dict[str, object]:
    """Return the ``path`` setting for a typed path, which is relative to the current folder."""
    path = typed.expanduser().absolute()
    return {"path": str(path.relative_to(folder) if path.is_relative_to(folder) else path)}


# ---- keys set


@keys.command("set")
def set_key(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="token, channel (an id, or the channel's address, which also sets the guild) or guild.",
            autocompletion=lambda: list(KEYS),
        ),
    ],
) -> None:
    """Write a key to its file, which only you can read.

    Asks for the key, and does not show a token. Where standard input is not a terminal, the key is read from
    there.
    """
    from mjwatch.host.running import daemon_runs

    if name not in KEYS:
        raise typer.BadParameter(
            f"the name must be one of {', '.join(KEYS)}{did_you_mean(name, KEYS)}", param_hint="NAME"
        )
    config = read_config(context)
    for path in write_keys(config.keys.path, name, _ask_key(name)):
        typer.echo(f"wrote {plain(path)}")
    if daemon_runs(config.state.path):
        typer.echo("The running service reads keys only when it starts: restart it.", err=True)


def _ask_key(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.read()
    question = {"token": "The account's token (not shown)", "channel": CHANNEL_QUESTION}.get(
        name, "The guild's id, or @me for direct messages"
    )
    answer: str = typer.prompt(question, hide_input=name == "token", err=True)
    return answer


# ---- writing the files


def write_configuration(
    folder: Path,
    channel_address: str,
    token: str | None,
    *,
    values: Mapping[str, Mapping[str, object]] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[Path]:
    """Create ``folder/config.toml``, the key files (mode 0600) and the configured folders, and return them.

    ``channel_address`` is the channel's address from a browser; ``token`` may be set later; ``values`` are
    settings by section and key. Raise ConfigError, before anything is written, if a file exists with other
    content, or a value can't be used.
    """
    folder = folder.absolute()
    source = folder / "config.toml"
    text = config_template(values)
    config = Config.from_toml(text, source, environ=environ)
    problems = config.folder_problems()
    if problems:
        raise ConfigError("\n".join(problems), "choose other folders")
    keys = _key_files(config.keys.path, channel_address, token)
    missing = {path: content for path, content in keys.items() if not _already_holds(path, content)}
    if os.path.lexists(source):
        raise ConfigError(f"{source} already exists", "edit it, or choose another folder")
    created = []
    for path in (folder, config.inbox.path, config.outbox.path):
        created += _create_folder(path)
    for path in (config.state.path, config.keys.path):
        created += _create_folder(path, 0o700)
    for path, content in missing.items():
        _write_new(path, f"{content}\n", 0o600)
    _write_new(source, text, 0o644)
    return [*created, *missing, source]


def write_keys(folder: Path, name: str, text: str) -> list[Path]:
    """Write ``token``, ``channel`` or ``guild`` to its file, replacing its content, and return the files.

    The mode is 0600. A channel may be an id or an address; an address also gives the guild. Raise ConfigError
    for a text that can't be a key, before anything is written; no error shows a token.
    """
    _create_folder(folder, 0o700)
    files = {folder / file: content for file, content in _parse_key(name, text.strip()).items()}
    for path, content in files.items():
        staged = path.with_name(f".{path.name}.new")
        try:
            staged.unlink(missing_ok=True)
            _write_new(staged, f"{content}\n", 0o600)
            staged.replace(path)
        except OSError as error:
            raise ConfigError(
                f"{path} can't be written: {error.strerror}", "run this command as its owner"
            ) from error
    return list(files)


def _parse_key(name: str, text: str) -> dict[str, str]:
    """Return the keys in this text, by file name."""
    if name == "token":
        return {TOKEN_FILE: check_token(text, "your answer")}
    if is_snowflake(text):
        return {GUILD_FILE if name == "guild" else CHANNEL_FILE: text}
    if name == "guild":
        if text != DIRECT_MESSAGES:
            raise ConfigError(
                "that is not a guild's id", "give the first number in the channel's address, or @me"
            )
        return {GUILD_FILE: DIRECT_MESSAGES}
    try:
        guild, channel = parse_channel_address(text)
    except ConfigError as error:
        # The text is not repeated: it may be the token.
        raise ConfigError("that is neither a channel's id nor its address", error.hint) from error
    return {CHANNEL_FILE: channel, GUILD_FILE: guild or DIRECT_MESSAGES}


def _key_files(folder: Path, channel_address: str, token: str | None) -> dict[Path, str]:
    guild_id, channel_id = parse_channel_address(channel_address)
    files = {folder / CHANNEL_FILE: channel_id}
    if guild_id is not None:
        files[folder / GUILD_FILE] = guild_id
    if token is not None:
        files[folder / TOKEN_FILE] = check_token(token, "your answer")
    return files


def _already_holds(path: Path, content: str) -> bool:
    """Return whether the file exists with this key. Raise ConfigError if it has other content."""
    try:
        present = path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", "choose another folder") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} already exists and is not text", "move it away first") from error
    if present != content:
        raise ConfigError(f"{path} already exists with another value", "move it away first, or edit it")
    return True


def _create_folder(path: Path, mode: int = 0o777) -> list[Path]:
    """Create the folder and return it in a list, which is empty if the folder existed."""
    try:
        if path.is_dir():
            return []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode)
    except OSError as error:
        raise ConfigError(f"{path} can't be created: {error.strerror}", "choose another folder") from error
    return [path]


def _write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that must not exist; it has its mode before the first byte is written."""
    try:
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8"
        ) as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}", "fix that and try again") from error
