"""Programs besides Python that a test needs: the test fails with a message if one is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

_OUTSIDE_PATH = {
    "sftp-server": (
        "/usr/lib/openssh/sftp-server",
        "/usr/libexec/openssh/sftp-server",
        "/usr/lib/ssh/sftp-server",
    )
}
"""Programs that only other programs start, so they are not in PATH."""

_PACKAGES = {
    "sftp": "openssh-client",
    "sftp-server": "openssh-sftp-server",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}


def package_of(name: str) -> str:
    """Return the package of Debian that has a program."""
    return _PACKAGES.get(name, name)


def program(name: str) -> str:
    """Return the path of a program; fail the test if it is missing."""
    paths = [path for path in _OUTSIDE_PATH.get(name, ()) if Path(path).exists()]
    found = shutil.which(name) or next(iter(paths), None)
    if found is None:
        pytest.fail(f"this test needs the program {name} (apt-get install {package_of(name)})", pytrace=False)
    return found
