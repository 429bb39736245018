"""The result of a command."""

from __future__ import annotations

from typing import NamedTuple


class CommandResult(NamedTuple):
    """Exit code, standard output and standard error."""

    code: int
    out: str
    err: str
