"""How the CLI shows things: text from prompts and from the bot without tricks, JSON, tables, times.

Ages as people write them: ``30min``, ``48h``, ``30d``, ``12w``.

Shows jobs at work: a bar a job with the bot's own percentage, or plain lines where it is no terminal.
"""

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

from mjwatch.jobs.status_text import reason
from mjwatch.model import ENDED, Job, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from rich.progress import Progress, TaskID


INTERRUPTED = 130
NEEDS_PERSON = 4
RUNNING = "running"

Json = Annotated[bool, typer.Option("--json", help="Show the answer as JSON.")]

NARROWEST = 10
"""Columns that a last cell gets, however wide those before it are."""

STATE_COLOURS = {
    **dict.fromkeys(("submitting", "submitted", "running", "collecting"), "cyan"),
    **dict.fromkeys(("done", "ok"), "green"),
    **dict.fromkeys(("in_doubt", "warn"), "yellow"),
    **dict.fromkeys(("failed", "rejected", "fail"), "red"),
    **dict.fromkeys(("cancelled", "skipped"), "bright_black"),
}
"""Of a job's states, and of how a check went."""

_STEPS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


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
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def room() -> int | None:
    """Columns that a line may take; None where nobody cuts it, as in a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def colourful() -> bool:
    """Whether standard output shows colours and nobody has asked for none (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def echo_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=True, indent=2, default=str))


def echo_json_line(value: Any) -> None:
    """One JSON document on one line, at once: for one who reads as they come."""
    typer.echo(json.dumps(value, ensure_ascii=True, default=str))
    sys.stdout.flush()


def echo_table(heads: Sequence[str], rows: Iterable[Sequence[str]], indent: str = "") -> None:
    """A table as text, as wide as its content; the last column takes what is left, and is cut in a terminal.

    What stands below STATE has the colour of that state, where there are colours.
    """
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(columns(line[n]) for line in lines) for n in range(len(heads) - 1)]
    whole = room()
    left = None if whole is None else max(NARROWEST, whole - len(indent) - sum(widths) - 2 * len(widths))
    colours = STATE_COLOURS if colourful() else {}
    for line in lines:
        cells = [
            _painted(cell, width, colours if head == "STATE" else {})
            for head, cell, width in zip(heads, line, widths, strict=False)
        ]
        typer.echo(indent + "  ".join([*cells, plain(line[-1], left)]).rstrip())


def _painted(text: str, width: int, colours: Mapping[str, str]) -> str:
    """The text, filled up to a width."""
    filled, state = text + " " * (width - columns(text)), text.partition(" ")[0]
    return typer.style(filled, fg=colours[state]) if state in colours else filled


def painted(text: str, width: int = 0) -> str:
    """A state, in its colour where there are colours, filled up to a width."""
    return _painted(text, width, STATE_COLOURS if colourful() else {})


def echo_fields(fields: Iterable[tuple[str, str]], width: int) -> None:
    """Facts with their names before them, which get so many columns; a terminal's width breaks long ones.

    A fact without a name belongs to the one before it.
    """
    for name, text in fields:
        echo_hanging(f"{name:<{width}}", width, text)


def echo_hanging(head: str, width: int, text: str) -> None:
    """Text beside a head that takes so many columns; further lines stand below the text."""
    for number, line in enumerate(wrapped(text, room(), width)):
        typer.echo(f"{head if number == 0 else ' ' * width}{line}".rstrip())


def wrapped(text: str, whole: int | None, indent: int = 0) -> Iterator[str]:
    """The text in lines, broken at blanks so that each fits beside the indent; a longer word stays whole."""
    line, *words = text.split(" ")
    for word in words:
        longer = f"{line} {word}"
        if whole is not None and columns(longer) > whole - indent:
            yield line
            line = word
        else:
            line = longer
    yield line


def local_time(time: float | None) -> str:
    """A time in seconds since 1970 as local date and time."""
    if time is None:
        return "-"
    return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """A length of time in its largest unit and the next: ``3 min 20 s``."""
    left = max(0, round(seconds))
    for (unit, size), (next_unit, next_size) in pairwise(_STEPS):
        if left >= size:
            rest = left % size // next_size
            return f"{left // size} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{left} s"


def progress(state: str, percent: int | None) -> str:
    """A job's state, with how far it has come while that changes."""
    return f"{state} {percent}%" if state == RUNNING and percent is not None else str(state)


def wanted(action: str | None, command: str, prompt: str) -> str:
    """What a job is to do, in a few words: its prompt, with what else than imagining it is wanted."""
    other = action or (command if command != "imagine" else "")
    return f"{other}: {prompt}" if other and prompt else other or prompt


_AGE = re.compile(r"(\d{1,5})(min|h|d|w)")
_UNITS = {"min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


def seconds(age: str, option: str, least: float = 0.0) -> float:
    """How many seconds that are. Raises BadParameter, for this option, where it is no age or too short."""
    found = _AGE.fullmatch(age)
    length = int(found[1]) * _UNITS[found[2]] if found else -1.0
    if length < least or not found:
        more = ", a day at least" if least else ""
        raise typer.BadParameter(f"an age is a number with min, h, d or w{more}", param_hint=option)
    return length


NAME_WIDTH = 30
BAR_WIDTH = 20
LINES_KEPT_FREE = 4
"""Lines of the terminal that no bar takes."""


class JobProgress:
    """Give it every change of a job. Use ``with``. Writes to standard error, so that output can be piped."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._bars: dict[str, TaskID] = {}
        self._told: dict[str, str] = {}
        self._progress = _rich_progress() if sys.stderr.isatty() else None

    def __enter__(self) -> JobProgress:
        # What is worth telling is told here; without a handler the log would write warnings between the bars.
        logging.getLogger("mjwatch").addHandler(logging.NullHandler())
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    @property
    def jobs(self) -> list[Job]:
        """The jobs as they were shown last, in the order in which they came."""
        return list(self._jobs.values())

    def update(self, job: Job) -> None:
        """Show how this job stands."""
        self._jobs[job.id] = job
        if self._progress is None:
            self._line(job.id, f"{job.id} {told(job)}  {plain(name_of(job), NAME_WIDTH)}")
        else:
            self._bar(self._progress, job)

    def trouble(self, why: str) -> None:
        """Say once why nothing moves."""
        if self._progress is None:
            self._line("", f"waiting: {plain(why)}")
        elif self._told.get("") != why:
            self._told[""] = why
            self._progress.console.print(f"waiting: {plain(why)}", markup=False, highlight=False)

    def _line(self, about: str, line: str) -> None:
        if self._told.get(about) != line:
            self._told[about] = line
            typer.echo(line, err=True)

    def _bar(self, progress: Progress, job: Job) -> None:
        if job.id not in self._bars:
            self._bars[job.id] = progress.add_task(plain(name_of(job), NAME_WIDTH), total=100, state="")
        progress.update(self._bars[job.id], completed=percent_of(job), state=plain(state_of(job)))
        self._make_room(progress)

    def _make_room(self, progress: Progress) -> None:
        """Where there are more jobs than lines, those at work come first, then those that wait."""
        room = max(1, progress.console.height - LINES_KEPT_FREE)
        if len(self._jobs) <= room:
            return
        ranked = sorted(self._jobs.values(), key=_rank)
        shown = {job.id for job in ranked[:room]}
        for job_id, bar in self._bars.items():
            progress.update(bar, visible=job_id in shown)


def _rich_progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=BAR_WIDTH),
        TextColumn("{task.percentage:>3.0f}%", table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True)),
    )
    return Progress(*columns, console=Console(stderr=True, emoji=False))


def _rank(job: Job) -> int:
    return 2 if job.state in ENDED else 1 if job.state is State.QUEUED else 0


def name_of(job: Job) -> str:
    """What it is about."""
    prompt = job.prompt
    words = wanted(prompt.action, prompt.command, prompt.text)
    return words or (job.source.path if job.source else job.id)


def percent_of(job: Job) -> int:
    """How far its bar is."""
    return 100 if job.state in {State.COLLECTING, State.DONE} else job.percent or 0


def state_of(job: Job) -> str:
    """Its state, in words for those who watch."""
    if job.state is State.SUBMITTED and job.queued_by_bot:
        return "waits at Midjourney"
    if job.state is State.QUEUED and job.failed_tries:
        return "to be sent again"
    return {State.COLLECTING: "saving", State.IN_DOUBT: "in doubt"}.get(job.state, str(job.state))


def told(job: Job) -> str:
    """State, percentage and, where something is in the way, what."""
    if job.state is State.RUNNING and job.percent is not None:
        return f"running {job.percent}%"
    why = "" if job.state is State.CANCELLED else reason(job)[0]
    if job.state is State.QUEUED and job.failed_tries and job.history:
        why = job.history[-1].text
    return f"{state_of(job)}: {plain(why)}" if why else state_of(job)
