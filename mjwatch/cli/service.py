"""The verb ``run``: the service itself.

Verbs for systemd: ``service install``, ``service uninstall`` and ``service print``.
"""

from __future__ import annotations

import os
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mjwatch.cli.app import CliGroup
from mjwatch.cli.output import NEEDS_PERSON, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mjwatch.config import Config
    from mjwatch.host.service import Scope, Step


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


service = typer.Typer(
    name="service",
    cls=CliGroup,
    help="Have systemd run it: as a service of yours, or of the machine.",
    rich_markup_mode=None,
)

User = Annotated[
    bool, typer.Option("--user", help="Your own service, for folders in your home; the default.")
]
System = Annotated[bool, typer.Option("--system", help="The machine's service; the default for root.")]


@service.command("install")
def install(
    context: typer.Context,
    user: User = False,
    system: System = False,
    now: Annotated[bool, typer.Option("--now", help="Start it, too.")] = False,
) -> None:
    """Put the unit in place, with the paths of this installation.

    What this user may not do is printed as commands.
    """
    from mjwatch.errors import ConfigError
    from mjwatch.host import service as installing
    from mjwatch.host import service as units

    scope = _scope(user, system)
    config, text = _unit(context.obj, scope)
    obstacles = units.problems(scope, config, units.own_program())
    if obstacles:
        raise ConfigError.together(obstacles)
    steps = installing.installation(scope, config, text, _printing(scope, config))
    left = _taken(scope, steps)
    later = [*installing.rights(scope, config), installing.start(scope)]
    if now and not left and len(later) == 1:
        left, later = _taken(scope, later), []
    _tell_left(scope, [*left, *later])
    if scope is units.Scope.USER:
        typer.echo("To have it run while you are not logged in: loginctl enable-linger")
    if left:
        raise typer.Exit(NEEDS_PERSON)


@service.command("uninstall")
def uninstall(user: User = False, system: System = False) -> None:
    """Stop the service and take the unit away.

    Folders, keys and state stay.
    """
    from mjwatch.host import service as installing

    scope = _scope(user, system)
    unit = installing.unit_file(scope)
    if not os.path.lexists(unit):
        typer.echo(f"Nothing to take away: {plain(unit)} is not there.")
        return
    left = _taken(scope, installing.removal(scope))
    _tell_left(scope, left)
    if left:
        raise typer.Exit(NEEDS_PERSON)


@service.command("print")
def print_unit(context: typer.Context, user: User = False, system: System = False) -> None:
    """Print the unit as it would be put in place.

    What would be in its way is told on standard error.
    """
    from mjwatch.host import service as units

    scope = _scope(user, system)
    config, text = _unit(context.obj, scope)
    typer.echo(text, nl=False)
    for problem in units.problems(scope, config, units.own_program()):
        typer.echo(f"mjwatch: {plain(problem.message)} - {plain(problem.hint)}", err=True)


def _scope(user: bool, system: bool) -> Scope:
    from mjwatch.host.service import Scope

    if user and system:
        raise typer.BadParameter("it is either --user or --system.")
    if not hasattr(os, "geteuid"):
        raise typer.BadParameter("there is no systemd here.")
    return Scope.SYSTEM if system or (not user and os.geteuid() == 0) else Scope.USER


def _unit(given: Path | None, scope: Scope) -> tuple[Config, str]:
    from mjwatch.host import service as units

    config = units.load_config(scope, given)
    return config, units.unit(scope, config, units.own_program())


def _printing(scope: Scope, config: Config) -> str:
    from mjwatch.host.service import own_program

    return shlex.join([*own_program(), "--config", str(config.source), "service", "print", f"--{scope}"])


def _taken(scope: Scope, steps: Sequence[Step]) -> Sequence[Step]:
    """Take the steps and tell of those that were done; the others are left."""
    from mjwatch.host import service as installing

    if not installing.may_take(scope):
        typer.echo("mjwatch: this takes root's rights", err=True)
        return steps
    course = installing.take(steps)
    for step in course.done:
        typer.echo(f"done: {step.shown(as_root=False)}")
    if course.obstacle:
        typer.echo(f"mjwatch: {plain(course.obstacle)}", err=True)
    return course.left


def _tell_left(scope: Scope, steps: Sequence[Step]) -> None:
    from mjwatch.host import service as installing

    if steps:
        typer.echo("Left to do:")
    for step in steps:
        typer.echo(f"  {step.shown(as_root=not installing.may_take(scope))}")
