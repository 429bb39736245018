from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from mjwatch.filesystem.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_version_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    for data in (b"old", b"new"):
        replace_file(tmp_path, path.name, data)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("left", [False, True])
def test_where_there_is_no_room_the_old_version_stays_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    path = tmp_path / "status.json"
    replace_file(tmp_path, path.name, b"old")
    if left:  # by a crash
        path.with_name("~syncthing~status.json.tmp").touch()

    def no_room(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path, path.name, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
