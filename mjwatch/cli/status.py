"""The command ``status``: the service at a glance, once or with ``--watch`` until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.app import open_reader, read_config
from mjwatch.cli.output import (
    NEEDS_PERSON,
    Json,
    advice,
    echo_fields,
    echo_held,
    echo_json,
    echo_json_line,
    echo_table,
    job_summary,
    plain,
    state_with_percent,
    wrap,
)
from mjwatch.cli.progress import bar_table
from mjwatch.errors import DaemonError, MjwatchError
from mjwatch.host.running import daemon_runs, unhealthy_parts
from mjwatch.inbox.scanner import InboxScanner
from mjwatch.jobs.pacing import Pace
from mjwatch.jobs.status_text import clock, limit_text, quiet_text
from mjwatch.journal.database import unclosed_since
from mjwatch.journal.overview import overview
from mjwatch.journal.reader import JOURNAL_FILE
from mjwatch.journal.serialization import path_as_stored
from mjwatch.model import IN_FLIGHT, State
from mjwatch.outbox.status_file import last_sign_of_life, read_status, with_journal_trouble
from mjwatch.trouble import TroubleKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import FrameType

    from rich.console import RenderableType

    from mjwatch.config import Config
    from mjwatch.journal.reader import JournalReader

INTERVAL = 1.0
"""Seconds between two reads: the bot reports a percentage every few seconds."""

NAME_WIDTH = 9
NAMED_FILES = 3
"""Names that are shown of the files that are ignored for the same reason."""


def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Update the view until Ctrl-C.")] = False,
    health: Annotated[
        bool,
        typer.Option("--health", help="Show only whether the daemon works, for a container's health check."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what the service is doing.

    Shows what is wrong and what to do about it, jobs by state, running jobs, the pace, what was sent in the
    last 24 hours, and what waits in the inbox. With --watch and --json, or outside a terminal, prints each
    change. With --health, the exit code is 1 if a part of the daemon hangs, and 3 if no daemon runs.
    """
    if health:
        show_health(read_config(context).state.path, as_json=as_json)
        return
    view = StatusView(read_config(context))
    if watch:
        watch_status(view, as_json=as_json)
        return
    facts = view.facts()
    if as_json:
        echo_json(facts)
    else:
        view.echo(facts)
    if facts["paused"] is not None:
        raise typer.Exit(NEEDS_PERSON)


def show_health(state: Path, *, as_json: bool) -> None:
    """Print whether the daemon works. A pause is not a fault: restarting the daemon would not end it."""
    if not daemon_runs(state):
        raise DaemonError("no daemon runs", "start it: `mjwatch run`")
    failed = unhealthy_parts(state)
    if as_json:
        echo_json({"healthy": not failed, "no_longer_working": failed})
    else:
        typer.echo(f"no longer working: {', '.join(failed)}; restart mjwatch" if failed else "healthy")
    if failed:
        raise typer.Exit(1)


class StatusView:
    """Read the state of the service; the inbox is read again only where something has changed in it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._scanner = InboxScanner(config.inbox.path)

    def facts(self) -> dict[str, Any]:
        """Return the facts by name, as ``status --json`` shows them. Raise MjwatchError."""
        config, reader = self._config, open_reader(self._config)
        with closing(reader) if reader else nullcontext():
            now = time.time()
            facts = overview(
                reader,
                daemon=daemon_runs(config.state.path),
                max_per_day=config.pace.max_per_day,
                now=now,
                command=config.command(),
                quiet_until=Pace.of(config.pace).quiet_until(now),
            )
            waiting = self._count_waiting(reader)
        written = read_status(config.outbox.path)
        if facts["daemon"]:
            facts |= with_journal_trouble(facts, written)
            died_at = None
        else:
            died_at = last_sign_of_life(written, unclosed_since(config.state.path / JOURNAL_FILE))
        in_flight = sum(1 for job in facts["live"] if job["state"] in IN_FLIGHT)
        pace = {"max_in_flight": config.pace.max_in_flight, "delay": config.pace.delay}
        return facts | {
            "died_at": died_at,
            "mend": facts["mend"] and advice(facts["mend"]),
            "in_flight": in_flight,
            **pace,
            "jitter": config.pace.jitter,
            "inbox": str(config.inbox.path),
            "waiting_in_inbox": waiting,
            "outbox": str(config.outbox.path),
        }

    def _count_waiting(self, reader: JournalReader | None) -> int | None:
        """Return the number of prompt files in the inbox; None if it can't be read.

        Those that were accepted don't count: they are kept, or can't be removed.
        """
        try:
            files = list(self._scanner.files())
        except OSError:
            return None
        if reader is None:
            return len(files)
        kept = reader.kept_paths() if self._config.inbox.after == "keep" else set()
        new = (file for file in files if path_as_stored(file[0]) not in kept)
        return sum(not reader.was_delivered(path, identity[3] / 1e9) for path, identity in new)

    def echo(self, facts: Mapping[str, Any]) -> None:
        """Print the facts: fields, the results that are held, and a table of the jobs that were sent."""
        echo_fields(status_fields(facts), NAME_WIDTH)
        echo_held(facts["held"])
        if facts["live"]:
            typer.echo("")
            echo_table(("JOB", "STATE", "PROMPT"), map(_job_row, facts["live"]))


# ---- the facts as text


def _job_row(job: Mapping[str, Any]) -> tuple[str, str, str]:
    summary = plain(job_summary(job["action"], job["command"], job["prompt"]))
    return job["job"], state_with_percent(job["state"], job["percent"]), summary


def status_fields(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the facts as name and text, without the jobs; a text without a name belongs to the one before."""
    yield "daemon", _daemon(facts)
    for trouble in facts["troubles"]:
        yield from _trouble(trouble)
    yield from _limits(facts)
    counts = ", ".join(f"{count} {state}" for state, count in facts["jobs"].items())
    yield "jobs", counts or "no open jobs"
    if State.IN_DOUBT in facts["jobs"]:
        yield "", advice("in_doubt waits for you: `mjwatch show JOB`, then `retry` or `cancel`")
    if facts["importing"]:
        yield "import", _import(facts["importing"], daemon=facts["daemon"])
    if facts["held"]:
        count = len(facts["held"])
        yield "held", "1 result waits for you" if count == 1 else f"{count} results wait for you"
    yield "sent", _sent(facts)
    yield "pace", _pace(facts)
    yield "inbox", plain(facts["inbox"]) + _waiting(facts["waiting_in_inbox"])
    for line in _ignored_files(facts["left"]):
        yield "", plain(line)
    yield "outbox", plain(facts["outbox"])


def _daemon(facts: Mapping[str, Any]) -> str:
    if not facts["daemon"]:
        died = "" if facts["died_at"] is None else f"; it died at {clock(facts['died_at'], time.time())}"
        return advice(f"does not run{died} (start it: `mjwatch run`)")
    if facts["connected_since"] is None:
        kinds = {trouble["kind"] for trouble in facts["troubles"]}
        return "runs, not connected" if TroubleKind.GATEWAY in kinds else "runs, connecting to Discord"
    return f"runs, connected since {clock(facts['connected_since'], time.time())}"


def _trouble(trouble: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong and since when, then what to do."""
    since = "" if trouble["since"] is None else f" (since\u00a0{clock(trouble['since'], time.time())})"
    text = f"{plain(trouble['sentence'])}{since}"
    name = text.partition(" ")[0]
    yield ("paused", text.removeprefix("paused ")) if name == "paused" else ("trouble", text)
    if trouble["remedy"]:
        yield "", advice(trouble["remedy"])


def _limits(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the waits that are not shown as a trouble."""
    now, kinds = time.time(), {trouble["kind"] for trouble in facts["troubles"]}
    if TroubleKind.LIMIT in kinds:
        return
    if sending := limit_text(facts["sending_limit"], now):
        yield "limit", plain(sending)
    if facts["quiet_until"] is not None:
        yield "hours", quiet_text(facts["quiet_until"], now)
    if reading := facts["reading_limit"]:
        until = clock(reading["until"], now)
        yield "limit", f"the channel's history is not read until {until}: {plain(reading['why'])}"


def _sent(facts: Mapping[str, Any]) -> str:
    capped = facts["capped_until"]
    more = "" if capped is None else f"; the next job may be sent at {clock(capped, time.time())}"
    cap = f"(cap: {facts['max_per_day']})" if facts["max_per_day"] else "(no cap)"
    return f"{facts['sent_in_24h']} in the last 24 hours {cap}{more}"


def _pace(facts: Mapping[str, Any]) -> str:
    least, most = facts["delay"], facts["delay"] + facts["jitter"]
    pause = f"{least:g} to {most:g} s" if most > least else f"{least:g} s" if least else "no pause"
    return f"{facts['in_flight']} of {facts['max_in_flight']} at Midjourney, {pause} between submissions"


def _import(progress: Mapping[str, Any], *, daemon: bool) -> str:
    text = f"{progress['read']} messages read, {progress['imported']} pictures imported"
    if progress["saving"]:
        text += f", {progress['saving']} to be saved"
    if not daemon:
        return f"{text}; it continues when the service runs"
    return text if progress["trouble"] is None else f"{text}; it waits: {plain(progress['trouble'])}"


def _waiting(files: int | None) -> str:
    if files is None:
        return " (missing, or not readable)"
    return "" if not files else " (1 prompt file waits)" if files == 1 else f" ({files} prompt files wait)"


def _ignored_files(ignored: dict[str, Any] | None) -> Iterator[str]:
    """Yield which files are ignored in the inbox, by reason."""
    for why, count in (ignored or {"counts": {}})["counts"].items():
        names = [file["path"] for file in (ignored or {"some": []})["some"] if file["why"] == why]
        names = names[:NAMED_FILES]
        more = f" and {count - len(names)} more" if count > len(names) else ""
        yield f"ignored: {', '.join(names)}{more} ({why})"


# ---- --watch


def watch_status(view: StatusView, *, as_json: bool = False) -> None:
    """Show the status until Ctrl-C or SIGTERM; both are a normal end."""
    with suppress(KeyboardInterrupt), interrupted_by_sigterm():
        if not as_json and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            _redraw(view)
        else:
            _print_changes(view, as_json=as_json)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, so that the terminal is restored."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_changes(view: StatusView, *, as_json: bool) -> None:
    printed: dict[str, Any] | None = None
    while True:
        facts = view.facts()
        if facts != printed:
            if as_json:
                echo_json_line(facts)
            else:
                if printed is not None:
                    typer.echo("")
                view.echo(facts)
            printed = facts
        time.sleep(INTERVAL)


def _redraw(view: StatusView) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(emoji=False, highlight=False)
    # On the terminal's alternate screen: what was there before comes back at the end.
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_screen(view, *console.size), refresh=True)
            time.sleep(INTERVAL)


def _screen(view: StatusView, width: int, height: int) -> RenderableType:
    """Return what to draw in so many columns and lines: the status, or why it can't be read."""
    from rich.text import Text

    try:
        return status_screen(view.facts(), width, height)
    except MjwatchError as error:  # it may pass: a journal that is just being moved or migrated
        return Text(f"{advice(error.message)}\n{advice(error.hint)}")


def status_screen(facts: Mapping[str, Any], width: int, height: int) -> RenderableType:
    """Return the facts for a screen of this size: lines of text, then a bar for each job at work."""
    from rich.console import Group
    from rich.text import Text

    lines = [
        Text(
            f"{name if number == 0 else '':<{NAME_WIDTH}}{line}",
            style="yellow" if name in {"paused", "trouble"} else "",
            no_wrap=True,
        )
        for name, text in status_fields(facts)
        for number, line in enumerate(wrap(text, width, NAME_WIDTH))
    ]
    foot = Text(f"{clock(time.time(), time.time())}  Ctrl-C ends this view", style="dim", no_wrap=True)
    jobs = facts["live"]
    room = max(1, height - len(lines) - 3)  # an empty line above the jobs and one below, and the foot
    shown = jobs if len(jobs) <= room else jobs[: room - 1]
    table = [bar_table(shown)] if shown else []
    more = [Text(f"and {len(jobs) - len(shown)} more")] if len(shown) < len(jobs) else []
    return Group(*lines, Text(""), *table, *more, *([Text("")] if jobs else []), foot)
