"""The entries of all jobs on disk, in files of some hundreds; a new one changes only the last of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.filesystem.durable import durable_replace
from mjwatch.gallery.js_data import chunk_lines, chunk_script, index_script, read_index

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CHUNK = 250
"""Entries in a file. It has 150 kB then, little beside a job's pictures; and every file costs a browser."""

INDEX = "index.js"


class Chunks:
    """The files ``jobs-0001.js`` and so on in one folder, and ``index.js``, which says how many there are.

    A job that is entered twice is the later one: the page takes the last entry of each id.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self) -> None:
        """Make an index where there is none: a page that looks for a missing file complains."""
        if not (self._folder / INDEX).exists():
            self._write_index(0)

    def count(self) -> int:
        """How many there are; 0 where the index is missing or damaged."""
        try:
            return read_index((self._folder / INDEX).read_bytes())
        except (FileNotFoundError, ValueError):
            return 0

    def read(self, number: int) -> list[str]:
        """The literals of one chunk. Raises FileNotFoundError, or ValueError if it is damaged."""
        return chunk_lines(self._path(number).read_bytes())

    def append(self, lines: Sequence[str]) -> None:
        """Enter some more jobs."""
        if not lines:
            return
        before = number = self.count()
        present = self._last(number)
        if present is None:
            number, present = number + 1, []
        rest = [*present, *lines]
        while rest:
            self._write(number, rest[:CHUNK])
            rest = rest[CHUNK:]
            number += 1 if rest else 0
        if number != before:
            self._write_index(number)

    def _last(self, number: int) -> list[str] | None:
        """What the last chunk holds; None if it takes no more, also because it is damaged."""
        try:
            lines = self.read(number)
        except (FileNotFoundError, ValueError):
            return None
        return lines if len(lines) < CHUNK else None

    def replace(self, chunks: Sequence[Sequence[str]]) -> None:
        """Write these in the place of all; those that are so already are not touched."""
        before = self.count()
        for number, lines in enumerate(chunks, 1):
            if not self._holds(number, lines):
                self._write(number, lines)
        if before != len(chunks):
            self._write_index(len(chunks))
        for path in self._folder.glob("jobs-*.js"):
            if path not in {self._path(number) for number in range(1, len(chunks) + 1)}:
                path.unlink(missing_ok=True)

    def _holds(self, number: int, lines: Sequence[str]) -> bool:
        try:
            return self._path(number).read_bytes() == chunk_script(number, lines)
        except FileNotFoundError:
            return False

    def _write(self, number: int, lines: Sequence[str]) -> None:
        durable_replace(self._path(number), chunk_script(number, lines))

    def _write_index(self, count: int) -> None:
        durable_replace(self._folder / INDEX, index_script(count))

    def _path(self, number: int) -> Path:
        return self._folder / f"jobs-{number:04}.js"
