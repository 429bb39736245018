"""``_defaults.toml``: the keys of a folder and those above it, which give way to a file's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.prompts.filetext import decode
from mjwatch.prompts.keys import read_keys
from mjwatch.prompts.limits import placed
from mjwatch.prompts.tomlfile import parse
from mjwatch.prompts.wish import Given

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYS = ("parameters", "repeat", "then", "priority", "label", "application")
"""What may stand in it. Prompts, pictures, commands, times and parents belong to a file of their own."""


def read_defaults(files: Iterable[tuple[str, bytes]]) -> Given:
    """The keys of all these files, by path and content, the outermost first: the nearer one wins.

    Raises PromptFileError, which names the file.
    """
    found = Given()
    for path, data in files:
        with placed(path):
            found = read_keys(parse(decode(data)), KEYS, None).over(found)
    return found
