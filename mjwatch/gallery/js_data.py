"""Data for the gallery's page as small scripts: a page that was opened from a disk may load nothing else.

::

    gallery.index({"chunks": 2})
    gallery.jobs(2, [
    {"id": "7k3f9a2m", …},
    {"id": "q2w4e6r8", …}
    ])
    gallery.status({…})
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mjwatch.gallery.entry import Entry

_MARKUP = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}

_INDEX = re.compile(rb'gallery\.index\(\{"chunks": ?([0-9]{1,9})\}\)\s*')
_HEAD = re.compile(r"gallery\.jobs\([0-9]+, \[")
_FOOT = "])"


def literal(value: object) -> str:
    """A value as JSON in one line, also harmless within HTML and in every script: ASCII, and no markup."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_MARKUP)


def status_script(status: Mapping[str, Any] | None) -> bytes:
    """``_gallery/status.js``: what ``status.json`` says, for the page's banner; None where nobody said it."""
    return f"gallery.status({literal(status)})\n".encode("ascii")


def index_script(chunks: int) -> bytes:
    """``_gallery/index.js``: how many chunks there are."""
    return f"gallery.index({literal({'chunks': chunks})})\n".encode("ascii")


def read_index(data: bytes) -> int:
    """The number of chunks. Raises ValueError for anything but such a script."""
    match = _INDEX.fullmatch(data)
    if match is None:
        raise ValueError("no index of a gallery")
    return int(match[1])


def chunk_script(number: int, lines: Sequence[str]) -> bytes:
    """``_gallery/jobs-0007.js``: the entries of some jobs, each a literal in a line of its own."""
    return f"gallery.jobs({number}, [\n{_between(lines)}{_FOOT}\n".encode("ascii")


def _between(lines: Sequence[str]) -> str:
    return ",\n".join(lines) + "\n" if lines else ""


def chunk_lines(data: bytes) -> list[str]:
    """The literals in a chunk. Raises ValueError for anything but such a script."""
    text = data.decode("ascii")
    head, *lines, foot, end = text.split("\n") if text.count("\n") > 1 else ("", "", "")
    if not _HEAD.fullmatch(head) or foot != _FOOT or end:
        raise ValueError("no chunk of a gallery")
    return [line.removesuffix(",") for line in lines]


def read_entry(line: str) -> Entry:
    """The entry that a literal stands for. Raises ValueError."""
    entry = json.loads(line)
    if not isinstance(entry, dict) or not all(
        isinstance(entry.get(key), str) for key in ("id", "folder", "stamp")
    ):
        raise ValueError("no entry of a gallery")
    return entry
