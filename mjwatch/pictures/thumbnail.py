"""A small picture of a large one, or of four, for the gallery: lossy WebP of some 15 kB."""

from __future__ import annotations

import math
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from mjwatch.pictures.split import opened_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

AREA = 400 * 400
"""Pixels that a thumbnail has at most, whatever its shape, so that all take the same room on a wall."""

_GAP = 4
"""Pixels between the four pictures of a sheet."""


_HOW: dict[str, Any] = {"resample": Image.Resampling.LANCZOS, "reducing_gap": 2.0}


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


def thumbnail_of(image: Image.Image) -> bytes | None:
    """The same of one whose pixels are read, which stays as it is; None for a kind that can't be shown."""
    try:
        return _encoded(_coloured(image.resize(_size_within(image, AREA), **_HOW)))
    except (ValueError, OSError):
        return None


def _shrunk(data: bytes, area: int) -> Image.Image:
    with opened_picture(data) as image:
        image.thumbnail(_size_within(image, area), **_HOW)
        return _coloured(image)


def _size_within(image: Image.Image, area: int) -> tuple[int, int]:
    scale = min(1.0, math.sqrt(area / (image.width * image.height)))
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _coloured(image: Image.Image) -> Image.Image:
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _encoded(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "WEBP", quality=68, method=4)
    return out.getvalue()
