"""Transport compression of the gateway: one stream for a whole connection (discord-api-docs, Gateway)."""

from __future__ import annotations

import zlib
from typing import Protocol


class Packer(Protocol):
    """Makes gateway messages into the next bytes of a stream."""

    def pack(self, message: bytes) -> bytes:
        """The bytes of one message, all of which a client can read from them and what came before."""


class ZlibStream:
    """``compress=zlib-stream``: every message ends with the mark of a sync flush."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj()

    def pack(self, message: bytes) -> bytes:
        """The deflated message."""
        return self._deflate.compress(message) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class ZstdStream:
    """``compress=zstd-stream``: a frame that never ends, here of raw blocks (RFC 8878).

    Nothing gets smaller; a client's decompressor finds all that it looks for, and no library is needed.
    """

    _FRAME = b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x38"
    """Magic number; neither content size nor checksum nor dictionary; a window of 128 KB."""
    _BLOCK = 128 * 1024
    """Bytes, the most that a block may have."""

    def __init__(self) -> None:
        self._head = self._FRAME

    def pack(self, message: bytes) -> bytes:
        """The message in blocks, none of which is the last one; before the first stands the frame's head."""
        head, self._head = self._head, b""
        starts = range(0, len(message), self._BLOCK)
        pieces = (message[start : start + self._BLOCK] for start in starts)
        return head + b"".join((len(piece) << 3).to_bytes(3, "little") + piece for piece in pieces)


_PACKERS: dict[str, type[Packer]] = {"zlib-stream": ZlibStream, "zstd-stream": ZstdStream}


def packer_for(compress: str | None) -> Packer | None:
    """The packer that a client's ``compress`` asks for; None to send plain text."""
    packer = _PACKERS.get(compress or "")
    return packer() if packer is not None else None
