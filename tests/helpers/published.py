"""What is published in an outbox, also while a program publishes there."""

from __future__ import annotations

import os
from pathlib import Path


def manifest_paths(outbox: Path) -> list[Path]:
    """Return the manifests in the outbox, sorted. Hidden folders are left out: they vanish at any moment."""
    paths: list[Path] = []
    for folder, names, files in os.walk(outbox):
        names[:] = [name for name in names if not name.startswith(".")]
        paths += [Path(folder, "manifest.json")] * ("manifest.json" in files)
    return sorted(paths)
