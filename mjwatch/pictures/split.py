"""Split a grid into its four pictures, quickly and without changing a pixel, and make thumbnails.

Pillow's default PNG level spends 2 s of CPU on a 2048x2048 grid. On photo-like pictures the size comes from
PNG's row filters, not from searching for repeats: zlib's run-length strategy gives the same size in a fifth
of the time, and if the source is a PNG, its filters can be used again. On flat graphics run lengths would be
many times larger, so Pillow's default stays there. Lossless WebP at its quickest setting is smaller still.

A thumbnail shows one picture, or four, in the gallery: a lossy WebP of about 15 kB.
"""

from __future__ import annotations

import math
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from PIL import Image, UnidentifiedImageError

from mjwatch.errors import PictureError
from mjwatch.pictures.scanlines import MOST_GROWTH, Scanlines, samples_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mjwatch.pictures.scanlines import Box


PIXELS_AT_MOST = 100_000_000
"""A grid of Midjourney has 12.6 million pixels at most (recorded 2026-06); a larger one is an attack."""

FORMATS = ("png", "webp", "jpeg")

_PHOTO_RATIO = 0.25
"""A PNG above this share of its raw size is a photo: nothing repeats in it."""

_REPETITIVE_RATIO = 0.1
"""A PNG below this share of its raw size is so repetitive that Pillow's default is fast too."""

_DEFAULT: dict[str, Any] = {"format": "PNG"}
_RUN_LENGTHS: dict[str, Any] = {"format": "PNG", "compress_level": 1, "compress_type": zlib.Z_RLE}

_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    TypeError,
    struct.error,
    zlib.error,
)
"""What Pillow raises on damaged files; it documents no single class."""


Piece = TypeVar("Piece")


class PictureFacts(NamedTuple):
    """What the header of a file says: its format, one of FORMATS, and its size in pixels."""

    format: str
    width: int
    height: int


def image_facts(data: bytes) -> PictureFacts:
    """Return format and size by the file's own bytes, not by its name; the pixels are not decoded.

    Raise PictureError for anything but PNG, WebP and JPEG, and for more than PIXELS_AT_MOST.
    """
    with _translate_errors():
        return _facts(_open(data))


@contextmanager
def opened_picture(data: bytes) -> Iterator[Image.Image]:
    """Open the picture for the block; its pixels are decoded when they are first needed.

    Raise PictureError for anything but a whole PNG, WebP or JPEG, and for more than PIXELS_AT_MOST.
    """
    with _translate_errors(), _open(data) as image:
        yield image


def split_grid(data: bytes, format: str = "auto", threads: int = 2) -> list[bytes]:
    """Return four encoded pictures in the order of the buttons: U1 top left, U2 top right, U3 and U4 below.

    ``format``: ``png``, ``webp`` (lossless) or ``jpeg`` (lossy), or ``auto``: WebP stays WebP, all else
    becomes PNG. With an odd size the right and lower pictures are one pixel larger. Colour mode, palette,
    transparency and ICC profile stay; 16 bits stay for grey only, because Pillow reads colour with 8. At most
    ``threads`` pictures are encoded at once; Pillow releases the interpreter's lock meanwhile.

    Raise PictureError if the data is not a whole picture, too large, too small or an animation.
    """
    return opened_grid(data, format).split(threads)


@dataclass(frozen=True, slots=True)
class Grid:
    """A decoded grid: its pixels, and how to encode its four pictures."""

    image: Image.Image
    _options: dict[str, Any]
    _is_photo: bool
    """Whether run lengths may suffice for a PNG that has to be encoded again."""
    _lines: Scanlines | None

    def split(self, threads: int = 2) -> list[bytes]:
        """Return the four pictures, as ``split_grid`` does."""
        return self.pieces(lambda number, data: data, threads)

    def pieces(self, finish: Callable[[int, bytes], Piece], threads: int = 2) -> list[Piece]:
        """Return what ``finish`` makes of each picture and its number from 1, on the encoding thread."""

        def piece(numbered: tuple[int, Box]) -> Piece:
            number, box = numbered
            return finish(number, self._piece(box))

        with ThreadPoolExecutor(max(1, threads), thread_name_prefix="split") as pool:
            return list(pool.map(piece, enumerate(_boxes(*self.image.size), 1)))

    def _piece(self, box: Box) -> bytes:
        with _translate_errors():
            made = self._by_run_lengths(box)
            raw = (box[2] - box[0]) * (box[3] - box[1]) * len(self.image.getbands())
            if made is not None and len(made) > raw * _PHOTO_RATIO:
                return made
            default = _encode(self.image, box, self._options)
            return default if made is None else min(made, default, key=len)

    def _by_run_lengths(self, box: Box) -> bytes | None:
        """Return the piece as a PNG without a search for repeats; None if that makes it larger."""
        lines = self._lines
        if lines is not None and lines.fits(self.image):
            return lines.cut(box, self.image) if lines.is_worthwhile(box, self.image) else None
        if not self._is_photo:
            return None
        samples = list(samples_of(box))
        ours, pillows = (
            sum(len(_encode(self.image, sample, options)) for sample in samples)
            for options in (_RUN_LENGTHS, _DEFAULT)
        )
        return (
            _encode(self.image, box, self._options | _RUN_LENGTHS) if ours <= MOST_GROWTH * pillows else None
        )


def opened_grid(data: bytes, format: str = "auto") -> Grid:
    """Decode a grid whose pictures get this format; see ``split_grid``. Raise PictureError."""
    if format not in ("auto", *FORMATS):
        raise ValueError(f"format must be auto, {', '.join(FORMATS)}, not {format!r}")
    with _translate_errors():
        image = _open(data)
        facts = _facts(image)
        _check_grid(image)
        wanted = format if format != "auto" else "webp" if facts.format == "webp" else "png"
        lines = None
        if wanted == "png" and _may_keep_filters(image, len(data)):
            with ThreadPoolExecutor(1, thread_name_prefix="split") as pool:
                reading = pool.submit(Scanlines.read, data)
                image.load()
                lines = reading.result()
        image.load()
    photo = wanted == "png" and lines is None and _is_photo(image, facts, len(data))
    return Grid(*_prepared(image, wanted), photo, lines)


def _may_keep_filters(image: Image.Image, size: int) -> bool:
    """Return whether the file's own row filters may be worth keeping."""
    raw = image.width * image.height * len(image.getbands())
    return image.format == "PNG" and size > raw * _REPETITIVE_RATIO


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn every error of Pillow about a file into a PictureError."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError("the picture is too large", str(error)) from error
    except UnidentifiedImageError as error:
        raise PictureError("this is not a PNG, WebP or JPEG picture") from error
    except _DECODING_ERRORS as error:
        raise PictureError(f"the picture is damaged or cut short: {error}") from error


def _open(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data), formats=[name.upper() for name in FORMATS])
    if image.width * image.height > PIXELS_AT_MOST:
        raise PictureError(f"the picture is too large: {image.width}x{image.height} pixels")
    return image


def _facts(image: Image.Image) -> PictureFacts:
    found = (image.format or "").lower()
    return PictureFacts(found if found in FORMATS else "jpeg", image.width, image.height)  # MPO is JPEG


def _check_grid(image: Image.Image) -> None:
    if min(image.size) < 2:
        raise PictureError(f"a picture of {image.width}x{image.height} pixels can't be split in four")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise PictureError("an animation is not a grid")


def _boxes(width: int, height: int) -> list[Box]:
    x, y = width // 2, height // 2
    return [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]


def _is_photo(image: Image.Image, facts: PictureFacts, size: int) -> bool:
    """Return whether no search for repeats is needed. Lossy files come from photos, whatever their size."""
    if image.mode not in ("RGB", "L", "I;16"):
        return False
    raw = facts.width * facts.height * {"RGB": 3, "L": 1, "I;16": 2}[image.mode]
    return facts.format != "png" or size / raw > _PHOTO_RATIO


def _prepared(image: Image.Image, wanted: str) -> tuple[Image.Image, dict[str, Any]]:
    """Return the picture in a mode that the format can store, and Pillow's options for saving its parts."""
    profile = {"icc_profile": image.info.get("icc_profile")}
    if wanted == "png":
        if image.mode in ("CMYK", "YCbCr", "RGBX"):
            return image.convert("RGB"), {
                **_DEFAULT,
                "icc_profile": None,
            }  # the profile is for the other colours
        return image, {**_DEFAULT, **profile}
    if image.mode in ("I;16", "I;16B", "I", "F"):
        raise PictureError("16-bit grey can only be stored as PNG")
    if wanted == "webp":
        return image, {
            "format": "WEBP",
            "lossless": True,
            "quality": 0,
            "method": 0,
            "exact": True,
            **profile,
        }
    return _on_white(image), {"format": "JPEG", "quality": 95, "subsampling": 0, **profile}


def _on_white(image: Image.Image) -> Image.Image:
    """Return the picture on white: JPEG has no transparency, and what lies under it is often black."""
    if not image.has_transparency_data:
        return image if image.mode == "L" else image.convert("RGB")
    background = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(background, image.convert("RGBA")).convert("RGB")


def _encode(image: Image.Image, box: Box, options: dict[str, Any]) -> bytes:
    out = BytesIO()
    image.crop(box).save(out, **options)
    return out.getvalue()


THUMBNAIL_AREA = 400 * 400
"""Pixels that a thumbnail has at most, whatever its shape, so that all take the same space in the gallery."""

_GAP = 4
"""Pixels between the four pictures of a sheet."""

_RESIZING: dict[str, Any] = {"resample": Image.Resampling.LANCZOS, "reducing_gap": 2.0}


def thumbnail(pictures: Sequence[bytes]) -> bytes:
    """Return one picture made small; four become a sheet of two by two, in the order of a grid.

    Raise PictureError for anything that is not a whole picture.
    """
    if len(pictures) == 1:
        return _encoded(_shrink(pictures[0], THUMBNAIL_AREA))
    small = [_shrink(data, THUMBNAIL_AREA // len(pictures)) for data in pictures]
    width, height = (max(image.size[side] for image in small) for side in (0, 1))
    sheet = Image.new("RGB", (2 * width + _GAP, 2 * height + _GAP))
    for number, image in enumerate(small):
        sheet.paste(image, (number % 2 * (width + _GAP), number // 2 * (height + _GAP)))
    return _encoded(sheet)


def thumbnail_of(image: Image.Image) -> bytes | None:
    """Return the thumbnail of a decoded picture, which stays unchanged; None for an unusable mode."""
    try:
        return _encoded(_coloured(image.resize(_size_within(image, THUMBNAIL_AREA), **_RESIZING)))
    except (ValueError, OSError):
        return None


def _shrink(data: bytes, area: int) -> Image.Image:
    with opened_picture(data) as image:
        image.thumbnail(_size_within(image, area), **_RESIZING)
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
