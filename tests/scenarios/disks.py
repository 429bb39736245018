"""Small disks for tests: a tmpfs that can be filled, made read-only and pulled out. Mounting needs root."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILLER = "_filler.bin"
"""The inbox and the outbox leave such a name alone."""


@dataclass
class Disk:
    """One small disk, mounted at a folder."""

    folder: Path
    size: str

    def mount(self) -> None:
        self._call("mount", "-t", "tmpfs", "-o", f"size={self.size}", "mjwatch-test", str(self.folder))

    def pull(self) -> None:
        """Take it away, as a person pulls a stick: whoever has a file open on it keeps that."""
        self._call("umount", "--lazy", str(self.folder))

    def read_only(self, wanted: bool) -> None:
        self._call("mount", "-o", f"remount,{'ro' if wanted else 'rw'}", str(self.folder))

    def fill(self) -> None:
        """Leave not one byte."""
        try:
            with (self.folder / FILLER).open("wb", buffering=0) as file:
                for piece in (65536, 1):
                    _write_until_full(file.fileno(), b"\0" * piece)
        except OSError as error:  # also at the end of the block
            assert error.errno == errno.ENOSPC

    def make_room(self) -> None:
        (self.folder / FILLER).unlink()

    def _call(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline(30), check=False)
        if done.returncode != 0:
            pytest.fail(f"this test needs the right to mount a tmpfs: {done.stderr.strip()}", pytrace=False)


def _write_until_full(descriptor: int, piece: bytes) -> None:
    try:
        while True:
            os.write(descriptor, piece)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@contextmanager
def small_disk(folder: Path, size: str = "4m") -> Iterator[Disk]:
    """A disk mounted at a new folder, for as long as the block lasts."""
    folder.mkdir(parents=True)
    disk = Disk(folder, size)
    disk.mount()
    try:
        yield disk
    finally:
        subprocess.run(
            ["umount", "--lazy", str(folder)], capture_output=True, timeout=deadline(30), check=False
        )
