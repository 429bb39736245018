"""Finds what a prompt file refers to around it: defaults, wildcards and pictures, each once it has settled.

Sync tools deliver small files first, so a prompt often arrives before its pictures. Times are seconds of one
monotonic clock, as in settling.py.

What a prompt file would become: read with what lies around it, as the inbox does, but not taken.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mjwatch.errors import MjwatchError, PromptFileError
from mjwatch.filesystem.files import identify, is_link, read_unchanged
from mjwatch.model import References
from mjwatch.prompts.promptfile import MAX_BYTES, read_prompt_file, referenced_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mjwatch.model import Identity
    from mjwatch.prompts.promptfile import PromptFile


DEFAULTS = "_defaults.toml"
WILDCARDS = "_wildcards"

MAX_PICTURE = 10 * 1024 * 1024
"""Bytes that an account without Nitro may upload in one file (discord-userdoccers, "Uploading Files")."""

MAX_PICTURES_BYTES = 64 * 1024 * 1024
"""Bytes of all pictures of one prompt file together: they are held in memory until they are journaled."""

LOOK_AGAIN = 1.0
"""Seconds between two looks for a file that is missing."""

_FORGOTTEN = 600.0
"""Seconds after which a file that nobody has asked for is looked at as if for the first time."""


@dataclass(slots=True)
class _ReferenceSight:
    """How one file looks (None: it is not there), since when, and when somebody last asked.

    ``why``: in words, why it can't be had although something is there.
    """

    identity: Identity | None
    why: str | None
    since: float
    asked: float


@dataclass(slots=True)
class ReferenceScan:
    """What was found around one prompt file: small files by content, pictures by path and look.

    ``missing`` are the names of pictures and wildcards that are wanted and not there, ``unreadable`` the
    paths of small files that are there and can't be read, and why: they are waited for as what is missing.
    """

    defaults: list[tuple[str, bytes]] = field(default_factory=list)
    wildcards: dict[str, bytes] = field(default_factory=dict)
    pictures: dict[str, tuple[str, Identity]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    changed: float = float("-inf")
    """When anything of it, also of what is missing, was last seen to change."""
    moving: float = float("-inf")
    """The same of what is there."""


class ReferenceFinder:
    """Looks around prompt files below ``root``; links are not followed, and nothing outside is looked at."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sights: dict[str, _ReferenceSight] = {}
        self._contents: dict[str, tuple[Identity, bytes]] = {}

    def survey(self, path: str, data: bytes, now: float) -> ReferenceScan:
        """What there is around the prompt file at ``path``, which holds ``data``."""
        found = ReferenceScan()
        for folder in _folders(path):
            content = self._small(f"{folder}{DEFAULTS}", found, now)
            if content is not None:
                found.defaults.append((f"{folder}{DEFAULTS}", content))
        name = path.rpartition("/")[2]
        wanted = referenced_names(data, name, _around(found))
        while new := [
            word for word in wanted.wildcards if word not in found.wildcards | dict.fromkeys(found.missing)
        ]:
            for word in new:
                self._wildcard(path, word, found, now)
            wanted = referenced_names(data, name, _around(found))
        for picture in wanted.images:
            self._picture(path, picture, found, now)
        return found

    def wait(self, found: ReferenceScan, now: float, settle: float, patience: float) -> float:
        """Seconds until the prompt file may be taken or must be looked at again; 0 or less: take it now.

        ``patience``: how long what is missing is waited for since the last change.
        """
        unsettled = found.moving + settle - now
        if not found.missing and not found.unreadable:
            return unsettled
        left = found.changed + patience - now
        return min(left, max(unsettled, LOOK_AGAIN))

    def gather(self, found: ReferenceScan) -> References | None:
        """All of it, read; None where a picture has changed just now, so that the survey must be made anew.

        A picture that is too large or can't be read is left out, with the reason; so are all where they are
        too large together.
        """
        images: dict[str, bytes] = {}
        unusable = _too_large(found)
        for name, (path, identity) in found.pictures.items():
            if name in unusable:
                continue
            try:
                data = self._read(path, identity, MAX_PICTURE)
            except OSError as error:
                unusable[name] = f"it can't be read: {error.strerror}"
                continue
            if data is None:
                return None
            images[name] = data
        return References(tuple(found.defaults), found.wildcards, images, unusable, found.unreadable)

    def forget(self, now: float) -> None:
        """Let go what was read, and what nobody has asked for in a while."""
        self._contents.clear()
        self._sights = {p: s for p, s in self._sights.items() if now - s.asked < _FORGOTTEN}

    def _wildcard(self, path: str, word: str, found: ReferenceScan, now: float) -> None:
        """The nearest one: in the prompt file's folder, else in the one above, up to the inbox."""
        for folder in reversed(_folders(path)):
            content = self._small(f"{folder}{WILDCARDS}/{word}.txt", found, now)
            if content is not None:
                found.wildcards[word] = content
                return
            if f"{folder}{WILDCARDS}/{word}.txt" in found.unreadable:
                break  # one farther away is not what was meant
        found.missing.append(word)

    def _picture(self, path: str, name: str, found: ReferenceScan, now: float) -> None:
        folder = _folders(path)[-1]
        for spelling in _spellings(name):
            sight = self._see(folder + spelling, now)
            if sight.identity is not None:
                found.pictures[name] = (folder + spelling, sight.identity)
                found.moving = max(found.moving, sight.since)
            found.changed = max(found.changed, sight.since)
            if sight.identity is not None:
                return
        found.missing.append(name)

    def _small(self, path: str, found: ReferenceScan, now: float) -> bytes | None:
        sight = self._see(path, now)
        found.changed = max(found.changed, sight.since)
        if sight.why is not None:
            found.unreadable[path] = sight.why
        if sight.identity is None:
            return None
        found.moving = max(found.moving, sight.since)
        try:
            content = self._read(path, sight.identity, MAX_BYTES)
        except FileNotFoundError:
            content = None
        except OSError as error:
            found.unreadable[path] = f"it can't be read: {error.strerror}"
            return None
        if content is None:
            sight.since = found.moving = found.changed = now
        return content

    def _see(self, path: str, now: float) -> _ReferenceSight:
        identity, why = None, None
        try:
            identity = identify(self._root, path)
            if identity is None and is_link(self._root, path):
                why = "it is a link, and links are not followed"
        except OSError as error:
            why = f"it can't be read: {error.strerror}"
        sight = self._sights.get(path)
        if sight is None or (sight.identity, sight.why) != (identity, why):
            sight = self._sights[path] = _ReferenceSight(identity, why, now, now)
        sight.asked = now
        return sight

    def _read(self, path: str, identity: Identity, limit: int) -> bytes | None:
        """Its content; many prompt files share one copy of it until ``forget``."""
        known = self._contents.get(path)
        if known is not None and known[0] == identity:
            return known[1]
        content = read_unchanged(self._root, path, identity, limit)
        if content is not None:
            self._contents[path] = (identity, content)
        return content


def _too_large(found: ReferenceScan) -> dict[str, str]:
    """The pictures that are too large to be read, each alone or all together, and why."""
    sizes = {name: identity[2] for name, (_, identity) in found.pictures.items()}
    most = f"but Discord takes {MAX_PICTURE:,} at most"
    alone = {name: f"it has {size:,} bytes, {most}" for name, size in sizes.items() if size > MAX_PICTURE}
    total = sum(size for name, size in sizes.items() if name not in alone)
    if total <= MAX_PICTURES_BYTES:
        return alone
    most = f"but one prompt file's may have {MAX_PICTURES_BYTES:,} at most"
    return dict.fromkeys(sizes, f"all pictures together have {total:,} bytes, {most}") | alone


def _folders(path: str) -> list[str]:
    """The folders from the inbox down to the file's own, as prefixes of paths."""
    parts = path.split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[:depth]) for depth in range(len(parts) + 1)]


def _spellings(name: str) -> Iterator[str]:
    """The name as it is, then as other systems compose its accents."""
    yield from dict.fromkeys([name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))])


def _around(found: ReferenceScan) -> References:
    return References(tuple(found.defaults), found.wildcards)


def preview(path: Path, inbox: Path | None, max_jobs: int) -> PromptFile:
    """The prompts of the file at ``path``.

    If it lies in the inbox, defaults and wildcards count from there down; else those in its own folder do.
    Raises PromptFileError as the inbox would reject it, MjwatchError if it can't be read.
    """
    try:
        path = path.resolve()
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MjwatchError(f"{path} can't be read: {error.strerror}", "check its name") from error
    root = inbox.resolve() if inbox is not None and inbox.resolve() in path.parents else path.parent
    return _read(root, path.relative_to(root).as_posix(), data, max_jobs)


def preview_alone(name: str, data: bytes, inbox: Path, max_jobs: int) -> PromptFile:
    """The prompts that these bytes become when they are put into the inbox under this name, without pictures.

    Raises PromptFileError as the inbox would reject it, and where it names pictures.
    """
    if referenced_names(data, name).images:
        raise PromptFileError(
            "a file that names pictures can't be submitted alone",
            f"copy it with its pictures into the inbox, {inbox}, the pictures first",
        )
    return _read(inbox, name, data, max_jobs)


def _read(root: Path, path: str, data: bytes, max_jobs: int) -> PromptFile:
    neighbours = ReferenceFinder(root)
    around = neighbours.gather(neighbours.survey(path, data, now=0.0))
    if around is None:
        raise MjwatchError("a picture of it is changing just now", "try again")
    return read_prompt_file(data, path.rpartition("/")[2], max_jobs=max_jobs, references=around)
