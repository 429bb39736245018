"""Takes files out of the settled ones: reads each twice alike, looks around it, and hands it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.events import FileSettled
from mjwatch.filesystem.files import identify, read_alike, read_unchanged
from mjwatch.inbox import filenames as companions
from mjwatch.inbox.filenames import came_together, is_manifest_name, is_prompt_name, says_ready
from mjwatch.inbox.references import ReferenceFinder
from mjwatch.inbox.settling import AGAIN
from mjwatch.jobs.intake import sha256
from mjwatch.prompts.promptfile import MAX_BYTES, looks_incomplete

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mjwatch.inbox.filenames import CompanionManifest
    from mjwatch.inbox.in_flight import InFlightFiles
    from mjwatch.inbox.settling import Settling
    from mjwatch.inbox.watcher import ChangeHints
    from mjwatch.model import Identity, References

PAGE_BYTES = 256 * 1024
"""A page for people is not longer."""


class FilePickup:
    """Of one inbox, in its one thread. ``now`` is always in seconds of the clock that settling goes by."""

    def __init__(
        self,
        root: Path,
        put: Callable[[FileSettled], None],
        *,
        settling: Settling,
        handed: InFlightFiles,
        bell: ChangeHints,
    ) -> None:
        self._root = root
        self._put = put
        self._settling = settling
        self._handed = handed
        self._bell = bell
        self._neighbours = ReferenceFinder(root)

    def notice(self, path: str, identity: Identity, now: float) -> None:
        """A look has found this file, looking so."""
        if self._handed.knows(path, identity) or not self._settling.see(path, identity, now):
            return
        is_manifest = is_manifest_name(_name(path))
        if says_ready(_name(path)) and not is_manifest:
            return  # it is due at once, and looked around for then
        try:
            data = read_unchanged(self._root, path, identity, MAX_BYTES)
        except OSError:
            data = None  # when it is due, that is told
        if is_manifest:
            if data is None or not companions.may_be_ours(data):
                self._settling.taken(path)
                self._handed.ignore(path, identity)
        elif data is not None:
            self._neighbours.survey(path, data, now)  # from now on what it refers to settles too

    def take(self, path: str, identity: Identity, now: float) -> None:
        """It has been quiet: hand it on, unless there is a reason to wait longer."""
        try:
            data = read_alike(self._root, path, identity, MAX_BYTES)
        except FileNotFoundError:
            self._settling.taken(path)
        except OSError as error:
            self._settling.unreadable(path, f"it can't be read: {error.strerror}", now)
        else:
            if data is None:
                self._settling.changed(path, now)
                self._bell.hint(path)  # how it looks by now
            elif not (_is_unfinished(data, path) and self._settling.unfinished(path)):
                self._take_whole(path, data, identity, now)

    def tidy(self, now: float) -> None:
        """Let go what was kept for one round of taking."""
        self._neighbours.forget(now)

    def _take_whole(self, path: str, data: bytes, identity: Identity, now: float) -> None:
        if is_manifest_name(_name(path)):
            self._take_manifest(path, data, identity)
            return
        found = self._neighbours.survey(path, data, now)
        wait = self._neighbours.wait(found, now, self._settling.quiet, self._settling.patience)
        if wait > 0:
            waits_for = ", ".join([*found.missing, *found.unreadable]) or "what it refers to"
            self._settling.put_off(path, now + wait, f"it waits for {waits_for}")
            return
        around = self._neighbours.gather(found)
        if around is None:
            self._settling.put_off(path, now + AGAIN, "it waits for a picture")
        else:
            self._hand_on(FileSettled(path, data, identity[3] / 1e9, identity, around))

    def _take_manifest(self, path: str, data: bytes, identity: Identity) -> None:
        manifest = companions.read_companions(data)
        beside = None if manifest is None else self._prompt_file_of(path, identity, manifest)
        if manifest is None or beside is None:
            if not (manifest and _came_as_folder(path, manifest) and self._settling.unfinished(path)):
                self._hand_on(FileSettled(path, data, identity[3] / 1e9, identity))
            return
        others = self._pages_of(path, manifest)
        self._hand_on(FileSettled(path, data, identity[3] / 1e9, identity, beside=beside, others=others))

    def _prompt_file_of(self, path: str, identity: Identity, manifest: CompanionManifest) -> str | None:
        """The prompt file that the manifest came with: by its name, or the only one in a folder of ours.

        A file of that name may be there for reasons of its own; so the two came together, or in one folder.
        """
        if manifest.asks:
            return None
        folder, whole = _folder(path), _came_as_folder(path, manifest)
        for other in (folder + name for name in manifest.prompt_files):
            look = self._settling.look_of(other) or self._handed.look_of(other)
            if look is not None and (whole or came_together(look, identity)):
                return other
        near = {*self._settling.beside(folder), *self._handed.beside(folder)}
        prompts = [other for other in near if is_prompt_name(_name(other))]
        return prompts[0] if len(prompts) == 1 and whole else None

    def _pages_of(self, path: str, manifest: CompanionManifest) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The pages that came with it and are still as we wrote them."""
        found = []
        for name, digest in manifest.pages.items():
            page = _folder(path) + name
            try:
                identity = identify(self._root, page)
                data = identity and read_unchanged(self._root, page, identity, PAGE_BYTES)
            except OSError:
                continue
            if identity is not None and data and sha256(data) == digest:
                found.append((page, identity))
        return tuple(found)

    def _hand_on(self, file: FileSettled) -> None:
        size = len(file.data) + _size(file.around)
        self._settling.taken(file.path)
        self._handed.put(file.path, file.identity, size)  # type: ignore[arg-type]
        self._put(file)


def _is_unfinished(data: bytes, path: str) -> bool:
    if is_manifest_name(_name(path)):
        return not companions.is_whole(data)
    return looks_incomplete(data, path)


def _came_as_folder(path: str, manifest: CompanionManifest) -> bool:
    """Whether it lies in a folder that is named as we name those of the outbox."""
    folder = _folder(path)[:-1]
    return bool(manifest.job) and folder.endswith(f"-{manifest.job}")


def _folder(path: str) -> str:
    head, slash, _ = path.rpartition("/")
    return head + slash


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _size(around: References) -> int:
    contents = [data for _, data in around.defaults]
    return sum(map(len, [*contents, *around.wildcards.values(), *around.images.values()]))
