"""Make tests of permissions meaningful when they run as root, who may do everything."""

from __future__ import annotations

import encodings
import importlib
import os
import pkgutil
import shutil
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[Path]:
    """Drop the rights of root in all threads of this process, and yield a folder for the test.

    The temporary folder of pytest cannot be used, because only root may read it.
    """
    folder = Path(tempfile.mkdtemp(prefix="mjwatch-test-"))
    try:
        with _as_nobody(folder):
            yield folder
    finally:
        _unlock(folder)
        shutil.rmtree(folder)


@contextmanager
def _as_nobody(folder: Path) -> Iterator[None]:
    if sys.platform != "linux" or os.getuid() != 0:
        yield
        return
    _load_codecs()
    groups = os.getgroups()
    os.chown(folder, NOBODY, NOBODY)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)
        importlib.invalidate_caches()  # else a folder that nobody may read stays one without modules


def _load_codecs() -> None:
    """Load what Python loads at its first use, because nobody may have no right to read Python's folder."""
    for module in pkgutil.iter_modules(encodings.__path__):
        with suppress(ImportError):  # Windows' own codecs
            importlib.import_module(f"encodings.{module.name}")


def _unlock(folder: Path) -> None:
    folder.chmod(0o700)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            _unlock(entry)
