"""The verbs in their groups, each loaded when it is used or asked about, and help on how they are used."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from mjwatch.cli.params import Sparing
from mjwatch.errors import UsageError
from mjwatch.settings import did_you_mean, shown


class Verb(NamedTuple):
    """Where a verb is: module of this package and name there. ``settings`` are those of its command."""

    module: str
    name: str
    settings: dict[str, Any] | None = None


GROUPS: dict[str, dict[str, Verb]] = {
    "Work": {
        "submit": Verb("work", "submit"),
        "imagine": Verb("work", "imagine"),
        "act": Verb("ask", "act"),
        # What a command takes may begin like an option: `mjwatch ask "prefer suffix" "--no text"`.
        "ask": Verb("ask", "ask", {"ignore_unknown_options": True}),
        "expand": Verb("expand", "expand"),
        "shell": Verb("shell", "shell"),
    },
    "Look": {
        "status": Verb("look", "status"),
        "list": Verb("look", "list_jobs"),
        "show": Verb("look", "show"),
        "info": Verb("ask", "info"),
        "gallery": Verb("gallery", "gallery"),
    },
    "Steer": {
        "pause": Verb("steer", "pause"),
        "resume": Verb("steer", "resume"),
        "retry": Verb("steer", "retry"),
        "cancel": Verb("steer", "cancel"),
        "prune": Verb("steer", "prune"),
    },
    "Service": {
        "run": Verb("service", "run"),
        "service": Verb("units", "service"),
        "check": Verb("check", "check"),
        "init": Verb("setup", "init"),
        "keys": Verb("setup", "keys"),
        "config": Verb("config", "config"),
    },
    "Tools": {
        "split": Verb("tools", "split"),
        "explain": Verb("tools", "explain"),
        "bundle": Verb("tools", "bundle"),
        "simulate": Verb("tools", "simulate"),
        "demo": Verb("tools", "demo"),
    },
}
"""In the order of the help."""

_PLACES = {name: (group, verb) for group, verbs in GROUPS.items() for name, verb in verbs.items()}


_ONE_OF = re.compile(r"'([^']*)' is not one of (.*)$")


class Group(Sparing, TyperGroup):
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


class Command(Sparing, TyperCommand):
    """One verb."""


class Verbs(Group):
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


def _load(name: str, group: str, verb: Verb) -> Any:
    part = getattr(import_module(f"mjwatch.cli.{verb.module}"), verb.name)
    if isinstance(part, typer.Typer):  # it has verbs of its own
        found = get_group(part)
        found.rich_help_panel = group
        return found
    one = typer.Typer(add_completion=False, rich_markup_mode=None)
    one.command(name, cls=Command, rich_help_panel=group, context_settings=verb.settings)(part)
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
