"""Odd things at the name of a file: what people, programs and bad luck put there."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # a socket's address has little room
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(before)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _link(path: Path) -> None:
    target = path.parent.parent / "the target of a link"
    target.write_bytes(b"{}")
    path.symlink_to(target)


def _full_folder(path: Path) -> None:
    path.mkdir()
    (path / "inner").touch()


KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a folder": _full_folder,
    "a link": _link,
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a device": lambda path: os.mknod(path, 0o020666, os.makedev(1, 5)),  # /dev/zero, which never ends
    "a huge file": _huge,
}
CONTENTS: dict[str, bytes] = {
    "an empty file": b"",
    "zeros": bytes(5000),
    "no UTF-8": b"\xff\xfe\xfa" * 100,
    "invalid JSON": b'{"job": ',
    "deep JSON": b"[" * 100_000,
    "deep closed JSON": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number": b"7",
    "a long number": b"9" * 10_000,
    "deep TOML": b"x = " + b"[" * 30_000 + b"]" * 30_000,
}


def put_odd(path: Path, kind: str) -> None:
    """Put it there, in place of what is there. Raise PermissionError if only root could."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind in KINDS:
        path.unlink(missing_ok=True)
        KINDS[kind](path)
    else:
        path.write_bytes(CONTENTS[kind])
