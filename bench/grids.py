"""Draw grids that compress like photos, because no real grid may be distributed.

Each of the four pictures has fractal noise for light and for two colours, a posterised layer with hard edges,
a soft mask that leaves a flat sky, grain that is mostly the same in the three colours, and a slight blur. As
PNG they need 0.4 to 0.55 of their raw size. Real grids vary in how well they compress, and the more grain
they have, the less time Pillow's default settings waste on searching.
"""

from __future__ import annotations

import random
from io import BytesIO

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

GRAIN = {"illustration": 2, "photo": 3, "grain": 7}
"""Kinds of pictures, and the strength of their grain."""


def grid(size: tuple[int, int], kind: str = "photo", seed: int = 1) -> Image.Image:
    """Return a grid of this size with four different pictures, as RGB."""
    rng = random.Random(f"{kind} {seed}")
    whole = Image.new("RGB", size)
    half = (size[0] // 2, size[1] // 2)
    for left in (0, size[0] - half[0]):
        for top in (0, size[1] - half[1]):
            whole.paste(_picture(half, GRAIN[kind], rng), (left, top))
    return whole


def flat_art(size: tuple[int, int], seed: int = 1) -> Image.Image:
    """Return a picture of boxes and ellipses in plain colours."""
    rng, image = random.Random(seed), Image.new("RGB", size, (240, 230, 210))
    draw, large = ImageDraw.Draw(image), max(size) // 7
    for _ in range(900):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        box = (x, y, x + rng.randrange(9, large), y + rng.randrange(9, large))
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        rng.choice([draw.ellipse, draw.rectangle])(box, fill=colour)
    return image


def pattern(size: tuple[int, int], step: int = 64) -> Image.Image:
    """Return a picture that repeats a small piece of a photo."""
    image, stamp = Image.new("RGB", size), _picture((step, step), GRAIN["photo"], random.Random(1))
    for x in range(0, size[0], step):
        for y in range(0, size[1], step):
            image.paste(stamp, (x, y))
    return image


def encoded(image: Image.Image, format: str = "PNG") -> bytes:
    """Return the file as Pillow writes it by default; WebP is lossless with the fastest settings."""
    out = BytesIO()
    options = {"lossless": True, "quality": 0, "method": 0} if format == "WEBP" else {}
    image.save(out, format, **options)
    return out.getvalue()


def _picture(size: tuple[int, int], grain: int, rng: random.Random) -> Image.Image:
    light, red, blue = (_fractal(size, rng, smooth) for smooth in (1.7, 2.2, 2.2))
    edges = ImageOps.posterize(_fractal(size, rng, 2.4), 2)
    ground = Image.blend(light, edges, 0.35)
    sky = Image.new("L", size, 176)
    mask = _fractal(size, rng, 3.0).point(lambda value: max(0, min(255, (value - 118) * 12)))
    light = Image.composite(ground, sky, mask)
    colours = [Image.blend(Image.new("L", size, 128), colour, 0.4) for colour in (red, blue)]
    picture = Image.merge("YCbCr", [light, *colours]).convert("RGB")
    return _grainy(picture, grain, rng).filter(ImageFilter.GaussianBlur(0.6))


def _fractal(size: tuple[int, int], rng: random.Random, smooth: float) -> Image.Image:
    """Return white noise at nine scales, each half as wide and ``smooth`` times weaker than the last."""
    total, weight, sum_of_weights = Image.new("L", size, 128), 1.0, 0.0
    for octave in range(1, 10):
        cells = (min(size[0], 2**octave), min(size[1], 2**octave))
        layer = _noise(cells, rng).resize(size, Image.Resampling.BICUBIC)
        sum_of_weights += weight
        total = Image.blend(total, layer, weight / sum_of_weights)
        weight /= smooth
    return ImageOps.autocontrast(total, cutoff=0.5)


def _grainy(picture: Image.Image, strength: int, rng: random.Random) -> Image.Image:
    common = _noise(picture.size, rng)
    bands = []
    for band in picture.split():
        noise = Image.blend(_noise(picture.size, rng), common, 0.7)
        weak = noise.point(lambda value: 128 + round((value - 128) * strength / 64))
        bands.append(ImageChops.add(band, weak, 1, -128))
    return Image.merge("RGB", bands)


def _noise(size: tuple[int, int], rng: random.Random) -> Image.Image:
    return Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))
