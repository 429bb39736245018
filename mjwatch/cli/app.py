"""The command ``mjwatch``: the options that come before its verbs, and one call that runs it all.

The verbs in their groups, each loaded when it is used or asked about, and help on how they are used.

Spares a verb the library by which Typer converts values, wherever there is nothing to convert.

Finds what a verb is about: the configuration, the journal, a job by its id or the beginning of it.
"""

from __future__ import annotations

import re
from contextlib import closing
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from mjwatch.errors import DaemonError, MjwatchError, NoJournalError, UsageError
from mjwatch.settings.values import did_you_mean, shown
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.config import Config
    from mjwatch.journal.reader import JournalReader
    from mjwatch.model import Job


class LazyConversion:
    """For a command or group: lets what was not given, texts and paths pass as they are.

    Typer converts values with pydantic, which takes longer to load than a verb takes to run. This goes by
    hooks that click had long before; where they are not called, all is converted as usual.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, each with its own way to process a value."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of the command beside it
        for param in params:
            if "process_value" not in vars(param):
                param.process_value = partial(_process, param, param.process_value)
        return params


def _process(param: Any, convert: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    """The value as the verb gets it; ``convert`` is what Typer does."""
    kind = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    if value is None and param.required:
        return convert(context, value)  # which says what is missing
    if kind is Path and isinstance(value, str):
        value = Path(value)
    elif not (value is None or (kind is str and isinstance(value, str)) or _is_default(param, value)):
        return convert(context, value)
    return value if param.callback is None else param.callback(context, param, value)


def _is_default(param: Any, value: Any) -> bool:
    return type(value) is type(param.default) and bool(value == param.default)


class CommandEntry(NamedTuple):
    """Where a verb is: module of this package and name there. ``settings`` are those of its command."""

    module: str
    name: str
    settings: dict[str, Any] | None = None


GROUPS: dict[str, dict[str, CommandEntry]] = {
    "Work": {
        "submit": CommandEntry("submit", "submit"),
        "imagine": CommandEntry("submit", "imagine"),
        "act": CommandEntry("actions", "act"),
        # What a command takes may begin like an option: `mjwatch ask "prefer suffix" "--no text"`.
        "ask": CommandEntry("actions", "ask", {"ignore_unknown_options": True}),
        "expand": CommandEntry("submit", "expand"),
        "shell": CommandEntry("shell.shell", "shell"),
    },
    "Look": {
        "status": CommandEntry("status", "status"),
        "list": CommandEntry("show", "list_jobs"),
        "show": CommandEntry("show", "show"),
        "info": CommandEntry("actions", "info"),
        "gallery": CommandEntry("show", "gallery"),
    },
    "Steer": {
        "pause": CommandEntry("steer", "pause"),
        "resume": CommandEntry("steer", "resume"),
        "retry": CommandEntry("steer", "retry"),
        "cancel": CommandEntry("steer", "cancel"),
        "prune": CommandEntry("steer", "prune"),
    },
    "Service": {
        "run": CommandEntry("service", "run"),
        "service": CommandEntry("service", "service"),
        "check": CommandEntry("check", "check"),
        "init": CommandEntry("setup", "init"),
        "keys": CommandEntry("setup", "keys"),
        "config": CommandEntry("check", "config"),
    },
    "Tools": {
        "split": CommandEntry("tools", "split"),
        "explain": CommandEntry("tools", "explain"),
        "bundle": CommandEntry("tools", "bundle"),
        "simulate": CommandEntry("tools", "simulate"),
        "demo": CommandEntry("tools", "demo"),
    },
}
"""In the order of the help."""

_PLACES = {name: (group, verb) for group, verbs in GROUPS.items() for name, verb in verbs.items()}


_ONE_OF = re.compile(r"'([^']*)' is not one of (.*)$")


class CliGroup(LazyConversion, TyperGroup):
    """Verbs of which one must be given; without any it shows its help, and a slip gets a suggestion."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help where nothing is wanted."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(UsageError.exit_code)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the verb. Raises UsageError."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not ctx.resilient_parsing and not name.startswith("-"):
            message = f"there is no verb {shown(name)}{did_you_mean(name, known)}"
            raise UsageError(_where(ctx) + message, f"`{ctx.command_path} --help` shows all")
        return super().resolve_command(ctx, args)


class CliCommand(LazyConversion, TyperCommand):
    """One verb."""


class CommandGroup(CliGroup):
    """All verbs of the command line. A verb loads its module when it is wanted, so that it starts fast."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the help."""
        return list(_PLACES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of this name, or None."""
        if cmd_name in _PLACES and cmd_name not in self.commands:
            self.commands[cmd_name] = _load(cmd_name, *_PLACES[cmd_name])
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the part of the help that lists them: each group under its name, all in one column."""
        width = max(map(len, _PLACES))
        for group, verbs in GROUPS.items():
            room = formatter.width - width - 4
            rows = [
                (name.ljust(width), self.get_command(ctx, name).get_short_help_str(room)) for name in verbs
            ]
            with formatter.section(group):
                formatter.write_dl(rows)


def _load(name: str, group: str, verb: CommandEntry) -> Any:
    part = getattr(import_module(f"mjwatch.cli.{verb.module}"), verb.name)
    if isinstance(part, typer.Typer):  # it has verbs of its own
        found = get_group(part)
        found.rich_help_panel = group
        return found
    one = typer.Typer(add_completion=False, rich_markup_mode=None)
    one.command(name, cls=CliCommand, rich_help_panel=group, context_settings=verb.settings)(part)
    return get_command(one)


def usage_error(error: typer.TyperException) -> UsageError:
    """What was typed wrong, as one line in our words."""
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        known = [name for param in context.command.params for name in param.opts] if context else []
        words = f"there is no option {shown(option)}{did_you_mean(option, known)}"
    else:
        words = _told(" ".join(error.format_message().partition(", unable to parse")[0].split()).rstrip("."))
    path = context.command_path if context else "mjwatch"
    return UsageError(_where(context) + words, f"`{path} --help` says what it takes")


def _told(words: str) -> str:
    """Typer's words, with what was meant where one of some values is wanted."""
    words = (words[:1].lower() + words[1:]).replace(": Value error, ", ": ").removeprefix("invalid value: ")
    found = _ONE_OF.search(words)
    if found is None:
        return words
    known = found[2].replace("'", "").split(", ")
    choice = f"{shown(found[1])} is none of {', '.join(known)}"
    return f"{words[: found.start()]}{choice}{did_you_mean(found[1], known)}"


def _where(context: Any) -> str:
    """The verb that it is about, if it is one."""
    names: list[str] = []
    while context and context.parent:
        names.insert(0, context.info_name)
        context = context.parent
    return f"{' '.join(names)}: " if names else ""


app = typer.Typer(
    name="mjwatch",
    cls=CommandGroup,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes as long to load as all else; plain help reads as well
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mjwatch {__version__}")
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


COMPLETED = 50
"""Jobs, the newest, whose ids a shell offers."""


def config_of(context: typer.Context) -> Config:
    """The configuration that the command line names, or the usual one."""
    from mjwatch.config import Config

    return Config.load(context.obj)


def reader_of(config: Config) -> JournalReader | None:
    """The journal, or None where nothing has run yet. Raises DaemonError where this user can't see it."""
    from mjwatch.journal.reader import JOURNAL_FILE, JournalReader

    state = config.state.path
    try:
        return JournalReader(state / JOURNAL_FILE)
    except NoJournalError:  # or it is being made just now
        return None
    except OSError as error:
        from mjwatch.host.platform import describe_owners

        who = describe_owners(state) or "the user of the service"
        message = f"the state folder {state} can't be read: {error.strerror}"
        raise DaemonError(message, f"ask as {who}") from error


def find_job(reader: JournalReader, prefix: str) -> Job:
    """The job of this id, or the only one whose id begins so. Raises MjwatchError."""
    ids = reader.matching_ids(prefix) if prefix else []
    job = reader.job(prefix) or (reader.job(ids[0]) if len(ids) == 1 else None)
    if job is None and ids:
        raise MjwatchError(f"several jobs begin with {prefix}: {', '.join(ids)}", "give more of it")
    if job is None:
        raise no_job(prefix)
    return job


def no_job(prefix: str) -> MjwatchError:
    """The error where no job's id begins so."""
    return MjwatchError(f'there is no job "{prefix}"', "`mjwatch list` shows the jobs")


def offered_jobs(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """For a shell that completes: ids that begin so, each with what it is."""
    from mjwatch.cli.output import plain
    from mjwatch.config import Config

    # The options before the verb are read, but not acted upon, while a line is being completed.
    root = context.find_root()
    try:
        reader = reader_of(Config.load(root.params.get("config")))
        if reader is None:
            return []
        with closing(reader):
            found = reader.listed(None, COMPLETED) if not incomplete else _beginning(reader, incomplete)
    except MjwatchError:
        return []  # the verb itself will say what is wrong
    return [(job.id, plain(f"{job.state}: {job.prompt.action or job.prompt.text}", 50)) for job in found]


def _beginning(reader: JournalReader, prefix: str) -> list[Job]:
    return [job for one in reader.matching_ids(prefix) if (job := reader.job(one)) is not None]


JobId = Annotated[
    str,
    typer.Argument(metavar="JOB", help="The job's id, or its beginning.", autocompletion=offered_jobs),
]
JobIds = Annotated[
    list[str],
    typer.Argument(metavar="JOB...", help="The jobs' ids, or their beginnings.", autocompletion=offered_jobs),
]
