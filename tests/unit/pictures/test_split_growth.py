"""No grid grows by the shortcut for photos, whatever repeats in it, wherever, and whoever has encoded it."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from mjwatch.pictures import deflate, split
from mjwatch.pictures.chunks import SIGNATURE, chunk
from mjwatch.pictures.scanlines import Scanlines
from mjwatch.pictures.split import split_grid
from tests.helpers.examples import examples

MOST_GROWTH = 1.05
SOURCES: list[dict[str, Any]] = [
    {"format": "PNG"},
    {"format": "PNG", "compress_level": 0},
    {"format": "PNG", "compress_level": 1, "compress_type": zlib.Z_RLE},
    {"format": "JPEG", "quality": 90},
    {"format": "WEBP", "lossless": True, "quality": 0, "method": 0},
]
LIBRARIES = [deflate.library, zlib]


def noise(width: int, height: int, seed: int = 1, blur: float = 0.8) -> Image.Image:
    raw = random.Random(seed).randbytes(width * height * 3)
    return Image.frombytes("RGB", (width, height), raw).filter(ImageFilter.GaussianBlur(blur))


def repeated(picture: Image.Image, area: tuple[int, int, int, int], step: tuple[int, int]) -> Image.Image:
    """The picture with a part that repeats a piece of it after so many columns and rows."""
    left, top, right, bottom = area
    stamp, part = picture.crop((0, 0, *step)), Image.new("RGB", (right - left, bottom - top))
    for x in range(0, part.width, step[0]):
        for y in range(0, part.height, step[1]):
            part.paste(stamp, (x, y))
    picture.paste(part, (left, top))
    return picture


def encoded(picture: Image.Image, **options: Any) -> bytes:
    out = BytesIO()
    picture.save(out, **options)
    return out.getvalue()


def growth(source: bytes) -> float:
    """The bytes of the four pictures, divided by those of Pillow's default."""
    whole, ours, pillows = Image.open(BytesIO(source)), 0, 0
    for tile, box in zip(split_grid(source, "png"), split._boxes(*whole.size), strict=True):
        wanted = whole.crop(box)
        assert Image.open(BytesIO(tile)).tobytes() == wanted.tobytes()
        ours += len(tile)
        pillows += len(encoded(wanted, format="PNG"))
    return ours / pillows


@settings(max_examples=examples(25))
@given(st.data(), st.sampled_from(SOURCES), st.sampled_from(LIBRARIES))
def test_no_small_grid_grows(data: st.DataObject, options: dict[str, Any], library: Any) -> None:
    width, height = data.draw(st.integers(257, 400)), data.draw(st.integers(257, 400))
    left, top = data.draw(st.integers(0, width - 10)), data.draw(st.integers(0, height - 10))
    area = (left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    step = (data.draw(st.integers(1, width)), data.draw(st.integers(1, height)))
    picture = noise(width, height, blur=data.draw(st.sampled_from([0, 0.8, 3])))
    with patch.object(deflate, "library", library):
        assert growth(encoded(repeated(picture, area, step), **options)) <= MOST_GROWTH


LARGE = 640
"""Pixels of a side: the pieces are sampled, not compared as a whole."""


@pytest.mark.parametrize("options", SOURCES[:3], ids=["searched", "stored", "runs"])
@pytest.mark.parametrize(
    ("area", "step"),
    [
        ((0, 0, LARGE, LARGE), (LARGE, 16)),
        ((0, 0, LARGE, LARGE), (LARGE // 2, 30)),
        ((0, 0, LARGE, LARGE), (37, LARGE)),
        ((0, 0, LARGE, LARGE // 3), (16, 16)),
        ((LARGE // 2, 150, LARGE, 250), (24, 8)),
    ],
)
def test_no_large_grid_grows(
    area: tuple[int, int, int, int], step: tuple[int, int], options: dict[str, Any]
) -> None:
    assert growth(encoded(repeated(noise(LARGE, LARGE), area, step), **options)) <= MOST_GROWTH


def test_pieces_that_are_larger_than_their_file_are_searched_where_samples_show_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Scanlines, "has_repeats", lambda *_: False)
    picture = repeated(noise(LARGE, LARGE), (0, 0, LARGE, LARGE // 3), (16, 16))
    assert growth(encoded(picture, format="PNG")) <= MOST_GROWTH


def filtered_png(side: int, rows: list[bytes]) -> bytes:
    """A square RGB picture of filtered rows."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    contents = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(*part) for part in contents)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_photo_whose_rows_are_filtered_badly_gets_other_filters(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = 128
    monkeypatch.setattr(deflate, "library", library)
    raw = noise(side, side, blur=2).tobytes()
    rows = [b"\0" + raw[at : at + 3 * side] for at in range(0, len(raw), 3 * side)]
    monkeypatch.setattr(split.Grid, "_by_default", None)
    assert growth(filtered_png(side, rows)) <= 1.02


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_repetitive_png_with_pillow_s_filters_is_searched_without_pillow(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deflate, "library", library)
    monkeypatch.setattr(split.Grid, "_by_default", None)
    source = encoded(Image.linear_gradient("L").convert("RGB"), format="PNG")
    assert len(source) < 0.1 * 256 * 256 * 3
    assert growth(source) <= 1.02


def test_a_repetitive_png_with_bad_filters_gets_pillow_s() -> None:
    rows = [b"\x01" + 3 * bytes([y]) + bytes(3 * 255) for y in range(256)]  # each one differs from the left
    assert growth(filtered_png(256, rows)) <= 1.02


@pytest.mark.parametrize(("filter", "ground"), [(0, 0), (2, 255)], ids=["none on black", "up on white"])
def test_the_filters_of_a_repetitive_png_are_judged_where_it_is_not_blank(filter: int, ground: int) -> None:
    side = 256
    raw = bytearray([ground]) * (3 * side * side)
    for y in range(30, 80):  # not in the middle, where an even spread would look
        for x in range(90, 170):
            at = 3 * (side * y + x)
            raw[at : at + 3] = (x * x // 7 + 3 * y) % 256, (y * y // 5 + 2 * x) % 256, x * y // 9 % 256
    lines = [bytes(raw[at : at + 3 * side]) for at in range(0, len(raw), 3 * side)]
    above = [bytes(3 * side), *lines] if filter == 2 else [bytes(3 * side)] * side
    rows = [
        bytes([filter, *((a - b) % 256 for a, b in zip(line, other, strict=True))])
        for line, other in zip(lines, above, strict=False)
    ]
    source = filtered_png(side, rows)
    assert len(source) < 0.1 * len(raw)
    assert growth(source) <= 1.02


def test_the_standard_library_takes_over_where_zlib_ng_is_missing() -> None:
    with patch.dict("sys.modules", {"zlib_ng": None}):
        assert deflate._library() is zlib
