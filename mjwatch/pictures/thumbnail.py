"""A small picture of a large one, or of four, for the gallery: lossy WebP of some 15 kB."""

from __future__ import annotations

import math
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from mjwatch.pictures.split import opened_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

AREA = 400 * 400
"""Pixels that a thumbnail has at most, whatever its shape, so that all take the same room on a wall."""

_GAP = 4
"""Pixels between the four pictures of a sheet."""


def thumbnail(pictures: Sequence[bytes]) -> bytes:
    """One picture made small; four become a sheet of two by two, in the order of a grid.

    Raises PictureError for anything that is no whole picture.
    """
    if len(pictures) == 1:
        return _encoded(_shrunk(pictures[0], AREA))
    small = [_shrunk(data, AREA // len(pictures)) for data in pictures]
    width, height = (max(image.size[side] for image in small) for side in (0, 1))
    sheet = Image.new("RGB", (2 * width + _GAP, 2 * height + _GAP))
    for number, image in enumerate(small):
        sheet.paste(image, (number % 2 * (width + _GAP), number // 2 * (height + _GAP)))
    return _encoded(sheet)


def _shrunk(data: bytes, area: int) -> Image.Image:
    with opened_picture(data) as image:
        scale = min(1.0, math.sqrt(area / (image.width * image.height)))
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image.thumbnail(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _encoded(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "WEBP", quality=68, method=4)
    return out.getvalue()
