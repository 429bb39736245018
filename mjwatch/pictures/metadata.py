"""Write the origin of a picture into its encoded file, between the file's segments, without changing a pixel.

::

    PNG    tEXt or iTXt: Software, Creation Time, Description, parameters; iTXt: XMP
    WebP   EXIF and XMP chunks, in the extended container (VP8X)
    JPEG   two APP1 segments: EXIF, XMP

The origin is the prompt that the picture came from, and that a trained algorithm made it. What the file had
under these names before is replaced. If the prompt is left out, every other text in the file is removed, too:
Midjourney itself writes the prompt into some of its pictures. How the picture is turned stays.
"""

from __future__ import annotations

import struct
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from mjwatch.pictures import chunks
from mjwatch.pictures.chunks import FileSegment

if TYPE_CHECKING:
    from collections.abc import Iterator


_JPEG = b"\xff\xd8\xff"
_XMP_KEYWORD = "XML:com.adobe.xmp"
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})

_VP8X_EXIF, _VP8X_XMP, _VP8X_ALPHA = 0x08, 0x04, 0x10
_WEBP_PICTURES = frozenset({b"VP8 ", b"VP8L"})

_SOS, _EOI, _APP0, _APP1, _APP13, _COM = 0xDA, 0xD9, 0xE0, 0xE1, 0xED, 0xFE
_EXIF_HEAD = b"Exif\0\0"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"


def with_provenance(data: bytes, about: Provenance) -> bytes:
    """Return the same picture with its origin; anything but PNG, WebP and JPEG is returned unchanged.

    Damaged files are returned with what could be written, or unchanged; no error is raised.
    """
    if data.startswith(chunks.SIGNATURE):
        return _png(data, about)
    if _is_webp(data):
        return _webp(data, about)
    if data.startswith(_JPEG):
        return _jpeg(data, about)
    return data


def orientation_of(data: bytes) -> int:
    """Return how EXIF says that viewers turn and mirror the picture: 1 for not at all, up to 8 (EXIF 3.0)."""
    block = next(_exif_blocks(data), b"").removeprefix(_EXIF_HEAD)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(f"{order}I", block, 4)
        (number,) = struct.unpack_from(f"{order}H", block, at)
        for field in range(at + 2, at + 2 + 12 * number, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, field)
            if (tag, kind) == (_ORIENTATION, _SHORT):
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _exif_blocks(data: bytes) -> Iterator[bytes]:
    if data.startswith(chunks.SIGNATURE):
        found = (part for part in chunks.chunks(data) if part.kind == b"eXIf" and chunks.is_sound(data, part))
    elif _is_webp(data):
        found = (part for part in _webp_parts(data) if part.kind == b"EXIF")
    else:
        exif = (part for part in _jpeg_parts(data) if part.kind[0] == _APP1)
        found = (part for part in exif if data[part.content].startswith(_EXIF_HEAD))
    return (data[part.content] for part in found)


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


# ---- PNG


def _png(data: bytes, about: Provenance) -> bytes:
    parts, view = list(chunks.chunks(data)), memoryview(data)
    if not parts or parts[0].kind != b"IHDR":
        return data
    texts = about.texts()
    added = [_png_text(keyword, text) for keyword, text in texts.items()]
    added.append(_png_international(_XMP_KEYWORD, about.xmp()))
    ours = {keyword.encode() for keyword in (*texts, _XMP_KEYWORD)}
    bare = not about.prompt_text
    if bare and (orientation := orientation_of(data)) != 1:
        turned = _directory(len(_TIFF_HEAD), [_orientation_field(orientation)])
        added.append(chunks.chunk(b"eXIf", _TIFF_HEAD + turned))
    kept = [view[part.start : part.end] for part in parts[1:] if not _png_drops(data, part, ours, bare)]
    tail = b"" if bare and parts[-1].kind == b"IEND" else view[parts[-1].end :]
    return b"".join([view[: parts[0].end], *added, *kept, tail])


def _png_drops(data: bytes, part: FileSegment, ours: set[bytes], bare: bool) -> bool:
    if bare:
        return part.kind in _PNG_TEXTS or part.kind == b"eXIf"
    return part.kind in _PNG_TEXTS and data[part.content].partition(b"\0")[0] in ours


def _png_text(keyword: str, text: str) -> bytes:
    try:
        return chunks.chunk(b"tEXt", keyword.encode() + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return _png_international(keyword, text.encode())


def _png_international(keyword: str, utf8: bytes) -> bytes:
    """Return an uncompressed iTXt chunk without a language (PNG, third edition, 11.3.3.4)."""
    return chunks.chunk(b"iTXt", keyword.encode() + b"\0\0\0\0\0" + utf8)


# ---- WebP


def _webp(data: bytes, about: Provenance) -> bytes:
    whole = 8 + int.from_bytes(data[4:8], "little")
    parts, view = list(_webp_parts(data[:whole])), memoryview(data)
    head = _webp_head(data, parts)
    if head is None or parts[-1].end != whole:
        return data
    head[0] |= _VP8X_EXIF | _VP8X_XMP
    kept = [view[part.start : part.end] for part in parts if part.kind not in {b"VP8X", b"EXIF", b"XMP "}]
    added = [_webp_chunk(b"EXIF", about.exif(orientation_of(data))), _webp_chunk(b"XMP ", about.xmp())]
    content = b"".join([b"WEBP", _webp_chunk(b"VP8X", bytes(head)), *kept, *added])
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _webp_parts(data: bytes) -> Iterator[FileSegment]:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + length % 2
        if end > len(data):
            return
        yield FileSegment(kind, at, slice(at + 8, at + 8 + length), end)
        at = end


def _webp_head(data: bytes, parts: list[FileSegment]) -> bytearray | None:
    """Return the content of VP8X: the file's own, or a new one (WebP Container Specification)."""
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
    first = [part for part in parts[:1] if part.kind[0] == _APP0]  # JFIF must be the first segment
    dropped = {_APP1} if about.prompt_text else {_APP1, _APP13, _COM}
    kept = [view[part.start : part.end] for part in parts[len(first) :] if part.kind[0] not in dropped]
    head = first[0].end if first else 2
    tail = parts[-1].end if parts else 2
    added = [_EXIF_HEAD + about.exif(orientation_of(data)), _JPEG_XMP + about.xmp()]
    return b"".join([view[:head], *map(_jpeg_app1, added), *kept, view[tail:]])


def _jpeg_parts(data: bytes) -> Iterator[FileSegment]:
    """Yield the segments before the picture itself."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in {_SOS, _EOI, 0xFF}:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            return
        yield FileSegment(data[at + 1 : at + 2], at, slice(at + 4, end), end)
        at = end


def _jpeg_app1(content: bytes) -> bytes:
    return bytes([0xFF, _APP1]) + struct.pack(">H", len(content) + 2) + content


SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for a picture made by a trained model; the identifier begins with http, not https."""

SYSTEM = "Midjourney"

MOST_PROMPT_TEXT = 6000
"""Characters of the prompt: a command's option holds no more, and this many fit in one segment of a JPEG."""

_TIFF_HEAD = b"II*\0\x08\0\0\0"
_IMAGE_DESCRIPTION, _ORIENTATION, _SOFTWARE, _EXIF, _USER_COMMENT = 0x010E, 0x0112, 0x0131, 0x8769, 0x9286
_TEXT, _SHORT, _OFFSET, _BYTES = 2, 3, 4, 7
"""Types of TIFF's fields."""

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
  xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:xmp="http://ns.adobe.com/xap/1.0/"
  xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
{properties}
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a picture comes from.

    ``prompt``: None to leave it out. ``software``: the program that wrote the file. ``created``: seconds
    since 1970. ``job_uuid``: Midjourney's own id of the job.
    """

    prompt: str | None
    software: str
    created: float
    job_uuid: str | None = None

    @property
    def prompt_text(self) -> str:
        """The prompt as text that every format can hold; empty if it is left out."""
        text = self.prompt or ""
        if not text.isprintable():
            text = "".join(char for char in text if char == "\n" or _is_plain(char))
        return text[:MOST_PROMPT_TEXT].strip()

    def texts(self) -> dict[str, str]:
        """Return texts by PNG's keywords. Readers of prompts look for ``parameters`` first."""
        texts = {"Software": self.software, "Creation Time": format_datetime(self._moment())}
        if self.prompt_text:
            texts |= {"Description": self.prompt_text, "parameters": self._parameters()}
        return texts

    def xmp(self) -> bytes:
        """Return an XMP packet with IPTC's properties for pictures by generative AI (IPTC 2025.1)."""
        properties = [
            _element("Iptc4xmpExt:DigitalSourceType", SOURCE_TYPE),
            _element("Iptc4xmpExt:AISystemUsed", SYSTEM),
            _element("xmp:CreatorTool", self.software),
            _element("xmp:CreateDate", self._moment().isoformat(timespec="seconds")),
        ]
        if self.prompt_text:
            text = f'<rdf:Alt><rdf:li xml:lang="x-default">{_escaped(self.prompt_text)}</rdf:li></rdf:Alt>'
            properties.append(f"<dc:description>{text}</dc:description>")
            properties.append(_element("Iptc4xmpExt:AIPromptInformation", self.prompt_text))
        return _XMP.format(properties="\n".join(properties)).encode()

    def exif(self, orientation: int = 1) -> bytes:
        """Return an EXIF block, without JPEG's prefix; UserComment holds what ``parameters`` holds in PNG."""
        start, fields = len(_TIFF_HEAD), [(_SOFTWARE, _TEXT, self.software.encode() + b"\0")]
        if orientation != 1:
            fields.insert(0, _orientation_field(orientation))
        if not self.prompt_text:
            return _TIFF_HEAD + _directory(start, fields)
        fields.insert(
            0, (_IMAGE_DESCRIPTION, _TEXT, self.prompt_text.encode() + b"\0")
        )  # EXIF 3.0 allows UTF-8
        comment = b"UNICODE\0" + self._parameters().encode("utf-16-le")
        offset = start + len(_directory(start, [*fields, (_EXIF, _OFFSET, bytes(4))]))
        fields.append((_EXIF, _OFFSET, struct.pack("<I", offset)))
        return _TIFF_HEAD + _directory(start, fields) + _directory(offset, [(_USER_COMMENT, _BYTES, comment)])

    def _parameters(self) -> str:
        job = f", Job ID: {self.job_uuid}" if self.job_uuid else ""
        return f"{self.prompt_text}\nModel: {SYSTEM}{job}"

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.created, UTC)


def _is_plain(char: str) -> bool:
    """Return whether XML and PNG allow it: no control, no lone surrogate, no noncharacter."""
    return unicodedata.category(char) not in {"Cc", "Cs"} and char not in "\ufffe\uffff"


def _element(name: str, text: str) -> str:
    return f"<{name}>{_escaped(text)}</{name}>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _orientation_field(orientation: int) -> tuple[int, int, bytes]:
    return _ORIENTATION, _SHORT, struct.pack("<H", orientation)


def _directory(at: int, fields: list[tuple[int, int, bytes]]) -> bytes:
    """Return a directory of TIFF 6.0 that begins at this offset: tag, type and value of each field, in order.

    Values of more than four bytes follow after it.
    """
    head, values = struct.pack("<H", len(fields)), b""
    values_at = at + 2 + 12 * len(fields) + 4
    for tag, kind, value in fields:
        stored = value if len(value) <= 4 else struct.pack("<I", values_at + len(values))
        values += b"" if len(value) <= 4 else value + bytes(len(value) % 2)
        count = 1 if kind in {_SHORT, _OFFSET} else len(value)
        head += struct.pack("<HHI", tag, kind, count) + stored.ljust(4, b"\0")
    return head + bytes(4) + values
