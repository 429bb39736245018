"""Writes docs/man/mjwatch.1, the manual page, from the command's own help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.make_cli import arguments, described, groups, options, paragraphs, root, usage

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "man" / "mjwatch.1"
CODES = Path(__file__).parent / "reference" / "exit-codes.md"

DATE = "2026-11-30"
"""Of the page, as manual pages have one; set it with a release."""

HEAD = rf"""
.\" Written by docs/make_man.py from the help of the program.
.TH MJWATCH 1 {DATE} "" "User Commands"
.SH NAME
mjwatch \- drop prompt files into a folder, get Midjourney pictures in another
.SH SYNOPSIS
.B mjwatch
.RI [ OPTIONS ]
.I VERB
.RI [ ARGUMENTS ]
.SH DESCRIPTION
.B mjwatch
watches a folder for prompt files, submits each prompt to Midjourney through your own Discord account,
and publishes the pictures and a JSON manifest in another folder.
.PP
Discord's terms forbid automating a user account, and Midjourney's terms forbid automation.
Either may block or end the account for it.
"""

FILES = r"""
.SH FILES
.TP
.I \(ti/.config/mjwatch/config.toml
The configuration of a user.
.TP
.I /etc/mjwatch/config.toml
The configuration of the system service.
.SH ENVIRONMENT
.TP
.B MJWATCH_CONFIG
The configuration file.
.TP
.BR MJWATCH_TOKEN ", " MJWATCH_GUILD_ID ", " MJWATCH_CHANNEL_ID
The token and the ids, if neither a systemd credential nor a file in the keys folder has them.
"""


def page() -> str:
    """The whole page."""
    lines = [HEAD.strip(), ".SH OPTIONS", *_options(root()), ".SH VERBS"]
    for group, verbs in groups().items():
        lines.append(f".SS {_text(group)}")
        for name, command in verbs:
            lines += [".TP", f".B {_text(usage(name, command))}", *_verb(command)]
    return "\n".join([*lines, FILES.strip(), ".SH EXIT STATUS", *_codes()]) + "\n"


def _verb(command: Any) -> Iterator[str]:
    first, *rest = paragraphs(command)
    yield _text(first)
    for paragraph in rest:
        yield from (".IP", _text(paragraph))
    if command.params:
        yield ".RS"
        for param in arguments(command):
            yield from (".TP", f".I {_text(param.metavar)}", _text(described(param)))
        yield from _options(command)
        yield ".RE"


def _options(command: Any) -> Iterator[str]:
    for param in options(command):
        value = f" {_text(param.metavar)}" if param.metavar else ""
        yield from (".TP", f".B {_text(', '.join(param.opts))}{value}", _text(described(param)))


def _codes() -> Iterator[str]:
    """Those that every verb has: the first table of their page."""
    table = CODES.read_text("utf-8").partition("\n\n`mjwatch run`")[0]
    for code, meaning in re.findall(r"^\| (\d+) \| (.+) \|$", table, re.MULTILINE):
        yield from (".TP", f".B {code}", _text(meaning))


def _text(text: str) -> str:
    """Text that means nothing to roff."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("`", "").replace("~", r"\(ti")
    return rf"\&{escaped}" if escaped[:1] in (".", "'") else escaped.replace("'", r"\(aq")


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
