"""Verbs that set it up: ``init`` and ``keys set``.

Writes a first configuration with its keys and folders, and never over anything that is there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from mjwatch.cli.app import CliGroup, config_of
from mjwatch.cli.output import echo_fields, plain
from mjwatch.config import Config, config_template
from mjwatch.errors import ConfigError, MjwatchError
from mjwatch.settings.secrets import (
    CHANNEL_FILE,
    DIRECT_MESSAGES,
    GUILD_FILE,
    TOKEN_FILE,
    check_token,
    parse_channel_address,
)
from mjwatch.settings.values import is_snowflake

if TYPE_CHECKING:
    from collections.abc import Mapping


WARNING = """\
mjwatch drives your own Discord account by a program. Discord's and Midjourney's
terms forbid that; either may block the account for it, at any pace. It is your
decision and your risk.
"""
CHANNEL_QUESTION = "The channel's address, from the browser's address bar"
INBOX_QUESTION = "Folder for prompt files"
OUTBOX_QUESTION = "Folder for pictures"
TOKEN_QUESTION = "The account's token (not shown; leave it empty to give it later)"
KEYS = ("token", "channel", "guild")
PLACE_WIDTH = 15

keys = typer.Typer(
    name="keys",
    cls=CliGroup,
    help="Give the account's token, the channel and the guild.",
    rich_markup_mode=None,
)


def init(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for config, keys and state; else ~/.config/mjwatch."),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The channel's address, from the browser: https://discord.com/channels/GUILD/CHANNEL.",
        ),
    ] = None,
    inbox: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where prompt files will be dropped.")
    ] = None,
    outbox: Annotated[Path | None, typer.Option(metavar="DIR", help="Where pictures will appear.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: the risk is understood.")] = False,
) -> None:
    """Write a first configuration with its keys and folders.

    Asks for what is not given by options; it writes only when all is answered, and never over anything.
    """
    from mjwatch.config import user_config

    folder = (folder or _named_folder(context.obj) or user_config().parent).absolute()
    _refuse_second(folder)
    if yes and channel is None:
        raise typer.BadParameter("--yes asks nothing, so it must be given.", param_hint="--channel")
    typer.echo(WARNING)
    if not yes and not typer.confirm("Go on?"):
        raise MjwatchError("not set up; nothing was written")
    token = None
    if not yes:
        channel = channel or _asked_channel()
        inbox = inbox or Path(typer.prompt(INBOX_QUESTION, default=str(folder / "inbox")))
        outbox = outbox or Path(typer.prompt(OUTBOX_QUESTION, default=str(folder / "outbox")))
        token = typer.prompt(TOKEN_QUESTION, default="", hide_input=True, show_default=False) or None
        typer.echo("")
    values = {"inbox": _path(inbox, folder), "outbox": _path(outbox, folder)}
    write_configuration(folder, channel or "", token, values=values)
    _tell_places(folder / "config.toml")
    _tell_next(None if folder == user_config().parent.absolute() else folder / "config.toml", token)


def _tell_places(file: Path) -> None:
    from mjwatch.config import Config

    config = Config.load(file)
    places = {
        "configuration": file,
        "keys": config.keys.path,
        "prompt files": config.inbox.path,
        "pictures": config.outbox.path,
        "state": config.state.path,
    }
    echo_fields(((name, plain(place)) for name, place in places.items()), PLACE_WIDTH)
    typer.echo("")


def _tell_next(named: Path | None, token: str | None) -> None:
    """What there is to type next. ``named``: the configuration, where it is not found without its name."""
    mjwatch = "mjwatch" if named is None else f"mjwatch --config {quote(plain(named))}"
    if not token:
        typer.echo("The token is still missing.")
    typer.echo("Next:")
    for verb in ([] if token else ["keys set token"]) + ["check", "run"]:
        typer.echo(f"  {mjwatch} {verb}")


def _named_folder(config: Path | None) -> Path | None:
    """Where ``mjwatch --config FILE init`` wants it."""
    if config is not None and config.name != "config.toml":
        raise ConfigError(
            f"init writes a config.toml, but --config names {config.name}", "give --folder instead"
        )
    return None if config is None else config.parent


def _refuse_second(folder: Path) -> None:
    """Say so before anything is asked, rather than after."""
    if (folder / "config.toml").exists():
        raise ConfigError(f"{folder / 'config.toml'} is there already", "edit it, or give another --folder")


def _asked_channel() -> str:
    # On a line of its own: question and address do not fit beside each other.
    answer: str = typer.prompt(CHANNEL_QUESTION, value_proc=_channel, prompt_suffix=":\n> ")
    return answer


def _channel(answer: str) -> str:
    """The address, if it is one; else typer asks again."""
    from mjwatch.settings.secrets import parse_channel_address

    try:
        parse_channel_address(answer)
    except ConfigError as error:
        raise typer.BadParameter(f"{plain(error.message)}\n{error.hint}") from error
    return answer


def _path(given: Path | None, folder: Path) -> dict[str, object]:
    """A folder as the configuration has it: what a person types is relative to where they are."""
    if given is None:
        return {}
    path = given.expanduser().absolute()
    return {"path": str(path.relative_to(folder) if path.is_relative_to(folder) else path)}


@keys.command("set")
def set_key(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="token, channel (an id, or the channel's address, which gives the guild too) or guild.",
            autocompletion=lambda: list(KEYS),
        ),
    ],
) -> None:
    """Put a key into its file, readable by you alone.

    Asks for it; a token is not shown. Where standard input is no terminal, the key is read from there.
    """
    from mjwatch.host.running import daemon_runs
    from mjwatch.settings.values import did_you_mean

    if name not in KEYS:
        raise typer.BadParameter(
            f"it is one of {', '.join(KEYS)}{did_you_mean(name, KEYS)}", param_hint="NAME"
        )
    config = config_of(context)
    for path in write_keys(config.keys.path, name, _asked(name)):
        typer.echo(f"wrote {plain(path)}")
    if daemon_runs(config.state.path):
        typer.echo("The service that runs reads keys at a start only: restart it.", err=True)


def _asked(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.read()
    question = {"token": "The account's token (not shown)", "channel": CHANNEL_QUESTION}.get(
        name, "The guild's id, or @me for direct messages"
    )
    answer: str = typer.prompt(question, hide_input=name == "token", err=True)
    return answer


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
