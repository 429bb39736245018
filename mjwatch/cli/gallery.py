"""The verb ``gallery``: the page beside the pictures, found, brought up to date and opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mjwatch.cli.lookup import config_of
from mjwatch.cli.output import Json, echo_json, plain
from mjwatch.errors import MjwatchError

if TYPE_CHECKING:
    from mjwatch.config import Config
    from mjwatch.gallery.gallery import Gallery

BATCH = 50
"""Folders that are entered before others may write: a daemon waits that long at most."""


def gallery(
    context: typer.Context,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read all folders of the outbox anew.")] = False,
    as_json: Json = False,
) -> None:
    """Say where the gallery is, and bring it up to date.

    It is a page beside the pictures that works on every machine that has the outbox, without mjwatch.
    """
    from mjwatch.gallery.gallery import Gallery

    config = config_of(context)
    if not config.outbox.path.is_dir():
        raise MjwatchError(f"there is no outbox {config.outbox.path} yet", "`mjwatch run` makes it")
    made = Gallery(config.outbox.path, config.state.path)
    added = _update(made, config, rebuild)
    if as_json:
        echo_json({"page": str(made.page), "address": made.page.as_uri(), "added": added})
    else:
        typer.echo(plain(made.page))
    if open_it:
        _open(made)


def _update(made: Gallery, config: Config, rebuild: bool) -> int:
    """How many jobs were entered. A gallery that a daemon keeps is left to it, unless it is to be rebuilt."""
    from mjwatch.host.running import daemon_runs

    kept = config.outbox.gallery and made.page.exists() and daemon_runs(config.state.path)
    if kept and not rebuild:
        return 0
    try:
        if rebuild:
            made.forget()
        made.install()
        missing = made.mend()
        if len(missing) > BATCH:
            typer.echo(f"adding {len(missing)} jobs to the gallery; this takes a while", err=True)
        for start in range(0, len(missing), BATCH):
            made.add(missing[start : start + BATCH])
        made.tidy()
    except OSError as error:
        what = f"the gallery can't be written: {error.strerror or error}"
        raise MjwatchError(
            what, "this user must be able to write to the outbox and the state folder"
        ) from error
    return len(missing)


def _open(made: Gallery) -> None:
    import webbrowser

    if not webbrowser.open(made.page.as_uri()):
        raise MjwatchError("no browser could be started", f"open it by hand: {made.page.as_uri()}")
