"""Programs beside Python that a test needs: without one it fails, and says which."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

_ELSEWHERE = {
    "sftp-server": (
        "/usr/lib/openssh/sftp-server",
        "/usr/libexec/openssh/sftp-server",
        "/usr/lib/ssh/sftp-server",
    )
}
"""Programs that are started by others, so that they are in no PATH."""

_PACKAGES = {"sftp": "openssh-client", "sftp-server": "openssh-sftp-server", "unshare": "util-linux"}


def program(name: str) -> str:
    """The path of a program; the test fails where it is missing."""
    places = [place for place in _ELSEWHERE.get(name, ()) if Path(place).exists()]
    found = shutil.which(name) or next(iter(places), None)
    if found is None:
        pytest.fail(
            f"this test needs the program {name} (apt-get install {_PACKAGES.get(name, name)})", pytrace=False
        )
    return found
