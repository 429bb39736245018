"""Writes docs/reference/cli.md from the command's own help, so that the page can't say anything else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from mjwatch.cli.app import app
from mjwatch.cli.verbs import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).with_name("reference") / "cli.md"

HEAD = """\
# The command line

This page is made by `docs/make_cli.py` from what `mjwatch --help` and `mjwatch VERB --help` say.

Exit codes: 0 fine, 1 the job or the check failed, 2 usage, 3 no daemon runs or nothing is configured, 4 a
person is needed, 130 Ctrl-C. What went wrong is told on standard error, in a line that says what to do about
it; answers go to standard output, with `--json` as one JSON document. Text from prompts and from the bot is
shown with its control characters escaped.

## Before the verb
"""


def page() -> str:
    """The whole page."""
    group: Any = typer.main.get_group(app)
    lines = [HEAD, *_options(group)]
    for panel, names in GROUPS.items():
        lines += ["", f"## {panel}"]
        verbs = {name: group.get_command(None, name) for name in names}
        for name, command in _with_their_own(verbs):
            lines += ["", f"### {name}", "", f"`{_usage(name, command)}`", "", _paragraphs(command.help), ""]
            lines += [*_arguments(command), *_options(command)]
    return "\n".join(lines) + "\n"


def _with_their_own(verbs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each verb; in the place of one that has verbs of its own, those."""
    for name, verb in verbs.items():
        inner = getattr(verb, "commands", None)
        yield from ((f"{name} {own}", command) for own, command in inner.items()) if inner else [(name, verb)]


def _usage(name: str, command: Any) -> str:
    arguments = (
        param.metavar if param.required else f"[{param.metavar}]" for param in _of_kind(command, "argument")
    )
    return " ".join(["mjwatch", name, "[OPTIONS]", *arguments])


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _arguments(command: Any) -> Iterator[str]:
    for param in _of_kind(command, "argument"):
        yield f"- `{param.metavar}`: {param.help}{_default(param)}"


def _options(command: Any) -> Iterator[str]:
    for param in _of_kind(command, "option"):
        names = " ".join([*param.opts, *([param.metavar] if param.metavar else [])])
        yield f"- `{names}`: {param.help}{_default(param)}"


def _of_kind(command: Any, kind: str) -> list[Any]:
    return [param for param in command.params if param.param_type_name == kind]


def _default(param: Any) -> str:
    return "" if param.default is None or param.default is False else f" (default: {param.default})"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
