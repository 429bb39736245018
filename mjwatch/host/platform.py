"""Has the C library give memory back as soon as a picture is done with, where that library is glibc.

Which machine this is: its name for people, and an id that other machines don't have.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
import sys
from pathlib import Path

_M_MMAP_THRESHOLD = -3
"""mallopt(3)."""

LARGE = 1024 * 1024
"""Bytes from which a piece of memory is mapped on its own, and so given back when it is freed."""


def give_back_early() -> bool:
    """Map all large pieces of memory for themselves, for the rest of this process; whether that is possible.

    glibc does so from 128 kB on, but raises that bound with each large piece that is freed, up to 32 MB. From
    then on grids and pictures share heaps, one for each thread, which hardly ever shrink: a service that
    needs 140 MB would come to hold 330 MB.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False  # another C library, such as musl, which does without it
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE))


ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
"""Where Linux keeps it (machine-id(5))."""


def host_name() -> str:
    """The machine's name."""
    return platform.node() or "unnamed"


def machine_id() -> str:
    """An id of this machine, hashed for this use alone as machine-id(5) asks; of its name if it has none."""
    found = next(filter(None, map(_read, ID_FILES)), host_name())
    return hashlib.sha256(f"mjwatch owner {found}".encode()).hexdigest()[:16]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
