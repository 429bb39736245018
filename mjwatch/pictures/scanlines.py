"""Cuts pieces out of a PNG along its filtered scanlines, so that no filter is searched for anew.

Before it compresses a row of pixels, an encoder tries five filters on it, and that takes its time. What a
filter leaves of a pixel depends only on the pixels to the left and above (PNG, third edition, 9.2). So all of
a piece can be had as it stands in the file, but for its first row and the first pixel of the other rows; and
where the filters are chosen well, there is hardly more to squeeze out than runs and frequent bytes.

The chunks that a PNG file is made of, read and written.
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


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

    Box = tuple[int, int, int, int]

_MODES = {0: ("L", 1), 2: ("RGB", 3), 4: ("LA", 2), 6: ("RGBA", 4)}
"""By PNG's colour type, with 8 bits a channel: Pillow's name for it, and the bytes that a pixel takes."""

_KEPT = {b"iCCP": 1 << 20, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"cICP": 4, b"sBIT": 4, b"tRNS": 6}
"""Chunks that say how the colours are meant, and how long they may be; they are true of each piece, too."""

MOST_CHUNKS = 10_000
"""A file in more parts is none that an encoder made."""

_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)

_SAMPLE_ROWS, _SAMPLES = 12, 2
GROWTH = 1.02
"""By how much a piece may be larger than Pillow's default makes it."""

_AT_ONCE = 192
"""Parts of rows, some 64 rows, that are compressed in one call: few calls, and little memory."""


_STEP = 64 * 1024
"""Bytes of a file that are decompressed in one call."""


MOST_INFLATED = 1032
"""Times its size to which deflated data can grow (RFC 1951: 258 bytes from two bits)."""


@dataclass(frozen=True, slots=True)
class Scanlines:
    """All rows of a picture as they lie filtered in its file, each after a byte that names its filter."""

    rows: bytearray
    width: int
    height: int
    colour: int
    """PNG's colour type."""
    kept: bytes
    """Whole chunks that belong into every piece."""

    @classmethod
    def read(cls, data: bytes) -> Scanlines | None:
        """The rows of this file; None where it is damaged, or of a kind that is not cut this way.

        That is what is interlaced, has a palette, or has not 8 bits a channel. The caller has seen to it
        that the picture is not too large.
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
            return None  # a head that promises more than there can be
        rows = _inflated(data, packed, size)
        found = None if rows is None else cls(rows, width, height, colour, _colours(data, parts))
        return found if found is not None and found.has_known_filters else None

    @property
    def has_known_filters(self) -> bool:
        """Whether each row's filter is one of the five."""
        return max(self.rows[:: self._stride], default=_NONE) <= _PAETH

    def fits(self, whole: Image.Image) -> bool:
        """Whether Pillow has read the same kind of pixels from the file, and as many."""
        return (whole.mode, whole.size) == (_MODES[self.colour][0], (self.width, self.height))

    @property
    def _pixel(self) -> int:
        return _MODES[self.colour][1]

    @property
    def _stride(self) -> int:
        return 1 + self.width * self._pixel

    def pays(self, box: Box, whole: Image.Image) -> bool:
        """Whether the piece becomes about as small as with Pillow's default; some of its rows show it."""
        samples = list(samples_of(box))
        ours = sum(len(part) for sample in samples for part in self._squeezed(sample, whole))
        return ours <= GROWTH * sum(len(_squeezed_by_pillow(whole.crop(sample))) for sample in samples)

    def cut(self, box: Box, whole: Image.Image) -> bytes:
        """The piece as a PNG file. ``whole`` is the same picture, decoded: one that ``fits``."""
        size = (box[2] - box[0], box[3] - box[1])
        head = struct.pack(">IIBBBBB", *size, 8, self.colour, 0, 0, 0)
        picture = chunk_parts(b"IDAT", self._squeezed(box, whole))
        return b"".join([SIGNATURE, chunk(b"IHDR", head), self.kept, *picture, chunk(b"IEND", b"")])

    def _squeezed(self, box: Box, whole: Image.Image) -> list[bytes]:
        stream = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
        parts = self._parts(box, whole)
        squeezed = []
        while some := b"".join(islice(parts, _AT_ONCE)):
            squeezed.append(stream.compress(some))
        return [*squeezed, stream.flush()]

    def _parts(self, box: Box, whole: Image.Image) -> Iterator[bytes | memoryview]:
        """The piece's filtered rows, in parts."""
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


def _colours(data: bytes, parts: Sequence[Quadrant]) -> bytes:
    """The chunks about colours that every reader believes: before the picture, whole, one of each kind."""
    found: dict[bytes, bytes] = {}
    for part in takewhile(lambda part: part.kind != b"IDAT", parts):
        fits = part.content.stop - part.content.start <= _KEPT.get(part.kind, -1)
        if fits and is_sound(data, part):
            found.setdefault(part.kind, data[part.start : part.end])
    return b"".join(found.values())


def samples_of(box: Box) -> Iterator[Box]:
    """Some rows of the piece, by which it can be told how it is best compressed."""
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
        # Step by step into its place: at no time is there a second copy, however large it would become.
        for part in packed:
            for at in range(part.start, part.stop, _STEP):
                some = stream.decompress(view[at : min(at + _STEP, part.stop)], size + 1 - end)
                if end + len(some) > size:
                    return None
                rows[end : end + len(some)] = some
                end += len(some)
    except zlib.error:
        return None
    return rows if stream.eof and end == size else None


def _first_pixel(kind: int, pixel: bytes, above: bytes) -> bytes:
    """The first pixel of a row as its filter leaves it: what is to the left counts as 0."""
    if kind in (_NONE, _SUB):
        return pixel
    if kind == _AVERAGE:
        return bytes([(own - up // 2) & 0xFF for own, up in zip(pixel, above, strict=True)])
    return bytes([(own - up) & 0xFF for own, up in zip(pixel, above, strict=True)])


def _sub_filtered(row: bytes, pixel: int) -> bytes:
    """A row that depends on no other one: each byte less the same byte of the pixel before."""
    return bytes([_SUB, *((own - left) & 0xFF for own, left in zip(row, bytes(pixel) + row, strict=False))])


def _squeezed_by_pillow(piece: Image.Image) -> bytes:
    out = BytesIO()
    piece.save(out, "PNG", icc_profile=None)
    return b"".join(
        [out.getbuffer()[part.content] for part in chunks(out.getvalue()) if part.kind == b"IDAT"]
    )


SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Quadrant(NamedTuple):
    """A part of a picture file: its type, where it begins, where its content lies, where the next begins."""

    kind: bytes
    start: int
    content: slice
    end: int


def chunks(data: bytes) -> Iterator[Quadrant]:
    """The chunks of a file up to IEND, or to where it is cut short; their checksums are not looked at."""
    at, kind = len(SIGNATURE), b""
    while at + 12 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return
        yield Quadrant(kind, at, slice(at + 8, end - 4), end)
        at = end


def is_sound(data: bytes, part: Quadrant) -> bool:
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
