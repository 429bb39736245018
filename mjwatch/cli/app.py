"""The command ``mjwatch``: its table of commands, and what all of them share.

A command's module is loaded only when the command is used or its help is shown. Below that: usage errors in
our own wording, and how a command finds its configuration, the journal, and a job by a prefix of its id.
"""

from __future__ import annotations

import os
import re
from contextlib import closing
from copy import copy
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from mjwatch.errors import ConfigError, DaemonError, MjwatchError, NoJournalError, UsageError
from mjwatch.settings.values import did_you_mean, shown
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.config import Config
    from mjwatch.journal.reader import JournalReader
    from mjwatch.model import Job


# ---- the table of commands


class CommandEntry(NamedTuple):
    """A command's module in this package and its name there; ``settings`` are Typer's context settings.

    ``help`` is the first sentence of its docstring, so that the list of commands loads none of them.
    """

    module: str
    name: str
    help: str
    settings: dict[str, Any] | None = None


GROUPS: dict[str, dict[str, CommandEntry]] = {
    "Work": {
        "submit": CommandEntry("submit", "submit", "Drop a prompt or a prompt file into the inbox."),
        "imagine": CommandEntry(
            "submit", "imagine", "Submit one prompt, wait, and print the paths of its pictures."
        ),
        "act": CommandEntry("submit", "act", "Do follow-ups on a finished job: U1, V2, zoom and the like."),
        # The text of a command may begin like an option: `mjwatch ask "prefer suffix" "--no text"`.
        "ask": CommandEntry(
            "submit",
            "ask",
            "Send Midjourney another command, such as blend or describe.",
            {"ignore_unknown_options": True},
        ),
        "expand": CommandEntry(
            "expand", "expand", "Show which jobs a prompt file would become; nothing is sent."
        ),
        "shell": CommandEntry(
            "shell.shell", "shell", "Type prompts, queue each line at once, and watch the progress."
        ),
    },
    "Look": {
        "status": CommandEntry("status", "status", "Show what the service is doing."),
        "list": CommandEntry("show", "list_jobs", "List jobs, newest first."),
        "show": CommandEntry("show", "show", "Show everything about one job."),
        "info": CommandEntry("submit", "info", "Show the account's plan, its remaining hours and its queue."),
        "gallery": CommandEntry("show", "gallery", "Update the gallery and print its path."),
        "import": CommandEntry(
            "import_", "import_pictures", "Import your pictures that mjwatch has not made."
        ),
    },
    "Steer": {
        "pause": CommandEntry("steer", "pause", "Stop sending until `mjwatch resume`."),
        "resume": CommandEntry(
            "steer", "resume", "Resume sending after you have fixed the cause of the pause."
        ),
        "retry": CommandEntry(
            "steer", "retry", "Run jobs again that failed, were cancelled or are in doubt."
        ),
        "cancel": CommandEntry("steer", "cancel", "Cancel jobs that are queued, running or in doubt."),
        "assign": CommandEntry("steer", "assign", "Give a result to the job that you see it belongs to."),
        "dismiss": CommandEntry("steer", "dismiss", "Say that a held result is no job's."),
        "prune": CommandEntry("steer", "prune", "Remove jobs that ended long ago from the journal."),
    },
    "Service": {
        "run": CommandEntry("service", "run", "Watch the inbox until stopped."),
        "service": CommandEntry("service", "service", "Install mjwatch as a systemd user or system service."),
        "check": CommandEntry("service", "check", "Check whether mjwatch is ready to run."),
        "init": CommandEntry("setup", "init", "Write a first configuration with its keys and folders."),
        "keys": CommandEntry("setup", "keys", "Set the account's token, the channel and the guild."),
        "config": CommandEntry("service", "config", "Show the configuration, or its path."),
    },
    "Tools": {
        "split": CommandEntry("tools", "split", "Split a 2x2 grid into its four pictures, pixel for pixel."),
        "explain": CommandEntry(
            "tools", "explain", "Show how mjwatch reads a Discord message, as one JSON object."
        ),
        "bundle": CommandEntry(
            "tools", "bundle", "Collect everything about a job in a zip file, without secrets."
        ),
        "simulate": CommandEntry("tools", "simulate", "Run a simulated Discord with a simulated Midjourney."),
        "demo": CommandEntry("tools", "demo", "Turn some prompt files into pictures on the simulator."),
    },
}
"""In the order of the help."""

_ENTRIES = {name: (group, entry) for group, entries in GROUPS.items() for name, entry in entries.items()}


# ---- loading a command


class LazyConversion:
    """For a command or group: pass missing values, texts and paths without Typer's conversion.

    Typer converts values with pydantic, which takes longer to load than a command takes to run. This class
    uses hooks that click has had for long; where they are not called, everything is converted as usual.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, each with its own way to process a value."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of the command beside it
        for param in params:
            if "process_value" not in vars(param):
                param.process_value = partial(_process, param, param.process_value)
            if param.param_type_name == "argument":
                param.display_type_rich = _no_type
        return params

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line; Typer 0.29 puts required arguments in braces."""
        pieces: list[str] = super().collect_usage_pieces(ctx)  # type: ignore[misc]
        return [piece.translate(_NO_BRACES) for piece in pieces]


_NO_BRACES = str.maketrans("", "", "{}")


def _no_type(*, ctx: Any) -> str:
    """Return no type for an argument in the help: its name says more than ``<list[str]>``."""
    return ""


def _process(param: Any, convert: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    """Return the value as the command gets it; ``convert`` is Typer's own conversion."""
    kind = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    if value is None and param.required:
        return convert(context, value)  # which reports what is missing
    if kind is Path and isinstance(value, str):
        value = Path(value)
    elif not (value is None or (kind is str and isinstance(value, str)) or _is_default(param, value)):
        return convert(context, value)
    return value if param.callback is None else param.callback(context, param, value)


def _is_default(param: Any, value: Any) -> bool:
    return type(value) is type(param.default) and bool(value == param.default)


class CliCommand(LazyConversion, TyperCommand):
    """A single command, its values converted lazily."""


class CliGroup(LazyConversion, TyperGroup):
    """A group of commands. Without a command it shows its help; an unknown command gets a suggestion."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help where no command is given."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(UsageError.exit_code)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command. Raise UsageError."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not ctx.resilient_parsing and not name.startswith("-"):
            message = f"there is no command {shown(name)}{did_you_mean(name, known)}"
            raise UsageError(_command_prefix(ctx) + message, f"`{ctx.command_path} --help` lists them")
        return super().resolve_command(ctx, args)


OTHER_SPELLINGS = {"help": "--help", "completion": "--show-completion"}
"""What people type in place of an option."""


class CommandGroup(CliGroup):
    """All commands. Each loads its module only when it is needed, so that mjwatch starts fast."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command. `help status` is read as `status --help`, `help` alone as the option."""
        option = OTHER_SPELLINGS.get(args[0])
        if option is not None and not ctx.resilient_parsing:
            args = [*args[1:], option]
            if args == [option]:
                self.parse_args(ctx, args)  # prints what is wanted, and exits
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, in the order of the help."""
        return list(_ENTRIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of this name, or None."""
        if cmd_name in _ENTRIES and cmd_name not in self.commands:
            config = next(param for param in self.params if param.name == "config")
            self.commands[cmd_name] = _load(cmd_name, *_ENTRIES[cmd_name], config)
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands in the help: each group under its name, all in one column."""
        width = max(map(len, _ENTRIES))
        for group, entries in GROUPS.items():
            room = formatter.width - width - 4
            rows = [
                (name.ljust(width), TyperCommand(name, help=entry.help).get_short_help_str(room))
                for name, entry in entries.items()
            ]
            with formatter.section(group):
                formatter.write_dl(rows)


def _load(name: str, group: str, entry: CommandEntry, config: Any) -> Any:
    function = getattr(import_module(f"mjwatch.cli.{entry.module}"), entry.name)
    if isinstance(function, typer.Typer):  # it has commands of its own
        found = get_group(function)
        found.rich_help_panel = group
        for command in found.commands.values():
            _accept_config(command, config)
        return found
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, cls=CliCommand, rich_help_panel=group, context_settings=entry.settings)(function)
    command = get_command(single)
    _accept_config(command, config)
    return command


def _accept_config(command: Any, config: Any) -> None:
    """Let `--config` follow the command, too, unless the command has an option of that name."""
    if not any("--config" in param.opts for param in command.params):
        option = copy(config)
        vars(option).pop("process_value", None)  # that of the original, if it was used before
        option.callback, option.expose_value, option.hidden = _config_given, False, True
        command.params.append(option)


def _config_given(context: Any, param: Any, value: Path | None) -> None:
    if value is not None:
        context.obj = value
        _name_config(value)


# ---- running


app = typer.Typer(
    name="mjwatch",
    cls=CommandGroup,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode=None,  # rich takes as long to load as everything else; plain help is as readable
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
        bool,
        typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Drop prompt files into a folder, get Midjourney pictures and a manifest in another."""
    context.obj = config
    _name_config(config)


def _name_config(config: Path | None) -> None:
    """Have the commands in messages name the configuration that is not found without being named."""
    from mjwatch.cli.output import name_config

    if config is None and not os.environ.get("MJWATCH_CONFIG"):
        name_config("")
        return
    from mjwatch.config import config_option, find_config

    try:
        name_config(config_option(find_config(config, os.environ)))
    except ConfigError:  # the command itself reports it
        name_config("")


def run(arguments: list[str] | None = None) -> int:
    """Run the command line, or these arguments, and return the exit code. Raise MjwatchError."""
    try:
        # Not app(): it would replace the log's hook for uncaught errors with Typer's own.
        return get_command(app)(arguments, standalone_mode=False) or 0
    except typer.Abort:
        typer.echo(err=True)  # the question is at the end of an open line
        raise MjwatchError("stopped at a question; nothing was changed") from None
    except typer.TyperException as error:
        raise usage_error(error) from None


# ---- usage errors

_TOO_MANY = re.compile(r"got unexpected extra argument(?:s|\(s\))? \((.*)\)$")
_NOT_ONE_OF = re.compile(r"'([^']*)' is not one of (.*)$")


def usage_error(error: typer.TyperException) -> UsageError:
    """Return what was typed wrong, on one line in our own wording."""
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        known = [name for param in context.command.params for name in param.opts] if context else []
        message = f"there is no option {shown(option)}{did_you_mean(option, known)}"
    else:
        text = " ".join(error.format_message().partition(", unable to parse")[0].split()).rstrip(".")
        message = _reworded(text)
    path = context.command_path if context else "mjwatch"
    return UsageError(_command_prefix(context) + message, f"`{path} --help` shows the usage")


def _reworded(text: str) -> str:
    """Return Typer's message, with a suggestion where the value must be one of several."""
    text = (text[:1].lower() + text[1:]).replace(": Value error, ", ": ").removeprefix("invalid value: ")
    if extra := _TOO_MANY.search(text):
        return f'"{extra[1]}" is too much; put a text with blanks in quotes'
    found = _NOT_ONE_OF.search(text)
    if found is None:
        return text
    known = found[2].replace("'", "").split(", ")
    choice = f"{shown(found[1])} is not one of {', '.join(known)}"
    return f"{text[: found.start()]}{choice}{did_you_mean(found[1], known)}"


def _command_prefix(context: Any) -> str:
    """Return the name of the command that the error is about, with a colon; empty for mjwatch itself."""
    names: list[str] = []
    while context and context.parent:
        names.insert(0, context.info_name)
        context = context.parent
    return f"{' '.join(names)}: " if names else ""


# ---- what commands look up

COMPLETED_JOBS = 50
"""Number of newest jobs whose ids are offered for completion."""


def read_config(context: typer.Context) -> Config:
    """Return the configuration that the command line names, or the default one. Raise ConfigError."""
    from mjwatch.config import Config

    return Config.load(context.obj)


def open_reader(config: Config) -> JournalReader | None:
    """Return a reader of the journal, or None before the first run. Raise DaemonError if it is unreadable."""
    from mjwatch.journal.reader import JOURNAL_FILE, JournalReader

    state = config.state.path
    try:
        return JournalReader(state / JOURNAL_FILE)
    except NoJournalError:  # or it is just being created
        return None
    except OSError as error:
        from mjwatch.host.platform import describe_owners

        user = describe_owners(state) or "the user of the service"
        message = f"the state folder {state} can't be read: {error.strerror}"
        raise DaemonError(message, f"run this command as {user}") from error


LEAST_PREFIX = 4
"""Characters of an id that name a job to a command that spends or stops something."""


def find_job(reader: JournalReader, prefix: str, least: int = 1) -> Job:
    """Return the job with this id, or the only job whose id begins with it. Raise MjwatchError.

    ``least``: the number of characters that a beginning must have.
    """
    if 0 < len(prefix) < least and reader.job(prefix) is None:
        raise MjwatchError(
            f'"{prefix}" is too short for the id of a job', f"give at least {least} of its characters"
        )
    ids = reader.matching_ids(prefix) if prefix else []
    job = reader.job(prefix) or (reader.job(ids[0]) if len(ids) == 1 else None)
    if job is None and ids:
        raise MjwatchError(f"several job ids begin with {prefix}: {', '.join(ids)}", "give more characters")
    if job is None:
        raise no_job(prefix)
    return job


def no_job(prefix: str) -> MjwatchError:
    """Return the error for a prefix that no job id has."""
    return MjwatchError(f'there is no job "{prefix}"', "`mjwatch list` shows the jobs")


def complete_job(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the ids that begin so, each with a description, for completion in a shell."""
    from mjwatch.cli.output import plain
    from mjwatch.config import Config

    # While a line is being completed, the options before the command are parsed but have no effect.
    root = context.find_root()
    try:
        reader = open_reader(Config.load(root.params.get("config")))
        if reader is None:
            return []
        with closing(reader):
            if incomplete:
                found = [reader.job(job_id) for job_id in reader.matching_ids(incomplete)]
            else:
                found = [*reader.listed(None, COMPLETED_JOBS)]
    except MjwatchError:
        return []  # the command itself will report the error
    jobs = [job for job in found if job is not None]
    return [(job.id, plain(f"{job.state}: {job.prompt.action or job.prompt.text}", 50)) for job in jobs]


JobId = Annotated[
    str,
    typer.Argument(metavar="JOB", help="The job's id, or its beginning.", autocompletion=complete_job),
]
JobIds = Annotated[
    list[str],
    typer.Argument(metavar="JOB", help="The jobs' ids, or their beginnings.", autocompletion=complete_job),
]
