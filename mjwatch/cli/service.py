"""Verbs for running it as a service: ``run``, ``check`` and ``init``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from mjwatch.cli.output import echo_json, plain
from mjwatch.errors import ConfigError

if TYPE_CHECKING:
    from mjwatch.config import Config
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.keys import Keys

WARNING = """\
mjwatch drives your own Discord account by a program. Discord's and Midjourney's terms forbid that; either
may block the account for it, at any pace. It is your decision and your risk.
"""
TOKEN_QUESTION = "The account's token (nothing is shown; leave it empty to put it into its file later)"

Json = Annotated[bool, typer.Option("--json", help="Show the answer as JSON.")]


def run(
    context: typer.Context,
    drain: Annotated[bool, typer.Option("--drain", help="Do what is there, then end.")] = False,
) -> None:
    """Watch the inbox until stopped (Ctrl-C, SIGTERM); a later start goes on where this one ended."""
    from mjwatch.config import Config, load_keys
    from mjwatch.daemon import run_daemon
    from mjwatch.host.log import start_logging

    config = Config.load(context.obj)
    keys = load_keys(config)
    start_logging([keys.token.reveal()])
    raise typer.Exit(run_daemon(config, keys, drain=drain))


def check(context: typer.Context, as_json: Json = False) -> None:
    """Check configuration, keys, folders and, where Discord can be reached, token, channel and command."""
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
        Path | None, typer.Option(help="Folder for config, keys, inbox and outbox; else ~/.config/mjwatch.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="The channel's address in Discord: https://discord.com/channels/...")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: the risk is understood.")] = False,
) -> None:
    """Write a first configuration with its keys and folders."""
    from mjwatch.config import user_config
    from mjwatch.host.setup import write_configuration

    typer.echo(WARNING)
    if not yes:
        typer.confirm("Go on?", abort=True)
    if channel is None:
        if yes:
            raise ConfigError("--yes asks nothing, so the channel must be given", "add --channel ADDRESS")
        channel = typer.prompt("Address of the channel (copy it from the browser's address bar)")
    token = None if yes else typer.prompt(TOKEN_QUESTION, default="", hide_input=True, show_default=False)
    made = write_configuration(folder or user_config().parent, channel, token or None)
    for path in made:
        typer.echo(f"made {plain(path)}")
    if not token:
        typer.echo("The token is still missing: keys/README.md says where it goes.")
    typer.echo("Next: `mjwatch check`, then `mjwatch run`.")
