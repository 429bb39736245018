"""The service at a glance: the facts, and the lines that tell them.

``mjwatch status --watch``: the service as it goes on, redrawn in a terminal, or told change by change.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.app import config_of, reader_of
from mjwatch.cli.output import (
    NEEDS_PERSON,
    STATE_COLOURS,
    Json,
    echo_fields,
    echo_json,
    echo_json_line,
    echo_table,
    plain,
    progress,
    wanted,
    wrapped,
)
from mjwatch.errors import MjwatchError
from mjwatch.host.running import daemon_runs
from mjwatch.inbox.scanner import InboxScanner
from mjwatch.jobs.status_text import clock
from mjwatch.journal.reader import overview
from mjwatch.journal.serialization import path_as_stored
from mjwatch.model import IN_FLIGHT, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set
    from types import FrameType

    from rich.console import RenderableType

    from mjwatch.config import Config


NAME_WIDTH = 9
NAMED = 3
"""So many of what is left alone for one reason are named."""


def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the service does.

    Jobs by state, what runs, the pace, the last day's spending, what waits in the inbox, and why it is
    paused, if it is. With --watch and --json, or where it is no terminal, each change is told as it comes.
    """
    glance = StatusView(config_of(context))
    if watch:
        watch_status(glance, as_json=as_json)
        return
    facts = glance.facts()
    if as_json:
        echo_json(facts)
    else:
        glance.echo(facts)
    if facts["paused"] is not None:
        raise typer.Exit(NEEDS_PERSON)


class StatusView:
    """Looks at the service again and again; the inbox is not read anew where nothing has moved in it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._listing = InboxScanner(config.inbox.path)

    def facts(self) -> dict[str, Any]:
        """What there is to know, by name, as ``status --json`` shows it. Raises MjwatchError."""
        config, reader = self._config, reader_of(self._config)
        with closing(reader) if reader else nullcontext():
            facts = overview(
                reader,
                daemon=daemon_runs(config.state.path),
                max_per_day=config.pace.max_per_day,
                now=time.time(),
            )
            kept = reader.kept_paths() if reader and config.inbox.after == "keep" else set()
        in_flight = sum(1 for job in facts["live"] if job["state"] in IN_FLIGHT)
        pace = {"max_in_flight": config.pace.max_in_flight, "delay": config.pace.delay}
        return facts | {
            "in_flight": in_flight,
            **pace,
            "jitter": config.pace.jitter,
            "inbox": str(config.inbox.path),
            "waiting_in_inbox": self._waiting(kept),
            "outbox": str(config.outbox.path),
        }

    def _waiting(self, kept: Set[str]) -> int | None:
        """How many prompt files lie in the inbox, without those that are kept; None if it can't be read."""
        try:
            return sum(path_as_stored(path) not in kept for path in self._listing.files())
        except OSError:
            return None

    def echo(self, facts: Mapping[str, Any]) -> None:
        """Show them as text: lines, and a table of the jobs that were sent."""
        echo_fields(fields(facts), NAME_WIDTH)
        if facts["live"]:
            typer.echo("")
            echo_table(("JOB", "STATE", "PROMPT"), map(_row, facts["live"]))


def _row(job: Mapping[str, Any]) -> tuple[str, str, str]:
    return job["job"], progress(job["state"], job["percent"]), words_of(job)


def words_of(job: Mapping[str, Any]) -> str:
    """What is wanted of a job, as a terminal can show it."""
    return plain(wanted(job["action"], job["command"], job["prompt"]))


def fields(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The facts but for the single jobs, each with its name; one without a name goes with that before it."""
    yield "daemon", _daemon(facts)
    if facts["paused"] is not None:
        yield "paused", plain(facts["paused"]).removeprefix("paused ")
        yield "", facts["mend"]
    counts = ", ".join(f"{count} {state}" for state, count in facts["jobs"].items())
    yield "jobs", counts or "none at work"
    if State.IN_DOUBT in facts["jobs"]:
        yield "", "in_doubt waits for you: `mjwatch show JOB`, then `retry` or `cancel`"
    yield "sent", _sent(facts)
    yield "pace", _pace(facts)
    yield "inbox", plain(facts["inbox"]) + _waiting(facts["waiting_in_inbox"])
    for line in _left_alone(facts["inbox_trouble"], facts["left"]):
        yield "", plain(line)
    yield "outbox", plain(facts["outbox"])


def _daemon(facts: Mapping[str, Any]) -> str:
    if not facts["daemon"]:
        return "does not run (start it: `mjwatch run`)"
    if facts["trouble"] is not None:
        return f"runs; Discord can't be used: {plain(facts['trouble'])}"
    if facts["connected_since"] is None:
        return "runs, connects to Discord"
    return f"runs, connected since {clock(facts['connected_since'], time.time())}"


def _sent(facts: Mapping[str, Any]) -> str:
    capped = facts["capped_until"]
    more = "" if capped is None else f"; the next one may go at {clock(capped, time.time())}"
    cap = f"(cap: {facts['max_per_day']})" if facts["max_per_day"] else "(no cap)"
    return f"{facts['sent_in_24h']} in the last 24 hours {cap}{more}"


def _pace(facts: Mapping[str, Any]) -> str:
    least, most = facts["delay"], facts["delay"] + facts["jitter"]
    pause = f"{least:g} to {most:g} s" if most > least else f"{least:g} s" if least else "no pause"
    return f"{facts['in_flight']} of {facts['max_in_flight']} at Midjourney, {pause} between submissions"


def _waiting(files: int | None) -> str:
    if files is None:
        return " (not there, or not readable)"
    return "" if not files else " (1 prompt file waits)" if files == 1 else f" ({files} prompt files wait)"


def _left_alone(trouble: str | None, left: dict[str, Any] | None) -> Iterator[str]:
    """Why nothing is taken from the inbox, and what is left alone there: by reason, with some names."""
    if trouble is not None:
        yield trouble
    for why, count in (left or {"counts": {}})["counts"].items():
        names = [one["path"] for one in (left or {"some": []})["some"] if one["why"] == why][:NAMED]
        more = f" and {count - len(names)} more" if count > len(names) else ""
        yield f"left alone: {', '.join(names)}{more} ({why})"


INTERVAL = 1.0
"""Seconds between two looks: the bot tells a percentage every few seconds."""

BAR_WIDTH = 20
WIDTHS = (8, max(map(len, State)), BAR_WIDTH, 4)
"""Columns of a job's id, state, bar and percentage; what it is about takes the rest."""


def watch_status(glance: StatusView, *, as_json: bool = False) -> None:
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


def _tell_changes(glance: StatusView, *, as_json: bool) -> None:
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


def _draw(glance: StatusView) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(emoji=False, highlight=False)
    # On the terminal's other screen: what stood there before comes back at the end.
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_picture(glance, *console.size), refresh=True)
            time.sleep(INTERVAL)


def _picture(glance: StatusView, width: int, height: int) -> RenderableType:
    """What there is to see now, in so many columns and lines; what is in the way where it can't be seen."""
    from rich.text import Text

    try:
        return drawn(glance.facts(), width, height)
    except MjwatchError as error:  # it may pass: a journal that is just being moved or brought up to date
        return Text(f"{plain(error.message)}\n{plain(error.hint)}")


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
