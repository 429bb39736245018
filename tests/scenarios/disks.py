"""Small disks for tests: a tmpfs that can be filled, made read-only and unmounted. Mounting needs root."""

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
"""The inbox and the outbox ignore files with such a name."""


@dataclass
class Disk:
    """A small disk, mounted at a folder."""

    folder: Path
    size: str

    def mount(self) -> None:
        self._run("mount", "-t", "tmpfs", "-o", f"size={self.size}", "mjwatch-test", str(self.folder))

    def unmount(self) -> None:
        """Remove the disk like a USB stick: files that are open stay usable for their processes."""
        self._run("umount", "--lazy", str(self.folder))

    def set_read_only(self, enabled: bool) -> None:
        self._run("mount", "-o", f"remount,{'ro' if enabled else 'rw'}", str(self.folder))

    def fill(self) -> None:
        """Fill the disk to the last byte."""
        try:
            with (self.folder / FILLER).open("wb", buffering=0) as file:
                for piece in (65536, 1):
                    _write_until_full(file.fileno(), b"\0" * piece)
        except OSError as error:  # closing the file can raise it as well
            assert error.errno == errno.ENOSPC

    def free_space(self) -> None:
        (self.folder / FILLER).unlink()

    def _run(self, *command: str) -> None:
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
    """Mount a small disk at a new folder until the end of the block."""
    folder.mkdir(parents=True)
    disk = Disk(folder, size)
    disk.mount()
    try:
        yield disk
    finally:
        subprocess.run(
            ["umount", "--lazy", str(folder)], capture_output=True, timeout=deadline(30), check=False
        )
