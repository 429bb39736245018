"""The seal on a large journal that was closed well: untouched since, it need not be looked through.

SQLite's look at every page takes some two seconds for a million jobs, and a start should not take longer the
longer one has used mjwatch. A seal names the file's inode, size and times. It is broken before the file is
written to; whoever copies, restores or repairs the file, or kills mjwatch, leaves it without one that fits.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LARGE = 32 * 1024 * 1024
"""Bytes from which a seal is worth while; a smaller journal is looked through in 30 ms."""

GRANULE = 0.02
"""Seconds; a change that comes later shows in a file's times, however coarse the system's clock is."""


def seal(path: Path) -> None:
    """Seal the journal that was just closed, if it is large, and nobody else has it open."""
    with suppress(OSError):
        if path.stat().st_size >= LARGE and not _wal_of(path).exists():
            time.sleep(GRANULE)
            _seal_of(path).write_text(json.dumps(_look_of(path)), encoding="ascii")


def is_sealed(path: Path) -> bool:
    """Whether the journal is as it was when it was sealed."""
    try:
        sealed = json.loads(_seal_of(path).read_bytes())
    except (OSError, ValueError):
        return False
    return bool(sealed == _look_of(path)) and not _wal_of(path).exists()


def break_seal(path: Path) -> None:
    """From now on the journal may change; where the seal can't be removed, neither can the journal."""
    with suppress(OSError):
        _seal_of(path).unlink(missing_ok=True)


def _look_of(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-seal")


def _wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")
