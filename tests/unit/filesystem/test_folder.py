"""An open folder: what it refuses, with and without the system's calls for open folders.

Seen to catch: O_NOFOLLOW missing where a file or a folder is opened; a pipe that is waited for; a huge file
that is read before its size is looked at; a name that leads out of the folder.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.filesystem import folder as folder_module
from mjwatch.filesystem.files import read_file
from mjwatch.filesystem.folder import UnexpectedFileError, durable_folder, open_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(params=[True, False], ids=["open folders", "checked paths"])
def root(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(folder_module, "_HAS_DIR_FD", request.param)
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


ODD: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": make_socket,
    "a folder": lambda path: path.mkdir(),
    "a link": lambda path: path.symlink_to(path.parent / "target"),
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a device": lambda path: os.mknod(path, 0o020644, os.makedev(1, 5)),  # /dev/zero
    "larger than 100 bytes": make_huge,
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_small_regular_file_is_named_and_not_read(root: Path, kind: str) -> None:
    (root / "target").write_text("content")
    try:
        ODD[kind](root / "x")
    except PermissionError:
        pytest.skip("only root can make a device")
    with pytest.raises(UnexpectedFileError, match=f"{root}/x is {kind.replace('dangling ', '')}"):
        read_file(root, "x", 100)


def test_a_file_is_replaced_but_not_a_folder(root: Path) -> None:
    (root / "file").symlink_to("nowhere")
    (root / "folder").mkdir()
    with open_folder(root) as folder:
        folder.replace("file", b"new")
        with pytest.raises(UnexpectedFileError, match="folder is a folder: remove it"):
            folder.replace("folder", b"new")
    assert sorted(path.name for path in root.iterdir()) == ["file", "folder"]
    assert (root / "file").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "/etc/x", "x\0y"])
def test_a_name_is_a_plain_name(root: Path, name: str) -> None:
    with open_folder(root) as folder:
        for act in (folder.stat, folder.open, folder.make, folder.unlink, lambda n: folder.create(n, b"")):
            with pytest.raises(OSError, match="is not a valid file name"):
                act(name)
    assert list(root.iterdir()) == []


def test_a_link_on_the_way_is_refused_but_not_the_root(root: Path, tmp_path: Path) -> None:
    (root / "a").mkdir()
    (root / "a/b").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(root)
    with open_folder(tmp_path / "link", ["a"]) as folder:
        assert folder.names() == ["b"]
        for act in (folder.open, folder.make):
            with pytest.raises(UnexpectedFileError, match="b is a link, and links are not followed"):
                act("b")
    with pytest.raises(UnexpectedFileError, match="b is a link"):
        open_folder(tmp_path / "link", ["a", "b", "root"], make=True)


def test_a_folder_that_can_not_be_made_because_of_a_link_says_so(tmp_path: Path) -> None:
    (tmp_path / "outbox").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UnexpectedFileError, match="outbox is a link"):
        durable_folder(tmp_path / "outbox")


def test_a_file_exchanged_for_a_link_between_check_and_opening_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("a secret")
    (tmp_path / "file").write_text("content")
    original = os.open

    def open_later(path: Any, flags: int, *arguments: int, **folders: Any) -> int:
        if path == "file":
            (tmp_path / "file").unlink()
            (tmp_path / "file").symlink_to(tmp_path / "secret")
        return original(path, flags, *arguments, **folders)

    monkeypatch.setattr(os, "open", open_later)
    with pytest.raises(OSError, match="symbolic links"):
        read_file(tmp_path, "file", 100)


def test_a_file_exchanged_for_a_pipe_between_check_and_opening_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("content")
    original = os.open

    def open_later(path: Any, flags: int, *arguments: int, **folders: Any) -> int:
        if path == "file":
            assert flags & os.O_NONBLOCK  # or the call would wait for a writer
            (tmp_path / "file").unlink()
            os.mkfifo(tmp_path / "file")
        return original(path, flags, *arguments, **folders)

    monkeypatch.setattr(os, "open", open_later)
    with pytest.raises(UnexpectedFileError, match="file is a pipe"):
        read_file(tmp_path, "file", 100)


def test_removing_a_tree_leaves_what_its_links_lead_to(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/letter").touch()
    (root / "tree/inner").mkdir(parents=True)
    (root / "tree/inner/link").symlink_to(tmp_path / "elsewhere")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    with open_folder(root) as folder:
        folder.remove_tree("tree")
        folder.remove_tree("link")
    assert list(root.iterdir()) == []
    assert (tmp_path / "elsewhere/letter").exists()
