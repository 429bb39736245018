"""Verbs for running it as a service: ``run``, ``check`` and ``init``."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from mjwatch.cli.output import Json, echo_json, plain

if TYPE_CHECKING:
    from mjwatch.config import Config
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.keys import Keys

WARNING = """\
mjwatch drives your own Discord account by a program. Discord's and Midjourney's
terms forbid that; either may block the account for it, at any pace. It is your
decision and your risk.
"""
CHANNEL_QUESTION = "The channel's address, from the browser's address bar"
TOKEN_QUESTION = "The account's token (not shown; leave it empty to put it into its file later)"


class LogFormat(StrEnum):
    """How the log is written."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


def run(
    context: typer.Context,
    drain: Annotated[bool, typer.Option("--drain", help="Do what is there, then end.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on sending: what it was paused for is mended.")
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Own the inbox: the host that has owned it is gone for good.")
    ] = False,
    accept_existing: Annotated[
        bool,
        typer.Option(
            "--accept-existing", help="Run what is kept in an inbox that this journal does not know."
        ),
    ] = False,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            metavar="FORMAT", help="text, json, or auto: entries for systemd's journal, text elsewhere."
        ),
    ] = LogFormat.AUTO,
) -> None:
    """Watch the inbox until stopped.

    Ctrl-C and SIGTERM end it cleanly, within 20 seconds; the next start goes on where this one ended. If the
    sending was paused, it stays so until `mjwatch resume`; but a token that was not accepted is tried anew.
    """
    from mjwatch.config import Config, load_keys
    from mjwatch.daemon import give_up, run_daemon
    from mjwatch.errors import MjwatchError
    from mjwatch.host.log import start_logging
    from mjwatch.host.systemd import Systemd

    systemd = Systemd()
    try:
        config = Config.load(context.obj)
        keys = load_keys(config)
        start_logging([keys.token.reveal()], style=log_format)
        code = run_daemon(
            config,
            keys,
            drain=drain,
            resume=resume,
            take_over=take_over,
            accept_existing=accept_existing,
            systemd=systemd,
        )
    except MjwatchError as error:
        if not systemd.listens:
            raise
        code = give_up(systemd, error, log_format)
    raise typer.Exit(code)


def check(context: typer.Context, as_json: Json = False) -> None:
    """Check whether everything is in place.

    Configuration, keys, folders and, where Discord can be reached, token, channel and the bot's command. Each
    line that fails says how to mend it.
    """
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.host.check import CheckState, run_checks

    def connect(config: Config, keys: Keys) -> DiscordREST:
        discord = config.discord
        return DiscordREST(
            discord.api_url, keys.token.reveal(), proxy=discord.proxy, allow_hosts=discord.allow_hosts
        )

    results = run_checks(context.obj, connect=connect)
    if as_json:
        echo_json([asdict(result) for result in results])
    else:
        for result in results:
            typer.echo(f"{result.state:<8}{result.name:<15}{plain(result.detail)}")
            if result.mend:
                typer.echo(f"{'':<23}to mend it: {plain(result.mend)}")
    if any(result.state is CheckState.FAIL for result in results):
        raise typer.Exit(1)


def init(
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for config, keys, inbox and outbox; else ~/.config/mjwatch."
        ),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The channel's address, from the browser: https://discord.com/channels/GUILD/CHANNEL.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: the risk is understood.")] = False,
) -> None:
    """Write a first configuration with its keys and folders."""
    from mjwatch.config import user_config
    from mjwatch.host.setup import write_configuration

    folder = (folder or user_config().parent).absolute()
    _refuse_second(folder)
    if yes and channel is None:
        raise typer.BadParameter("--yes asks nothing, so it must be given.", param_hint="--channel")
    typer.echo(WARNING)
    if not yes:
        typer.confirm("Go on?", abort=True)
    if channel is None:
        channel = typer.prompt(CHANNEL_QUESTION, value_proc=_channel)
    token = None if yes else typer.prompt(TOKEN_QUESTION, default="", hide_input=True, show_default=False)
    for path in write_configuration(folder, channel, token or None):
        typer.echo(f"made {plain(path)}")
    if not token:
        typer.echo(f"The token is still missing: {plain(folder / 'keys' / 'authToken.key')}, with mode 600.")
    usual = folder == user_config().parent.absolute()
    mjwatch = "mjwatch" if usual else f"mjwatch --config {quote(plain(folder / 'config.toml'))}"
    typer.echo(f"Next: `{mjwatch} check`, then `{mjwatch} run`.")


def _refuse_second(folder: Path) -> None:
    """Say so before anything is asked, rather than after."""
    from mjwatch.errors import ConfigError

    if (folder / "config.toml").exists():
        raise ConfigError(f"{folder / 'config.toml'} is there already", "edit it, or give another --folder")


def _channel(answer: str) -> str:
    """The address, if it is one; else typer asks again."""
    from mjwatch.errors import ConfigError
    from mjwatch.keys import parse_channel_address

    try:
        parse_channel_address(answer)
    except ConfigError as error:
        raise typer.BadParameter(f"{plain(error.message)} - {error.mend}") from error
    return answer
