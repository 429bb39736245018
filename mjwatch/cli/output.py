"""How the CLI shows things: text from prompts and from the bot without tricks, JSON, tables, times."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INTERRUPTED = 130
NEEDS_PERSON = 4

Json = Annotated[bool, typer.Option("--json", help="Show the answer as JSON.")]


def plain(text: object, width: int | None = None) -> str:
    """Text that a terminal can show as it is: control characters escaped, cut to so many columns if given."""
    shown = "".join(char if char.isprintable() else _escaped(char) for char in str(text))
    return shown if width is None else _cut(shown, width)


def _escaped(char: str) -> str:
    return " " if char in "\n\t" else char.encode("unicode_escape").decode("ascii")


def _cut(text: str, width: int) -> str:
    if columns(text) <= width:
        return text
    while columns(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def columns(text: str) -> int:
    """How many columns of a terminal this takes: two for a wide East Asian character, none for an accent."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def echo_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=True, indent=2, default=str))


def echo_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as plain text, as wide as its content; the last column takes what is left."""
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads) - 1)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        typer.echo("  ".join([*cells, line[-1]]).rstrip())


def local_time(time: float | None) -> str:
    """A time in seconds since 1970 as local date and time."""
    if time is None:
        return "-"
    return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
