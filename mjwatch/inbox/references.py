"""Find what a prompt file refers to around it: defaults, wildcards and pictures, each once it has settled.

Sync tools deliver small files first, so a prompt often arrives before its pictures. Times are seconds of one
monotonic clock, as in settling.py. ``preview`` reads a prompt file as the inbox would, without taking it.
"""

from __future__ import annotations

import errno
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mjwatch.errors import MjwatchError, PromptFileError
from mjwatch.filesystem.files import identify, obstacle_at, read_unchanged
from mjwatch.filesystem.folder import UnexpectedFileError, open_folder
from mjwatch.inbox.filenames import DEFAULTS, WILDCARDS, is_foreign_folder, is_prompt_name
from mjwatch.model import References
from mjwatch.prompts.filenames import WildcardNames
from mjwatch.prompts.promptfile import MAX_BYTES, forced, read_prompt_file, referenced_names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from mjwatch.model import Identity
    from mjwatch.prompts.promptfile import PromptFile, ReferencedNames

MAX_PICTURE = 10 * 1024 * 1024
"""Bytes that an account without Nitro may upload in one file (discord-userdoccers, "Uploading Files")."""

MAX_PICTURES_BYTES = 64 * 1024 * 1024
"""Bytes of all pictures of one prompt file together: they are held in memory until they are journaled."""

RECHECK_INTERVAL = 1.0
"""Seconds between two checks for a file that is missing."""

MAX_WILDCARD_FILES = 10_000
"""Files below one ``_wildcards`` folder."""

MAX_WILDCARD_DEPTH = 8
"""Levels of folders below one ``_wildcards`` folder."""

_RECORD_LIFETIME = 600.0
"""Seconds after which a file that no prompt file has asked for is treated as seen for the first time."""


@dataclass(slots=True)
class _ReferencedFile:
    """How one file looks (None: it is not there), since when, and when a prompt file last asked for it.

    ``why``: why it can't be read although something is there, as text.
    """

    identity: Identity | None
    why: str | None
    since: float
    asked: float


@dataclass(slots=True)
class ReferenceScan:
    """What was found around one prompt file: small files by content, pictures by path and identity.

    ``wildcard_names`` and ``wildcard_paths``: all wildcards that are there, if any is wanted. ``missing``:
    names of pictures and wildcards that the prompt file wants and that are not there. ``unreadable``: paths
    of small files that are there and can't be read, and why. Both are waited for.
    """

    defaults: list[tuple[str, bytes]] = field(default_factory=list)
    wildcards: dict[str, bytes] = field(default_factory=dict)
    wildcard_names: Collection[str] = ()
    wildcard_paths: Mapping[str, str] = field(default_factory=dict)
    pictures: dict[str, tuple[str, Identity]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    changed: float = float("-inf")
    """When any of these files, also a missing one, was last seen to change."""
    present_changed: float = float("-inf")
    """When any of the files that are there was last seen to change."""


class ReferenceFinder:
    """Find files around prompt files below ``root``; links are not followed, nothing outside is read."""

    def __init__(
        self,
        root: Path,
        run: Callable[[int, Callable[[], ReferencedNames]], ReferencedNames] = lambda size, read: read(),
    ) -> None:
        """``run`` carries out each reading of so many bytes, as ``ReadingGuard.run`` does."""
        self._root = root
        self._run = run
        self._files: dict[str, _ReferencedFile] = {}
        self._contents: dict[str, tuple[Identity, bytes]] = {}
        self._trees: dict[str, dict[str, str]] = {}
        self._wildcards: dict[str, tuple[WildcardNames, dict[str, str], dict[str, str]]] = {}

    def find(self, path: str, data: bytes, now: float) -> ReferenceScan:
        """Return what there is around the prompt file at ``path``, which holds ``data``."""
        found = ReferenceScan()
        for folder in _folders(path):
            content = self._small_file(f"{folder}{DEFAULTS}", found, now)
            if content is not None:
                found.defaults.append((f"{folder}{DEFAULTS}", content))
        name = path.rpartition("/")[2]
        wanted = self._names_in(data, name, found)
        if wanted.wildcards:
            self._note_wildcards(path, found)
            wanted = self._names_in(data, name, found)
        for _ in range(MAX_WILDCARD_DEPTH + 1):  # deeper ones are refused when the file is read
            known = {*found.wildcards, *found.missing}
            new = [wildcard for wildcard in wanted.wildcards if wildcard not in known]
            if not new:
                break
            for wildcard in new:
                self._find_wildcard(path, wildcard, found, now)
            wanted = self._names_in(data, name, found)
        for picture in wanted.images:
            self._find_picture(path, picture, found, now)
        return found

    def _names_in(self, data: bytes, name: str, found: ReferenceScan) -> ReferencedNames:
        size = len(data) + sum(map(len, [*found.wildcards.values(), *dict(found.defaults).values()]))
        return self._run(size, lambda: referenced_names(data, name, _without_pictures(found)))

    def remaining_wait(self, found: ReferenceScan, now: float, quiet: float, patience: float) -> float:
        """Return the seconds until the prompt file may be taken or must be checked again.

        At 0 or less it may be taken now. ``patience``: how long to wait for missing files since the last
        change.
        """
        unsettled = found.present_changed + quiet - now
        if not found.missing and not found.unreadable:
            return unsettled
        patience_left = found.changed + patience - now
        return min(patience_left, max(unsettled, RECHECK_INTERVAL))

    def read(self, found: ReferenceScan) -> References | None:
        """Return all of it, read; None if a picture has changed just now, so that it must be found again.

        A picture that is too large or can't be read is left out, with the reason; so are all if they are too
        large together.
        """
        images: dict[str, bytes] = {}
        unusable = _too_large(found) if found.pictures else {}
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
        return replace(
            _without_pictures(found), images=images, unusable=unusable, unreadable=found.unreadable
        )

    def release_contents(self, now: float) -> None:
        """Release the contents, which many prompt files share; forget files that no prompt file asks for."""
        self._contents.clear()
        self._trees.clear()
        self._wildcards.clear()
        self._files = {p: file for p, file in self._files.items() if now - file.asked < _RECORD_LIFETIME}

    def _note_wildcards(self, path: str, found: ReferenceScan) -> None:
        """Note all wildcards by name; the one nearest to the prompt file counts."""
        folder = _folders(path)[-1]
        if folder not in self._wildcards:
            self._wildcards[folder] = self._wildcards_around(path)
        found.wildcard_names, found.wildcard_paths, unreadable = self._wildcards[folder]
        found.unreadable |= unreadable

    def _wildcards_around(self, path: str) -> tuple[WildcardNames, dict[str, str], dict[str, str]]:
        """Return the wildcards' names, their paths by name, and the folders that can't be read, and why."""
        paths: dict[str, str] = {}
        unreadable: dict[str, str] = {}
        for folder in _folders(path):
            tree = f"{folder}{WILDCARDS}/"
            try:
                if tree not in self._trees:
                    self._trees[tree] = _list_wildcards(self._root, tree)
            except OSError as error:
                unreadable[tree] = f"it can't be read: {error.strerror}"
            paths |= self._trees.get(tree, {})
        return WildcardNames(paths), paths, unreadable

    def _find_wildcard(self, path: str, name: str, found: ReferenceScan, now: float) -> None:
        place = found.wildcard_paths.get(name)
        if place is None:
            # Nothing is opened by a name from a text: it is only remembered since when it is missed.
            missed = self._remember(f"{_folders(path)[-1]}{WILDCARDS}/\0{name}", None, None, now)
            found.changed = max(found.changed, missed.since)
            found.missing.append(name)
            return
        content = self._small_file(place, found, now)
        if content is not None:
            found.wildcards[name] = content
        else:
            found.missing.append(name)

    def _find_picture(self, path: str, name: str, found: ReferenceScan, now: float) -> None:
        folder = _folders(path)[-1]
        for spelling in _spellings(name):
            file = self._observe(folder + spelling, now)
            found.changed = max(found.changed, file.since)
            if file.identity is not None:
                found.pictures[name] = (folder + spelling, file.identity)
                found.present_changed = max(found.present_changed, file.since)
                return
        found.missing.append(name)

    def _small_file(self, path: str, found: ReferenceScan, now: float) -> bytes | None:
        file = self._observe(path, now)
        found.changed = max(found.changed, file.since)
        if file.why is not None:
            found.unreadable[path] = file.why
        if file.identity is None:
            return None
        found.present_changed = max(found.present_changed, file.since)
        try:
            content = self._read(path, file.identity, MAX_BYTES)
        except FileNotFoundError:
            content = None
        except OSError as error:
            found.unreadable[path] = f"it can't be read: {error.strerror}"
            return None
        if content is None:
            file.since = found.present_changed = found.changed = now
        return content

    def _observe(self, path: str, now: float) -> _ReferencedFile:
        identity, why = None, None
        try:
            identity = identify(self._root, path)
            obstacle = obstacle_at(self._root, path) if identity is None else None
            if obstacle is not None:
                why = f"it is {obstacle}"
        except OSError as error:
            why = f"it can't be read: {error.strerror}"
        return self._remember(path, identity, why, now)

    def _remember(self, path: str, identity: Identity | None, why: str | None, now: float) -> _ReferencedFile:
        """Note how a file looks now, and that it was asked for."""
        file = self._files.get(path)
        is_known = file is not None and now - file.asked < _RECORD_LIFETIME
        if file is None or not is_known or (file.identity, file.why) != (identity, why):
            file = self._files[path] = _ReferencedFile(identity, why, now, now)
        file.asked = now
        return file

    def _read(self, path: str, identity: Identity, limit: int) -> bytes | None:
        """Return the file's content, from memory if it was read before and looks the same."""
        known = self._contents.get(path)
        if known is not None and known[0] == identity:
            return known[1]
        content = read_unchanged(self._root, path, identity, limit)
        if content is not None:
            self._contents[path] = (identity, content)
        return content


def _too_large(found: ReferenceScan) -> dict[str, str]:
    """Return the pictures that are too large to be read, each alone or all together, and why."""
    sizes = {name: identity[2] for name, (_, identity) in found.pictures.items()}
    most = f"but Discord takes {MAX_PICTURE:,} at most"
    alone = {name: f"it has {size:,} bytes, {most}" for name, size in sizes.items() if size > MAX_PICTURE}
    total = sum(size for name, size in sizes.items() if name not in alone)
    if total <= MAX_PICTURES_BYTES:
        return alone
    most = f"but one prompt file's may have {MAX_PICTURES_BYTES:,} at most"
    return dict.fromkeys(sizes, f"all pictures together have {total:,} bytes, {most}") | alone


def _folders(path: str) -> list[str]:
    """Return the folders from the inbox down to the file's own, as prefixes of paths."""
    parts = path.split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[:depth]) for depth in range(len(parts) + 1)]


def _spellings(name: str) -> Iterator[str]:
    """Yield the name as it is, then as other systems compose its accents."""
    yield from dict.fromkeys([name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))])


def _without_pictures(found: ReferenceScan) -> References:
    return References(tuple(found.defaults), found.wildcards, wildcard_names=found.wildcard_names)


def _list_wildcards(root: Path, tree: str) -> dict[str, str]:
    """Return the paths of the wildcard files in a ``_wildcards`` folder, by name: the path below it, in NFC.

    Links are not followed: a linked file is listed, so that it is reported when it is wanted. Raise OSError,
    also for too many files.
    """
    found: dict[str, str] = {}
    folders = [tree]
    while folders:
        folder = folders.pop()
        for name, is_folder in _entries(root, folder):
            path = f"{folder}{name}"
            if is_folder:
                folders += [f"{path}/"] if path.count("/") - tree.count("/") < MAX_WILDCARD_DEPTH else []
            elif is_prompt_name(name) and name[-4:].lower() == ".txt":
                found[unicodedata.normalize("NFC", path[len(tree) : -4])] = path
        if len(found) > MAX_WILDCARD_FILES:
            raise OSError(errno.E2BIG, f"it holds more than {MAX_WILDCARD_FILES:,} files")
    return found


def _entries(root: Path, folder: str) -> list[tuple[str, bool]]:
    """Return the names in a folder, in order, and whether each is a folder to search; nothing for a link."""
    try:
        with open_folder(root, folder.rstrip("/").split("/")) as opened, opened.entries() as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except (FileNotFoundError, UnexpectedFileError):
        return []
    return sorted(
        (name, is_folder) for name, is_folder in found if not is_folder or not is_foreign_folder(name)
    )


def preview(path: Path, inbox: Path | None, max_jobs: int, *, force: bool = False) -> PromptFile:
    """Return the prompts of the file at ``path``; ``force``: as they are written, whatever they look like.

    If it lies in the inbox, defaults and wildcards count from the inbox down; else those in its own folder
    do. Raise PromptFileError as the inbox would reject it, MjwatchError if it can't be read.
    """
    try:
        path = path.resolve()
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MjwatchError(f"{path} can't be read: {error.strerror}", "check its name") from error
    root = inbox.resolve() if inbox is not None and inbox.resolve() in path.parents else path.parent
    name = path.relative_to(root).as_posix()
    if force:
        name, data = forced(data, name)
    return _read_preview(root, name, data, max_jobs)


def preview_alone(name: str, data: bytes, inbox: Path, max_jobs: int) -> PromptFile:
    """Return the prompts that these bytes become when they are put into the inbox under this name.

    Raise PromptFileError as the inbox would reject them, and if they name pictures, which can't come along.
    """
    if referenced_names(data, name).images:
        raise PromptFileError(
            "a file that names pictures can't be submitted alone",
            f"copy it with its pictures into the inbox, {inbox}, the pictures first",
        )
    return _read_preview(inbox, name, data, max_jobs)


def _read_preview(root: Path, path: str, data: bytes, max_jobs: int) -> PromptFile:
    finder = ReferenceFinder(root)
    references = finder.read(finder.find(path, data, now=0.0))
    if references is None:
        raise MjwatchError("one of its pictures is changing at the moment", "try again")
    return read_prompt_file(data, path.rpartition("/")[2], max_jobs=max_jobs, references=references)
