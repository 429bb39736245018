"""Photo-like base textures, made once a size and then tinted for every job."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from PIL import Image, ImageChops, ImageFilter, ImageOps

_SEED = 20260606


@lru_cache(maxsize=6)
def photo_texture(width: int, height: int) -> Image.Image:
    """Fractal noise with soft flat zones, two chroma fields and grain; the same for the same size."""
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
