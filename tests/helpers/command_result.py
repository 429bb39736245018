"""What a verb of the command line said, and how it ended."""

from __future__ import annotations

from typing import NamedTuple


class Told(NamedTuple):
    """Exit code, standard output and standard error."""

    code: int
    out: str
    err: str
