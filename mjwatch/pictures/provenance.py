"""What a picture says of itself: the prompt that it came from, and that a trained algorithm made it."""

from __future__ import annotations

import struct
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for a picture that a trained model made; the identifier begins with http, not https."""

SYSTEM = "Midjourney"

WORDS_AT_MOST = 6000
"""Characters of the prompt: a command's option holds no more, and this many fit in one segment of a JPEG."""

_TIFF_HEAD = b"II*\0\x08\0\0\0"
_IMAGE_DESCRIPTION, _SOFTWARE, _EXIF, _USER_COMMENT = 0x010E, 0x0131, 0x8769, 0x9286
_TEXT, _OFFSET, _BYTES = 2, 4, 7
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

    ``prompt``: None where it is to be left out. ``software`` wrote the file. ``created`` is in seconds since
    1970. ``job_uuid`` is Midjourney's own id of the job.
    """

    prompt: str | None
    software: str
    created: float
    job_uuid: str | None = None

    @property
    def words(self) -> str:
        """The prompt as text that every format can hold; empty where it is left out."""
        kept = (char for char in self.prompt or "" if char == "\n" or _is_plain(char))
        return "".join(kept)[:WORDS_AT_MOST].strip()

    def texts(self) -> dict[str, str]:
        """Texts by PNG's keywords. ``parameters`` is where readers of prompts look first."""
        told = {"Software": self.software, "Creation Time": format_datetime(self._moment())}
        return told | ({"Description": self.words, "parameters": self._parameters()} if self.words else {})

    def xmp(self) -> bytes:
        """An XMP packet with IPTC's properties for pictures by generative AI (IPTC 2025.1)."""
        properties = [
            _element("Iptc4xmpExt:DigitalSourceType", SOURCE_TYPE),
            _element("Iptc4xmpExt:AISystemUsed", SYSTEM),
            _element("xmp:CreatorTool", self.software),
            _element("xmp:CreateDate", self._moment().isoformat(timespec="seconds")),
        ]
        if self.words:
            said = f'<rdf:Alt><rdf:li xml:lang="x-default">{_escaped(self.words)}</rdf:li></rdf:Alt>'
            properties.append(f"<dc:description>{said}</dc:description>")
            properties.append(_element("Iptc4xmpExt:AIPromptInformation", self.words))
        return _XMP.format(properties="\n".join(properties)).encode()

    def exif(self) -> bytes:
        """An EXIF block, without JPEG's mark before it; UserComment is what ``parameters`` is in PNG."""
        start, fields = len(_TIFF_HEAD), [(_SOFTWARE, _TEXT, self.software.encode() + b"\0")]
        if not self.words:
            return _TIFF_HEAD + _directory(start, fields)
        fields.insert(0, (_IMAGE_DESCRIPTION, _TEXT, self.words.encode() + b"\0"))  # EXIF 3.0 allows UTF-8
        comment = b"UNICODE\0" + self._parameters().encode("utf-16-le")
        behind = start + len(_directory(start, [*fields, (_EXIF, _OFFSET, bytes(4))]))
        fields.append((_EXIF, _OFFSET, struct.pack("<I", behind)))
        return _TIFF_HEAD + _directory(start, fields) + _directory(behind, [(_USER_COMMENT, _BYTES, comment)])

    def _parameters(self) -> str:
        job = f", Job ID: {self.job_uuid}" if self.job_uuid else ""
        return f"{self.words}\nModel: {SYSTEM}{job}"

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.created, UTC)


def _is_plain(char: str) -> bool:
    """Whether XML and PNG allow it: no control, no half of a pair, no code that is never a character."""
    return unicodedata.category(char) not in {"Cc", "Cs"} and char not in "\ufffe\uffff"


def _element(name: str, text: str) -> str:
    return f"<{name}>{_escaped(text)}</{name}>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _directory(at: int, fields: list[tuple[int, int, bytes]]) -> bytes:
    """A directory of TIFF 6.0 that begins at this offset: tag, type and value of each field, in order.

    Values of more than four bytes stand behind it.
    """
    head, values = struct.pack("<H", len(fields)), b""
    behind = at + 2 + 12 * len(fields) + 4
    for tag, kind, value in fields:
        place = value if len(value) <= 4 else struct.pack("<I", behind + len(values))
        values += b"" if len(value) <= 4 else value + bytes(len(value) % 2)
        head += struct.pack("<HHI", tag, kind, 1 if kind == _OFFSET else len(value)) + place.ljust(4, b"\0")
    return head + bytes(4) + values
