"""Pictures: 2x2 grids with numbered tiles in colours that belong to one job, and their content types.

A photo-like base texture is made once for each size and then tinted for every job.
"""

from __future__ import annotations

import hashlib
import io
import re
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

from mjwatch.simulator.messages.prompt_text import split_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence


FLAT_UP_TO = 256
"""Grids of this edge or less have flat tiles: they are for speed."""
PREVIEW_EDGE = 512
WEBP_QUALITY = 90
FRAME_MS = 120
VIDEO_EDGE = 624
"""Of a square video (recorded 2026-06)."""

ImageKind = Literal["png", "webp", "jpeg", "gif"]

_FULL_SIZES = {
    (1, 1): (2048, 2048),
    (4, 5): (1920, 2400),
    (2, 3): (1792, 2688),
    (16, 9): (2912, 1632),
}
"""Recorded sizes of grids, 2023-06 to 2026-06; other ratios are computed with about the same area."""
_AREA = 4_780_000
_SIZE_STEP = 32
_RATIO_MAX = 8.0

Size = tuple[int, int]
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is needed to render a picture again, byte for byte."""

    job_uuid: str
    prompt: str
    size: Size
    format: ImageKind
    tiles: tuple[int, ...] = (1, 2, 3, 4)
    """The numbers drawn, in reading order; a single image has one."""
    frames: int = 1
    """More than one: it moves."""


def grid_size(prompt: str, edge: int) -> Size:
    """Return width and height of the grid for the prompt's `--ar`, scaled to a square grid's edge."""
    width, height = _full_size(*aspect_ratio(prompt))
    return _even(width * edge / 2048), _even(height * edge / 2048)


def video_size(still: Size, edge: int) -> Size:
    """Return width and height of a video of this still, scaled like the grids."""
    root = (still[0] / still[1]) ** 0.5
    length = VIDEO_EDGE * edge / 2048
    return _even(length * root), _even(length / root)


def preview_size(size: Size) -> Size:
    """Return width and height of the preview: 512 on the long edge, or half of a small grid's."""
    scale = min(PREVIEW_EDGE / max(size), 0.5)
    return max(2, int(size[0] * scale)), max(2, int(size[1] * scale))


def job_colours(job_uuid: str) -> list[Colour]:
    """Return the four tiles' colours: each tile has a square of exactly this one in its top left corner."""
    digest = hashlib.sha256(job_uuid.encode()).digest()
    channels = [40 + value % 176 for value in digest[:12]]
    return [(channels[i], channels[i + 1], channels[i + 2]) for i in range(0, 12, 3)]


def render(picture: Picture) -> bytes:
    """Return the encoded picture; equal for equal pictures."""
    canvas = _canvas(picture)
    if picture.frames == 1:
        return _encoded(canvas, picture.format)
    frames = [_moved(canvas, number, picture) for number in range(picture.frames)]
    return _encoded(frames[0], picture.format, frames[1:])


def _canvas(picture: Picture) -> Image.Image:
    columns = 2 if len(picture.tiles) == 4 else 1
    width, height = picture.size[0] // columns, picture.size[1] // columns
    canvas = Image.new("RGB", picture.size)
    colours = job_colours(picture.job_uuid)
    for position, number in enumerate(picture.tiles):
        tile = _tile((width, height), colours[number - 1], number, picture)
        canvas.paste(tile, (position % columns * width, position // columns * height))
    return canvas


def _moved(canvas: Image.Image, number: int, picture: Picture) -> Image.Image:
    """Return one frame: a bar has moved along the lower edge."""
    frame, (width, height) = canvas.copy(), picture.size
    step, thick = width // picture.frames, max(1, height // 16)
    bar = (number * step, height - thick, (number + 1) * step - 1, height - 1)
    ImageDraw.Draw(frame).rectangle(bar, fill="white")
    return frame


def lossy_copy(data: bytes) -> bytes:
    """Return what the resizing proxy gives: half the size, as WebP."""
    with Image.open(io.BytesIO(data)) as original:
        small = original.convert("RGB").resize((max(1, original.width // 2), max(1, original.height // 2)))
    return _encoded(small, "webp")


def _tile(size: Size, colour: Colour, number: int, picture: Picture) -> Image.Image:
    if max(picture.size) <= FLAT_UP_TO:
        tile = Image.new("RGB", size, colour)
    else:
        tile = _tinted(photo_texture(*size), colour, number)
    draw = ImageDraw.Draw(tile)
    swatch = max(2, min(size) // 8)
    draw.rectangle((0, 0, swatch - 1, swatch - 1), fill=colour)
    digit = max(8, min(size) * 2 // 3)
    middle = (size[0] / 2, size[1] / 2)
    draw.text(
        middle, str(number), "white", _font(digit), anchor="mm", stroke_width=digit // 24, stroke_fill="black"
    )
    if min(size) >= 64:
        _write_prompt(draw, size, picture.prompt)
    return tile


def _tinted(texture: Image.Image, colour: Colour, number: int) -> Image.Image:
    kept = 0.55
    red, green, blue = ((1 - kept) * channel for channel in colour)
    matrix = (kept, 0.0, 0.0, red, 0.0, kept, 0.0, green, 0.0, 0.0, kept, blue)
    tinted = texture.convert("RGB", matrix)
    if number in (2, 4):
        tinted = tinted.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return tinted.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if number > 2 else tinted


def _write_prompt(draw: ImageDraw.ImageDraw, size: Size, prompt: str) -> None:
    height = max(9, size[1] // 24)
    line = textwrap.shorten(prompt, max(8, 2 * size[0] // height), placeholder="...")
    draw.rectangle((0, size[1] - 2 * height, size[0], size[1]), fill=(16, 16, 16))
    draw.text((height // 2, size[1] - height), line, "white", _font(height), anchor="lm")


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _encoded(picture: Image.Image, kind: ImageKind, more: Sequence[Image.Image] = ()) -> bytes:
    buffer = io.BytesIO()
    if more:
        # Pillow merges equal frames, but these differ.
        moving: dict[str, Any] = {"save_all": True, "append_images": more, "duration": FRAME_MS, "loop": 0}
        picture.save(buffer, kind.upper(), **moving)
    elif kind == "jpeg":
        picture.save(buffer, "JPEG", quality=85)
    elif kind == "png":
        # Z_RLE: a fifth of the time for the same size on photographs.
        picture.save(buffer, "PNG", compress_level=1, compress_type=3)
    else:
        picture.save(buffer, "WEBP", quality=WEBP_QUALITY, method=0)
    return buffer.getvalue()


def aspect_ratio(prompt: str) -> tuple[int, int]:
    """Return the ratio of the prompt's `--ar` or `--aspect`."""
    _, parameters = split_parameters(prompt)
    for name, value in parameters:
        found = re.fullmatch(r"(\d{1,4}):(\d{1,4})", value) if name in ("ar", "aspect") else None
        if found and int(found[1]) and int(found[2]):
            return int(found[1]), int(found[2])
    return 1, 1


def _full_size(wide: int, high: int) -> Size:
    if (wide, high) in _FULL_SIZES:
        return _FULL_SIZES[wide, high]
    if (high, wide) in _FULL_SIZES:
        height, width = _FULL_SIZES[high, wide]
        return width, height
    ratio = max(1 / _RATIO_MAX, min(_RATIO_MAX, wide / high))
    return _stepped((_AREA * ratio) ** 0.5), _stepped((_AREA / ratio) ** 0.5)


def _stepped(length: float) -> int:
    return round(length / _SIZE_STEP) * _SIZE_STEP


def _even(length: float) -> int:
    return max(4, round(length / 2) * 2)


_SEED = 20260606


@lru_cache(maxsize=6)
def photo_texture(width: int, height: int) -> Image.Image:
    """Return fractal noise with soft flat zones, two chroma fields and grain; the same for the same size."""
    rng = Random(_SEED)
    light = ImageOps.autocontrast(_fractal(rng, width, height), cutoff=1)
    zones = ImageOps.autocontrast(_octave(rng, width, height, 5)).point(
        lambda v: max(0, min(255, 4 * v - 380))
    )
    flat = light.filter(ImageFilter.GaussianBlur(max(2, width // 64)))
    light = Image.composite(light, flat, zones)
    chroma = [
        Image.blend(Image.new("L", light.size, 128), _octave(rng, width, height, 7), 0.35) for _ in "ab"
    ]
    return _grained(rng, Image.merge("YCbCr", [light, *chroma]).convert("RGB"))


def _fractal(rng: Random, width: int, height: int) -> Image.Image:
    picture = _octave(rng, width, height, 3)
    cells, weight = 6, 0.45
    while cells < width:
        picture = Image.blend(picture, _octave(rng, width, height, cells), weight)
        cells, weight = cells * 2, weight * 0.8
    return picture


def _octave(rng: Random, width: int, height: int, cells: int) -> Image.Image:
    rows = max(2, cells * height // width)
    small = Image.frombytes("L", (cells, rows), rng.randbytes(cells * rows))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def _grained(rng: Random, picture: Image.Image) -> Image.Image:
    noise = Image.frombytes("L", picture.size, rng.randbytes(picture.width * picture.height))
    grain = noise.point(lambda v: 124 + v // 28)
    return ImageChops.add(picture, Image.merge("RGB", [grain] * 3), scale=1.0, offset=-128)


_TYPES = {
    "png": "image/png",
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "txt": "text/plain; charset=utf-8",
}


def media_type(path: str) -> str:
    """Return the content type that the CDN sends for this path."""
    return _TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream")
