"""Publish a job's folder in the outbox: whole, by one rename, after its files are durable."""

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
from mjwatch.outbox.manifest import FILE_NAME, iso
from mjwatch.prompts.filenames import without_ready_marker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mjwatch.model import Job

log = logging.getLogger("mjwatch.outbox")

FAILED = "_failed"
STAGING = ".mjwatch-staging"
_PROBE = ".mjwatch-probe-"
_RESERVED = frozenset({FAILED, "_gallery", "index.html", "status.json"})
"""Names of mjwatch at the top of an outbox: no folder of the inbox may take one."""

_RESERVED_IN_FOLDER = frozenset({FILE_NAME, "error.md", "result.md"})
"""Names of mjwatch beside a prompt file, in lower case."""

_MOST_NAMES = 9


class Outbox:
    """One outbox. Folders are staged in the state folder if a rename from there works, else in the outbox."""

    def __init__(self, root: Path, state: Path) -> None:
        """Make both folders if they are missing, and try from which staging folder a rename works."""
        self._root = root
        self._state_staging = state / "staging"
        with _translate_errors(f"the outbox {root} can't be used"):
            durable_folder(root)
            self._mount = _mount_of(root)
            self._staging = _choose_staging(root, self._state_staging)

    def publish(self, job: Job, files: Mapping[str, bytes], *, failed: bool = False) -> str:
        """Publish these files, ``manifest.json`` among them, as the job's folder; return its path there.

        The call is idempotent: a folder that already holds this job's manifest counts as published, and
        after an OutboxError the caller may try again. What is visible is always whole. A success removes the
        folder in which the job was published as failed before.
        """
        relative = self.folder_of(job, failed=failed)
        with _translate_errors(f"{relative} can't be published"):
            self.check_mounted()
            published = self._published(relative, job.id)
            if published is not None and failed and not self._is_current(published, job):
                self._withdraw_failure(job)  # it was retried and failed again: the page must report that
                published = None
            if published is None:
                published = self._free_name(relative)
                self._put_with_retry(published, files)
            fsync_folder((self._root / published).parent)
        if not failed:
            self._withdraw_failure(job)
        return str(published)

    def check_mounted(self) -> None:
        """Raise OutboxError while the outbox's disk is gone.

        What goes into the folder below a mount point is hidden once the disk is back.
        """
        if not _is_mounted(self._mount):
            raise OutboxError(
                f"the disk of the outbox, {self._mount}, is not mounted any more",
                "mount it again; mjwatch then continues by itself",
            )

    def folder_of(self, job: Job, *, failed: bool) -> PurePosixPath:
        """Return the path of the job's folder: ``clients/acme/cat-7k3f9a2m`` for ``clients/acme/cat.txt``."""
        source = PurePosixPath(job.source.path if job.source else "")
        parents = [safe_name(part) for part in source.parent.parts]
        if parents and parents[0].casefold() in _RESERVED:
            parents[0] += "_"
        return PurePosixPath(*([FAILED] if failed else []), *parents, f"{stem_of(job)}-{job.id}")

    def sweep(self) -> None:
        """Remove what a crash left in staging. Call it only while no other process stages there."""
        for staging in (self._state_staging, self._root / STAGING):
            with suppress(OSError):  # what can't be removed now is invisible, and removed another time
                for left in staging.iterdir():
                    shutil.rmtree(left, ignore_errors=True)
        for probe in self._root.glob(f"{_PROBE}*"):
            with suppress(OSError):
                probe.rmdir()

    def _published(self, relative: PurePosixPath, job_id: str) -> PurePosixPath | None:
        """Return the folder that holds this job's manifest."""
        for path in _names(relative):
            try:
                manifest = json.loads((self._root / path / FILE_NAME).read_bytes())
            except (FileNotFoundError, NotADirectoryError, ValueError):
                # Any other error is for the caller: a manifest that can't be read may be this job's.
                if not (self._root / path).exists():
                    return None  # names are used in order
                continue
            if isinstance(manifest, dict) and manifest.get("job") == job_id:
                return path
        return None

    def _is_current(self, published: PurePosixPath, job: Job) -> bool:
        """Return whether the published failure is the job's last one."""
        manifest = json.loads((self._root / published / FILE_NAME).read_bytes())
        return bool(manifest.get("times", {}).get("finished") == iso(job.finished))

    def _free_name(self, relative: PurePosixPath) -> PurePosixPath:
        """Return the first unused name: a folder that a person has changed is left as it is."""
        for path in _names(relative):
            if not os.path.lexists(self._root / path):
                return path
        raise OutboxError(f"{relative} and the names after it are taken", "move those folders away")

    def _put_with_retry(self, relative: PurePosixPath, files: Mapping[str, bytes]) -> None:
        """Put the folder; after an error choose the staging folder again: a disk may be mounted by now."""
        try:
            self._put(relative, files)
        except OSError:
            staging = _choose_staging(self._root, self._state_staging)
            if staging == self._staging:
                raise
            self._staging = staging
            self._put(relative, files)

    def _put(self, relative: PurePosixPath, files: Mapping[str, bytes]) -> None:
        target = self._root / relative
        if not target.parent.resolve().is_relative_to(self._root.resolve()):
            raise OutboxError(f"{relative.parent} leads out of the outbox", "remove the link")
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
                    raise OutboxError(f"{name!r} is not a valid file name")
                durable_copy(staged / name, data)
            fsync_folder(staged)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        return staged

    def _withdraw_failure(self, job: Job) -> None:
        """Remove the failure that was published for this job before, at once and whole."""
        failure = self._published(self.folder_of(job, failed=True), job.id)
        if failure is None:
            return
        aside = self._staging / uuid.uuid4().hex
        try:
            self._staging.mkdir(parents=True, exist_ok=True)
            (self._root / failure).rename(aside)
        except OSError as error:
            log.warning(
                "%s: mjwatch can't remove the folder of an earlier failure, %s: %s",
                *(job.id, failure, error.strerror),
                extra={"job": job.id},
            )
        else:
            shutil.rmtree(aside, ignore_errors=True)


def stem_of(job: Job) -> str:
    """Return the beginning of the job's file names: its prompt file's name without suffix and marker."""
    return prompt_file_name(job).rpartition(".")[0]


def prompt_file_name(job: Job) -> str:
    """Return the prompt file's name in the outbox; another name if a file of mjwatch has that one."""
    name = PurePosixPath(job.source.path).name if job.source else "prompt.txt"
    name = safe_file_name(without_ready_marker(name))
    return f"request{PurePosixPath(name).suffix}" if name.casefold() in _RESERVED_IN_FOLDER else name


def _names(relative: PurePosixPath) -> Iterator[PurePosixPath]:
    yield relative
    for number in range(2, _MOST_NAMES + 1):
        yield relative.with_name(f"{relative.name}-{number}")


def _mount_of(folder: Path) -> Path:
    """Return the mount point of the file system that holds this folder."""
    folder = folder.resolve()
    return next(parent for parent in (folder, *folder.parents) if _is_mounted(parent))


def _is_mounted(folder: Path) -> bool:
    """Return whether a file system begins at this folder; False if it is gone."""
    try:
        return folder == folder.parent or folder.stat().st_dev != folder.parent.stat().st_dev
    except FileNotFoundError:
        return False


def _choose_staging(root: Path, preferred: Path) -> Path:
    """Return the preferred folder if a rename from it into the outbox works, else a folder in the outbox.

    It tries a rename, because under systemd's bind mounts one can fail although the device is the same.
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
def _translate_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutboxError(f"{what}: {error.strerror or error}") from error
