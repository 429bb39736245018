"""The command ``import``: what was made before, by hand, or lies in a folder, into the outbox."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.app import read_config
from mjwatch.cli.output import INTERRUPTED, Json, advice, echo_json, echo_table, local_time, silence_log

if TYPE_CHECKING:
    from types import TracebackType

    from mjwatch.client.import_folder import FolderCount
    from mjwatch.client.imports import ImportProgress
    from mjwatch.config import Config

LINE_INTERVAL = 10.0
"""Seconds between two lines of progress where standard error is no terminal."""

_CONTINUE = "the same command continues it"


def import_pictures(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="A folder of old pictures; without it, the channel's history is read."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="From this day on: 2024-05-01, or 2024-05.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Up to the end of this day or month.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be imported, by month.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the import that the service does.")] = False,
    as_json: Json = False,
) -> None:
    """Import your pictures that mjwatch has not made.

    Reads the channel's history at a human pace, and publishes each finished picture that your account made by
    hand or before mjwatch as a job of its own, below _channel/ in the outbox; follow-ups such as `act JOB U1`
    work on it. Pictures of other people are left out. Nothing is sent to Midjourney. What is in the outbox
    already is not imported again, and an import that was interrupted continues.

    With FOLDER, copies the pictures below that folder into _imported/ in the outbox.
    """
    from mjwatch.errors import UsageError

    config = read_config(context)
    silence_log()
    if folder is not None and (since or until or stop):
        raise UsageError("--since, --until and --stop are for the channel", "leave them out beside FOLDER")
    if stop and (since or until or dry_run):
        raise UsageError("--stop goes with no other option", "name no dates: one import runs at a time")
    if folder is not None:
        _import_folder(config, folder, dry_run=dry_run, as_json=as_json)
        return
    bounds = _bounds(since, until)
    if stop:
        _stop(config, as_json=as_json)
    elif dry_run:
        _count(config, *bounds, as_json=as_json)
    else:
        _import_channel(config, *bounds, as_json=as_json)


def _bounds(since: str | None, until: str | None) -> tuple[str, str | None]:
    """Return the ids after which, and up to which, messages are read. Raise BadParameter."""
    from mjwatch.discord.protocol import snowflake

    first = None if since is None else _start_of(since, "--since")
    last = None if until is None else _end_of(until, "--until")
    if first is not None and last is not None and last <= first:
        raise typer.BadParameter("it ends before it begins", param_hint="--until")
    after = "0" if first is None else _id_before(first)
    return after, None if last is None else snowflake(_milliseconds(last))


def _id_before(moment: datetime) -> str:
    from mjwatch.discord.protocol import snowflake

    return str(int(snowflake(_milliseconds(moment))) - 1)


def _milliseconds(moment: datetime) -> int:
    from mjwatch.discord.protocol import DISCORD_EPOCH_MS

    return max(DISCORD_EPOCH_MS + 1, int(moment.timestamp() * 1000))


def _start_of(text: str, option: str) -> datetime:
    """Return the local time at which the day or month begins."""
    try:
        return datetime.strptime(text, "%Y-%m" if len(text) == len("2024-05") else "%Y-%m-%d").astimezone()
    except ValueError:
        raise typer.BadParameter("a date is written 2024-05-01, a month 2024-05", param_hint=option) from None


def _end_of(text: str, option: str) -> datetime:
    """Return the local time at which the next day or month begins."""
    start = _start_of(text, option)
    days = 32 if len(text) == len("2024-05") else 1
    day = start.replace(tzinfo=None) + timedelta(days=days)
    return (day.replace(day=1) if days > 1 else day).astimezone()


# ---- the channel


def _stop(config: Config, *, as_json: bool) -> None:
    from mjwatch.client.imports import stop_import

    message = stop_import(config)
    if as_json:
        echo_json({"message": message})
    else:
        typer.echo(advice(message))


def _count(config: Config, since: str, until: str | None, *, as_json: bool) -> None:
    from mjwatch.client.imports import count_channel

    with _StatusLine() as line:
        count = count_channel(config, since, until, lambda count: line.show(f"{count.read} messages read"))
    if as_json:
        echo_json(count.to_json())
        return
    if count.months:
        rows = [_month_row(month, found) for month, found in sorted(count.months.items())]
        echo_table(("MONTH", "NEW", "HERE ALREADY", "UNCLEAR"), rows)
    typer.echo(_found(count.read, count.found, "new"))


def _month_row(month: str, found: Any) -> tuple[str, ...]:
    return (month, *(str(found.get(verdict, 0)) for verdict in ("new", "known", "unclear")))


def _import_channel(config: Config, since: str, until: str | None, *, as_json: bool) -> None:
    from mjwatch.client.imports import import_channel

    try:
        with _StatusLine() as line:
            end = import_channel(config, since, until, lambda progress: line.show(_progress_text(progress)))
    except KeyboardInterrupt:
        typer.echo(advice(f"stopped; {_CONTINUE}"), err=True)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        echo_json({**asdict(end.reading), "failed": end.failed})
    else:
        typer.echo(advice(_end_text(end)))
    if end.failed or not end.reading.is_complete:
        raise typer.Exit(1)


def _progress_text(progress: ImportProgress) -> str:
    from mjwatch.discord.protocol import snowflake_ms

    reading = progress.reading
    text = f"{reading.read} messages read"
    if reading.read:
        text += f", up to {local_time(snowflake_ms(reading.after) / 1000)[:10]}"
    text += f"; {max(0, reading.found.get('new', 0) - progress.saved)} imported"
    if progress.saved:
        text += f", {progress.saved} being saved"
    return f"{text}; waiting: {progress.trouble}" if progress.trouble else text


def _end_text(end: ImportProgress) -> str:
    text = _found(end.reading.read, end.reading.found, "imported")
    if not end.reading.is_complete:
        return f"{text}\n{end.reading.trouble or 'stopped before the end'}; {_CONTINUE}"
    if end.reading.found.get("unclear"):
        text += "\nimport again when the jobs that wait have ended: `mjwatch status` shows them"
    if end.failed:
        text += f"\n{end.failed} could not be saved: `mjwatch list --state failed` shows them"
    return text


def _found(read: int, found: Any, new: str) -> str:
    from mjwatch.engine.channel_import import found_text

    if not read:
        return "no message was read: there is none in that time, or the account may not read the history"
    return f"{read} messages read; finished pictures: {found_text(found, new)}"


class _StatusLine:
    """One line on standard error that changes; a line every few seconds where that is no terminal."""

    def __init__(self) -> None:
        self._shown = ""
        self._at = float("-inf")
        self._is_terminal = sys.stderr.isatty()

    def __enter__(self) -> _StatusLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_terminal and self._shown:
            typer.echo("\r\x1b[K", nl=False, err=True)

    def show(self, text: str) -> None:
        """Show this text."""
        import time

        from mjwatch.cli.output import plain

        if text == self._shown:
            return
        if self._is_terminal:
            import shutil

            width = shutil.get_terminal_size().columns - 1
            typer.echo(f"\r\x1b[K{plain(text, width)}", nl=False, err=True)
        elif time.monotonic() - self._at < LINE_INTERVAL:
            return
        else:
            typer.echo(plain(text), err=True)
        self._shown, self._at = text, time.monotonic()


# ---- a folder


def _import_folder(config: Config, folder: Path, *, dry_run: bool, as_json: bool) -> None:
    from mjwatch.client.import_folder import FolderImport

    try:
        with _StatusLine() as line:
            found = FolderImport(config, folder, lambda count: line.show(f"{count.files} pictures read"))
            if not dry_run:
                line.show(f"{found.count.files} pictures read; {found.count.new} folders to publish")
                found.run()
    except KeyboardInterrupt:
        typer.echo(f"stopped; {_CONTINUE}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    count = found.count
    if as_json:
        echo_json(count.to_json())
    else:
        if dry_run and count.months:
            echo_table(("MONTH", "NEW"), [(month, str(n)) for month, n in sorted(count.months.items())])
        typer.echo(_folder_text(count, "new" if dry_run else "imported"))
    if count.failed:
        raise typer.Exit(1)


def _folder_text(count: FolderCount, new: str) -> str:
    if not count.files and not count.skipped:
        return "no picture is below this folder"
    parts = [f"{count.new} {new}", *([f"{count.known} here already"] if count.known else [])]
    text = f"{count.files} pictures read; jobs: {', '.join(parts)}"
    if count.skipped:
        text += "; left out: " + ", ".join(f"{n} {why}" for why, n in sorted(count.skipped.items()))
    if count.failed:
        text += f"\n{count.failed} could not be saved: `mjwatch list --state failed` shows them"
    return text
