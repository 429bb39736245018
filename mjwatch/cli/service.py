"""Commands around the service: ``run``, ``service …`` for systemd, ``check`` and ``config …``."""

from __future__ import annotations

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.app import CliGroup, read_config
from mjwatch.cli.output import (
    NEEDS_PERSON,
    Json,
    advice,
    coloured_state,
    display_width,
    echo_hanging,
    echo_json,
    plain,
)
from mjwatch.errors import ConfigError, MjwatchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mjwatch.config import Config
    from mjwatch.diagnostics.check import CheckResult
    from mjwatch.host.service import Scope, Step


# ---- run


class LogFormat(StrEnum):
    """The format of the log."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


def run(
    context: typer.Context,
    drain: Annotated[bool, typer.Option("--drain", help="Process what is queued, then exit.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume sending after fixing the cause of the pause.")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Take over the inbox from a host that will not come back."),
    ] = False,
    accept_existing: Annotated[
        bool,
        typer.Option(
            "--accept-existing",
            help="Also run files already in the inbox that this journal has no record of.",
        ),
    ] = False,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            metavar="FORMAT", help="text, json, or auto: entries for systemd's journal, text elsewhere."
        ),
    ] = LogFormat.AUTO,
    log_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Log to this file, not to standard error. At 10 MB a new one is begun; five old ones stay.",
        ),
    ] = None,
) -> None:
    """Watch the inbox until stopped.

    Ctrl-C and SIGTERM stop mjwatch cleanly within 20 seconds, and the next start continues the work. If
    sending is paused, it stays paused until `mjwatch resume`, but a rejected token is tried again.
    """
    from mjwatch.config import Config, config_option, load_keys, with_option
    from mjwatch.daemon import give_up, run_daemon
    from mjwatch.host.log import start_logging
    from mjwatch.host.systemd import Systemd

    systemd = Systemd()
    try:
        config = Config.load(context.obj)
        keys = load_keys(config)
        option = config_option(config.source)
        start_logging(
            [*keys.secrets(), config.notify.webhook],
            style=log_format,
            file=log_file,
            rewrite=lambda text: with_option(text, option),
        )
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


# ---- service install, uninstall and print

service = typer.Typer(
    name="service",
    cls=CliGroup,
    help="Install mjwatch as a systemd user or system service.",
    rich_markup_mode=None,
)

User = Annotated[bool, typer.Option("--user", help="A user service, for folders in your home; the default.")]
System = Annotated[bool, typer.Option("--system", help="A system service; the default for root.")]


@service.command("install")
def install(
    context: typer.Context,
    user: User = False,
    system: System = False,
    now: Annotated[bool, typer.Option("--now", help="Also start the service.")] = False,
) -> None:
    """Install the unit, with the paths of this installation.

    Prints the commands for the steps that this user may not do.
    """
    from mjwatch.host.service import Scope, installation, own_program, problems, rights, start

    scope = _scope(user, system)
    config, text = _unit(context.obj, scope)
    obstacles = problems(scope, config, own_program())
    if obstacles:
        raise ConfigError.together(obstacles)
    left = _take_steps(scope, installation(scope, config, text, _print_command(scope, config)))
    later = [*rights(scope, config), start(scope)]
    if now and not left and len(later) == 1:
        left, later = _take_steps(scope, later), []
    _echo_steps_left(scope, [*left, *later])
    if scope is Scope.USER:
        typer.echo("To keep the service running while you are logged out: loginctl enable-linger")
    if left:
        raise typer.Exit(NEEDS_PERSON)


@service.command("uninstall")
def uninstall(user: User = False, system: System = False) -> None:
    """Stop the service and remove the unit.

    Folders, keys and state stay.
    """
    from mjwatch.host.service import removal, unit_file

    scope = _scope(user, system)
    unit = unit_file(scope)
    if not os.path.lexists(unit):
        typer.echo(f"Nothing to remove: there is no {plain(unit)}.")
        return
    left = _take_steps(scope, removal(scope))
    _echo_steps_left(scope, left)
    if left:
        raise typer.Exit(NEEDS_PERSON)


@service.command("print")
def print_unit(
    context: typer.Context,
    user: User = False,
    system: System = False,
    template: Annotated[
        bool,
        typer.Option(
            "--template", help="The unit mjwatch@.service, with one instance for each configuration."
        ),
    ] = False,
) -> None:
    """Print the unit that would be installed.

    Problems that would prevent it from working are printed on standard error.
    """
    from mjwatch.host.service import own_program, problems, template_unit

    if template:
        if user:
            raise typer.BadParameter("the template is a system unit.", param_hint="--template")
        typer.echo(template_unit(own_program()), nl=False)
        return
    scope = _scope(user, system)
    config, text = _unit(context.obj, scope)
    typer.echo(text, nl=False)
    for problem in problems(scope, config, own_program()):
        typer.echo(f"mjwatch: {advice(problem.message)} - {advice(problem.hint)}", err=True)


def _scope(user: bool, system: bool) -> Scope:
    from mjwatch.host.service import Scope

    if user and system:
        raise typer.BadParameter("give either --user or --system, not both.")
    if not hasattr(os, "geteuid"):
        raise typer.BadParameter("this machine has no systemd.")
    return Scope.SYSTEM if system or (not user and os.geteuid() == 0) else Scope.USER


def _unit(path: Path | None, scope: Scope) -> tuple[Config, str]:
    """Return the configuration of the service, and the text of its unit."""
    from mjwatch.host.service import load_config, own_program, unit

    config = load_config(scope, path)
    return config, unit(scope, config, own_program())


def _print_command(scope: Scope, config: Config) -> str:
    from mjwatch.host.service import own_program

    return shlex.join([*own_program(), "--config", str(config.source), "service", "print", f"--{scope}"])


def _take_steps(scope: Scope, steps: Sequence[Step]) -> Sequence[Step]:
    """Take the steps, print those that are done, and return the others."""
    from mjwatch.host.service import may_take, take

    if not may_take(scope):
        typer.echo("mjwatch: this needs root's rights", err=True)
        return steps
    progress = take(steps)
    for step in progress.done:
        typer.echo(f"done: {step.shown(as_root=False)}")
    if progress.obstacle:
        typer.echo(f"mjwatch: {plain(progress.obstacle)}", err=True)
    return progress.left


def _echo_steps_left(scope: Scope, steps: Sequence[Step]) -> None:
    from mjwatch.host.service import may_take

    if steps:
        typer.echo("Left to do:")
    for step in steps:
        typer.echo(f"  {step.shown(as_root=not may_take(scope))}")


# ---- check

STATE_WIDTH, NAME_WIDTH = 8, 15
LIVE_REPORT = Path("mjwatch-live-report.md")


def check(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Check this file instead, and show how it differs from the one in use."
        ),
    ] = None,
    notify: Annotated[
        bool, typer.Option("--notify", help="Also send a test through every hook in [notify].")
    ] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Then compare what the real service sends with what mjwatch expects; asks first."
        ),
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="With --live: show the whole report before it is saved.")
    ] = False,
    report: Annotated[
        Path, typer.Option(metavar="FILE", help="With --live: the file for the report.")
    ] = LIVE_REPORT,
    as_json: Json = False,
) -> None:
    """Check whether mjwatch is ready to run.

    Checks the configuration, the keys, the folders, the limits of this machine and, if Discord can be
    reached, the token, the clock, the guild, the channel and the bot's command. Each failed check says how to
    fix the problem.

    With --live, a short session with the real service follows. It first says what each step does and costs,
    and sends a job only after a second yes. The report has no ids, names or prompts.
    """
    from mjwatch.client.discord_api import connect
    from mjwatch.diagnostics.check import CheckState, run_checks

    if live and as_json:
        raise typer.BadParameter("--live asks questions, so it can't be combined with --json.")
    for option, is_given in (("--show", show), ("--report", report != LIVE_REPORT)):
        if is_given and not live:
            raise typer.BadParameter("it needs --live.", param_hint=option)
    running = None if config is None else _config_if_valid(context.obj)
    results = run_checks(config or context.obj, connect=connect, running=running)
    results += _notification_tests(config or context.obj) if notify else []
    if as_json:
        echo_json([result.to_json() for result in results])
    else:
        indent = STATE_WIDTH + NAME_WIDTH
        for result in results:
            head = f"{coloured_state(result.state, STATE_WIDTH)}{result.name:<{NAME_WIDTH}}"
            echo_hanging(head, indent, plain(result.detail))
            if result.hint:
                echo_hanging(" " * indent, indent, f"to fix it: {advice(result.hint)}")
    if any(result.state is CheckState.FAIL for result in results):
        raise typer.Exit(1)
    if not as_json:
        typer.echo("\nNo check failed; mjwatch is ready to run.")
    if live:
        from mjwatch.cli.live import run_live_check

        typer.echo()
        run_live_check(config or context.obj, report, show=show)


def _notification_tests(path: Path | None) -> list[CheckResult]:
    """Send a test through every hook; return a result for each."""
    from mjwatch.config import Config, load_keys
    from mjwatch.diagnostics.checks import fail, ok, skipped
    from mjwatch.workers.notifier import notifier_of

    name = "notify-test"
    try:
        config = Config.load(path)
        notifier = notifier_of(config, load_keys(config))
    except ConfigError:
        return [skipped(name, "nothing was sent, because of what is to be fixed above")]
    hint = f"change [notify] in {config.source}, or apprise.key, or what receives it"
    tests = notifier.test()
    results = [
        fail(name, error, hint) if error else ok(name, f"{hook}: sent") for hook, error in tests.items()
    ]
    return results or [skipped(name, "[notify] names nobody")]


def _config_if_valid(path: Path | None) -> Config | None:
    """Return the configuration in use, or None where there is none, or an invalid one."""
    from mjwatch.config import Config

    try:
        return Config.load(path)
    except ConfigError:
        return None


# ---- config show and path

ORIGIN_COLUMN = 44
"""The column in which the origins begin, where the values are short enough."""

config = typer.Typer(
    name="config", cls=CliGroup, help="Show the configuration, or its path.", rich_markup_mode=None
)


@config.command("show")
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show every setting, and where its value comes from.

    A value comes from a line of the file, a default, or the environment. Of secrets, only the origin is
    shown.
    """
    from mjwatch.diagnostics.config_report import keys_of, settings_of

    loaded = read_config(context)
    facts = {"source": str(loaded.source), "settings": settings_of(loaded), "keys": keys_of(loaded)}
    if as_json:
        echo_json(facts)
        return
    for line in _setting_lines(facts):
        typer.echo(plain(line))


@config.command("path")
def path(context: typer.Context) -> None:
    """Print the path of the configuration file."""
    typer.echo(plain(read_config(context).source))


def _setting_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    from mjwatch.diagnostics.config_report import NOT_SHOWN
    from mjwatch.settings.values import toml_value

    yield f"# {facts['source']}"
    for name, section in facts["settings"].items():
        yield ""
        yield f"[{name}]"
        for key, setting in section.items():
            secret = setting["value"] == NOT_SHOWN
            value = NOT_SHOWN if secret else toml_value(setting["value"])
            yield _with_origin(f"{key} = {value}", setting["from"].replace(f"{facts['source']}:", "line "))
    yield ""
    yield "# keys"
    for name, key in facts["keys"].items():
        yield _with_origin(f"# {name} = {key['value'] or '(none)'}", key["from"])


def _with_origin(text: str, origin: str) -> str:
    return f"{text}{' ' * max(2, ORIGIN_COLUMN - display_width(text))}# {origin}"
