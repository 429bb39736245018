"""How the CLI shows things: untrusted text without control characters, JSON, tables, times and ages."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sys
import unicodedata
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

INTERRUPTED = 130
NEEDS_PERSON = 4
RUNNING = "running"

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]

LAST_CELL_MINIMUM = 10
"""Columns that a table's last cell gets, however wide the cells before it are."""

STATE_COLOURS = {
    **dict.fromkeys(("submitting", "submitted", "running", "collecting"), "cyan"),
    **dict.fromkeys(("done", "ok"), "green"),
    **dict.fromkeys(("in_doubt", "warn"), "yellow"),
    **dict.fromkeys(("failed", "rejected", "fail"), "red"),
    **dict.fromkeys(("cancelled", "skipped"), "bright_black"),
}
"""Colours of a job's states, and of a check's results."""

_AGE = re.compile(r"(\d{1,5})(min|h|d|w)")
_AGE_UNITS = {"min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def silence_log() -> None:
    """Stop Python from printing mjwatch's warnings, where the command itself shows all that matters.

    Without any handler, Python prints warnings to stderr, in the middle of the command's own output.
    """
    logging.getLogger("mjwatch").addHandler(logging.NullHandler())


# ---- text

_config_option = ""


def name_config(option: str) -> None:
    """Put this option into every command that ``advice`` shows, so that it works when it is copied."""
    global _config_option
    _config_option = option


def advice(text: object) -> str:
    """Return a text for the terminal whose commands name the configuration, if they need to."""
    from mjwatch.config import with_option

    return with_option(plain(text), _config_option)


def plain(text: object, width: int | None = None) -> str:
    """Return text that a terminal can show: control characters escaped, cut to ``width`` columns if given."""
    shown = "".join(char if char.isprintable() else _escape(char) for char in str(text))
    return shown if width is None else _truncate(shown, width)


def _escape(char: str) -> str:
    return " " if char in "\n\t" else char.encode("unicode_escape").decode("ascii")


def _truncate(text: str, width: int) -> str:
    if display_width(text) <= width:
        return text
    while display_width(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def display_width(text: str) -> int:
    """Return the text's columns in a terminal: two for a wide East Asian character, none for an accent."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


_COMMAND = re.compile(r"`[^`]{1,400}`")
_JOINED = "\0"
"""Stands for a space at which no line ends; shown text has no control characters."""


def wrap(text: str, width: int | None, indent: int = 0) -> Iterator[str]:
    """Yield the text in lines, broken at spaces to fit beside the indent; a long word stays whole."""
    line, *words = text.split(" ")
    for word in words:
        longer = f"{line} {word}"
        if width is not None and display_width(longer) > width - indent:
            yield line
            line = word
        else:
            line = longer
    yield line


def job_summary(action: str | None, command: str, prompt: str) -> str:
    """Return what a job does, in a few words: its prompt, after its action or its command if not imagine."""
    other = action or (command if command != "imagine" else "")
    return f"{other}: {prompt}" if other and prompt else other or prompt


def state_with_percent(state: str, percent: int | None) -> str:
    """Return a job's state, with its percentage while it runs."""
    return f"{state} {percent}%" if state == RUNNING and percent is not None else str(state)


# ---- the terminal


def terminal_width() -> int | None:
    """Return the columns of standard output; None where nothing cuts a line, as in a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def has_colours() -> bool:
    """Return whether standard output shows colours and NO_COLOR is not set (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured_state(text: str, width: int = 0) -> str:
    """Return a state, in its colour where there are colours, filled up to a width."""
    return _coloured(text, width, STATE_COLOURS if has_colours() else {})


def _coloured(text: str, width: int, colours: Mapping[str, str]) -> str:
    filled, state = text + " " * (width - display_width(text)), text.partition(" ")[0]
    return typer.style(filled, fg=colours[state]) if state in colours else filled


# ---- JSON, tables and fields


def echo_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=True, indent=2, default=str))


def echo_json_line(value: Any) -> None:
    """Print one JSON document on one line, and flush it for a program that reads line by line."""
    typer.echo(json.dumps(value, ensure_ascii=True, default=str))
    sys.stdout.flush()


def echo_table(heads: Sequence[str], rows: Iterable[Sequence[str]], indent: str = "") -> None:
    """Print a table as wide as its content; the last column takes the rest, and is cut in a terminal.

    The cells below STATE have the colour of their state, where there are colours.
    """
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(display_width(line[n]) for line in lines) for n in range(len(heads) - 1)]
    whole = terminal_width()
    left = (
        None if whole is None else max(LAST_CELL_MINIMUM, whole - len(indent) - sum(widths) - 2 * len(widths))
    )
    colours = STATE_COLOURS if has_colours() else {}
    for line in lines:
        cells = [
            _coloured(cell, width, colours if head == "STATE" else {})
            for head, cell, width in zip(heads, line, widths, strict=False)
        ]
        typer.echo(indent + "  ".join([*cells, plain(line[-1], left)]).rstrip())


def echo_fields(fields: Iterable[tuple[str, str]], width: int) -> None:
    """Print values with their names before them in ``width`` columns; long values wrap in a terminal.

    A value without a name belongs to the one before it.
    """
    for name, text in fields:
        echo_hanging(f"{name:<{width}}", width, text)


def echo_hanging(head: str, width: int, text: str) -> None:
    """Print text beside a head of ``width`` columns; further lines are indented to the text."""
    whole = _COMMAND.sub(lambda command: command[0].replace(" ", _JOINED), text)  # commands are to be copied
    for number, wrapped in enumerate(wrap(whole, terminal_width(), width)):
        line = wrapped.replace(_JOINED, " ")
        typer.echo(f"{head if number == 0 else ' ' * width}{line}".rstrip())


def echo_held(results: Iterable[Mapping[str, Any]]) -> None:
    """Print each held result: its link, the jobs that it may belong to, and the commands to copy."""
    for result in results:
        jobs = " or ".join(result["jobs"])
        typer.echo(f"\nA result is held that may be {f'of job {jobs}, or of none' if jobs else 'of no job'}:")
        for line in (result["link"], *result["commands"]):  # not wrapped: they are to be copied
            typer.echo(f"  {plain(line)}")


# ---- times


def local_time(time: float | None) -> str:
    """Return a time in seconds since 1970 as local date and time."""
    if time is None:
        return "-"
    return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """Return a length of time in its largest unit and the next: ``3 min 20 s``."""
    left = max(0, round(seconds))
    for (unit, size), (next_unit, next_size) in pairwise(_DURATION_UNITS):
        if left >= size:
            rest = left % size // next_size
            return f"{left // size} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{left} s"


def parse_age(age: str, option: str, minimum: float = 0.0) -> float:
    """Return the seconds of an age such as ``30min``, ``48h``, ``30d`` or ``12w``.

    Raise BadParameter for this option where it is not an age, or shorter than the minimum.
    """
    found = _AGE.fullmatch(age)
    length = int(found[1]) * _AGE_UNITS[found[2]] if found else -1.0
    if length < minimum or not found:
        more = ", at least a day" if minimum else ""
        raise typer.BadParameter(f"an age is a number with min, h, d or w{more}", param_hint=option)
    return length
