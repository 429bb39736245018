"""Undoes zlib-stream, the transport compression of the gateway: one stream for a whole connection."""

from __future__ import annotations

import zlib

SUFFIX = b"\x00\x00\xff\xff"
"""What a message ends with: the mark of zlib's Z_SYNC_FLUSH (discord-api-docs, Gateway, zlib-stream)."""

LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes. READY of an account in very many guilds is the largest message known, below 16 MiB."""


class InflateError(ValueError):
    """The stream is broken, or a message of it is larger than any honest one."""


class Inflater:
    """Collects pieces until a message is whole. Each connection needs a new one, a resumed one too."""

    def __init__(self, largest: int = LARGEST_MESSAGE) -> None:
        self._largest = largest
        self._stream = zlib.decompressobj()
        self._pieces: list[bytes] = []
        self._held = 0

    def feed(self, piece: bytes) -> bytes | None:
        """The message that this piece completes, or None. Raises InflateError."""
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held > self._largest:
            raise InflateError("a compressed message is too large")
        if not self._ends_message():
            return None
        data, self._pieces, self._held = b"".join(self._pieces), [], 0
        return self._inflate(data)

    def _ends_message(self) -> bool:
        tail = self._pieces[-1][-len(SUFFIX) :]
        if len(tail) < len(SUFFIX):
            tail = b"".join(self._pieces[-len(SUFFIX) :])[-len(SUFFIX) :]
        return tail == SUFFIX

    def _inflate(self, data: bytes) -> bytes:
        try:
            message = self._stream.decompress(data, self._largest)
        except zlib.error as error:
            raise InflateError("the compressed stream is broken") from error
        if self._stream.unconsumed_tail:
            raise InflateError("a message is too large")
        return message
