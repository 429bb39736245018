"""Draw grids that compress like photos, because no real grid may be distributed.

Three makes of pictures, so that no shortcut is fitted to one of them:

- fractal (photo, illustration, grain): fractal noise for light and for two colours, a posterised layer with
  hard edges, a soft mask that leaves a flat sky, grain that is mostly the same in the three colours, and a
  slight blur;
- blurred: white noise under three blurs, laid over each other, without any edge;
- rendered: some sixty shaded and textured balls before a soft background, with a little grain.

As PNG they need 0.38 to 0.55 of their raw size. Real grids vary in how well they compress, and the more grain
they have, the less time Pillow's default settings waste on searching.
"""

from __future__ import annotations

import random
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Draw = Callable[[tuple[int, int], random.Random], Image.Image]

GRAIN = {"illustration": 2, "photo": 3, "grain": 7}
"""Kinds of pictures, and the strength of their grain."""


def grid(size: tuple[int, int], kind: str = "photo", seed: int = 1) -> Image.Image:
    """Return a grid of this size with four different pictures, as RGB."""
    rng, draw = random.Random(f"{kind} {seed}"), MAKES[kind]
    whole = Image.new("RGB", size)
    half = (size[0] // 2, size[1] // 2)
    for left in (0, size[0] - half[0]):
        for top in (0, size[1] - half[1]):
            whole.paste(draw(half, rng), (left, top))
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
    image, stamp = Image.new("RGB", size), MAKES["photo"]((step, step), random.Random(1))
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


def fuzzed(seed: int) -> Image.Image:
    """Return a picture in whose parts, chosen at random, pieces of random size repeat."""
    rng = random.Random(seed)
    width, height = rng.randrange(300, 700), rng.randrange(300, 700)
    blur, image = rng.choice((0, 0.8, 3)), Image.new("RGB", (width, height))
    if rng.random() < 0.8:
        bands = [_noise((width, height), rng) for _ in range(3)]
        image = Image.merge("RGB", bands).filter(ImageFilter.GaussianBlur(blur))
    for _ in range(rng.randrange(1, 3)):
        stamp = image.crop((0, 0, rng.randrange(1, width), rng.choice((8, 16, 30, height))))
        left, top = rng.randrange(width), rng.randrange(height)
        right, bottom = rng.randrange(left, width) + 1, rng.randrange(top, height) + 1
        if rng.random() < 0.4:
            left, right = 0, width
        part = Image.new("RGB", (right - left, bottom - top))
        for x in range(0, part.width, stamp.width):
            for y in range(0, part.height, stamp.height):
                part.paste(stamp, (x, y))
        image.paste(part, (left, top))
    return image


def _blurred(size: tuple[int, int], rng: random.Random) -> Image.Image:
    fine, middle, coarse = (
        Image.merge("RGB", [_noise(size, rng) for _ in range(3)])
        .filter(ImageFilter.GaussianBlur(radius))
        .point(lambda value, gain=radius: 128 + round((value - 128) * gain * 0.9))
        for radius in (1, 6, 36)
    )
    return Image.blend(Image.blend(middle, fine, 0.15), coarse, 0.5)


def _rendered(size: tuple[int, int], rng: random.Random) -> Image.Image:
    sky = Image.linear_gradient("L").resize(size).convert("RGB")
    image = ImageChops.multiply(sky, Image.new("RGB", size, (180, 200, 240)))
    for _ in range(60):
        side = rng.randrange(size[0] // 40 + 4, size[0] // 5 + 8)
        light = Image.radial_gradient("L").resize((side, side))
        tints = [rng.randrange(80, 256) for _ in range(3)]
        shaded = [light.point(lambda value, tint=tint: tint - value * tint // 300) for tint in tints]
        rough = _noise((side, side), rng).filter(ImageFilter.GaussianBlur(1.2))
        texture = rough.point(lambda value: 190 + value // 4)
        ball = ImageChops.multiply(Image.merge("RGB", shaded), Image.merge("RGB", [texture] * 3))
        mask = Image.new("L", (2 * side, 2 * side))
        ImageDraw.Draw(mask).ellipse((0, 0, 2 * side - 1, 2 * side - 1), fill=255)
        place = (rng.randrange(-side // 2, size[0]), rng.randrange(-side // 2, size[1]))
        image.paste(ball, place, mask.resize((side, side), Image.Resampling.BICUBIC))
    return _grainy(image, 2, rng)


def _fractal_picture(grain: int, size: tuple[int, int], rng: random.Random) -> Image.Image:
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


MAKES: Mapping[str, Draw] = {
    **{kind: partial(_fractal_picture, grain) for kind, grain in GRAIN.items()},
    "blurred": _blurred,
    "rendered": _rendered,
}
"""How to draw a picture of each kind."""
