"""The gallery's thumbnails on disk: one WebP for each job that has pictures, made once."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from mjwatch.errors import PictureError
from mjwatch.folders.durable import durable_folder, durable_replace

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

    def size_for(self, entry: Entry, job_folder: Path) -> list[int] | None:
        """Width and height of the job's thumbnail, which is made if it is not there; None if it has none."""
        from mjwatch.pictures.split import image_facts  # with Pillow, which an idle service does without
        from mjwatch.pictures.thumbnail import thumbnail

        path = self._path(entry["id"])
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        try:
            if not data:
                sources = [_content(job_folder / name) for name in _sources(entry)]
                if not sources:
                    return None
                data = thumbnail(sources)
                durable_folder(path.parent)
                durable_replace(path, data)
            facts = image_facts(data)
        except (FileNotFoundError, PictureError):
            return None  # a video, or a picture that a person took away
        return [facts.width, facts.height]

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
