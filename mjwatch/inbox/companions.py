"""Which prompt file a manifest of ours came with: a folder of the outbox, put back whole, is one request.

Pure: bytes and names come in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mjwatch.inbox.filenames import PROMPT_SUFFIXES, without_marker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.model import Identity

SCHEMA = "mjwatch/manifest/1"
PAGES = ("ERROR.md", "result.md")
"""Files for people that come in a folder with a manifest, and go with it."""

TOGETHER = 10.0
"""Seconds between two files that were put into a folder at once; what comes later is meant for itself."""

_SPEAKS = re.compile(rb'"schema"\s*:\s*"mjwatch\\?/manifest\\?/1"')


@dataclass(frozen=True, slots=True)
class Manifest:
    """As much of a manifest as is of interest here: what else lay in its folder, by name and sha256.

    ``asks``: a person has written an ``action`` into it, so that it is a request wherever it lies.
    """

    job: str
    prompt_files: tuple[str, ...]
    pages: Mapping[str, str] = field(default_factory=dict)
    asks: bool = False


def may_be_ours(data: bytes) -> bool:
    """Whether a JSON file, or the beginning of one, names the schema of our manifests."""
    return _SPEAKS.search(data) is not None


def is_whole(data: bytes) -> bool:
    """Whether it is JSON to its end."""
    return _parse(data) is not None


def read_companions(data: bytes) -> Manifest | None:
    """What the manifest says of the files beside it; None for one that is none of ours."""
    document = _parse(data)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return None
    names: list[str] = []
    pages: dict[str, str] = {}
    for entry in _entries(document):
        name, digest = entry.get("file"), entry.get("sha256")
        if not isinstance(name, str) or "/" in name:
            continue
        if name.lower().endswith(PROMPT_SUFFIXES):
            names.append(name)
        elif name in PAGES and isinstance(digest, str):
            pages[name] = digest
    source = document.get("source")
    path = source.get("path") if isinstance(source, dict) else None
    if isinstance(path, str):
        names += [path.rpartition("/")[2], without_marker(path.rpartition("/")[2])]
    return Manifest(str(document.get("job", "")), tuple(dict.fromkeys(names)), pages, _asks(document))


def came_together(one: Identity, other: Identity) -> bool:
    """Whether both files came to where they are at about the same time; a move or a copy sets the ctime."""
    return abs(one[4] - other[4]) <= TOGETHER * 1e9


def _asks(document: dict[str, Any]) -> bool:
    """We write an action only for a follow-up, with its parent, or for what was rejected as one."""
    written_by_us = document.get("parent") is not None or document.get("state") == "rejected"
    return document.get("action") is not None and not written_by_us


def _entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    files = document.get("files")
    return [entry for entry in files if isinstance(entry, dict)] if isinstance(files, list) else []


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
