"""What tests of permissions stand on: a user without rights for whom Python itself still works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
from tests.helpers.unprivileged_user import unprivileged

with unprivileged() as folder:
    assert "a cat".encode("cp037") == bytes.fromhex("81408381a3")
    try:
        import wave
    except ImportError:
        pass
    (folder / "closed").mkdir(0o500)
    try:
        (folder / "closed" / "file").touch()
    except PermissionError:
        print("closed")
import wave
"""


def test_a_user_without_rights_has_all_codecs_and_leaves_all_modules_to_be_found() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=root, check=False
    )
    assert (done.stdout, done.stderr) == ("closed\n", "")
