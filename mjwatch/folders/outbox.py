"""The outbox: publishes a job's folder whole, by one rename, after its files are durable."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mjwatch.errors import OutboxError
from mjwatch.folders.manifest import FILE_NAME
from mjwatch.folders.names import safe_name
from mjwatch.folders.settling import without_marker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mjwatch.model import Job

FAILED = "_failed"
STAGING = ".mjwatch-staging"
FILE_MODE, FOLDER_MODE = 0o644, 0o755


class Outbox:
    """One outbox folder. Staging is in the state folder if a rename from there works, else beside jobs."""

    def __init__(self, root: Path, state: Path) -> None:
        """Make both folders where they are missing, and try which staging place a rename works from."""
        self._root = root
        with _translated("the outbox can't be used"):
            root.mkdir(parents=True, exist_ok=True)
            self._staging = _staging_place(root, state / "staging")

    def publish(self, job: Job, files: Mapping[str, bytes], *, failed: bool = False) -> str:
        """Publish these files, ``manifest.json`` among them, as the job's folder; its path in the outbox.

        Idempotent: a folder that holds this job's manifest already counts as published. Raises OutboxError;
        then nothing of it is visible.
        """
        relative = self.folder_of(job, failed=failed)
        target = self._root / relative
        with _translated(f"{relative} can't be published"):
            if self._holds(target, job.id):
                return str(relative)
            staged = self._stage(files)
            try:
                _make_parents(target.parent, self._root)
                staged.rename(target)
            except BaseException:
                shutil.rmtree(staged, ignore_errors=True)
                raise
            _fsync_folder(target.parent)
            if not failed:
                self._withdraw(self._root / self.folder_of(job, failed=True), job.id)
        return str(relative)

    def folder_of(self, job: Job, *, failed: bool) -> PurePosixPath:
        """Where the job's folder belongs: ``clients/acme/cat-7k3f9a2m`` for ``clients/acme/cat.txt``."""
        parents = PurePosixPath(job.source.path).parent.parts if job.source else ()
        folder = PurePosixPath(*([FAILED] if failed else []), *(safe_name(part) for part in parents))
        return folder / f"{stem_of(job)}-{job.id}"

    def sweep(self) -> None:
        """Remove what a crash left in staging. Only while no other process stages there."""
        if self._staging.is_dir():
            for left in self._staging.iterdir():
                shutil.rmtree(left, ignore_errors=True)

    def _holds(self, folder: Path, job_id: str) -> bool:
        try:
            manifest = json.loads((folder / FILE_NAME).read_bytes())
        except (OSError, ValueError):
            return False
        return isinstance(manifest, dict) and manifest.get("job") == job_id

    def _withdraw(self, folder: Path, job_id: str) -> None:
        """A late result replaces the failure that was published before it."""
        if self._holds(folder, job_id):
            shutil.rmtree(folder, ignore_errors=True)

    def _stage(self, files: Mapping[str, bytes]) -> Path:
        self._staging.mkdir(parents=True, exist_ok=True)
        staged = self._staging / uuid.uuid4().hex
        staged.mkdir()
        try:
            staged.chmod(FOLDER_MODE)
            for name, data in files.items():
                _write_durably(staged / name, data)
            _fsync_folder(staged)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        return staged


def stem_of(job: Job) -> str:
    """The name that the job's folder and pictures begin with: its prompt file's, less suffix and marker."""
    return safe_name(Path(prompt_file_name(job)).stem)


def prompt_file_name(job: Job) -> str:
    """The prompt file's name in the outbox."""
    name = PurePosixPath(job.source.path).name if job.source else "prompt.txt"
    return safe_name(without_marker(name))


def _staging_place(root: Path, preferred: Path) -> Path:
    """The state folder if a folder can be renamed from there into the outbox, else one inside the outbox.

    Tried and not computed: under systemd's bind mounts a rename can fail although the device is the same.
    """
    probe, arrived = preferred / uuid.uuid4().hex, root / f".mjwatch-probe-{uuid.uuid4().hex}"
    try:
        probe.mkdir(parents=True)
        probe.rename(arrived)
    except OSError:
        with suppress(OSError):
            probe.rmdir()
        return root / STAGING
    arrived.rmdir()
    return preferred


def _write_durably(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(FILE_MODE)  # whatever the umask is: the far end of a sync must be able to read it


def _make_parents(folder: Path, root: Path) -> None:
    """Make missing folders one by one, each durable in its parent."""
    if folder == root or folder.is_dir():
        return
    _make_parents(folder.parent, root)
    folder.mkdir(exist_ok=True)
    _fsync_folder(folder.parent)


def _fsync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows can't open a folder; its renames are durable with the volume's log
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutboxError(f"{what}: {error.strerror or error}") from error
