"""Pictures say where they come from, in every format, and not a pixel of them changes.

Seen to catch: the flags of VP8X not set; a canvas one pixel off; text put before IHDR; a JPEG's segment that
is longer than its length can say; Midjourney's own description left in where the prompt is to be left out.
"""

from __future__ import annotations

import json
import random
import struct
import subprocess
from io import BytesIO
from shutil import which
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from mjwatch.pictures.metadata import MOST_PROMPT_TEXT, SOURCE_TYPE, Provenance, with_provenance
from mjwatch.pictures.split import FORMATS, split_grid
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = 'a red kite & a "blue" <cow>, naïve ☂ style --ar 3:2'
UUID = "0c5f1d3e-1111-4222-8333-444455556666"
ABOUT = Provenance(PROMPT, "mjwatch 9.9", 1_800_000_000.0, UUID)
BARE = Provenance(None, "mjwatch 9.9", 1_800_000_000.0, UUID)

OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP", "lossless": True},
    "lossy webp": {"format": "WEBP", "quality": 80},
    "jpeg": {"format": "JPEG"},
}
MODES = [
    *(("png", mode) for mode in ("RGB", "RGBA", "L", "LA", "P", "I;16", "1")),
    *((way, mode) for way in ("webp", "lossy webp") for mode in ("RGB", "RGBA")),
    *(("jpeg", mode) for mode in ("RGB", "L", "CMYK")),
]


def noise(mode: str = "RGB", size: tuple[int, int] = (13, 7)) -> Image.Image:
    data = random.Random(1).randbytes(size[0] * size[1] * 4)
    if mode == "I;16":
        return Image.frombytes(mode, size, data[: size[0] * size[1] * 2])
    return Image.frombytes("RGBA", size, data).convert(mode)


def encoded(way: str, image: Image.Image | None = None, **more: Any) -> bytes:
    out = BytesIO()
    (image or noise()).save(out, **OPTIONS[way], **more)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def xmp_of(data: bytes) -> dict[str, str]:
    """The properties of the XMP packet, by local name."""
    info = opened(data).info
    packet = info.get("xmp") or info["XML:com.adobe.xmp"]
    text = packet if isinstance(packet, str) else packet.decode()
    tree = ElementTree.fromstring(text[text.index("<x:xmpmeta") : text.rindex("<?xpacket")])
    found = tree[0][0]
    return {one.tag.rpartition("}")[2]: "".join(one.itertext()) for one in found}


# ---- the picture stays


@pytest.mark.parametrize(("way", "mode"), MODES)
def test_pixels_mode_and_profile_stay(way: str, mode: str) -> None:
    profile = b"\0" * 36 + b"acsp" + b"\0" * 89
    data = encoded(way, noise(mode), icc_profile=profile)
    for about in (ABOUT, BARE):
        before, after = opened(data), opened(with_provenance(data, about))
        assert (after.mode, after.size, after.format) == (before.mode, before.size, before.format)
        assert after.tobytes() == before.tobytes()
        assert after.info["icc_profile"] == profile


@pytest.mark.parametrize("size", [(1, 1), (16, 1), (1, 300), (1000, 3)])
@pytest.mark.parametrize("way", OPTIONS)
def test_the_size_is_written_correctly_whatever_it_is(way: str, size: tuple[int, int]) -> None:
    data = encoded(way, noise("RGB", size))
    after = opened(with_provenance(data, ABOUT))
    assert (after.size, after.tobytes()) == (size, opened(data).tobytes())


def test_the_tiles_of_a_grid_can_all_be_written_into() -> None:
    grid = encoded("png", noise("RGB", (64, 48)))
    for wanted in FORMATS:
        for tile in split_grid(grid, wanted):
            after = with_provenance(tile, ABOUT)
            assert opened(after).tobytes() == opened(tile).tobytes()
            assert xmp_of(after)["description"] == PROMPT


def test_an_animation_keeps_its_frames() -> None:
    frames = [noise("RGB", (8, 8)), Image.new("RGB", (8, 8), "red")]
    data = encoded("webp", frames[0], save_all=True, append_images=frames[1:])
    after = opened(with_provenance(data, ABOUT))
    assert getattr(after, "n_frames", 1) == 2
    assert xmp_of(with_provenance(data, ABOUT))["description"] == PROMPT


# ---- what it says


@pytest.mark.parametrize("way", OPTIONS)
def test_the_prompt_and_how_it_was_made_are_in_the_xmp(way: str) -> None:
    assert xmp_of(with_provenance(encoded(way), ABOUT)) == {
        "DigitalSourceType": SOURCE_TYPE,
        "AISystemUsed": "Midjourney",
        "CreatorTool": "mjwatch 9.9",
        "CreateDate": "2027-01-15T08:00:00+00:00",
        "description": PROMPT,
        "AIPromptInformation": PROMPT,
    }


def test_a_png_has_its_texts_too() -> None:
    texts = {key: str(value) for key, value in opened(with_provenance(encoded("png"), ABOUT)).info.items()}
    assert texts["parameters"] == f"{PROMPT}\nModel: Midjourney, Job ID: {UUID}"
    assert texts["Description"] == PROMPT
    assert texts["Software"] == "mjwatch 9.9"
    assert texts["Creation Time"] == "Fri, 15 Jan 2027 08:00:00 +0000"


def test_plain_words_are_stored_as_the_text_that_every_reader_of_png_knows() -> None:
    data = with_provenance(encoded("png"), Provenance("a café", "mjwatch", 0.0))
    assert b"tEXtDescription\0a caf\xe9" in data
    assert b"iTXtDescription\0\0\0\0\0" + "☂".encode() in with_provenance(
        data, Provenance("☂", "mjwatch", 0.0)
    )


@pytest.mark.parametrize("way", ["webp", "lossy webp", "jpeg"])
def test_the_others_have_it_as_exif_too(way: str) -> None:
    exif = opened(with_provenance(encoded(way), ABOUT)).getexif()
    assert exif[ExifTags.Base.Software] == "mjwatch 9.9"
    comment = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert comment.removeprefix(b"UNICODE\0").decode("utf-16-le").splitlines()[0] == PROMPT


@pytest.mark.parametrize("way", OPTIONS)
def test_writing_again_replaces_what_was_written(way: str) -> None:
    once = with_provenance(encoded(way), ABOUT)
    assert with_provenance(once, ABOUT) == once
    other = with_provenance(once, Provenance("a cow", "mjwatch 9.9", 0.0))
    assert xmp_of(other)["description"] == "a cow"
    assert b"kite" not in other
    assert "kite".encode("utf-16-le") not in other


# ---- what it does not say


def by_midjourney(way: str) -> bytes:
    """A picture that names its prompt already, wherever its format can."""
    words = "a secret kite"
    xmp = f"<x>{words}</x>".encode()
    if way == "png":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Description", words)
        texts.add_text("Author", words, zip=True)
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        texts.add_itxt("Comment", words)
        return encoded(way, pnginfo=texts, exif=_exif(words)) + words.encode()
    if way == "jpeg":
        data = encoded(way, exif=_exif(words), comment=words, xmp=xmp)
        return data[:2] + b"\xff\xed" + struct.pack(">H", 2 + len(words)) + words.encode() + data[2:]
    return encoded(way, exif=_exif(words), xmp=xmp)


def _exif(words: str) -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.ImageDescription] = words
    return block.tobytes()


@pytest.mark.parametrize("way", OPTIONS)
def test_a_prompt_that_is_left_out_is_nowhere_but_the_source_type_and_software_are(way: str) -> None:
    before = by_midjourney(way)
    assert b"a secret kite" in before
    after = with_provenance(before, BARE)
    assert b"secret" not in after
    assert b"kite" not in after
    assert UUID.encode() not in after
    assert xmp_of(after) == {
        "DigitalSourceType": SOURCE_TYPE,
        "AISystemUsed": "Midjourney",
        "CreatorTool": "mjwatch 9.9",
        "CreateDate": "2027-01-15T08:00:00+00:00",
    }
    assert opened(after).tobytes() == opened(before).tobytes()


def test_other_texts_of_the_file_stay_if_the_prompt_is_written() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "somebody")
    texts.add_text("Description", "before")
    info = opened(with_provenance(encoded("png", pnginfo=texts), ABOUT)).info
    assert (info["Author"], info["Description"]) == ("somebody", PROMPT)


@pytest.mark.parametrize("prompt", ["", " \n ", "\0\x07\udc80", None])
def test_an_empty_prompt_counts_as_none(prompt: str | None) -> None:
    about = Provenance(prompt, "mjwatch 9.9", 1_800_000_000.0)
    for way in OPTIONS:
        assert with_provenance(encoded(way), about) == with_provenance(encoded(way), BARE)


# ---- wild input


wild = st.text(st.characters(codec=None), max_size=30)


@given(prompt=wild, software=st.sampled_from(["mjwatch 1", "☂"]), uuid=st.none() | st.just(UUID))
def test_any_prompt_can_be_read_back_from_every_format(prompt: str, software: str, uuid: str | None) -> None:
    about = Provenance(prompt, software, 0.0, uuid)
    for way in OPTIONS:
        found = xmp_of(with_provenance(SMALL[way], about))
        assert found.get("description", "") == about.prompt_text
        assert found["DigitalSourceType"] == SOURCE_TYPE


SMALL = {way: encoded(way) for way in OPTIONS}


@pytest.mark.parametrize("way", OPTIONS)
@pytest.mark.parametrize("char", ["&", "☂", "😀", "a"])
def test_the_longest_prompt_fits(way: str, char: str) -> None:
    after = with_provenance(SMALL[way], Provenance(char * 9000, "mjwatch 9.9", 0.0, UUID))
    assert xmp_of(after)["description"] == char * MOST_PROMPT_TEXT
    assert opened(after).tobytes() == opened(SMALL[way]).tobytes()


@given(
    way=st.sampled_from(sorted(OPTIONS)),
    cut=st.floats(0, 1),
    flips=st.lists(st.integers(0, 1 << 20), max_size=3),
)
def test_damaged_files_raise_nothing(way: str, cut: float, flips: list[int]) -> None:
    data = bytearray(SMALL[way][: int(len(SMALL[way]) * cut)])
    for at in flips:
        if data:
            data[at % len(data)] ^= 0xFF
    with_provenance(bytes(data), ABOUT)


@pytest.mark.parametrize("way", OPTIONS)
def test_of_a_file_that_was_cut_short_no_byte_of_the_picture_is_lost(way: str) -> None:
    whole = encoded(way, noise("RGB", (64, 64)))
    cut = whole[:-40]
    assert with_provenance(cut, ABOUT).endswith(cut[-400:])


@pytest.mark.parametrize("data", [b"", b"GIF89a...", b"\0\0\0\x20ftypisom", b"RIFF\4\0\0\0WAVE", b"<html>"])
def test_data_in_another_format_comes_back_unchanged(data: bytes) -> None:
    assert with_provenance(data, ABOUT) == data


# ---- by another program


@pytest.mark.real
@pytest.mark.parametrize("way", OPTIONS)
def test_exiftool_reads_it(way: str, tmp_path: Path) -> None:
    assert which("exiftool"), "exiftool is missing: apt-get install libimage-exiftool-perl"
    for name, about in (("told", ABOUT), ("bare", BARE)):
        path = tmp_path / f"{name}.{way.split()[-1]}"
        path.write_bytes(with_provenance(by_midjourney(way), about))
        command = [
            "exiftool",
            "-json",
            "-validate",
            "-warning",
            "-error",
            "-G1",
            "-n",
            "-a",
            "-all",
            str(path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline(60), check=True)
        (tags,) = json.loads(done.stdout)
        assert tags["XMP-iptcExt:DigitalSourceType"] == SOURCE_TYPE
        assert tags["XMP-xmp:CreatorTool"] == "mjwatch 9.9"
        assert tags.get("XMP-dc:Description") == about.prompt
        assert "ExifTool:Error" not in tags
        assert "Non-standard" not in tags.get("ExifTool:Warning", "")
        own = "PNG" if way == "png" else "IFD0"
        assert tags[f"{own}:Software"] == "mjwatch 9.9"
        assert tags.get(f"{own}:{'Description' if way == 'png' else 'ImageDescription'}") == about.prompt
