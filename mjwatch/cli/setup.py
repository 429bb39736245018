"""Verbs that set it up: ``init`` and ``keys set``."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from mjwatch.cli.app import Group
from mjwatch.cli.lookup import config_of
from mjwatch.cli.output import echo_fields, plain
from mjwatch.errors import ConfigError, MjwatchError

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
    name="keys", cls=Group, help="Give the account's token, the channel and the guild.", rich_markup_mode=None
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
    from mjwatch.host.setup import write_configuration

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
    from mjwatch.keys import parse_channel_address

    try:
        parse_channel_address(answer)
    except ConfigError as error:
        raise typer.BadParameter(f"{plain(error.message)}\n{error.mend}") from error
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
    from mjwatch.host.setup import write_keys
    from mjwatch.settings import did_you_mean

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
