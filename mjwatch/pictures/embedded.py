"""Read the prompt and the job that a picture's metadata name, as Midjourney and mjwatch write them."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.errors import PictureError
from mjwatch.pictures.split import opened_picture

if TYPE_CHECKING:
    from PIL import Image

_IMAGE_DESCRIPTION = 0x010E
"""The tag of Exif for a description (Exif 2.32, 4.6.4)."""

LONGEST_PROMPT = 64 * 1024
"""Characters of a prompt at most; a longer text is none, as in a prompt file."""

_JOB = re.compile(r"Job ID:\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)
_GUID = re.compile(r"DigitalImageGUID\W{1,3}([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EmbeddedFacts:
    """What a picture says of itself; None for what it does not say."""

    prompt: str | None = None
    job_uuid: str | None = None


def read_embedded(data: bytes) -> EmbeddedFacts:
    """Return the facts in a PNG's texts, in XMP or in Exif; none for anything that is not such a picture."""
    try:
        with opened_picture(data) as picture:
            texts, xmp, exif = _texts(picture), _xmp(picture), _exif(picture)
    except PictureError:
        return EmbeddedFacts()
    candidates = [*texts, html.unescape(_described(xmp)), exif]
    prompt = next((text for text in map(_prompt_in, candidates) if text), None)
    jobs = [match[1].lower() for text in (*texts, exif) if (match := _JOB.search(text))]
    jobs += [match[1].lower() for match in _GUID.finditer(xmp)]
    return EmbeddedFacts(prompt, jobs[0] if jobs else None)


def _texts(picture: Image.Image) -> list[str]:
    """Return the texts that may hold the prompt, the most certain first."""
    found = (picture.info.get(key) for key in ("Description", "parameters"))
    return [str(text) for text in found if isinstance(text, str)]


def _exif(picture: Image.Image) -> str:
    """Return the description in Exif; Exif 3.0 allows UTF-8, which Pillow reads as Latin-1."""
    found = str(picture.getexif().get(_IMAGE_DESCRIPTION) or "")
    try:
        return found.encode("latin-1").decode()
    except UnicodeError:
        return found


def _xmp(picture: Image.Image) -> str:
    for key in ("XML:com.adobe.xmp", "xmp"):
        found = picture.info.get(key)
        if found:
            return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
    return ""


def _described(xmp: str) -> str:
    """Return the first text of ``dc:description``, in time linear in the length; "" if there is none."""
    description = xmp.partition("<dc:description>")[2].partition("</dc:description>")[0]
    return description.partition("<rdf:li")[2].partition(">")[2].partition("</rdf:li>")[0]


def _prompt_in(text: str) -> str:
    """Return the prompt in a text: what stands before the job's id, and before the line of the model."""
    found = _JOB.search(text)
    before = text[: found.start()].rstrip().removesuffix(",") if found else text
    prompt = before.partition("\nModel: ")[0].strip()
    return prompt if len(prompt) <= LONGEST_PROMPT else ""
