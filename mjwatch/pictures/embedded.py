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

_DESCRIPTION = re.compile(r"<dc:description>.*?<rdf:li[^>]*>(.*?)</rdf:li>", re.DOTALL)
_JOB = re.compile(r"\s*,?\s*Job ID:\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)
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
    described = _DESCRIPTION.search(xmp)
    candidates = [*texts, html.unescape(described[1]) if described else "", exif]
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


def _prompt_in(text: str) -> str:
    """Return the prompt in a text: what stands before the job's id, and before the line of the model."""
    return _JOB.split(text, maxsplit=1)[0].partition("\nModel: ")[0].strip()
