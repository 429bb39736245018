"""Read and write the chunks of a PNG, and cut pieces out of it without choosing its filters again.

Before it compresses a row of pixels, an encoder tries five filters on it, which takes time. What a filter
leaves of a pixel depends only on the pixels to the left and above (PNG, third edition, 9.2). So a piece can
be copied as it stands in the file, except its first row and the first pixel of the other rows. With
well-chosen filters, only runs and frequent bytes are left to compress.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from itertools import islice, takewhile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

    Box = tuple[int, int, int, int]

_MODES = {0: ("L", 1), 2: ("RGB", 3), 4: ("LA", 2), 6: ("RGBA", 4)}
"""By PNG's colour type, with 8 bits a channel: Pillow's mode, and the bytes of a pixel."""

_COLOUR_CHUNKS = {b"iCCP": 1 << 20, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"cICP": 4, b"sBIT": 4, b"tRNS": 6}
"""Chunks that define the colours, and how long they may be; they hold for each piece, too."""

MOST_CHUNKS = 10_000
"""No encoder writes a file with more chunks."""

_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)

_SAMPLE_ROWS, _SAMPLES = 12, 2
MOST_GROWTH = 1.02
"""How many times as large as with Pillow's default a piece may be."""

_PARTS_PER_CALL = 192
"""Parts of rows (about 64 rows) that are compressed in one call: few calls, and little memory."""

_BYTES_PER_CALL = 64 * 1024
"""Bytes of a file that are decompressed in one call."""

MOST_INFLATED = 1032
"""How many times its size deflated data can grow to (RFC 1951: 258 bytes from two bits)."""


@dataclass(frozen=True, slots=True)
class Scanlines:
    """All rows of a picture, filtered as in its file, each after a byte that names its filter."""

    rows: bytearray
    width: int
    height: int
    colour: int
    """PNG's colour type."""
    kept: bytes
    """Whole chunks that go into every piece."""

    @classmethod
    def read(cls, data: bytes) -> Scanlines | None:
        """Return the rows of this file; None if it is damaged, or can't be cut this way.

        A file that is interlaced, has a palette, or does not have 8 bits a channel can't be cut. The caller
        has checked that the picture is not too large.
        """
        parts = list(islice(chunks(data), MOST_CHUNKS))
        if not parts or parts[0].kind != b"IHDR" or parts[-1].kind != b"IEND":
            return None
        head = data[parts[0].content]
        if len(head) != 13:
            return None
        width, height, depth, colour, *methods = struct.unpack(">IIBBBBB", head)
        if depth != 8 or colour not in _MODES or any(methods):
            return None
        packed = [part.content for part in parts if part.kind == b"IDAT"]
        size = height * (1 + width * _MODES[colour][1])
        if size > len(data) * MOST_INFLATED:
            return None  # the header claims more than the file can hold
        rows = _inflated(data, packed, size)
        found = None if rows is None else cls(rows, width, height, colour, _colours(data, parts))
        return found if found is not None and found.has_known_filters else None

    @property
    def has_known_filters(self) -> bool:
        """Whether each row's filter is one of the five."""
        return max(self.rows[:: self._stride], default=_NONE) <= _PAETH

    def fits(self, whole: Image.Image) -> bool:
        """Return whether Pillow has read the same kind of pixels from the file, and as many."""
        return (whole.mode, whole.size) == (_MODES[self.colour][0], (self.width, self.height))

    @property
    def _pixel(self) -> int:
        return _MODES[self.colour][1]

    @property
    def _stride(self) -> int:
        return 1 + self.width * self._pixel

    def is_worthwhile(self, box: Box, whole: Image.Image) -> bool:
        """Return whether the piece becomes about as small as with Pillow's default, judged by some rows."""
        samples = list(samples_of(box))
        ours = sum(len(part) for sample in samples for part in self._compressed(sample, whole))
        return ours <= MOST_GROWTH * sum(len(_compressed_by_pillow(whole.crop(sample))) for sample in samples)

    def cut(self, box: Box, whole: Image.Image) -> bytes:
        """Return the piece as a PNG file. ``whole`` is the same picture, decoded; it ``fits``."""
        size = (box[2] - box[0], box[3] - box[1])
        head = struct.pack(">IIBBBBB", *size, 8, self.colour, 0, 0, 0)
        picture = chunk_parts(b"IDAT", self._compressed(box, whole))
        return b"".join([SIGNATURE, chunk(b"IHDR", head), self.kept, *picture, chunk(b"IEND", b"")])

    def _compressed(self, box: Box, whole: Image.Image) -> list[bytes]:
        stream = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
        parts = self._parts(box, whole)
        compressed = []
        while some := b"".join(islice(parts, _PARTS_PER_CALL)):
            compressed.append(stream.compress(some))
        return [*compressed, stream.flush()]

    def _parts(self, box: Box, whole: Image.Image) -> Iterator[bytes | memoryview]:
        """Yield the piece's filtered rows, in parts."""
        left, top, right, bottom = box
        view, stride, pixel = memoryview(self.rows), self._stride, self._pixel
        edge = whole.crop((left, top, left + 1, bottom)).tobytes() if left else b""
        begin, end = 1 + left * pixel, 1 + right * pixel
        above = bytes(pixel)
        for y in range(top, bottom):
            row = view[y * stride : (y + 1) * stride]
            first = edge[(y - top) * pixel : (y - top + 1) * pixel]
            if y == top > 0:
                yield _sub_filtered(whole.crop((left, y, right, y + 1)).tobytes(), pixel)
            elif left:
                yield row[:1]
                yield _first_pixel(row[0], first, above)
                yield row[begin + pixel : end]
            else:
                yield row[:end]
            above = first


def _colours(data: bytes, parts: Sequence[FileSegment]) -> bytes:
    """Return the colour chunks that every reader accepts: before the picture, undamaged, one of each kind."""
    found: dict[bytes, bytes] = {}
    for part in takewhile(lambda part: part.kind != b"IDAT", parts):
        fits = part.content.stop - part.content.start <= _COLOUR_CHUNKS.get(part.kind, -1)
        if fits and is_sound(data, part):
            found.setdefault(part.kind, data[part.start : part.end])
    return b"".join(found.values())


def samples_of(box: Box) -> Iterator[Box]:
    """Yield boxes of some rows of the piece, which show how it is best compressed."""
    left, top, right, bottom = box
    height = min(_SAMPLE_ROWS, bottom - top)
    for number in range(1, _SAMPLES + 1):
        y = top + (bottom - top - height) * number // (_SAMPLES + 1)
        yield left, y, right, y + height


def _inflated(data: bytes, packed: Sequence[slice], size: int) -> bytearray | None:
    """The stream that lies in these parts of the file, if it has just this size."""
    view, stream = memoryview(data), zlib.decompressobj()
    rows, end = bytearray(size), 0
    try:
        # Step by step into the buffer: there is never a second copy, however large it would become.
        for part in packed:
            for at in range(part.start, part.stop, _BYTES_PER_CALL):
                some = stream.decompress(view[at : min(at + _BYTES_PER_CALL, part.stop)], size + 1 - end)
                if end + len(some) > size:
                    return None
                rows[end : end + len(some)] = some
                end += len(some)
    except zlib.error:
        return None
    return rows if stream.eof and end == size else None


def _first_pixel(kind: int, pixel: bytes, above: bytes) -> bytes:
    """Return the first pixel of a row after its filter: what is to the left counts as 0."""
    if kind in (_NONE, _SUB):
        return pixel
    if kind == _AVERAGE:
        return bytes([(own - up // 2) & 0xFF for own, up in zip(pixel, above, strict=True)])
    return bytes([(own - up) & 0xFF for own, up in zip(pixel, above, strict=True)])


def _sub_filtered(row: bytes, pixel: int) -> bytes:
    """Return a row that depends on no other row: each byte less the same byte of the pixel before."""
    return bytes([_SUB, *((own - left) & 0xFF for own, left in zip(row, bytes(pixel) + row, strict=False))])


def _compressed_by_pillow(piece: Image.Image) -> bytes:
    out = BytesIO()
    piece.save(out, "PNG", icc_profile=None)
    return b"".join(
        [out.getbuffer()[part.content] for part in chunks(out.getvalue()) if part.kind == b"IDAT"]
    )


SIGNATURE = b"\x89PNG\r\n\x1a\n"


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
    return zlib.crc32(memoryview(data)[part.start + 4 : part.content.stop]) == checksum


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return b"".join(chunk_parts(kind, [content]))


def chunk_parts(kind: bytes, contents: Sequence[bytes]) -> list[bytes]:
    """Return the same in parts, so that large contents need not be joined twice."""
    checksum = zlib.crc32(kind)
    for content in contents:
        checksum = zlib.crc32(content, checksum)
    length = sum(map(len, contents))
    return [struct.pack(">I", length), kind, *contents, struct.pack(">I", checksum)]
