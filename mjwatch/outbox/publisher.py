"""The outbox: publishes a job's folder whole, by one rename, after its files are durable."""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from pathlib import PurePath, PurePosixPath
from typing import TYPE_CHECKING

from mjwatch.errors import OutboxError
from mjwatch.filesystem.files import FOLDER_MODE, durable_copy, durable_folder, fsync_folder
from mjwatch.filesystem.safe_names import safe_file_name, safe_name
from mjwatch.inbox.filenames import without_ready_marker
from mjwatch.outbox.manifest import FILE_NAME, iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mjwatch.model import Job

log = logging.getLogger("mjwatch.outbox")

FAILED = "_failed"
STAGING = ".mjwatch-staging"
_PROBE = ".mjwatch-probe-"
_OURS = frozenset({FAILED, "_gallery", "index.html", "status.json"})
"""What else lies at the top of an outbox: no folder of the inbox may be mistaken for it."""

_OURS_IN_FOLDER = frozenset({FILE_NAME, "error.md", "result.md"})
"""Files of ours beside a prompt file, in lower case."""

_MOST_NAMES = 9


class Outbox:
    """One outbox folder. Staging is in the state folder if a rename from there works, else beside jobs."""

    def __init__(self, root: Path, state: Path) -> None:
        """Make both folders where they are missing, and try which staging place a rename works from."""
        self._root = root
        self._state_staging = state / "staging"
        with _translated(f"the outbox {root} can't be used"):
            durable_folder(root)
            self._mount = _mount_of(root)
            self._staging = _staging_place(root, self._state_staging)

    def publish(self, job: Job, files: Mapping[str, bytes], *, failed: bool = False) -> str:
        """Publish these files, ``manifest.json`` among them, as the job's folder; its path in the outbox.

        Idempotent: a folder that holds this job's manifest already counts as published, and after an
        OutboxError it may be tried again. What is visible is always whole. A success takes the folder away
        in which the job was published as failed before.
        """
        relative = self.folder_of(job, failed=failed)
        with _translated(f"{relative} can't be published"):
            self.check_mounted()
            published = self._published(relative, job.id)
            if published is not None and failed and not self._is_present_answer(published, job):
                self._withdraw(job)  # it was retried and failed again: the page must tell of this time
                published = None
            if published is None:
                published = self._free(relative)
                self._put_or_stage_anew(published, files)
            fsync_folder((self._root / published).parent)
        if not failed:
            self._withdraw(job)
        return str(published)

    def check_mounted(self) -> None:
        """Raise OutboxError while the outbox's disk is gone.

        What goes into the folder below a mount point is hidden once the disk is back.
        """
        if not _is_mounted(self._mount):
            raise OutboxError(
                f"nothing is mounted at {self._mount} any more, where the outbox was",
                "mount it again; then it goes on by itself",
            )

    def folder_of(self, job: Job, *, failed: bool) -> PurePosixPath:
        """Where the job's folder belongs: ``clients/acme/cat-7k3f9a2m`` for ``clients/acme/cat.txt``."""
        source = PurePosixPath(job.source.path if job.source else "")
        parents = [safe_name(part) for part in source.parent.parts]
        if parents and parents[0].casefold() in _OURS:
            parents[0] += "_"
        return PurePosixPath(*([FAILED] if failed else []), *parents, f"{stem_of(job)}-{job.id}")

    def sweep(self) -> None:
        """Remove what a crash left in staging. Only while no other process stages there."""
        for staging in (self._state_staging, self._root / STAGING):
            with suppress(OSError):  # what can't be swept now is invisible, and swept another time
                for left in staging.iterdir():
                    shutil.rmtree(left, ignore_errors=True)
        for probe in self._root.glob(f"{_PROBE}*"):
            with suppress(OSError):
                probe.rmdir()

    def _published(self, relative: PurePosixPath, job_id: str) -> PurePosixPath | None:
        """The folder that holds this job's manifest."""
        for path in _names(relative):
            try:
                manifest = json.loads((self._root / path / FILE_NAME).read_bytes())
            except (FileNotFoundError, NotADirectoryError, ValueError):
                # Any other error is for the caller: a manifest that can't be read may be this job's.
                if not (self._root / path).exists():
                    return None  # names are given out in order
                continue
            if isinstance(manifest, dict) and manifest.get("job") == job_id:
                return path
        return None

    def _is_present_answer(self, published: PurePosixPath, job: Job) -> bool:
        manifest = json.loads((self._root / published / FILE_NAME).read_bytes())
        return bool(manifest.get("times", {}).get("finished") == iso(job.finished))

    def _free(self, relative: PurePosixPath) -> PurePosixPath:
        """The first name that nobody has: a folder that somebody has tampered with is left as it is."""
        for path in _names(relative):
            if not os.path.lexists(self._root / path):
                return path
        raise OutboxError(f"{relative} and the names after it are taken", "clear them away")

    def _put_or_stage_anew(self, relative: PurePosixPath, files: Mapping[str, bytes]) -> None:
        """Put it; after an error the staging place is tried anew: a disk may be mounted here by now."""
        try:
            self._put(relative, files)
        except OSError:
            place = _staging_place(self._root, self._state_staging)
            if place == self._staging:
                raise
            self._staging = place
            self._put(relative, files)

    def _put(self, relative: PurePosixPath, files: Mapping[str, bytes]) -> None:
        target = self._root / relative
        if not target.parent.resolve().is_relative_to(self._root.resolve()):
            raise OutboxError(f"{relative.parent} leads out of the outbox", "remove that link")
        staged = self._stage(files)
        try:
            durable_folder(target.parent)
            staged.rename(target)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise

    def _stage(self, files: Mapping[str, bytes]) -> Path:
        self._staging.mkdir(parents=True, exist_ok=True)
        staged = self._staging / uuid.uuid4().hex
        staged.mkdir()
        try:
            staged.chmod(FOLDER_MODE)
            for name, data in files.items():
                if PurePath(name).name != name or name in {"", ".."}:
                    raise OutboxError(f"{name!r} is no name for a file")
                durable_copy(staged / name, data)
            fsync_folder(staged)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        return staged

    def _withdraw(self, job: Job) -> None:
        """A late result replaces the failure that was published before it, at once and whole."""
        failure = self._published(self.folder_of(job, failed=True), job.id)
        if failure is None:
            return
        aside = self._staging / uuid.uuid4().hex
        try:
            self._staging.mkdir(parents=True, exist_ok=True)
            (self._root / failure).rename(aside)
        except OSError as error:
            log.warning("%s has pictures now, but %s can't be removed: %s", job.id, failure, error.strerror)
        else:
            shutil.rmtree(aside, ignore_errors=True)


def stem_of(job: Job) -> str:
    """The name that the job's folder and pictures begin with: its prompt file's, less suffix and marker."""
    return prompt_file_name(job).rpartition(".")[0]


def prompt_file_name(job: Job) -> str:
    """The prompt file's name in the outbox; another one where a file of ours has that name."""
    name = PurePosixPath(job.source.path).name if job.source else "prompt.txt"
    name = safe_file_name(without_ready_marker(name))
    return f"request{PurePosixPath(name).suffix}" if name.casefold() in _OURS_IN_FOLDER else name


def _names(relative: PurePosixPath) -> Iterator[PurePosixPath]:
    yield relative
    for number in range(2, _MOST_NAMES + 1):
        yield relative.with_name(f"{relative.name}-{number}")


def _mount_of(folder: Path) -> Path:
    """The folder where the file system begins that this one is on."""
    folder = folder.resolve()
    return next(place for place in (folder, *folder.parents) if _is_mounted(place))


def _is_mounted(place: Path) -> bool:
    """Whether a file system begins here; nowhere if the folder is gone."""
    try:
        return place == place.parent or place.stat().st_dev != place.parent.stat().st_dev
    except FileNotFoundError:
        return False


def _staging_place(root: Path, preferred: Path) -> Path:
    """The state folder if a folder can be renamed from there into the outbox, else one inside the outbox.

    Tried and not computed: under systemd's bind mounts a rename can fail although the device is the same.
    """
    probe, arrived = preferred / uuid.uuid4().hex, root / f"{_PROBE}{uuid.uuid4().hex}"
    try:
        probe.mkdir(parents=True)
        probe.rename(arrived)
    except OSError:
        with suppress(OSError):
            probe.rmdir()
        return root / STAGING
    arrived.rmdir()
    return preferred


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutboxError(f"{what}: {error.strerror or error}") from error
