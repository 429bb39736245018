"""Read and write the chunks that a PNG consists of (PNG, third edition, 5.3)."""

from __future__ import annotations

import struct
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from mjwatch.pictures import deflate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"

HEAD_END = len(SIGNATURE) + 25
"""Where the first chunk, IHDR, ends."""

_COLOUR_CHUNKS = {
    b"iCCP": 1 << 20,
    b"sRGB": 1,
    b"gAMA": 4,
    b"cHRM": 32,
    b"cICP": 4,
    b"mDCV": 24,
    b"cLLI": 8,
    b"sBIT": 4,
}
"""Chunks that define the colours, and how long they may be; they hold for each piece, too."""


class FileSegment(NamedTuple):
    """A chunk or segment of a picture file: its type, its start, the place of its content, and its end."""

    kind: bytes
    start: int
    content: slice
    end: int


def chunks(data: bytes) -> Iterator[FileSegment]:
    """Yield the chunks of a file up to IEND, or to where it is cut short; checksums are not checked."""
    at, kind = len(SIGNATURE), b""
    while at + 12 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return
        yield FileSegment(kind, at, slice(at + 8, end - 4), end)
        at = end


def is_sound(data: bytes, part: FileSegment) -> bool:
    """Return whether a chunk's checksum is right."""
    checksum: int
    (checksum,) = struct.unpack_from(">I", data, part.content.stop)
    return deflate.crc32(memoryview(data)[part.start + 4 : part.content.stop]) == checksum


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return b"".join(chunk_parts(kind, [content]))


def chunk_parts(kind: bytes, contents: Sequence[bytes]) -> list[bytes]:
    """Return the same in parts, so that large contents need not be joined twice."""
    checksum = deflate.crc32(kind)
    for content in contents:
        checksum = deflate.crc32(content, checksum)
    length = sum(map(len, contents))
    return [struct.pack(">I", length), kind, *contents, struct.pack(">I", checksum)]


def colour_chunks(data: bytes) -> bytes:
    """Return the colour chunks that every reader accepts: before palette and picture, undamaged, one of each.

    Empty if the data is no PNG.
    """
    if not data.startswith(SIGNATURE):
        return b""
    before = takewhile(lambda part: part.kind not in {b"PLTE", b"IDAT"}, chunks(data))
    found: dict[bytes, bytes] = {}
    for part in before:
        fits = part.content.stop - part.content.start <= _COLOUR_CHUNKS.get(part.kind, -1)
        if fits and is_sound(data, part):
            found.setdefault(part.kind, data[part.start : part.end])
    return b"".join(found.values())


def profile_chunk(profile: bytes | None) -> bytes:
    """Return the chunk for an ICC profile; empty without one."""
    content = b"ICC Profile\0\0" + deflate.compressed(profile) if profile else b""
    return chunk(b"iCCP", content) if content else b""


def with_chunks(data: bytes, added: bytes) -> bytes:
    """Return the PNG with these chunks after its head."""
    return data[:HEAD_END] + added + data[HEAD_END:]
