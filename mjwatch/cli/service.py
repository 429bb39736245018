"""The verb ``run``: the service itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class LogFormat(StrEnum):
    """How the log is written."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


def run(
    context: typer.Context,
    drain: Annotated[bool, typer.Option("--drain", help="Do what is there, then end.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on sending: what it was paused for is mended.")
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Own the inbox: the host that has owned it is gone for good.")
    ] = False,
    accept_existing: Annotated[
        bool,
        typer.Option(
            "--accept-existing", help="Run what is kept in an inbox that this journal does not know."
        ),
    ] = False,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            metavar="FORMAT", help="text, json, or auto: entries for systemd's journal, text elsewhere."
        ),
    ] = LogFormat.AUTO,
) -> None:
    """Watch the inbox until stopped.

    Ctrl-C and SIGTERM end it cleanly, within 20 seconds; the next start goes on where this one ended. If the
    sending was paused, it stays so until `mjwatch resume`; but a token that was not accepted is tried anew.
    """
    from mjwatch.config import Config, load_keys
    from mjwatch.daemon import give_up, run_daemon
    from mjwatch.errors import MjwatchError
    from mjwatch.host.log import start_logging
    from mjwatch.host.systemd import Systemd

    systemd = Systemd()
    try:
        config = Config.load(context.obj)
        keys = load_keys(config)
        start_logging([keys.token.reveal()], style=log_format)
        code = run_daemon(
            config,
            keys,
            drain=drain,
            resume=resume,
            take_over=take_over,
            accept_existing=accept_existing,
            systemd=systemd,
        )
    except MjwatchError as error:
        if not systemd.listens:
            raise
        code = give_up(systemd, error, log_format)
    raise typer.Exit(code)
