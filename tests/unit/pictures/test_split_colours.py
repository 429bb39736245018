"""What a grid says of its colours, its depth and its turn holds for all four pictures, or it is refused."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageFilter, ImageOps

from mjwatch.errors import PictureError
from mjwatch.pictures import split
from mjwatch.pictures.chunks import HEAD_END, SIGNATURE, chunk, chunks, with_chunks
from mjwatch.pictures.metadata import Provenance, orientation_of, with_provenance
from mjwatch.pictures.split import split_grid, thumbnail

COLOURS = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"sRGB": b"\1",
    b"cICP": bytes([9, 16, 0, 1]),
    b"iCCP": b"a profile\0\0" + zlib.compress(b"what it says" * 20),
}
COLOUR_CHUNKS = b"".join(chunk(*part) for part in COLOURS.items())
ORIENTATION = 0x0112


@pytest.fixture(autouse=True, params=[0, 256 * 256], ids=["cut", "encoded"])
def cut_all(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "_CUT_ABOVE", request.param)


def photo(side: int, mode: str = "RGB") -> Image.Image:
    raw = random.Random(1).randbytes(side * side * 3)
    return Image.frombytes("RGB", (side, side), raw).filter(ImageFilter.GaussianBlur(0.8)).convert(mode)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
@pytest.mark.parametrize("small", [0, 1 << 20], ids=["sampled", "searched"])
def test_colours_are_the_same_in_all_four_pictures(
    mode: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split, "_SMALL", small)
    whole = photo(96, mode)
    whole.paste(0, (0, 0, 48, 48))  # one picture is flat, so Pillow encodes it
    for tile in split_grid(with_chunks(encoded(whole), COLOUR_CHUNKS)):
        opened(tile).load()
        found = {part.kind: tile[part.content] for part in chunks(tile) if part.kind in COLOURS}
        assert found == COLOURS


def test_colours_of_a_turned_grid_stay_too() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    for tile in split_grid(with_chunks(encoded(photo(32), exif=exif), COLOUR_CHUNKS)):
        assert COLOURS.keys() <= {part.kind for part in chunks(tile)}


@pytest.mark.parametrize("turn", range(1, 10))
@pytest.mark.parametrize("format", ["PNG", "WEBP", "JPEG"])
def test_a_turned_grid_is_split_as_viewers_show_it(format: str, turn: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(photo(24).crop((0, 0, 24, 14)), format, exif=exif, **options)
    upright = ImageOps.exif_transpose(opened(data))
    for tile, box in zip(split_grid(data), split._boxes(*upright.size), strict=True):
        assert orientation_of(tile) == 1
        assert opened(tile).tobytes() == upright.crop(box).tobytes()
    assert opened(thumbnail([data])).size == upright.size


def test_a_png_may_say_after_its_pixels_how_to_turn_it() -> None:
    plain = encoded(photo(24).crop((0, 0, 24, 14)))
    tiff = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, ORIENTATION, 3, 1, 8, 0, 0)
    data = plain[:-12] + chunk(b"eXIf", tiff) + plain[-12:]
    assert [opened(tile).size for tile in split_grid(data)] == [(7, 12)] * 4


@pytest.mark.parametrize("prompt", ["a cat", None])
@pytest.mark.parametrize("format", ["PNG", "WEBP", "JPEG"])
def test_a_turned_picture_is_still_turned_with_its_origin_in_it(format: str, prompt: str | None) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010E] = "what Midjourney wrote"
    data = with_provenance(encoded(photo(16), format, exif=exif), Provenance(prompt, "mjwatch", 0.0))
    found = opened(data).getexif()
    assert (orientation_of(data), found[ORIENTATION]) == (6, 6)
    if prompt is None:
        assert 0x010E not in found


@pytest.mark.parametrize(
    "block", [b"", b"II*", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"junk" * 9]
)
def test_damaged_exif_turns_nothing(block: bytes) -> None:
    assert orientation_of(with_chunks(encoded(photo(4)), chunk(b"eXIf", block))) == 1


def deep(colour: int, channels: int) -> bytes:
    """A PNG of 4x4 pixels with 16 bits a channel."""
    rows = b"".join(b"\0" + bytes(range(8 * channels)) for _ in range(4))
    head = struct.pack(">IIBBBBB", 4, 4, 16, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    assert len(SIGNATURE + parts[0]) == HEAD_END
    return b"".join([SIGNATURE, *parts])


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_colours_of_16_bits_are_refused_unless_the_format_is_lossy(colour: int, channels: int) -> None:
    data = deep(colour, channels)
    for format in ("auto", "png", "webp"):
        with pytest.raises(PictureError, match="16 bits"):
            split_grid(data, format)
    assert len(split_grid(data, "jpeg")) == 4


def test_grey_of_16_bits_stays() -> None:
    data = deep(0, 1)
    assert opened(split_grid(data)[3]).tobytes() == opened(data).crop((2, 2, 4, 4)).tobytes()
