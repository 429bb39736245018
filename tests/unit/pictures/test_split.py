"""Splitting changes no pixel, whatever the format, mode and size; and damage is reported, not drawn."""

import contextlib
import random
import struct
import threading
import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, ImageFilter

from mjwatch.errors import PictureError
from mjwatch.pictures import split
from mjwatch.pictures.split import PIXELS_AT_MOST, image_facts, split_grid
from tests.helpers.examples import examples

MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]
BYTES_A_PIXEL = {"L": 1, "LA": 2, "P": 1, "RGB": 3, "RGBA": 4, "I;16": 2}


def noise(mode: str, size: tuple[int, int], seed: int = 1) -> Image.Image:
    if mode == "1":
        return noise("L", size, seed).convert("1")
    raw = random.Random(seed).randbytes(size[0] * size[1] * BYTES_A_PIXEL[mode])
    image = Image.frombytes(mode, size, raw)
    if mode == "P":
        image.putpalette(random.Random(seed + 1).randbytes(768))
    return image


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        image.load()
        return image


def quarters(image: Image.Image) -> list[Image.Image]:
    (w, h), x, y = image.size, image.width // 2, image.height // 2
    return [image.crop(box) for box in ((0, 0, x, y), (x, 0, w, y), (0, y, x, h), (x, y, w, h))]


def assert_same(tile: Image.Image, wanted: Image.Image) -> None:
    assert (tile.size, tile.mode) == (wanted.size, wanted.mode)
    assert tile.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(64, 64), (65, 33), (2, 2), (3, 2)], ids=str)
def test_png_in_gives_the_same_pixels_in_png(mode: str, size: tuple[int, int]) -> None:
    whole = noise(mode, size)
    tiles = [opened(tile) for tile in split_grid(encoded(whole, "PNG"))]
    assert [tile.format for tile in tiles] == ["PNG"] * 4
    for tile, wanted in zip(tiles, quarters(opened(encoded(whole, "PNG"))), strict=True):
        assert_same(tile, wanted)
        if mode == "P":
            assert tile.convert("RGB").tobytes() == wanted.convert("RGB").tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [True, False])
def test_webp_in_gives_the_same_pixels_in_lossless_webp(mode: str, lossless: bool) -> None:
    data = encoded(noise(mode, (66, 41)), "WEBP", lossless=lossless, exact=True)
    tiles = [opened(tile) for tile in split_grid(data)]
    assert [tile.format for tile in tiles] == ["WEBP"] * 4
    for tile, wanted in zip(tiles, quarters(opened(data)), strict=True):
        assert_same(tile, wanted)


def test_jpeg_in_gives_what_was_decoded_in_png() -> None:
    data = encoded(noise("RGB", (64, 48)), "JPEG")
    for tile, wanted in zip(split_grid(data), quarters(opened(data)), strict=True):
        assert opened(tile).format == "PNG"
        assert_same(opened(tile), wanted)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_jpeg_modes_can_be_split_too(mode: str) -> None:
    data = encoded(noise("L", (16, 16)).convert(mode), "JPEG")
    assert [opened(tile).size for tile in split_grid(data)] == [(8, 8)] * 4


@pytest.mark.parametrize("source", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_a_format_can_be_forced(source: str, format: str) -> None:
    tiles = split_grid(encoded(noise("RGB", (16, 16)), source), format=format)
    assert [image_facts(tile) for tile in tiles] == [(format, 8, 8)] * 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_any_eight_bit_mode_can_become_webp_or_jpeg(mode: str) -> None:
    data = encoded(noise(mode, (16, 16)), "PNG")
    wanted = quarters(opened(data))
    for tile, quarter in zip(split_grid(data, "webp"), wanted, strict=True):
        assert opened(tile).convert("RGBA").tobytes() == quarter.convert("RGBA").tobytes()
    assert len(split_grid(data, "jpeg")) == 4


def test_transparent_parts_become_white_in_jpeg() -> None:
    data = encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG")
    assert opened(split_grid(data, "jpeg")[0]).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("format", ["webp", "jpeg"])
def test_sixteen_bits_are_not_thrown_away_silently(format: str) -> None:
    with pytest.raises(PictureError, match="16-bit"):
        split_grid(encoded(noise("I;16", (8, 8)), "PNG"), format)


def test_transparency_of_palettes_and_colours_stays() -> None:
    palette = encoded(noise("P", (16, 16)), "PNG", transparency=bytes(range(256)))
    colour = encoded(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    for data in (palette, colour):
        for tile, wanted in zip(split_grid(data), quarters(opened(data)), strict=True):
            assert opened(tile).convert("RGBA").tobytes() == wanted.convert("RGBA").tobytes()


@pytest.mark.parametrize("source", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize("format", ["auto", "png", "webp", "jpeg"])
def test_the_colour_profile_stays(source: str, format: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(noise("RGB", (16, 16)), source, icc_profile=profile)
    assert [opened(tile).info.get("icc_profile") for tile in split_grid(data, format)] == [profile] * 4


def test_the_order_is_that_of_the_buttons() -> None:
    whole = Image.new("RGB", (4, 4))
    corners = [((0, 0), (255, 0, 0)), ((2, 0), (0, 255, 0)), ((0, 2), (0, 0, 255)), ((2, 2), (255, 255, 0))]
    for place, colour in corners:
        whole.paste(colour, (*place, place[0] + 2, place[1] + 2))
    tiles = split_grid(encoded(whole, "PNG"))
    assert [opened(tile).getpixel((0, 0)) for tile in tiles] == [colour for _, colour in corners]


@settings(max_examples=examples(60))
@given(
    st.integers(2, 40),
    st.integers(2, 40),
    st.sampled_from(MODES),
    st.sampled_from(["flat", "noise"]),
    st.integers(1, 4),
)
def test_no_size_loses_a_pixel(width: int, height: int, mode: str, kind: str, threads: int) -> None:
    whole = noise(mode, (width, height)) if kind == "noise" else Image.new(mode, (width, height))
    data = encoded(whole, "PNG")
    tiles = [opened(tile) for tile in split_grid(data, threads=threads)]
    joined = Image.new(tiles[0].mode, (width, height))
    if tiles[0].mode == "P":
        joined.putpalette(tiles[0].getpalette() or [])
    for tile, place in zip(
        tiles, [(0, 0), (width // 2, 0), (0, height // 2), (width // 2, height // 2)], strict=True
    ):
        joined.paste(tile, place)
    assert joined.tobytes() == opened(data).tobytes()


def test_flat_graphics_do_not_grow_by_the_photo_strategy() -> None:
    pattern = Image.new("RGB", (256, 256))
    stamp = noise("RGB", (16, 16))
    for x in range(0, 256, 16):
        for y in range(0, 256, 16):
            pattern.paste(stamp, (x, y))
    data = encoded(pattern, "PNG")
    assert sum(map(len, split_grid(data))) < 4 * len(data)


def by_default(data: bytes) -> int:
    """Bytes of the four pictures as Pillow saves them by default."""
    image = opened(data)
    x, y = image.width // 2, image.height // 2
    boxes = [(0, 0, x, y), (x, 0, image.width, y), (0, y, x, image.height), (x, y, *image.size)]
    return sum(len(encoded(image.crop(box), "PNG")) for box in boxes)


def text_page() -> Image.Image:
    page = Image.new("RGB", (512, 512), "white")
    draw = ImageDraw.Draw(page)
    for line in range(0, 512, 14):
        draw.text((5, line), "the quick brown fox jumps over the lazy dog " * 3, fill=(20, 20, 20))
    return page


@pytest.mark.parametrize("picture", [text_page(), text_page().filter(ImageFilter.GaussianBlur(1.5))])
@pytest.mark.parametrize(
    "options",
    [
        {"format": "PNG"},
        {"format": "PNG", "compress_level": 0},
        {"format": "JPEG", "quality": 90},
        {"format": "WEBP", "quality": 90},
    ],
)
def test_what_is_no_photo_does_not_grow_whatever_it_comes_from(
    picture: Image.Image, options: dict[str, Any]
) -> None:
    out = BytesIO()
    picture.save(out, **options)
    pieces = split_grid(out.getvalue(), "png")
    assert sum(map(len, pieces)) <= 1.02 * by_default(out.getvalue())


@pytest.mark.parametrize("source", ["PNG", "JPEG"])
def test_only_a_small_grid_is_left_to_pillow(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(noise("RGB", (64, 64)), source)
    monkeypatch.setattr(split, "_CUT_ABOVE", 64 * 64 - 1)
    cut = split_grid(data, "png")
    monkeypatch.setattr(split, "_CUT_ABOVE", 64 * 64)
    monkeypatch.setattr(split, "Scanlines", None)
    for tile, same in zip(split_grid(data, "png"), cut, strict=True):
        assert tile != same
        assert_same(opened(tile), opened(same))


@pytest.mark.parametrize("source", ["JPEG", "WEBP"])
def test_a_photo_from_a_lossy_file_is_not_searched_for_repeats(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split.Grid, "_by_default", None)
    data = encoded(noise("RGB", (64, 64)), source)
    for tile, wanted in zip(split_grid(data, "png"), quarters(opened(data)), strict=True):
        assert_same(opened(tile), wanted)


def test_a_size_that_the_wanted_format_can_not_have_is_reported() -> None:
    with pytest.raises(PictureError):
        split_grid(encoded(Image.new("RGB", (2, 2 * 17_000)), "PNG"), "webp")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x04\x00\x00\x00WEBP",
        b"\xff\xd8\xff",
        b"GIF89a" + b"\0" * 50,
    ],
)
def test_data_that_is_no_picture_is_reported(data: bytes) -> None:
    with pytest.raises(PictureError):
        split_grid(data)
    with pytest.raises(PictureError):
        image_facts(data)


@pytest.mark.parametrize("source", ["PNG", "WEBP", "JPEG"])
def test_a_download_that_was_cut_short_is_reported(source: str) -> None:
    data = encoded(noise("RGB", (64, 64)), source)
    for part in (0.3, 0.6, 0.9):
        with pytest.raises(PictureError):
            split_grid(data[: int(len(data) * part)])


def test_a_formatted_lie_about_the_size_is_no_bomb() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    side = 60_000
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    with pytest.raises(PictureError, match="too large"):
        split_grid(bomb)


def test_more_pixels_than_the_cap_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PIXELS_AT_MOST == 100_000_000
    data = encoded(noise("RGB", (16, 16)), "PNG")
    monkeypatch.setattr(split, "DECODED_AT_MOST", 255)
    monkeypatch.setattr(Image.Image, "load", None)
    monkeypatch.setattr(Image, "frombytes", None)
    for read in (split_grid, lambda data: split.thumbnail([data])):
        with pytest.raises(PictureError, match="16x16"):
            read(data)
    assert image_facts(data).width == 16


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)], ids=str)
def test_a_line_can_not_be_split(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="can't be split"):
        split_grid(encoded(noise("RGB", size), "PNG"))


def test_an_animation_is_no_grid() -> None:
    frames = [noise("RGB", (16, 16), seed) for seed in (1, 2)]
    with pytest.raises(PictureError, match="animation"):
        split_grid(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))


def test_an_unknown_format_is_the_caller_s_mistake() -> None:
    with pytest.raises(ValueError, match="gif"):
        split_grid(encoded(noise("RGB", (4, 4)), "PNG"), "gif")


@settings(max_examples=examples(150))
@given(st.sampled_from(["PNG", "WEBP", "JPEG"]), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_damaged_bytes_give_four_pictures_or_a_picture_error(source: str, at: int, damage: bytes) -> None:
    data = bytearray(encoded(noise("RGB", (16, 16)), source))
    place = at % len(data)
    data[place : place + len(damage)] = damage
    with contextlib.suppress(PictureError):
        assert len(split_grid(bytes(data))) == 4


def test_no_more_pictures_are_encoded_at_once_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    encode, lock, now, most = split.Grid._by_default, threading.Lock(), [0], [0]

    def counting(*args: Any) -> bytes:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        result = encode(*args)
        with lock:
            now[0] -= 1
        return result

    monkeypatch.setattr(split.Grid, "_by_default", counting)
    split_grid(encoded(noise("RGB", (64, 64)), "PNG"), "webp", threads=1)
    assert most == [1]
    split_grid(encoded(noise("RGB", (64, 64)), "PNG"), "webp", threads=2)
    assert most[0] <= 2
