"""The chunks that a PNG file is made of, read and written."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Part(NamedTuple):
    """A part of a picture file: its type, where it begins, where its content lies, where the next begins."""

    kind: bytes
    start: int
    content: slice
    end: int


def chunks(data: bytes) -> Iterator[Part]:
    """The chunks of a file up to IEND, or to where it is cut short; their checksums are not looked at."""
    at, kind = len(SIGNATURE), b""
    while at + 12 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return
        yield Part(kind, at, slice(at + 8, end - 4), end)
        at = end


def is_sound(data: bytes, part: Part) -> bool:
    """Whether a chunk's checksum is right."""
    checksum: int
    (checksum,) = struct.unpack_from(">I", data, part.content.stop)
    return zlib.crc32(memoryview(data)[part.start + 4 : part.content.stop]) == checksum


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return b"".join(chunk_parts(kind, [content]))


def chunk_parts(kind: bytes, contents: Sequence[bytes]) -> list[bytes]:
    """The same in parts, for a content that need not be joined only for this."""
    checksum = zlib.crc32(kind)
    for content in contents:
        checksum = zlib.crc32(content, checksum)
    length = sum(map(len, contents))
    return [struct.pack(">I", length), kind, *contents, struct.pack(">I", checksum)]
