"""The command ``mjwatch``: the options that come before its verbs, and one call that runs it all."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import Annotated

import typer
from typer.main import get_command

import mjwatch
from mjwatch.cli.verbs import Verbs, usage_error
from mjwatch.errors import MjwatchError

app = typer.Typer(
    name="mjwatch",
    cls=Verbs,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes as long to load as all else; plain help reads as well
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mjwatch {mjwatch.__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Configuration file; else $MJWATCH_CONFIG, ~/.config/mjwatch/config.toml or"
            " /etc/mjwatch/config.toml.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Drop prompt files into a folder, get Midjourney pictures and a manifest in another."""
    context.obj = config


def run(arguments: list[str] | None = None) -> int:
    """Run what the command line, or these words, ask for; the exit code. Raises MjwatchError."""
    try:
        # Not app(): that would put typer's own hook for faults in the place of the log's.
        return get_command(app)(arguments, standalone_mode=False) or 0
    except typer.Abort:
        typer.echo(err=True)  # the question stands at the end of an open line
        raise MjwatchError("stopped at a question; nothing was changed") from None
    except typer.TyperException as error:
        raise usage_error(error) from None
