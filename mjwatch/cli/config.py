"""Verbs on the configuration itself: ``config show`` and ``config path``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from mjwatch.cli.lookup import config_of
from mjwatch.cli.output import Json, columns, echo_json, plain
from mjwatch.cli.verbs import Group

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ORIGIN_AT = 44
"""The column from which on the origins stand, where the values are short enough."""

config = typer.Typer(
    name="config", cls=Group, help="Show the configuration, and where it is.", rich_markup_mode=None
)


@config.command("show")
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show every setting, and where its value comes from.

    From a line of the file, a default, or the environment. Of secrets it says only whence they come.
    """
    from mjwatch.host.shown import keys_of, settings_of

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
    from mjwatch.host.shown import NOT_SHOWN
    from mjwatch.settings import toml_value

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
