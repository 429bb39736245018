"""The verb ``check``: whether everything is in place, and how to mend what is not.

Verbs on the configuration itself: ``config show`` and ``config path``.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.app import CliGroup, config_of
from mjwatch.cli.output import Json, columns, echo_hanging, echo_json, painted, plain
from mjwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mjwatch.config import Config
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.settings.secrets import Keys


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
    from mjwatch.diagnostics.check import CheckState, run_checks

    running = None if config is None else _running(context.obj)
    results = run_checks(config or context.obj, connect=_connect, running=running)
    if as_json:
        echo_json([result.to_json() for result in results])
    else:
        for result in results:
            head = f"{painted(result.state, STATE_WIDTH)}{result.name:<{NAME_WIDTH}}"
            echo_hanging(head, STATE_WIDTH + NAME_WIDTH, plain(result.detail))
            if result.hint:
                indent = STATE_WIDTH + NAME_WIDTH
                echo_hanging(" " * indent, indent, f"to mend it: {plain(result.hint)}")
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


ORIGIN_AT = 44
"""The column from which on the origins stand, where the values are short enough."""

config = typer.Typer(
    name="config", cls=CliGroup, help="Show the configuration, and where it is.", rich_markup_mode=None
)


@config.command("show")
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show every setting, and where its value comes from.

    From a line of the file, a default, or the environment. Of secrets it says only whence they come.
    """
    from mjwatch.diagnostics.config_report import keys_of, settings_of

    found = config_of(context)
    facts = {"source": str(found.source), "settings": settings_of(found), "keys": keys_of(found)}
    if as_json:
        echo_json(facts)
        return
    for line in _lines(facts):
        typer.echo(plain(line))


@config.command("path")
def path(context: typer.Context) -> None:
    """Print the path of the configuration file."""
    typer.echo(plain(config_of(context).source))


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    from mjwatch.diagnostics.config_report import NOT_SHOWN
    from mjwatch.settings.values import toml_value

    yield f"# {facts['source']}"
    for name, section in facts["settings"].items():
        yield ""
        yield f"[{name}]"
        for key, one in section.items():
            secret = one["value"] == NOT_SHOWN
            value = NOT_SHOWN if secret else toml_value(one["value"])
            yield _line(f"{key} = {value}", one["from"].replace(f"{facts['source']}:", "line "))
    yield ""
    yield "# keys"
    for name, one in facts["keys"].items():
        yield _line(f"# {name} = {one['value'] or '(none)'}", one["from"])


def _line(text: str, origin: str) -> str:
    return f"{text}{' ' * max(2, ORIGIN_AT - columns(text))}# {origin}"
