"""The command ``mjwatch``: its verbs in groups, and the options that come before them."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import Annotated

import typer

import mjwatch
from mjwatch.cli import ask, expand, look, service, steer, tools, units, work

app = typer.Typer(
    name="mjwatch",
    help="Drop prompt files into a folder, get Midjourney pictures and a manifest in another.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

WORK, LOOK, STEER, SERVICE, TOOLS = "Work", "Look", "Steer", "Service", "Tools"


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


app.command(rich_help_panel=WORK)(work.submit)
app.command(rich_help_panel=WORK)(work.imagine)
app.command(rich_help_panel=WORK)(ask.act)
# What a command takes may begin like an option: `mjwatch ask "prefer suffix" "--no text"`.
app.command(rich_help_panel=WORK, context_settings={"ignore_unknown_options": True})(ask.ask)
app.command(rich_help_panel=WORK)(expand.expand)
app.command(rich_help_panel=LOOK)(look.status)
app.command("list", rich_help_panel=LOOK)(look.list_jobs)
app.command(rich_help_panel=LOOK)(look.show)
app.command(rich_help_panel=LOOK)(ask.info)
app.command(rich_help_panel=STEER)(steer.pause)
app.command(rich_help_panel=STEER)(steer.resume)
app.command(rich_help_panel=STEER)(steer.retry)
app.command(rich_help_panel=STEER)(steer.cancel)
app.command(rich_help_panel=STEER)(steer.prune)
app.command(rich_help_panel=SERVICE)(service.run)
app.command(rich_help_panel=SERVICE)(service.check)
app.command(rich_help_panel=SERVICE)(service.init)
app.add_typer(units.service, rich_help_panel=SERVICE)
app.command(rich_help_panel=TOOLS)(tools.split)
app.command(rich_help_panel=TOOLS)(tools.explain)
app.command(rich_help_panel=TOOLS)(tools.simulate)
app.command(rich_help_panel=TOOLS)(tools.demo)
