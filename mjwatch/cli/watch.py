"""``mjwatch status --watch``: the service as it goes on, redrawn in a terminal, or told change by change."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

from mjwatch.cli.output import STATE_COLOURS, echo_json_line, plain, wrapped
from mjwatch.cli.status import NAME_WIDTH, fields, words_of
from mjwatch.errors import MjwatchError
from mjwatch.jobs.reason import clock
from mjwatch.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from rich.console import RenderableType

    from mjwatch.cli.status import Glance

INTERVAL = 1.0
"""Seconds between two looks: the bot tells a percentage every few seconds."""

BAR_WIDTH = 20
WIDTHS = (8, max(map(len, State)), BAR_WIDTH, 4)
"""Columns of a job's id, state, bar and percentage; what it is about takes the rest."""


def watch_status(glance: Glance, *, as_json: bool = False) -> None:
    """Show it until Ctrl-C or SIGTERM, which both end it as they should."""
    with suppress(KeyboardInterrupt), _ended_by_sigterm():
        if not as_json and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            _draw(glance)
        else:
            _tell_changes(glance, as_json=as_json)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM as Ctrl-C, so that the terminal is put back as it was."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell_changes(glance: Glance, *, as_json: bool) -> None:
    told: dict[str, Any] | None = None
    while True:
        facts = glance.facts()
        if facts != told:
            if as_json:
                echo_json_line(facts)
            else:
                if told is not None:
                    typer.echo("")
                glance.echo(facts)
            told = facts
        time.sleep(INTERVAL)


def _draw(glance: Glance) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(emoji=False, highlight=False)
    # On the terminal's other screen: what stood there before comes back at the end.
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_picture(glance, *console.size), refresh=True)
            time.sleep(INTERVAL)


def _picture(glance: Glance, width: int, height: int) -> RenderableType:
    """What there is to see now, in so many columns and lines; what is in the way where it can't be seen."""
    from rich.text import Text

    try:
        return drawn(glance.facts(), width, height)
    except MjwatchError as error:  # it may pass: a journal that is just being moved or brought up to date
        return Text(f"{plain(error.message)}\n{plain(error.mend)}")


def drawn(facts: Mapping[str, Any], width: int, height: int) -> RenderableType:
    """The facts as a picture of so many columns and lines: lines of text, then a bar for each job at work."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    lines = [
        Text(f"{name if number == 0 else '':<{NAME_WIDTH}}{line}", style=_style(name), no_wrap=True)
        for name, text in fields(facts)
        for number, line in enumerate(wrapped(text, width, NAME_WIDTH))
    ]
    foot = Text(f"{clock(time.time(), time.time())}  Ctrl-C ends this view", style="dim", no_wrap=True)
    jobs = facts["live"]
    room = max(1, height - len(lines) - 3)  # an empty line above the jobs and one below, and the foot
    shown = jobs if len(jobs) <= room else jobs[: room - 1]
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for wide in WIDTHS:
        table.add_column(no_wrap=True, width=wide)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for job in shown:
        table.add_row(*_bar(job))
    more = [Text(f"and {len(jobs) - len(shown)} more")] if len(shown) < len(jobs) else []
    return Group(*lines, Text(""), *([table] if shown else []), *more, *([Text("")] if jobs else []), foot)


def _style(name: str) -> str:
    return "yellow" if name == "paused" else ""


def _bar(job: Mapping[str, Any]) -> tuple[RenderableType, ...]:
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    state, percent = job["state"], job["percent"]
    done = 100 if state == State.COLLECTING else percent
    return (
        Text(job["job"]),
        Text(state, style=STATE_COLOURS.get(state, "")),
        # Without its colours an empty bar looks like a full one.
        Text("") if done is None else ProgressBar(total=100, completed=done, width=BAR_WIDTH),
        Text("" if percent is None else f"{percent}%", justify="right"),
        Text(words_of(job)),
    )
