from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from mjwatch.filesystem.files import replace_file, replace_or_overwrite
from mjwatch.filesystem.folder import Folder

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


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """No new file can be made, as on a full disk."""

    def create(
        self: Folder, name: str, data: bytes, mode: int | None = None, *, durable: bool = True
    ) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    monkeypatch.setattr(Folder, "create", create)


@pytest.mark.usefixtures("full")
@pytest.mark.skipif(os.name == "nt", reason="a file does not show its blocks")
@pytest.mark.parametrize("data", [b"new", b"a longer version"])
def test_where_no_new_file_can_be_made_the_old_one_is_overwritten(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(b"the old one")
    os.sync()  # some file systems give a file its blocks late
    error = replace_or_overwrite(tmp_path, path.name, data)
    assert error is not None
    assert error.errno == errno.ENOSPC
    assert path.read_bytes() == data


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("case", ["missing", "too large", "with another name"])
def test_what_can_not_be_overwritten_stays_as_it_is(tmp_path: Path, case: str) -> None:
    path = tmp_path / "status.json"
    if case != "missing":
        path.write_bytes(b"old")
    if case == "with another name":
        os.link(path, tmp_path / "other")
    data = b"x" * (1 << 22 if case == "too large" else 5)
    with pytest.raises(OSError, match="No space left"):
        replace_or_overwrite(tmp_path, path.name, data)
    assert not path.exists() or path.read_bytes() == b"old"
