"""What a name in the inbox says: prompt file or manifest, conflict copy, or a thing of some other tool. Pure.

An allow-list comes first: what does not end as prompt files do is nobody's business here. That leaves the few
names that sync tools and editors make out of a prompt file's own name.

Which prompt file a manifest of ours came with: a folder of the outbox, put back whole, is one request.

Pure: bytes and names come in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.model import Identity


PROMPT_SUFFIXES = (".txt", ".toml")
MANIFEST_SUFFIX = ".json"
SUFFIXES = (*PROMPT_SUFFIXES, MANIFEST_SUFFIX)

DEFAULTS = "_defaults.toml"
WILDCARDS = "_wildcards"
MARKER = ".mjwatch-owner"
"""Says in an inbox whose it is."""

CONFLICT = "a conflict copy: a sync tool found two versions"
UNDERSCORE = 'its name begins with "_"'
LINK = "a link; links are not followed"
NO_FILE = "no regular file"

_TEMPORARY = (".", "~", "#")
"""Beginnings of names that tools and editors give to what is not meant to be read."""

_FOREIGN_FOLDERS = frozenset(
    {"$recycle.bin", "system volume information", "lost+found", "__macosx", "recycler", "found.000"}
)

_END = r"\.(txt|toml|json)"
_CONFLICT_COPIES = re.compile(
    rf".*\.sync-conflict-\d{{8}}-\d{{6}}(-[A-Z2-7]{{7}})?{_END}"  # Syncthing
    rf"|.* \((.*)?(conflicted|conflicting) copy.*\){_END}"  # Dropbox, Nextcloud, maestral
    rf"|.*_conflict-\d{{8}}-\d{{6}}{_END}"  # ownCloud
    rf"|.* \((selective sync|case|unicode encoding) conflict.*\){_END}"  # Dropbox
    rf"|.* \(case clash from .*\){_END}"  # Nextcloud
    rf"|.* \(conflict( #\d+)?_on_.*\){_END}"  # Unison
    rf"|.*\.conflict{_END}"  # Resilio
    rf"|.*~\d{{8}}-\d{{6}}{_END}",  # Syncthing's versions
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"([0-9]+)")


def is_prompt_name(name: str) -> bool:
    """Whether a file of this name may be a prompt file; temp and conflict names of other tools are not."""
    return name.lower().endswith(PROMPT_SUFFIXES) and _is_plain(name)


def is_manifest_name(name: str) -> bool:
    """Whether a file of this name may be one of our manifests; its content decides."""
    return name.lower().endswith(MANIFEST_SUFFIX) and _is_plain(name)


def is_wanted(name: str) -> bool:
    """Whether a file of this name may be a request: a prompt file or a manifest."""
    return name.lower().endswith(SUFFIXES) and _is_plain(name)


def _is_plain(name: str) -> bool:
    return name[0] not in "._~#" and not is_conflict_copy(name)


def why_left(name: str) -> str | None:
    """Why a file is no request although it ends as one; None where nobody will wonder about that."""
    if is_conflict_copy(name) and not name.startswith(_TEMPORARY):
        return CONFLICT
    return UNDERSCORE if name.startswith("_") and name != DEFAULTS else None


def may_hold_prompts(folder: str) -> bool:
    """Whether a folder of this name is looked into; those of tools, systems and storage boxes are not."""
    return folder[:1] not in "._~#@" and folder.lower() not in _FOREIGN_FOLDERS


def is_set_aside(folder: str) -> bool:
    """Whether a person may wonder why this folder is not looked into: ``_failed``, say, moved back whole."""
    return folder.startswith("_") and folder != WILDCARDS and folder.lower() not in _FOREIGN_FOLDERS


def is_conflict_copy(name: str) -> bool:
    """Whether a sync tool made this copy because two sides had changed the file; a person must look."""
    return _CONFLICT_COPIES.fullmatch(name) is not None


def says_ready(name: str) -> bool:
    """Whether the name itself says that the file arrived whole by a rename: ``cat.ready.txt``."""
    return "ready" in name.lower().split(".")[1:-1]


def without_marker(name: str) -> str:
    """The name without its ``.ready.`` marker."""
    first, *rest = name.split(".")
    marks = [part for part in rest[:-1] if part.lower() != "ready"]
    return ".".join([first, *marks, *rest[-1:]])


def natural(path: str) -> list[tuple[int, str]]:
    """A key that sorts paths as people do: ``cat2`` before ``cat10``, whatever the case."""
    parts = _NUMBER.split(path.casefold())
    return [(int(part), "") if number % 2 else (0, part) for number, part in enumerate(parts)] + [(0, path)]


SCHEMA = "mjwatch/manifest/1"
PAGES = ("ERROR.md", "result.md")
"""Files for people that come in a folder with a manifest, and go with it."""

TOGETHER = 10.0
"""Seconds between two files that were put into a folder at once; what comes later is meant for itself."""

_SPEAKS = re.compile(rb'"schema"\s*:\s*"mjwatch\\?/manifest\\?/1"')


@dataclass(frozen=True, slots=True)
class CompanionManifest:
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


def read_companions(data: bytes) -> CompanionManifest | None:
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
    return CompanionManifest(
        str(document.get("job", "")), tuple(dict.fromkeys(names)), pages, _asks(document)
    )


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
