"""Whether a folder lies on a file system that others can change without this machine being told."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
"""The mounts of this process (Linux, proc_pid_mountinfo(5))."""

_REMOTE = frozenset(
    {
        *(
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "smbfs",
            "ncpfs",
            "afs",
            "ceph",
            "glusterfs",
            "lustre",
            "gpfs",
            "gfs2",
        ),
        *(
            "ocfs2",
            "orangefs",
            "pvfs2",
            "coda",
            "9p",
            "virtiofs",
            "vboxsf",
            "prl_fs",
            "vmhgfs",
            "drvfs",
            "acfs",
        ),
        "fuse",  # without a name of its own it may be anything
    }
)
_LOCAL_FUSE = frozenset(
    f"fuse.{name}"
    for name in ("mergerfs", "encfs", "gocryptfs", "cryfs", "bindfs", "lxcfs", "unionfs", "ntfs-3g", "portal")
)
_OCTAL = re.compile(r"\\([0-7]{3})")


def remote_type(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the network file system that the folder lies on, or one mounted within it; None for none.

    Where the system does not tell its mounts, all are taken to be local.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        folder = folder.resolve()
    except OSError:
        return None
    below: Path | None = None
    found = None
    for place, kind in map(_place_and_type, lines):
        if place is None:
            continue
        if place != folder and place.is_relative_to(folder):
            if _is_remote(kind):
                return kind
        elif folder.is_relative_to(place) and (below is None or place.is_relative_to(below)):
            below, found = place, kind  # a later mount at the same place hides the one before
    return found if found is not None and _is_remote(found) else None


def _place_and_type(line: str) -> tuple[Path | None, str]:
    before, _, after = line.partition(" - ")
    fields, kinds = before.split(" "), after.split(" ")
    if len(fields) < 5 or not kinds[0]:
        return None, ""
    return Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])), kinds[0]


def _is_remote(kind: str) -> bool:
    return kind in _REMOTE or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)
