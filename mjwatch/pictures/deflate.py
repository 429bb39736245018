"""Deflate by zlib-ng, or by the standard library where zlib-ng is missing.

For runs zlib-ng takes 0.6 of the time, for a search a quarter. The bytes can differ; what they stand for
can't.
"""

from __future__ import annotations

import zlib
from typing import Any

_SEARCH_LEVELS = {"zlib": 6, "zlib_ng.zlib_ng": 7}
"""The level that finds what Pillow's default finds; level 6 of zlib-ng finds less."""


def _library() -> Any:
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return zlib
    return zlib_ng


library: Any = _library()


def runs() -> Any:
    """Return a compressor that looks only for runs of a byte, and for frequent bytes."""
    return library.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 8, zlib.Z_RLE)


def search() -> Any:
    """Return a compressor that looks for every repeat, in several times the time of ``runs``."""
    level = _SEARCH_LEVELS[library.__name__]
    return library.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, 8, zlib.Z_FILTERED)


def compressed(data: bytes) -> bytes:
    """Return a whole stream."""
    stream = search()
    return bytes(stream.compress(data) + stream.flush())


def crc32(data: bytes | memoryview, value: int = 0) -> int:
    """Return the checksum of PNG's chunks, continued from ``value``."""
    return int(library.crc32(data, value))
