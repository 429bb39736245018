"""Writes provenance into an encoded picture, between its parts, without touching a pixel.

::

    PNG    tEXt or iTXt: Software, Creation Time, Description, parameters; iTXt: XMP
    WebP   EXIF and XMP chunks, in the extended container (VP8X)
    JPEG   two APP1 segments: EXIF, XMP

What the file said under these names before is replaced. Where the prompt is left out, every other text in
the file goes too: Midjourney writes the prompt into some of its pictures itself.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from mjwatch.pictures import png
from mjwatch.pictures.png import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.pictures.provenance import Provenance

_JPEG = b"\xff\xd8\xff"
_XMP_KEYWORD = "XML:com.adobe.xmp"
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})

_VP8X_EXIF, _VP8X_XMP, _VP8X_ALPHA = 0x08, 0x04, 0x10
_WEBP_PICTURES = frozenset({b"VP8 ", b"VP8L"})

_SOS, _EOI, _APP0, _APP1, _APP13, _COM = 0xDA, 0xD9, 0xE0, 0xE1, 0xED, 0xFE
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"


def with_provenance(data: bytes, about: Provenance) -> bytes:
    """The same picture, saying where it comes from; anything but PNG, WebP and JPEG comes back as it is.

    Damaged files come back with what could be written, or as they are; nothing is raised.
    """
    if data.startswith(png.SIGNATURE):
        return _png(data, about)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data, about)
    if data.startswith(_JPEG):
        return _jpeg(data, about)
    return data


# ---- PNG


def _png(data: bytes, about: Provenance) -> bytes:
    parts, view = list(png.chunks(data)), memoryview(data)
    if not parts or parts[0].kind != b"IHDR":
        return data
    texts = about.texts()
    added = [_png_text(keyword, text) for keyword, text in texts.items()]
    added.append(_png_international(_XMP_KEYWORD, about.xmp()))
    ours = {keyword.encode() for keyword in (*texts, _XMP_KEYWORD)}
    bare = not about.words
    kept = [view[part.start : part.end] for part in parts[1:] if not _png_drops(data, part, ours, bare)]
    tail = b"" if bare and parts[-1].kind == b"IEND" else view[parts[-1].end :]
    return b"".join([view[: parts[0].end], *added, *kept, tail])


def _png_drops(data: bytes, part: Part, ours: set[bytes], bare: bool) -> bool:
    if bare:
        return part.kind in _PNG_TEXTS or part.kind == b"eXIf"
    return part.kind in _PNG_TEXTS and data[part.content].partition(b"\0")[0] in ours


def _png_text(keyword: str, text: str) -> bytes:
    try:
        return png.chunk(b"tEXt", keyword.encode() + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return _png_international(keyword, text.encode())


def _png_international(keyword: str, utf8: bytes) -> bytes:
    """An uncompressed iTXt chunk without a language (PNG, third edition, 11.3.3.4)."""
    return png.chunk(b"iTXt", keyword.encode() + b"\0\0\0\0\0" + utf8)


# ---- WebP


def _webp(data: bytes, about: Provenance) -> bytes:
    whole = 8 + int.from_bytes(data[4:8], "little")
    parts, view = list(_webp_parts(data[:whole])), memoryview(data)
    head = _webp_head(data, parts)
    if head is None or parts[-1].end != whole:
        return data
    head[0] |= _VP8X_EXIF | _VP8X_XMP
    kept = [view[part.start : part.end] for part in parts if part.kind not in {b"VP8X", b"EXIF", b"XMP "}]
    added = [_webp_chunk(b"EXIF", about.exif()), _webp_chunk(b"XMP ", about.xmp())]
    content = b"".join([b"WEBP", _webp_chunk(b"VP8X", bytes(head)), *kept, *added])
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _webp_parts(data: bytes) -> Iterator[Part]:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + length % 2
        if end > len(data):
            return
        yield Part(kind, at, slice(at + 8, at + 8 + length), end)
        at = end


def _webp_head(data: bytes, parts: list[Part]) -> bytearray | None:
    """The content of VP8X: the file's own, or made for one that has none (WebP Container Specification)."""
    for part in parts:
        if part.kind == b"VP8X" and part.content.stop - part.content.start == 10:
            return bytearray(data[part.content])
        if part.kind in _WEBP_PICTURES:
            return _extended(part.kind, data[part.content])
    return None


def _extended(kind: bytes, stream: bytes) -> bytearray | None:
    if len(stream) < 10:
        return None
    if kind == b"VP8L":  # RFC 9649, 3.4: 14 bits for each side, less one, then a bit for alpha
        bits = int.from_bytes(stream[1:5], "little")
        width, height, flags = bits & 0x3FFF, bits >> 14 & 0x3FFF, _VP8X_ALPHA * (bits >> 28 & 1)
    else:  # RFC 6386, 9.1: the sides follow the frame's start code
        width, height = (side % 0x4000 - 1 for side in struct.unpack_from("<HH", stream, 6))
        flags = 0
    sides = max(width, 0).to_bytes(3, "little") + max(height, 0).to_bytes(3, "little")
    return bytearray(bytes([flags, 0, 0, 0]) + sides)


def _webp_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


# ---- JPEG


def _jpeg(data: bytes, about: Provenance) -> bytes:
    parts, view = list(_jpeg_parts(data)), memoryview(data)
    first = [part for part in parts[:1] if part.kind[0] == _APP0]  # JFIF wants to be the first
    dropped = {_APP1} if about.words else {_APP1, _APP13, _COM}
    kept = [view[part.start : part.end] for part in parts[len(first) :] if part.kind[0] not in dropped]
    head = first[0].end if first else 2
    tail = parts[-1].end if parts else 2
    added = [b"Exif\0\0" + about.exif(), _JPEG_XMP + about.xmp()]
    return b"".join([view[:head], *map(_jpeg_app1, added), *kept, view[tail:]])


def _jpeg_parts(data: bytes) -> Iterator[Part]:
    """The segments before the picture itself."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in {_SOS, _EOI, 0xFF}:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            return
        yield Part(data[at + 1 : at + 2], at, slice(at + 4, end), end)
        at = end


def _jpeg_app1(content: bytes) -> bytes:
    return bytes([0xFF, _APP1]) + struct.pack(">H", len(content) + 2) + content
