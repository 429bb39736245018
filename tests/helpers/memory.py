"""How much memory a process has in use, counted exactly. Linux with glibc."""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = "memory.json"

_FIELDS = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Mallinfo(ctypes.Structure):
    """mallinfo(3), "struct mallinfo2"."""

    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]
    hblkhd: int
    uordblks: int


@dataclass(frozen=True)
class InUse:
    """What a process has allocated and not freed; free memory between that does not count.

    ``objects``: Python's objects of up to 512 bytes. ``heap``: the bytes of all others, and of C libraries.
    """

    objects: int
    heap: int


def in_use() -> InUse:
    """Return what this process uses, without unreachable objects."""
    gc.collect()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Mallinfo
    heap = mallinfo2()
    return InUse(sys.getallocatedblocks(), heap.uordblks + heap.hblkhd)


def write_figures(file: Path) -> None:
    """Write the figures; the file appears whole."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps(asdict(in_use())))
    new.rename(file)
