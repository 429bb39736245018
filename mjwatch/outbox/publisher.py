"""Publish a job's folder in the outbox: whole, by one rename, after its files are durable."""

from __future__ import annotations

import json
import logging
import uuid
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mjwatch.errors import ConfigError, OutboxError
from mjwatch.filesystem.folder import UnexpectedFileError, durable_folder, open_folder, private_folder
from mjwatch.filesystem.permissions import group_command, group_id, pass_on_group
from mjwatch.filesystem.safe_names import safe_file_name, safe_name
from mjwatch.outbox.manifest import FILE_NAME, LARGEST_MANIFEST, iso
from mjwatch.prompts.filenames import without_ready_marker
from mjwatch.trouble import outbox_trouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mjwatch.filesystem.folder import Folder
    from mjwatch.model import Job
    from mjwatch.trouble import Trouble

log = logging.getLogger("mjwatch.outbox")

FAILED = "_failed"
_HIDDEN = ".mjwatch-"
"""The beginning of the names of what mjwatch makes and sweeps away in the outbox."""
STAGING = f"{_HIDDEN}staging"
_PROBE = f"{_HIDDEN}probe-"
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
        self._state = state
        with _translate_errors(f"the outbox {root} can't be used"):
            durable_folder(root)
            self._mount = _mount_of(root)
            self._staging = _choose_staging(root, state)

    def publish(self, job: Job, files: Mapping[str, bytes], *, failed: bool = False) -> str:
        """Publish these files, ``manifest.json`` among them, as the job's folder; return its path there.

        The call is idempotent: a folder that already holds this job's manifest counts as published, and
        after an OutboxError the caller may try again. What is visible is always whole. A success removes the
        folder in which the job was published as failed before.
        """
        relative = self.folder_of(job, failed=failed)
        with _translate_errors(f"{relative} can't be published"):
            self.check_mounted()
            published, manifest = self._published(relative, job.id)
            if published is not None and failed and not _is_current(manifest, job):
                self._withdraw_failure(job)  # it was retried and failed again: the page must report that
                published = None
            if published is None:
                published = self._put_with_retry(relative, files)
            with open_folder(self._root, published.parent.parts) as parent:
                parent.sync()
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
        elif parents and parents[0].casefold().startswith(_HIDDEN):
            parents[0] = f"_{parents[0]}"
        return PurePosixPath(*([FAILED] if failed else []), *parents, f"{stem_of(job)}-{job.id}")

    def trouble(self, error: OSError | OutboxError, relative: PurePosixPath) -> Trouble:
        """Return what an error means for the outbox as a whole, after this folder in it could not change.

        Of a missing folder the trouble is that of the one in which it would be made.
        """
        folder = self._root / relative
        while folder != self._root and not folder.exists():
            folder = folder.parent
        return outbox_trouble(error, self._root, folder)

    def give_to(self, name: str) -> None:
        """Let the outbox have this group, and pass it on; log what a person must do if this user may not.

        Raise ConfigError if there is no such group.
        """
        group = group_id(name)
        if group is None:
            raise ConfigError(f"[outbox] group: there is no group {name}", f"run `sudo groupadd {name}`")
        try:
            pass_on_group(self._root, group)
        except OSError as error:
            command = group_command(self._root, name)
            message = "the outbox %s can't get the group %s: %s; run `%s`"
            log.warning(message, self._root, name, error.strerror, command)

    def sweep(self) -> None:
        """Remove what a crash left in staging. Call it only while no other process stages there.

        What can't be removed now is invisible, and removed another time.
        """
        for root, names in (_staging_in_state(self._state), _staging_in_outbox(self._root)):
            with _obstacles_logged(), open_folder(root, names) as folder:
                for name in folder.folders():
                    with suppress(OSError):
                        folder.remove_tree(name)
        with suppress(OSError), open_folder(self._root) as outbox:
            for name in outbox.folders():
                if name.startswith(_PROBE):
                    outbox.remove_tree(name)

    def _published(self, relative: PurePosixPath, job_id: str) -> tuple[PurePosixPath | None, dict[str, Any]]:
        """Return the folder that holds this job's manifest, and the manifest."""
        with suppress(FileNotFoundError), open_folder(self._root, relative.parent.parts) as parent:
            for path in _names(relative):
                if not parent.exists(path.name):
                    break  # names are used in order
                manifest = _manifest_in(parent, path.name)
                if manifest.get("job") == job_id:
                    return path, manifest
        return None, {}

    def _put_with_retry(self, relative: PurePosixPath, files: Mapping[str, bytes]) -> PurePosixPath:
        """Put the folder; after an error choose the staging folder again: a disk may be mounted by now."""
        try:
            return self._put(relative, files)
        except OSError:
            staging = _choose_staging(self._root, self._state)
            if staging == self._staging:
                raise
            self._staging = staging
            return self._put(relative, files)

    def _put(self, relative: PurePosixPath, files: Mapping[str, bytes]) -> PurePosixPath:
        """Stage the files, and move them to the first unused name: what a person has changed is left."""
        durable_folder(self._root)
        with (
            self._open_staging() as staging,
            open_folder(self._root, relative.parent.parts, make=True) as parent,
            _staged(staging, parent, f"{_PROBE}{relative.name}", files) as name,
        ):
            for path in _names(relative):
                if not parent.exists(path.name):
                    staging.move(name, parent, path.name)
                    return path
        raise OutboxError(f"{relative} and the names after it are taken", "move those folders away")

    def _open_staging(self) -> Folder:
        root, names = self._staging
        private_folder(root)
        return open_folder(root, names, make=True)

    def _withdraw_failure(self, job: Job) -> None:
        """Remove the failure that was published for this job before, at once and whole."""
        relative = self.folder_of(job, failed=True)
        try:
            failure, _ = self._published(relative, job.id)
            if failure is None:
                return
            aside = uuid.uuid4().hex
            with self._open_staging() as staging:
                with open_folder(self._root, failure.parent.parts) as parent:
                    parent.move(failure.name, staging, aside)
                with suppress(OSError):  # the next start removes it
                    staging.remove_tree(aside)
        except OSError as error:
            log.warning(
                "%s: mjwatch can't remove the folder of an earlier failure, %s: %s",
                *(job.id, relative, error.strerror),
                extra={"job": job.id},
            )


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


def _manifest_in(parent: Folder, name: str) -> dict[str, Any]:
    """Return the manifest in this folder; {} if it holds none that mjwatch has written.

    Other errors of the system are for the caller: a manifest that can't be read may be this job's.
    """
    try:
        with parent.open(name) as folder:
            manifest = json.loads(folder.read(FILE_NAME, LARGEST_MANIFEST))
    except (FileNotFoundError, UnexpectedFileError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _is_current(manifest: dict[str, Any], job: Job) -> bool:
    """Return whether the published failure is the job's last one."""
    times = manifest.get("times")
    return isinstance(times, dict) and times.get("finished") == iso(job.finished)


@contextmanager
def _staged(staging: Folder, parent: Folder, born: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the name of a folder with these files; remove it if it is still in staging afterwards."""
    name = uuid.uuid4().hex
    try:
        with _created(staging, name, parent, born) as folder:
            for file, data in files.items():
                folder.create(file, data)
            folder.sync()
        yield name
    finally:
        with suppress(OSError):
            staging.remove_tree(name)


def _created(staging: Folder, name: str, parent: Folder, born: str) -> Folder:
    """Return a new folder in staging that has group, mode and access control list as if made in ``parent``.

    A rename keeps them all, and a service without privileges can't set the group of another folder
    afterwards. So the folder is made in ``parent``, under the name ``born``, and moved to staging at once.
    """
    with suppress(FileNotFoundError):
        parent.remove_tree(born)  # a crash left it
    parent.create_folder(born).close()
    try:
        parent.move(born, staging, name)
    except OSError:
        with suppress(OSError):
            parent.remove_tree(born)
        raise
    return staging.open(name)


_Staging = tuple["Path", tuple[str, ...]]
"""A configured folder, and the names of the staging folder below it."""


def _staging_in_state(state: Path) -> _Staging:
    return state, ("staging",)


def _staging_in_outbox(root: Path) -> _Staging:
    return root, (STAGING,)


def _choose_staging(root: Path, state: Path) -> _Staging:
    """Return the folder in the state folder if a rename from it into the outbox works, else the other one.

    It tries the renames, because under systemd's bind mounts one can fail although the device is the same.
    """
    probe, arrived = uuid.uuid4().hex, f"{_PROBE}{uuid.uuid4().hex}"
    try:
        private_folder(state)
        with open_folder(*_staging_in_state(state), make=True) as staging, open_folder(root) as outbox:
            _created(staging, probe, outbox, arrived).close()
            try:
                staging.move(probe, outbox, arrived)
            except OSError:
                staging.remove_tree(probe)
                raise
            outbox.remove_tree(arrived)
    except OSError:
        return _staging_in_outbox(root)
    return _staging_in_state(state)


@contextmanager
def _obstacles_logged() -> Iterator[None]:
    """Ignore errors of the system, but log if something else lies where mjwatch has its folder."""
    try:
        yield
    except UnexpectedFileError as error:
        log.warning("mjwatch can't stage there: %s", error.strerror)
    except OSError as error:
        log.debug("staging is not swept: %s", error)


@contextmanager
def _translate_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutboxError(f"{what}: {error.strerror or error}") from error
