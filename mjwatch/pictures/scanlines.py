"""Cut pieces out of a PNG without choosing its filters again.

Before it compresses a row of pixels, an encoder tries five filters on it, which takes time. What a filter
leaves of a pixel depends only on the pixels to the left and above (PNG, third edition, 9.2). So a piece can
be copied as it stands in the file, except its first row and the first pixel of the other rows. With
well-chosen filters, only runs and frequent bytes are left to compress.

The rows are inflated once, into a zlib stream that stores them as they are: Pillow decodes that without
inflating the file again.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any

from PIL import Image

from mjwatch.pictures import deflate
from mjwatch.pictures.chunks import SIGNATURE, chunk, chunk_parts, chunks, is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mjwatch.pictures.chunks import FileSegment

    Box = tuple[int, int, int, int]

_MODES = {0: ("L", 1), 2: ("RGB", 3), 4: ("LA", 2), 6: ("RGBA", 4)}
"""By PNG's colour type, with 8 bits a channel: Pillow's mode, and the bytes of a pixel."""

MODES = frozenset(mode for mode, _ in _MODES.values())
"""Pillow's modes that can be cut."""

MOST_CHUNKS = 10_000
"""No encoder writes a file with more chunks."""

_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)

_STREAM_HEAD = b"\x78\x01"
_MOST_STORED = 0xFFFF
"""Bytes of a stored block at most (RFC 1951, 3.2.4)."""

_WINDOW = 64 * 1024
"""Bytes in which repeats are looked for: deflate finds them up to 32 KiB apart."""

_BAND_ROWS, _BAND_SHARE = 16, 1 / 32
"""Rows in which the filters are compared with Pillow's, and their share of all rows."""

MOST_GROWTH = 1.03
"""How many times as large samples may be as with Pillow's filters, or with a search for repeats."""

_PARTS_PER_CALL = 192
"""Parts of rows (about 64 rows) that are compressed in one call: few calls, and little memory."""

_BYTES_PER_CALL = 64 * 1024
"""Bytes of a file that are decompressed in one call."""

MOST_INFLATED = 1032
"""How many times its size deflated data can grow to (RFC 1951: 258 bytes from two bits)."""


@dataclass(frozen=True, slots=True)
class Scanlines:
    """All rows of a picture, filtered as in its file, each after a byte that names its filter."""

    stored: bytearray
    """The rows as a zlib stream of stored blocks, each of which holds as many whole rows as fit."""
    width: int
    height: int
    colour: int
    """PNG's colour type."""
    transparency: bytes
    """The chunk that makes a colour transparent, or nothing."""
    packed: int
    """Bytes that the rows have in the file; 0 if there is no file."""
    is_searched: bool
    """Whether the file's encoder has looked for repeats, so that ``packed`` says how many there are."""

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
        size, stride = sum(part.stop - part.start for part in packed), 1 + width * _MODES[colour][1]
        if stride > _MOST_STORED or height * stride > size * MOST_INFLATED:
            return None  # the header claims more than the file can hold, or rows are longer than a block
        stored = _stored(data, packed, stride, height)
        if stored is None:
            return None
        searched = data[packed[0]][1:2] >= b"\x80"  # FLEVEL (RFC 1950, 2.2): 2 is the default
        found = cls(stored, width, height, colour, _transparency(data, parts), size, searched)
        return found if found._has_known_filters else None

    @classmethod
    def filtered(cls, whole: Image.Image) -> Scanlines | None:
        """Return the rows of a decoded picture, with the filters that Pillow chooses."""
        found = cls.read(_saved(whole, compress_level=0))
        return None if found is None else replace(found, packed=0)

    @property
    def _has_known_filters(self) -> bool:
        """Whether each row's filter is one of the five."""
        return all(self._filter(y) <= _PAETH for y in range(self.height))

    def fits(self, whole: Image.Image) -> bool:
        """Return whether Pillow has found the same kind of pixels in the file, and as many."""
        return (whole.mode, whole.size) == (_MODES[self.colour][0], (self.width, self.height))

    def decoded(self) -> Image.Image:
        """Return the pixels, without what else the file says. Raise ValueError if Pillow can't."""
        mode = _MODES[self.colour][0]
        return Image.frombytes(mode, (self.width, self.height), self.stored, "zip", mode, False)

    @property
    def _pixel(self) -> int:
        return _MODES[self.colour][1]

    @property
    def _stride(self) -> int:
        return 1 + self.width * self._pixel

    def _place(self, y: int) -> int:
        """Return where a row begins."""
        return len(_STREAM_HEAD) + 5 * (y // (_MOST_STORED // self._stride) + 1) + y * self._stride

    def _filter(self, y: int) -> int:
        return self.stored[self._place(y)]

    def has_good_filters(self, whole: Image.Image) -> bool:
        """Return whether the filters are about as good as those that Pillow chooses, judged by some rows."""
        ours = pillows = 0
        for top, bottom in _bands(0, self.height, _BAND_ROWS, _BAND_SHARE):
            rows = [self.stored[at : at + self._stride] for at in map(self._place, range(top, bottom))]
            ours += _size(_compressed(deflate.runs(), iter(rows)))
            band = whole.crop((0, top, self.width, bottom))
            pillows += len(_saved(band, compress_level=1, compress_type=zlib.Z_RLE))
        return ours <= MOST_GROWTH * pillows

    def has_pillows_filters(self, whole: Image.Image) -> bool:
        """Return whether the filters are those that Pillow chooses, judged by some of the rows with content.

        On blank rows most encoders agree.
        """
        blank = bytes(self._stride - 1)
        begins = map(self._place, range(1, self.height))
        filled = [y for y, at in enumerate(begins, 1) if self.stored[at + 1 : at + self._stride] != blank]
        for first, _ in _bands(0, len(filled), _BAND_ROWS, _BAND_SHARE) if filled else ():
            above, bottom = filled[first] - 1, min(filled[first] + _BAND_ROWS, self.height)
            band = Scanlines.filtered(whole.crop((0, above, self.width, bottom)))
            rows = range(1, bottom - above)  # Pillow sees nothing above the first one
            if band is None or any(band._filter(row) != self._filter(above + row) for row in rows):
                return False
        return True

    def has_repeats(self, box: Box, whole: Image.Image, share: float) -> bool:
        """Return whether a search makes this share of the piece's rows smaller."""
        left, top, right, bottom = box
        rows = 1 + _WINDOW // ((right - left) * self._pixel)
        runs = search = 0
        for band in _bands(top, bottom, rows, share):
            sample = list(self._parts((left, band[0], right, band[1]), whole))
            runs += _size(_compressed(deflate.runs(), iter(sample)))
            search += _size(_compressed(deflate.search(), iter(sample)))
        return runs > MOST_GROWTH * search

    def cut(
        self, box: Box, whole: Image.Image, kept: bytes = b"", compressor: Callable[[], Any] = deflate.runs
    ) -> bytes:
        """Return the piece as a PNG file. ``whole``: the same pixels. ``kept``: chunks after its head."""
        size = (box[2] - box[0], box[3] - box[1])
        head = struct.pack(">IIBBBBB", *size, 8, self.colour, 0, 0, 0)
        picture = chunk_parts(b"IDAT", _compressed(compressor(), self._parts(box, whole)))
        head = chunk(b"IHDR", head) + kept + self.transparency
        return b"".join([SIGNATURE, head, *picture, chunk(b"IEND", b"")])

    def _parts(self, box: Box, whole: Image.Image) -> Iterator[bytes | memoryview]:
        """Yield the piece's filtered rows, in parts."""
        left, top, right, bottom = box
        view, pixel = memoryview(self.stored), self._pixel
        edge = whole.crop((left, top, left + 1, bottom)).tobytes() if left else b""
        begin, end = 1 + left * pixel, 1 + right * pixel
        above = bytes(pixel)
        for y in range(top, bottom):
            row = view[self._place(y) :]
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


def _transparency(data: bytes, parts: Sequence[FileSegment]) -> bytes:
    """Return the chunk that makes a colour transparent."""
    found = [part for part in parts if part.kind == b"tRNS"]
    return b"".join(data[part.start : part.end] for part in found[:1] if is_sound(data, part))


def _bands(top: int, bottom: int, rows: int, share: float) -> Iterator[tuple[int, int]]:
    """Yield the first and last row of samples that are spread evenly."""
    number = max(1, round((bottom - top) * share / rows))
    rows = min(rows, bottom - top)
    for n in range(number):
        start = top + (bottom - top - rows) * (2 * n + 1) // (2 * number)
        yield start, start + rows


def _compressed(stream: Any, parts: Iterator[bytes | bytearray | memoryview]) -> list[bytes]:
    compressed = []
    while some := b"".join(islice(parts, _PARTS_PER_CALL)):
        compressed.append(stream.compress(some))
    return [*compressed, stream.flush()]


def _size(parts: Sequence[bytes]) -> int:
    return sum(map(len, parts))


def _stored(data: bytes, packed: Sequence[slice], stride: int, height: int) -> bytearray | None:
    """Return the stream in these parts of the file with stored blocks; None if its size is another."""
    rows, inflated = _MOST_STORED // stride, _Inflated(data, packed)
    stored, checksum = bytearray(_STREAM_HEAD), 1
    try:
        for y in range(0, height, rows):
            length, is_last = min(rows, height - y) * stride, y + rows >= height
            block = inflated.read(length)
            if len(block) < length:
                return None
            checksum = deflate.library.adler32(block, checksum)
            stored += struct.pack("<BHH", is_last, length, length ^ _MOST_STORED)
            stored += block
        if inflated.read(1) or not inflated.is_whole:
            return None
    except deflate.library.error:
        return None
    stored += struct.pack(">I", checksum)
    return stored


class _Inflated:
    """A stream in parts of a file, inflated step by step: there is never more of it than asked for."""

    def __init__(self, data: bytes, packed: Sequence[slice]) -> None:
        self._stream = deflate.library.decompressobj()
        self._pieces = _pieces(memoryview(data), packed)
        self._piece: bytes | memoryview = b""

    @property
    def is_whole(self) -> bool:
        """Whether the stream has come to its end."""
        return bool(self._stream.eof)

    def read(self, length: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        found: list[bytes] = []
        while length > 0 and not self._stream.eof:
            some = self._stream.decompress(self._piece, length)
            self._piece = self._stream.unconsumed_tail
            found.append(some)
            length -= len(some)
            if not some and not self._piece:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._piece = piece
        return b"".join(found)


def _pieces(view: memoryview, packed: Sequence[slice]) -> Iterator[memoryview]:
    for part in packed:
        for at in range(part.start, part.stop, _BYTES_PER_CALL):
            yield view[at : min(at + _BYTES_PER_CALL, part.stop)]


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


def _saved(image: Image.Image, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, "PNG", icc_profile=None, **options)
    return out.getvalue()
