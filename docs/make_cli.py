"""Writes docs/reference/cli.md from the command's own help, so that the page can't say anything else.

``make cli-page`` runs it, and writes the configuration page and the manual page too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from mjwatch.cli.app import GROUPS, app

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "reference" / "cli.md"

HEAD = """\
# Command line

`mjwatch VERB --help` shows the same. With `--json` a verb shows its answer as JSON. See also
[exit codes](exit-codes.md).

## Global options
"""


def page() -> str:
    """The whole page."""
    lines = [HEAD, *_options(root())]
    for group, verbs in groups().items():
        lines += ["", f"## {group}"]
        for name, command in verbs:
            lines += [
                "",
                f"### {name}",
                "",
                f"`{usage(name, command).replace(' [OPTIONS]', '')}`",
                "",
                "\n\n".join(paragraphs(command)),
            ]
            lines += ["", *(f"- `{param.metavar}`: {described(param)}" for param in arguments(command))]
            lines += _options(command)
    return "\n".join(lines) + "\n"


def root() -> Any:
    """The command ``mjwatch`` itself."""
    return typer.main.get_group(app)


def groups() -> dict[str, list[tuple[str, Any]]]:
    """The verbs in the groups of the help; in the place of a verb that has verbs of its own, those."""
    everything = root()
    return {
        group: [found for name in names for found in _flat(name, everything.get_command(None, name))]
        for group, names in GROUPS.items()
    }


def _flat(name: str, verb: Any) -> list[tuple[str, Any]]:
    inner: dict[str, Any] = getattr(verb, "commands", None) or {}
    return [(f"{name} {own}", command) for own, command in inner.items()] or [(name, verb)]


def usage(name: str, command: Any) -> str:
    """How the verb is called."""
    words = (param.metavar if param.required else f"[{param.metavar}]" for param in arguments(command))
    json = ["[--json]"] if any(_is_json(param) for param in options(command)) else []
    return " ".join(["mjwatch", name, "[OPTIONS]", *json, *words])


def paragraphs(command: Any) -> list[str]:
    """The help of a verb, one line for a paragraph."""
    return [" ".join(part.split()) for part in command.help.split("\n\n")]


def arguments(command: Any) -> list[Any]:
    """What stands behind the verb without a name."""
    return [param for param in command.params if param.param_type_name == "argument"]


def options(command: Any) -> list[Any]:
    """What stands behind the verb with a name."""
    return [param for param in command.params if param.param_type_name == "option"]


def described(param: Any) -> str:
    """The help of an argument or option, with its default."""
    default = "" if param.default in (None, False, "") else f" (default: {param.default})"
    return f"{param.help}{default}"


def _is_json(param: Any) -> bool:
    """Whether it is the option that many verbs share; the head of the page tells it once."""
    return "--json" in param.opts


def _options(command: Any) -> Iterator[str]:
    for param in options(command):
        if _is_json(param):
            continue
        names = " ".join([*param.opts, *([param.metavar] if param.metavar else [])])
        yield f"- `{names}`: {described(param)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
