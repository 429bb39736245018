"""Has the C library give memory back as soon as a picture is done with, where that library is glibc."""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3
"""mallopt(3)."""

LARGE = 1024 * 1024
"""Bytes from which a piece of memory is mapped on its own, and so given back when it is freed."""


def give_back_early() -> bool:
    """Map all large pieces of memory for themselves, for the rest of this process; whether that is possible.

    glibc does so from 128 kB on, but raises that bound with each large piece that is freed, up to 32 MB. From
    then on grids and pictures share heaps, one for each thread, which hardly ever shrink: a service that
    needs 140 MB would come to hold 330 MB.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False  # another C library, such as musl, which does without it
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE))
