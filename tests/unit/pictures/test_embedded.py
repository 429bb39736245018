"""The prompt and the job that pictures carry: as the website writes them, and as mjwatch does."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mjwatch.pictures.embedded import LONGEST_PROMPT, EmbeddedFacts, read_embedded
from mjwatch.pictures.metadata import Provenance, with_provenance

U = "6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11"
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description'
    f' Iptc4xmpExt:DigitalImageGUID="{U}">'
    '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">salt &amp; pepper</rdf:li></rdf:Alt>'
    "</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def picture(kind: str = "PNG", **texts: str) -> bytes:
    out, info = BytesIO(), PngInfo()
    for keyword, text in texts.items():
        info.add_itxt(keyword.replace("_", ":"), text)
    options = {"pnginfo": info} if texts else {}
    Image.new("RGB", (4, 4)).save(out, kind, **options)
    return out.getvalue()


def test_the_website_writes_prompt_and_job_into_the_description() -> None:
    data = picture(Description=f"a cat, at night --v 6 Job ID: {U}", Author="ada")
    assert read_embedded(data) == EmbeddedFacts("a cat, at night --v 6", U)


def test_xmp_is_read_where_there_is_no_text() -> None:
    assert read_embedded(picture(**{"XML_com.adobe.xmp": XMP})) == EmbeddedFacts("salt & pepper", U)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_what_mjwatch_has_written_is_read_again(kind: str) -> None:
    about = Provenance("ein Fuß im Schnee --ar 3:2", "mjwatch", 1e9, U)
    found = read_embedded(with_provenance(picture(kind), about))
    assert found.prompt == "ein Fuß im Schnee --ar 3:2"
    assert found.job_uuid == (U if kind == "PNG" else None)  # elsewhere it is in Exif's comment


@pytest.mark.parametrize("data", [b"", b"no picture", picture()[:40], picture(), picture("JPEG")])
def test_anything_else_says_nothing(data: bytes) -> None:
    assert read_embedded(data) == EmbeddedFacts()


@pytest.mark.parametrize(
    "text",
    [
        " " * 60_000 + "x",
        "Job ID:" + " " * 60_000,
        "<dc:description>" * 5_000,
        "<rdf:li" * 9_000,
        "a" * 70_000,
    ],
    ids=["blanks", "blanks after the id's name", "descriptions", "list items", "too long a prompt"],
)
def test_hostile_texts_take_no_time(text: str) -> None:
    xmp = f"<dc:description>{text}</dc:description>"
    prompt = text.strip() if len(text) <= LONGEST_PROMPT else None
    assert read_embedded(picture(Description=text)).prompt == (prompt or None)
    read_embedded(picture(**{"XML_com.adobe.xmp": xmp}))
