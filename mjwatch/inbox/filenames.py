"""Classify names in the inbox, and read which files came with a manifest. Pure: names and bytes come in.

An allow-list comes first: mjwatch ignores every file that does not end like a prompt file or a manifest. What
remains are the few names that sync tools and editors make out of a prompt file's own name.

A manifest in the inbox may have come with the prompt file of its outbox folder: a folder that is put back
whole is one request.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mjwatch.model import MANIFEST_SCHEMA
from mjwatch.prompts.filenames import without_ready_marker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.model import Identity


PROMPT_SUFFIXES = (".txt", ".toml")
MANIFEST_SUFFIX = ".json"
SUFFIXES = (*PROMPT_SUFFIXES, MANIFEST_SUFFIX)

PAGES = ("ERROR.md", "result.md")
"""Files for people that come in a folder with a manifest, and are removed with it."""

DEFAULTS = "_defaults.toml"
WILDCARDS = "_wildcards"
OWNER_FILE = ".mjwatch-owner"
"""The file in an inbox that names its owner."""

CONFLICT_COPY = "a conflict copy: a sync tool found two versions"
LEADING_UNDERSCORE = 'its name begins with "_"'
COPY_OF_DEFAULTS = "only a file with exactly the name _defaults.toml gives defaults"
COPY_OF_WILDCARDS = (
    "only a folder with exactly the name _wildcards holds wildcards; no prompt is read in this one"
)
UNREAD = "its name does not end in .txt or .toml; save its text as a plain text file with such a name"
LINK = "a link; links are not followed"
NOT_REGULAR = "not a regular file"

_TEMPORARY = (".", "~", "#")
"""Beginnings of names that tools and editors give to temporary files."""

_FOREIGN_FOLDERS = frozenset(
    {"$recycle.bin", "system volume information", "lost+found", "__macosx", "recycler", "found.000"}
)

_DEFAULTS_COPY = re.compile(r"(?:.*\s)?_defaults(?![\w-]).*", re.IGNORECASE | re.DOTALL)
_WILDCARDS_COPY = re.compile(r"(?:.*\s)?_wildcards(?![\w-]).*|wildcards", re.IGNORECASE | re.DOTALL)
"""Copies of our own: ``_defaults (1).toml``, ``Copy of _defaults.toml``, ``Kopie von _wildcards``."""

_UNREAD_SUFFIXES = frozenset(
    {
        *("text", "md", "markdown", "prompt", "prompts", "list", "yaml", "yml", "tex", "txtx", "tml"),
        *("doc", "docx", "docm", "odt", "rtf", "rtfd", "pages", "wpd", "wps", "gdoc", "pdf", "epub"),
        *(
            "html",
            "htm",
            "mht",
            "mhtml",
            "webarchive",
            "xml",
            "eml",
            "csv",
            "tsv",
            "xls",
            "xlsx",
            "ods",
            "numbers",
        ),
        *("zip", "7z", "rar"),
    }
)
"""What people keep prompts in, by the end of its name."""

_MISPLACED_SUFFIX = re.compile(r"(?:txt|toml)(?:\s.*|\.)", re.IGNORECASE | re.DOTALL)
"""An end like ``.txt (1)`` or ``.txt `` that hides the suffix."""

_TOOLS_BARE_NAMES = re.compile(
    r"\d+|sed\w{6}|XX\w{6}|(?:readme|license|licence|copying|makefile|changelog|icon|thumbs)\b.*",
    re.IGNORECASE,
)
"""Names without a suffix that editors and projects use, and ``README.md`` and the like."""

_SUFFIX_PATTERN = r"\.(txt|toml|json)"
_CONFLICT = (
    "conflict|conflit|conflitto|konflikt|confli[ct]t?ante|conflicterend|\u7af6\u5408|\u885d\u7a81|\u51b2\u7a81"
    "|\ucda9\ub3cc|\u043a\u043e\u043d\u0444\u043b\u0438\u043a\u0442|\u043a\u043e\u043d\u0444\u043b\u0456\u043a\u0442|\u00e7ak\u0131\u015fan|\u00fctk\u00f6z|ristiriit"
)
"""The word for a conflict that Dropbox and Nextcloud put into a name, with the date."""

_CONFLICT_COPIES = re.compile(
    rf".*\.sync-conflict-\d{{8}}-\d{{6}}(-[A-Z2-7]{{7}})?{_SUFFIX_PATTERN}"  # Syncthing
    rf"|.* \((.*)?(conflicted|conflicting) copy.*\){_SUFFIX_PATTERN}"  # Dropbox, Nextcloud, maestral
    rf"|.*_conflict-\d{{8}}-\d{{6}}{_SUFFIX_PATTERN}"  # ownCloud
    rf"|.* \((selective sync|case|unicode encoding) conflict.*\){_SUFFIX_PATTERN}"  # Dropbox
    rf"|.* \(case clash from .*\){_SUFFIX_PATTERN}"  # Nextcloud
    rf"|.* \(conflict( #\d+)?_on_.*\){_SUFFIX_PATTERN}"  # Unison
    rf"|.*\([^()]*(?:{_CONFLICT})[^()]*\d{{4}}-\d\d-\d\d[^()]*\){_SUFFIX_PATTERN}"
    rf"|.*\.conflict{_SUFFIX_PATTERN}"  # Resilio
    rf"|.*~\d{{8}}-\d{{6}}{_SUFFIX_PATTERN}",  # Syncthing's versions
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"([0-9]+)")


def is_prompt_name(name: str) -> bool:
    """Return whether a file of this name may be a prompt file; temporary and conflict names are not."""
    return name.lower().endswith(PROMPT_SUFFIXES) and _is_plain(name)


def is_request_name(name: str) -> bool:
    """Return whether a file of this name may be a request: a prompt file, or, by its content, a manifest."""
    return name.lower().endswith(SUFFIXES) and _is_plain(name)


def is_request_path(path: str) -> bool:
    """Return whether a file at this path (from the inbox, with slashes) may be a request."""
    *folders, name = path.split("/")
    return name.lower().endswith(SUFFIXES) and _is_plain(name) and all(map(may_hold_prompts, folders))


def _is_plain(name: str) -> bool:
    return name[0] not in "._~#" and not is_conflict_copy(name) and not _DEFAULTS_COPY.fullmatch(name)


def why_ignored(name: str) -> str | None:
    """Return why a file is ignored although it ends like a request; None if no person will ask."""
    if is_conflict_copy(name) and not name.startswith(_TEMPORARY):
        return CONFLICT_COPY
    if name != DEFAULTS and _DEFAULTS_COPY.fullmatch(name):
        return COPY_OF_DEFAULTS
    return LEADING_UNDERSCORE if name.startswith("_") and name != DEFAULTS else None


def why_unread(name: str) -> str | None:
    """Return why a file that does not end like a request is ignored; None if no person takes it for a prompt.

    Nothing but text documents and names without a suffix count: pictures lie beside prompt files.
    """
    stem, dot, suffix = name.rstrip(" .").rpartition(".")
    hides_suffix = _MISPLACED_SUFFIX.fullmatch(name[len(stem) + 1 :]) is not None
    if dot and suffix.lower() not in _UNREAD_SUFFIXES and not hides_suffix:
        return None
    is_foreign = name[:1] in _TEMPORARY or name[-1:] == "~" or not name.isprintable() or name in PAGES
    return None if is_foreign or _TOOLS_BARE_NAMES.fullmatch(stem or suffix) else UNREAD


def may_hold_prompts(folder: str) -> bool:
    """Return whether mjwatch scans a folder of this name: it may not belong to a tool or a system."""
    return not is_foreign_folder(folder) and folder[0] != "_" and not _WILDCARDS_COPY.fullmatch(folder)


def is_foreign_folder(folder: str) -> bool:
    """Return whether a folder of this name belongs to a tool or a system."""
    return folder[:1] in ".~#@" or folder.lower() in _FOREIGN_FOLDERS


def why_not_scanned(folder: str) -> str | None:
    """Return why a folder, such as ``_failed`` moved back, is not scanned; None if no person will ask."""
    if is_foreign_folder(folder) or folder == WILDCARDS:
        return None
    return COPY_OF_WILDCARDS if _WILDCARDS_COPY.fullmatch(folder) else LEADING_UNDERSCORE


def is_conflict_copy(name: str) -> bool:
    """Return whether a sync tool made this copy because two sides changed the file; a person must decide."""
    return _CONFLICT_COPIES.fullmatch(unicodedata.normalize("NFC", name)) is not None


def is_marked_ready(name: str) -> bool:
    """Return whether the name says that the file arrived whole by a rename: ``cat.ready.txt``.

    The name of a copy does not say so, because the copy may still be being written.
    """
    return "ready" in name.lower().split(".")[1:-1]


def natural_key(path: str) -> list[tuple[int, str]]:
    """Return a key that sorts paths as people do: ``cat2`` before ``cat10``, upper and lower case alike."""
    parts = _NUMBER.split(path.casefold())
    return [(int(part), "") if number % 2 else (0, part) for number, part in enumerate(parts)] + [(0, path)]


SAME_DELIVERY_TIME = 10.0
"""Seconds between two files that were put into a folder at once; a later file is a request of its own."""

_SCHEMA = re.compile(
    rb'"schema"\s*:\s*"' + re.escape(MANIFEST_SCHEMA.encode()).replace(b"/", rb"\\?/") + rb'"'
)


@dataclass(frozen=True, slots=True)
class CompanionManifest:
    """What a manifest says about the other files of its folder: their names, and the SHA-256 of its pages.

    ``is_request``: a person wrote an ``action`` into it, so that it is a request wherever it lies.
    """

    job: str
    prompt_files: tuple[str, ...]
    pages: Mapping[str, str] = field(default_factory=dict)
    is_request: bool = False


def may_be_manifest(data: bytes) -> bool:
    """Return whether a JSON file, or the beginning of one, names the schema of mjwatch's manifests."""
    return _SCHEMA.search(data) is not None


def is_whole_json(data: bytes) -> bool:
    """Return whether the data is JSON up to its end."""
    return _parse(data) is not None


def read_companions(data: bytes) -> CompanionManifest | None:
    """Return what the manifest says about the files beside it; None if it is no manifest of mjwatch."""
    document = _parse(data)
    if not isinstance(document, dict) or document.get("schema") != MANIFEST_SCHEMA:
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
        names += [path.rpartition("/")[2], without_ready_marker(path.rpartition("/")[2])]
    return CompanionManifest(
        str(document.get("job", "")), tuple(dict.fromkeys(names)), pages, _is_request(document)
    )


def came_together(first: Identity, second: Identity) -> bool:
    """Return whether both files came to their places at about the same time: moves and copies set ctime."""
    return abs(first[4] - second[4]) <= SAME_DELIVERY_TIME * 1e9


def _is_request(document: dict[str, Any]) -> bool:
    """Return whether a person wrote the action.

    mjwatch writes an action only for a follow-up, with its parent, or for a file that was rejected as one.
    """
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
