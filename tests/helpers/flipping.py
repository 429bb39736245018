"""Somebody who shares a folder and exchanges a folder in it for a link, again and again."""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of renameat2(2)."""


@contextmanager
def flipping(folder: Path, elsewhere: Path) -> Iterator[None]:
    """Let the folder be a link to ``elsewhere`` every other moment; at the end it is a folder."""
    stopping = threading.Event()
    link = folder.with_name(f"{folder.name}.other")
    link.symlink_to(elsewhere)

    def flip() -> None:
        for turn in itertools.count():
            if turn % 2 == 0 and stopping.is_set():
                return
            _exchange(folder, link)

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        link.unlink()


def _exchange(one: Path, other: Path) -> None:
    """Exchange what two names stand for, at once, so that no name is ever free."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
