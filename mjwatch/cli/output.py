"""How the CLI shows things: text from prompts and from the bot without tricks, JSON, tables, times."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def plain(text: object, width: int | None = None) -> str:
    """Text that a terminal can show as it is: control characters escaped, cut to ``width`` if given."""
    shown = "".join(char if char.isprintable() else _escaped(char) for char in str(text))
    if width is not None and len(shown) > width:
        shown = shown[: max(0, width - 1)] + "…"
    return shown.encode(sys.stdout.encoding or "utf-8", "backslashreplace").decode(
        sys.stdout.encoding or "utf-8", "replace"
    )


def _escaped(char: str) -> str:
    return {"\n": " ", "\t": " "}.get(char) or char.encode("unicode_escape").decode("ascii")


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
