"""The verb ``check``: whether everything is in place, and how to mend what is not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from mjwatch.cli.output import Json, echo_hanging, echo_json, painted, plain
from mjwatch.errors import ConfigError

if TYPE_CHECKING:
    from mjwatch.config import Config
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.keys import Keys

STATE_WIDTH, NAME_WIDTH = 8, 15


def check(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Another configuration, before a restart: also what it would change."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check whether everything is in place.

    Configuration, keys, folders, what the machine allows and, where Discord can be reached, token, clock,
    guild, channel and the bot's command. Each line that fails says how to mend it.
    """
    from mjwatch.host.check import CheckState, run_checks

    running = None if config is None else _running(context.obj)
    results = run_checks(config or context.obj, connect=_connect, running=running)
    if as_json:
        echo_json([asdict(result) for result in results])
    else:
        for result in results:
            head = f"{painted(result.state, STATE_WIDTH)}{result.name:<{NAME_WIDTH}}"
            echo_hanging(head, STATE_WIDTH + NAME_WIDTH, plain(result.detail))
            if result.mend:
                indent = STATE_WIDTH + NAME_WIDTH
                echo_hanging(" " * indent, indent, f"to mend it: {plain(result.mend)}")
    if any(result.state is CheckState.FAIL for result in results):
        raise typer.Exit(1)
    if not as_json:
        typer.echo("\nAll that is needed is there.")


def _running(given: Path | None) -> Config | None:
    """The configuration that is to be replaced, if there is one."""
    from mjwatch.config import Config

    try:
        return Config.load(given)
    except ConfigError:
        return None


def _connect(config: Config, keys: Keys) -> DiscordREST:
    from mjwatch.discord.rest import DiscordREST

    discord = config.discord
    return DiscordREST(
        discord.api_url, keys.token.reveal(), proxy=discord.proxy, allow_hosts=discord.allow_hosts
    )
