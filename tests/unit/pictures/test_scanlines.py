"""Pieces cut along scanlines have the pixels of the whole, whatever its encoder has chosen for each row."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from mjwatch.errors import PictureError
from mjwatch.pictures import chunks as png
from mjwatch.pictures.scanlines import Scanlines
from mjwatch.pictures.split import split_grid
from tests.helpers.examples import examples

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
KINDS = [
    *((GREY, depth) for depth in (1, 2, 4, 8, 16)),
    *((PALETTE, depth) for depth in (1, 2, 4, 8)),
    *((colour, depth) for colour in (RGB, GREY_ALPHA, RGBA) for depth in (8, 16)),
]
"""All that PNG allows: colour types with their bits a channel."""

DEEP_COLOURS = [(RGB, 16), (GREY_ALPHA, 16), (RGBA, 16)]
CUT_SO = [(GREY, 8), (RGB, 8), (GREY_ALPHA, 8), (RGBA, 8)]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
"""Where each pass begins in x and y, and its steps."""


class Picture(NamedTuple):
    """A PNG to be made: its samples by row, and what its encoder chose."""

    width: int
    height: int
    colour: int
    depth: int
    rows: list[list[int]]
    filters: list[int]
    interlaced: bool = False
    level: int = 0
    idat: int = 1 << 20
    """Bytes of an IDAT chunk."""


def drawn(
    width: int, height: int, colour: int, depth: int, seed: int = 1, *, smooth: bool = False, **more: int
) -> Picture:
    """Noise, or a picture whose neighbours are alike, with filters by chance."""
    rng = random.Random(seed)
    channels, most = CHANNELS[colour], (1 << depth) - 1
    rows: list[list[int]] = []
    for y in range(height):
        bent = [(x // channels * 3 + y * 2 + rng.randrange(3)) & most for x in range(width * channels)]
        rows.append(bent if smooth else [rng.randrange(most + 1) for _ in bent])
    return Picture(width, height, colour, depth, rows, [rng.randrange(5) for _ in range(97)], **more)  # type: ignore[arg-type]


def written(picture: Picture, before_data: bytes = b"") -> bytes:
    """The file, by a writer of its own: every colour type, depth and filter, interlaced or not."""
    head = struct.pack(
        ">IIBBBBB", picture.width, picture.height, picture.depth, picture.colour, 0, 0, picture.interlaced
    )
    packed = zlib.compress(scanlines_of(picture), picture.level)
    pieces = [packed[at : at + picture.idat] for at in range(0, len(packed), picture.idat)]
    palette = png.chunk(b"PLTE", bytes(range(256)) * 3) if picture.colour == PALETTE else b""
    data = b"".join(png.chunk(b"IDAT", piece) for piece in pieces)
    return png.SIGNATURE + png.chunk(b"IHDR", head) + before_data + palette + data + png.chunk(b"IEND", b"")


def scanlines_of(picture: Picture) -> bytes:
    if not picture.interlaced:
        return filtered(picture, picture.rows)
    channels, lines = CHANNELS[picture.colour], b""
    for x0, y0, dx, dy in ADAM7:
        columns = range(x0, picture.width, dx)
        rows = [
            [row[x * channels + n] for x in columns for n in range(channels)] for row in picture.rows[y0::dy]
        ]
        lines += filtered(picture, rows) if columns else b""
    return lines


def filtered(picture: Picture, rows: list[list[int]]) -> bytes:
    """As the specification words it (PNG, third edition, 9.2), byte by byte."""
    pixel = max(1, CHANNELS[picture.colour] * picture.depth // 8)
    out, above = bytearray(), b""
    for number, samples in enumerate(rows):
        row, kind = packed(samples, picture.depth), picture.filters[number % len(picture.filters)]
        above = above or bytes(len(row))
        out.append(kind)
        for at, own in enumerate(row):
            a = row[at - pixel] if at >= pixel else 0
            c = above[at - pixel] if at >= pixel else 0
            out.append((own - predicted(kind, a, above[at], c)) & 0xFF)
        above = row
    return bytes(out)


def predicted(kind: int, a: int, b: int, c: int) -> int:
    if kind == 4:
        return min((a, b, c), key=lambda candidate: abs(a + b - c - candidate))
    return [0, a, b, (a + b) // 2][kind]


def packed(samples: list[int], depth: int) -> bytes:
    if depth == 16:
        return struct.pack(f">{len(samples)}H", *samples)
    bits = "".join(f"{sample:0{depth}b}" for sample in samples)
    return bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))


def opened(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        image.load()
        return image


def by_default(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def boxes(image: Image.Image) -> list[tuple[int, int, int, int]]:
    (w, h), x, y = image.size, image.width // 2, image.height // 2
    return [(0, 0, x, y), (x, 0, w, y), (0, y, x, h), (x, y, w, h)]


def assert_same(tile: bytes, wanted: Image.Image) -> None:
    found = opened(tile)
    assert (found.format, found.mode, found.size) == ("PNG", wanted.mode, wanted.size)
    assert found.tobytes() == wanted.tobytes()


sides = st.integers(2, 24)
seeds = st.integers(0, 1000)


@settings(max_examples=examples(300))
@given(sides, sides, st.sampled_from(KINDS), seeds, st.booleans(), st.booleans(), st.integers(1, 400))
def test_any_png_gives_the_pixels_of_its_quarters(
    width: int, height: int, kind: tuple[int, int], seed: int, smooth: bool, interlaced: bool, idat: int
) -> None:
    data = written(drawn(width, height, *kind, seed, smooth=smooth, interlaced=interlaced, idat=idat))
    if kind in DEEP_COLOURS:
        with pytest.raises(PictureError, match="16 bits"):
            split_grid(data)
        return
    whole = opened(data)
    for tile, box in zip(split_grid(data), boxes(whole), strict=True):
        assert_same(tile, whole.crop(box))


@settings(max_examples=examples(200))
@given(sides, sides, st.sampled_from(CUT_SO), seeds, st.booleans(), st.data())
def test_any_piece_along_the_scanlines_has_the_pixels_of_the_whole(
    width: int, height: int, kind: tuple[int, int], seed: int, smooth: bool, data: st.DataObject
) -> None:
    file = written(drawn(width, height, *kind, seed, smooth=smooth))
    lines, whole = Scanlines.read(file), opened(file)
    assert lines is not None
    assert lines.fits(whole)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = (left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    assert_same(lines.cut(box, whole), whole.crop(box))


@pytest.mark.parametrize("filter", range(5))
@pytest.mark.parametrize("kind", CUT_SO, ids=str)
def test_each_filter_alone_is_cut_right(kind: tuple[int, int], filter: int) -> None:
    file = written(drawn(7, 9, *kind)._replace(filters=[filter]))
    lines, whole = Scanlines.read(file), opened(file)
    assert lines is not None
    for box in boxes(whole):
        assert_same(lines.cut(box, whole), whole.crop(box))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in CUT_SO], ids=str)
def test_other_kinds_of_pixels_are_left_to_pillow(kind: tuple[int, int]) -> None:
    assert Scanlines.read(written(drawn(8, 8, *kind))) is None


def test_an_interlaced_picture_is_left_to_pillow() -> None:
    assert Scanlines.read(written(drawn(8, 8, RGB, 8, interlaced=True))) is None


def test_a_filter_that_nobody_knows_is_left_to_pillow() -> None:
    picture = drawn(8, 8, GREY, 8)
    lines = bytearray(scanlines_of(picture))
    lines[9] = 5
    good = written(picture)
    (at,) = [part.start for part in png.chunks(good) if part.kind == b"IDAT"]
    bad = good[:at] + png.chunk(b"IDAT", zlib.compress(lines)) + png.chunk(b"IEND", b"")
    assert Scanlines.read(good) is not None
    assert Scanlines.read(bad) is None


@settings(max_examples=examples(200))
@given(st.data())
def test_damage_is_never_cut_up_and_never_breaks_out(data: st.DataObject) -> None:
    file = bytearray(written(drawn(9, 7, RGB, 8, 3, level=6)))
    for at in data.draw(st.lists(st.integers(0, len(file) - 1), max_size=3)):
        file[at] ^= data.draw(st.integers(1, 255))
    hurt = bytes(file[: data.draw(st.integers(0, len(file)))])
    try:
        Image.open(BytesIO(hurt)).close()
    except (OSError, ValueError):  # Pillow finds no picture, so nobody reads its rows
        with pytest.raises(PictureError):
            split_grid(hurt)
        return
    lines = Scanlines.read(hurt)
    if lines is not None:
        assert lines.decoded().tobytes() == opened(hurt).tobytes()
    try:
        tiles = split_grid(hurt)
    except PictureError:
        return
    whole = opened(hurt)
    for tile, box in zip(tiles, boxes(whole), strict=True):
        assert opened(tile).tobytes() == whole.crop(box).tobytes()


def test_more_rows_than_the_head_says_are_left_to_pillow() -> None:
    tall, low = written(drawn(8, 9, RGB, 8)), written(drawn(8, 8, RGB, 8))
    head = next(part for part in png.chunks(low) if part.kind == b"IHDR")
    assert Scanlines.read(low[: head.end] + tall[head.end :]) is None


def test_chunks_that_define_colours_stay_and_texts_go() -> None:
    gamma, grey = png.chunk(b"gAMA", struct.pack(">I", 45455)), png.chunk(b"tRNS", struct.pack(">H", 7))
    words = png.chunk(b"tEXt", b"Description\0a cat")
    file = written(drawn(8, 8, GREY, 8), gamma + words + grey)
    lines, whole = Scanlines.read(file), opened(file)
    assert lines is not None
    cut = lines.cut((4, 4, 8, 8), whole, png.colour_chunks(file))
    assert [part.kind for part in png.chunks(cut)] == [b"IHDR", b"gAMA", b"tRNS", b"IDAT", b"IEND"]


def photo(side: int, seed: int = 1) -> Image.Image:
    noise = Image.frombytes("RGB", (side, side), random.Random(seed).randbytes(side * side * 3))
    return noise.filter(ImageFilter.GaussianBlur(0.8))


def pattern(side: int) -> Image.Image:
    image, stamp = Image.new("RGB", (side, side)), photo(16)
    for x in range(0, side, 16):
        for y in range(0, side, 16):
            image.paste(stamp, (x, y))
    return image


def test_a_photo_is_cut_along_its_scanlines_and_does_not_grow() -> None:
    file = by_default(photo(192))
    lines, whole = Scanlines.read(file), opened(file)
    assert lines is not None
    for tile, box in zip(split_grid(file), boxes(whole), strict=True):
        assert tile == lines.cut(box, whole)
        assert len(tile) <= 1.02 * len(by_default(whole.crop(box)))


def test_a_pattern_beside_photos_is_distinguished_from_them() -> None:
    mixed = photo(192)
    mixed.paste(pattern(96), (96, 96))
    tiles = split_grid(by_default(mixed))
    for tile, box in zip(tiles, boxes(mixed), strict=True):
        assert_same(tile, mixed.crop(box))
        assert len(tile) <= 1.02 * len(by_default(mixed.crop(box)))


def test_a_photo_whose_encoder_filtered_nothing_is_filtered_again() -> None:
    photo_rows = photo(64)
    raw = b"".join(b"\0" + photo_rows.crop((0, y, 64, y + 1)).tobytes() for y in range(64))
    head = struct.pack(">IIBBBBB", 64, 64, 8, RGB, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    file = png.SIGNATURE + b"".join(png.chunk(*one) for one in chunks)
    for tile, box in zip(split_grid(file), boxes(photo_rows), strict=True):
        assert_same(tile, photo_rows.crop(box))
        assert len(tile) <= 1.02 * len(by_default(photo_rows.crop(box)))


def test_only_chunks_about_colours_that_every_reader_believes_are_kept() -> None:
    out = BytesIO()
    photo(64).save(out, "PNG")
    data = out.getvalue()
    head, rest = data[:33], data[33:]
    gamma = png.chunk(b"gAMA", struct.pack(">I", 45455))
    broken = gamma[:-1] + bytes([gamma[-1] ^ 1])
    long = png.chunk(b"sRGB", bytes(5000))
    other = png.chunk(b"gAMA", struct.pack(">I", 100000))
    end = rest.rindex(b"IEND") - 4
    file = head + broken + long + gamma + other + rest[:end] + gamma + rest[end:]
    assert png.colour_chunks(file) == gamma
