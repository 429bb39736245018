"""The gallery's thumbnails on disk: one WebP for each job that has pictures, made once."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from mjwatch.errors import PictureError
from mjwatch.filesystem.files import durable_folder, durable_replace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from mjwatch.gallery.entry import Entry

LARGEST = 128 * 1024 * 1024
"""Bytes of a file that is read for its thumbnail; no picture of Midjourney comes near."""


class Thumbnails:
    """One folder of them: ``7/7k3f9a2m.webp`` for the job 7k3f9a2m, so that none gets thousands of files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ids(self) -> set[str]:
        """The jobs that have one."""
        return {path.stem for path in self._files() if path.suffix == ".webp"}

    def size_for(self, entry: Entry, job_folder: Path, made: bytes | None = None) -> list[int] | None:
        """Width and height of the job's thumbnail; None if it has none.

        It is kept if it is ``made`` already, and made if it is not there.
        """
        from mjwatch.pictures.split import image_facts  # with Pillow, which an idle service does without

        try:
            data = self._kept(entry["id"], made) or self._made(entry, job_folder)
            facts = None if data is None else image_facts(data)
        except (FileNotFoundError, PictureError):
            return None  # a video, or a picture that a person took away
        return None if facts is None else [facts.width, facts.height]

    def _kept(self, job_id: str, made: bytes | None) -> bytes | None:
        if made is not None:
            self._write(job_id, made)
            return made
        try:
            return self._path(job_id).read_bytes() or None
        except FileNotFoundError:
            return None

    def _made(self, entry: Entry, job_folder: Path) -> bytes | None:
        from mjwatch.pictures.split import thumbnail  # see size_for

        sources = [_content(job_folder / name) for name in _sources(entry)]
        if not sources:
            return None
        data = thumbnail(sources)
        self._write(entry["id"], data)
        return data

    def _write(self, job_id: str, data: bytes) -> None:
        path = self._path(job_id)
        durable_folder(path.parent)
        durable_replace(path, data)

    def drop_all_but(self, ids: Collection[str]) -> None:
        """Remove those of other jobs, and what a crash left half written."""
        wanted = {self._path(job_id) for job_id in ids}
        for path in self._files():
            if path not in wanted:
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            for part in [one for one in self._folder.iterdir() if one.is_dir()]:
                with os.scandir(part) as entries:
                    yield from (part / entry.name for entry in entries)

    def _path(self, job_id: str) -> Path:
        return self._folder / job_id[0] / f"{job_id}.webp"


def _sources(entry: Entry) -> list[str]:
    """The files that the thumbnail is made of: the grid, four pictures in its place, or the first one."""
    names: list[str] = [picture[0] for picture in entry.get("pictures", ())]
    if len(names) == 4:
        return [entry["grid"]] if "grid" in entry else names
    return names[:1]


def _content(path: Path) -> bytes:
    """A plain file's bytes: others share the outbox, and a link or a pipe may lead anywhere."""
    facts = path.lstat()
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
        raise PictureError(f"{path} is no file that can be shown")
    return path.read_bytes()
