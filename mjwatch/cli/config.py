"""Verbs on the configuration itself: ``config show`` and ``config path``."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import typer

from mjwatch.cli.lookup import config_of
from mjwatch.cli.output import Json, columns, echo_json, plain
from mjwatch.cli.verbs import Group
from mjwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mjwatch.config import Config

NOT_SHOWN = "(set, not shown)"
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
    found = config_of(context)
    facts = {"source": str(found.source), "settings": settings_of(found), "keys": _keys(found)}
    if as_json:
        echo_json(facts)
        return
    for line in _lines(facts):
        typer.echo(plain(line))


@config.command("path")
def path(context: typer.Context) -> None:
    """Print the path of the configuration file."""
    typer.echo(plain(config_of(context).source))


def settings_of(found: Config) -> dict[str, dict[str, dict[str, Any]]]:
    """Value and origin of each setting, by section and key; what may be secret is not shown."""
    from mjwatch.config import SECTIONS
    from mjwatch.places import lines_of_settings

    lines = lines_of_settings(found.source.read_text(encoding="utf-8-sig"))
    return {
        name: {
            key: {"value": value, "from": _origin(found, name, key, lines)}
            for key, value in _values(getattr(found, name))
        }
        for name in SECTIONS
    }


def _values(section: Any) -> Iterator[tuple[str, Any]]:
    for one in fields(section):
        value = getattr(section, one.name)
        if value and not one.repr:  # what no error shows either
            value = NOT_SHOWN
        yield one.name, list(value) if isinstance(value, tuple) else value


def _origin(found: Config, name: str, key: str, lines: Mapping[tuple[str, str], int]) -> str:
    line = lines.get((name, key)) or lines.get((name, ""))
    if line:
        return f"{found.source}:{line}"
    if (name, key) == ("state", "path") and os.environ.get("STATE_DIRECTORY"):
        return "STATE_DIRECTORY"
    return "default"


def _keys(found: Config) -> dict[str, dict[str, str | None]]:
    """Where each key comes from; a token's value is shown to nobody, the ids are no secret."""
    from mjwatch.config import load_keys
    from mjwatch.keys import origins

    try:
        places = origins(found.keys.path)
    except ConfigError as error:
        return {"token": {"value": None, "from": str(error)}}
    try:
        keys = load_keys(found)
        ids = {"guild_id": keys.guild_id or "@me", "channel_id": keys.channel_id}
    except ConfigError:
        ids = {}  # `mjwatch check` says what is wrong with them
    shown = {"token": NOT_SHOWN if places["token"] else None, **ids}
    return {name: {"value": shown.get(name), "from": place or "nowhere"} for name, place in places.items()}


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
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
