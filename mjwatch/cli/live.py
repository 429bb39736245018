"""``check --live``: the questions, the run against the real service, and the report."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import typer

from mjwatch.cli.output import plain, silence_log
from mjwatch.client.discord_api import connect
from mjwatch.config import Config, load_keys
from mjwatch.diagnostics.live_check import OUTLINE, PROMPT, LiveCheck, sole_use
from mjwatch.diagnostics.wire_report import report
from mjwatch.errors import MjwatchError

if TYPE_CHECKING:
    from pathlib import Path

    from mjwatch.diagnostics.live_check import LivePatience
    from mjwatch.diagnostics.recording import WireRecording
    from mjwatch.settings.secrets import Keys


def run_live_check(
    config_path: Path | None, target: Path, *, show: bool, patience: LivePatience | None = None
) -> None:
    """Explain, ask, run the check, summarize it, and write the report if the person wants it.

    Raise MjwatchError if another mjwatch runs, or if the report can't be written.
    """
    if target.exists():
        raise MjwatchError(f"{target} exists already", "choose another --report")
    config = Config.load(config_path)
    keys = load_keys(config)
    silence_log()
    typer.echo(OUTLINE.format(prompt=PROMPT))
    with sole_use(config, keys):
        if not _asked("\nBegin?"):
            typer.echo("Nothing was sent.")
            return
        recording = _recorded(config, keys, patience)
    place = "a guild" if keys.guild_id else "direct messages"
    text = report(recording.entries(), month=time.strftime("%Y-%m"), place=place)
    _offer(text, target, show=show)


def _recorded(config: Config, keys: Keys, patience: LivePatience | None) -> WireRecording:
    with LiveCheck(config, keys, connect, say=_say, ask=_asked, patience=patience) as live_check:
        try:
            live_check.run()
        except MjwatchError as error:
            _say(f"The check ends here: {error.message}" + (f"; {error.hint}" if error.hint else ""))
        except KeyboardInterrupt:
            _say("Interrupted; the report has what came until now.")
        return live_check.recording


def _say(line: str) -> None:
    typer.echo(plain(line))


def _asked(question: str) -> bool:
    return typer.confirm(question, default=False)


def _offer(text: str, target: Path, *, show: bool) -> None:
    """Show the report, or its numbers, and write it if the person says so."""
    typer.echo()
    if show:
        typer.echo(text)
    else:
        typer.echo(text[text.index("| as expected") : text.index("## As expected")].strip())
    if not _asked(f"\nSave the report to {plain(target)}?"):
        typer.echo("Nothing was saved.")
        return
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise MjwatchError(
            f"{target} can't be written: {error.strerror}", "choose another --report"
        ) from error
    typer.echo(f"{plain(target)} is made to be public: read it, then attach it to an issue of mjwatch.")
