"""Writes docs/reference/config.md from the sections of the configuration."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from mjwatch.config import SECTIONS
from mjwatch.settings.values import toml_value

_BOUNDS = re.compile(r"(?:a (?:whole )?number from|one of|a list of some of) (.*)")

PAGE = Path(__file__).parent / "reference" / "config.md"

HEAD = """\
# Configuration

mjwatch reads the first configuration file that exists: `--config FILE`, `$MJWATCH_CONFIG`,
`~/.config/mjwatch/config.toml` (or below `$XDG_CONFIG_HOME`), `/etc/mjwatch/config.toml`; never a file in the
current folder. Relative paths are relative to the file. An unknown key is an error.

The tables show each key with its default, and the allowed values in brackets;
[config.example.toml](../../config.example.toml) has every key, too. `mjwatch config show` prints every value
and its origin. The token and the ids are not in this file: [keys/README.md](../../keys/README.md) has their
places.
"""


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for name, section in SECTIONS.items():
        lines += [f"## `[{name}]`", "", "| key | default | meaning |", "|---|---|---|"]
        for setting in fields(section):
            default, allowed = toml_value(setting.default), _short(setting.metadata["kind"].wanted)
            limits = f" ({allowed})" if allowed else ""
            lines.append(f"| `{setting.name}` | `{default}`{limits} | {setting.metadata['why']} |")
        lines.append("")
    return "\n".join(lines)


def _short(wanted: str) -> str:
    """Numbers and choices; what a path, an address and the like must be, the default shows."""
    found = _BOUNDS.match(wanted)
    return found[1] if found else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
