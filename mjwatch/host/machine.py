"""Which machine this is: its name for people, and an id that other machines don't have."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

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
