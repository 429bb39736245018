"""What a caller gets of a job: its pictures, copied where they are wanted, or the error that says why not."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.errors import MjwatchError, OutboxError
from mjwatch.jobs.status_text import reason
from mjwatch.model import Job, State
from mjwatch.outbox.manifest import FILE_NAME, load_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_delivering = threading.Lock()


@dataclass(frozen=True, slots=True)
class Pictures:
    """The result of a job: picture files (those of a grid in U1-U4 order), or an answer in ``text``."""

    folder: Path
    pictures: tuple[Path, ...]
    manifest: dict[str, Any]
    text: str | None = None


class JobFailedError(MjwatchError):
    """The job ended without pictures; ``job`` has the reason, ``others`` the results of jobs beside it."""

    def __init__(self, job: Job, others: Sequence[Pictures] = ()) -> None:
        message, hint = reason(job)
        super().__init__(
            f"job {job.id} got no pictures: {message}", hint or f"`mjwatch show {job.id}` shows its history"
        )
        self.job = job
        self.others = tuple(others)
        needs_human = job.refusal is not None and job.refusal.needs_human
        self.exit_code = 4 if needs_human or job.state is State.IN_DOUBT else 1


@dataclass(frozen=True, slots=True)
class PromptResult:
    """What became of one of several prompts. ``index``: its place among them, from 0; ``job``: its job's id.

    ``error``: why there are no pictures, or None.
    """

    index: int
    prompt: str
    job: str
    found: Pictures | None = None
    error: MjwatchError | None = None

    def result(self) -> Pictures:
        """Return the pictures, or raise the error."""
        if self.found is None:
            raise self.error or MjwatchError(f"job {self.job} has no pictures")
        return self.found


def result_of(job: Job, outbox: Path, download_path: Path | str | None) -> Pictures:
    """Return the job's result, copied into a folder below ``download_path`` if that is given.

    Raise JobFailedError, or OutboxError if it can't be copied.
    """
    if job.state is not State.DONE or job.folder is None:
        raise JobFailedError(job)
    return deliver(outbox / job.folder, download_path)


def deliver(folder: Path, download_path: Path | str | None) -> Pictures:
    """Return the result in this folder of the outbox, copied as above. Raise OutboxError."""
    if download_path is not None:
        target = Path(download_path).expanduser()
        try:
            with _delivering:
                folder = _copy(folder, target)
        except OSError as error:
            raise OutboxError(
                f"the pictures are in {folder}, but can't be copied to {target}: {error.strerror or error}",
                "copy them from there",
            ) from error
    manifest = load_manifest(folder)
    pictures = tuple(folder / image["file"] for image in manifest["images"])
    return Pictures(folder, pictures, manifest, manifest.get("text"))


def _copy(folder: Path, target: Path) -> Path:
    """Copy the folder into ``target``, whole and by one rename; replace nothing but a copy of the same."""
    path = next(path for path in _names(target / folder.name) if not path.exists() or _is_copy(path, folder))
    if path.exists():
        return path
    unfinished = target / f".{path.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)  # a killed script has left it
    shutil.copytree(folder, unfinished, symlinks=True)
    return unfinished.rename(path)


def _names(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.name}-{number}")
        number += 1


def _is_copy(path: Path, folder: Path) -> bool:
    manifest = path / FILE_NAME
    return manifest.is_file() and manifest.read_bytes() == (folder / FILE_NAME).read_bytes()
