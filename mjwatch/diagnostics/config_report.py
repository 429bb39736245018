"""The configuration as it may be shown: each value with where it comes from, and no secret.

Where in the configuration file each setting stands.
"""

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
    found: Config, environ: Mapping[str, str] = os.environ
) -> dict[str, dict[str, dict[str, Any]]]:
    """Value and origin of each setting, by section and key; what may be secret is not shown."""
    lines = lines_of_settings(found.source.read_text(encoding="utf-8-sig"))
    return {
        name: {
            key: {"value": value, "from": _origin(found, name, key, lines, environ)}
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


def _origin(
    found: Config, name: str, key: str, lines: Mapping[tuple[str, str], int], environ: Mapping[str, str]
) -> str:
    line = lines.get((name, key)) or lines.get((name, ""))
    if line:
        return f"{found.source}:{line}"
    if (name, key) == ("state", "path") and environ.get("STATE_DIRECTORY"):
        return "STATE_DIRECTORY"
    return "default"


def keys_of(found: Config, environ: Mapping[str, str] = os.environ) -> dict[str, dict[str, str | None]]:
    """Where each key comes from; a token's value is shown to nobody, the ids are no secret."""
    try:
        places = origins(found.keys.path, environ)
    except ConfigError as error:
        return {"token": {"value": None, "from": str(error)}}
    try:
        keys = load_keys(found, environ)
        ids = {"guild_id": keys.guild_id or "@me", "channel_id": keys.channel_id}
    except ConfigError:
        ids = {}  # `mjwatch check` says what is wrong with them
    shown = {"token": NOT_SHOWN if places["token"] else None, **ids}
    return {name: {"value": shown.get(name), "from": place or "nowhere"} for name, place in places.items()}


_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_-]+)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_\"'-]+)\s*(?:\.\s*([A-Za-z0-9_\"'-]+)\s*)?=")


def lines_of_settings(text: str) -> dict[tuple[str, str], int]:
    """The line, from 1, of each section's key; ``(section, "")`` is a section that stands on one line.

    Finds what is written plainly: a section's header and a key a line, or a dotted key. Of a key that seems
    to stand in several places, as within a long text, it is the first.
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
