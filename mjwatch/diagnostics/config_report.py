"""The configuration for people: each value with its origin, and without secrets."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from mjwatch.config import SECTIONS, load_keys
from mjwatch.errors import ConfigError
from mjwatch.settings.secrets import origins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mjwatch.config import Config


NOT_SHOWN = "(set, not shown)"


def settings_of(
    config: Config, environ: Mapping[str, str] = os.environ
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return value and origin of each setting, by section and key; values that may be secret are hidden."""
    lines = lines_of_settings(config.source.read_text(encoding="utf-8-sig"))
    return {
        name: {
            key: {"value": value, "from": _origin(config, name, key, lines, environ)}
            for key, value in _values(getattr(config, name))
        }
        for name in SECTIONS
    }


def _values(section: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(section):
        value = getattr(section, field.name)
        if value and not field.repr:  # errors don't show it either
            value = NOT_SHOWN
        yield field.name, list(value) if isinstance(value, tuple) else value


def _origin(
    config: Config, name: str, key: str, lines: Mapping[tuple[str, str], int], environ: Mapping[str, str]
) -> str:
    line = lines.get((name, key)) or lines.get((name, ""))
    if line:
        return f"{config.source}:{line}"
    if (name, key) == ("state", "path") and environ.get("STATE_DIRECTORY"):
        return "STATE_DIRECTORY"
    return "default"


def keys_of(config: Config, environ: Mapping[str, str] = os.environ) -> dict[str, dict[str, str | None]]:
    """Return value and origin of each key; the token's value is hidden, the ids are not secret."""
    try:
        found = origins(config.keys.path, environ)
    except ConfigError as error:
        return {"token": {"value": None, "from": str(error)}}
    try:
        keys = load_keys(config, environ)
        ids = {"guild_id": keys.guild_id or "@me", "channel_id": keys.channel_id}
    except ConfigError:
        ids = {}  # `mjwatch check` reports what is wrong with them
    shown = {**{name: NOT_SHOWN for name in ("token", "apprise") if found[name]}, **ids}
    return {name: {"value": shown.get(name), "from": origin or "nowhere"} for name, origin in found.items()}


_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_-]+)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_\"'-]+)\s*(?:\.\s*([A-Za-z0-9_\"'-]+)\s*)?=")


def lines_of_settings(text: str) -> dict[tuple[str, str], int]:
    """Return the line, from 1, of each section's key; ``(section, "")`` is a section on one line.

    It finds plain notation: a section's header and one key on each line, or a dotted key. If a key seems
    to be on several lines, such as within a long text, the first one counts.
    """
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            section = header[1]
        elif key := _KEY.match(line):
            first, second = key[1].strip("\"'"), (key[2] or "").strip("\"'")
            found.setdefault((section, first) if section else (first, second), number)
    return found
