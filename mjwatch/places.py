"""Where in the configuration file each setting stands."""

from __future__ import annotations

import re

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
