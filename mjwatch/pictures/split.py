"""Split a grid into its four pictures, quickly and without changing a pixel, and make thumbnails.

Pillow's default PNG level spends 2 s of CPU on a 2048x2048 grid. On photo-like pictures the size comes from
PNG's row filters, not from searching for repeats: runs alone give the same size in a small part of the time,
and if the source is a PNG, its filters can be used again. On flat graphics runs would be many times larger,
so there repeats are searched for. Whatever hides from the samples shows in the end: four pieces that are
larger than the file they come from are searched for repeats. Lossless WebP at its quickest setting is smaller
still.

A thumbnail shows one picture, or four, in the gallery: a lossy WebP of about 15 kB.
"""

from __future__ import annotations

import math
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

# Pillow looks for WebP, unlike PNG and JPEG, by loading all of its forty plugins, unless this one is there.
from PIL import Image, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

from mjwatch.errors import PictureError, UnsplitGridError
from mjwatch.pictures import deflate
from mjwatch.pictures.chunks import SIGNATURE, colour_chunks, profile_chunk, with_chunks
from mjwatch.pictures.metadata import orientation_of
from mjwatch.pictures.scanlines import MODES, Scanlines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mjwatch.pictures.scanlines import Box


PIXELS_AT_MOST = 100_000_000
"""A grid of Midjourney has 12.6 million pixels at most (recorded 2026-06); a larger file is an attack."""

DECODED_AT_MOST = 4096 * 4096
"""Pixels that are decoded at most, so that a grid takes 350 MB at most. WebP takes 20 bytes a pixel."""

_LARGE = 8_000_000
"""Pixels of a grid above which Pillow encodes its pictures one by one: lossless WebP takes much memory."""

_CUT_ABOVE = 256 * 256
"""Pixels of a grid up to which Pillow's default encodes it: a grid of 16x16 takes that a tenth of the time of
cutting rows, and a photo of 256x256 the same time."""

FORMATS = ("png", "webp", "jpeg")

_SMALL = 256 * 1024
"""A piece of at most so many bytes is searched as a whole: samples of it would be as large."""

_PHOTO_RATIO = 0.25
"""A PNG above this share of its raw size is a photo: nothing repeats in it."""

_REPETITIVE_RATIO = 0.1
"""A PNG below this share of its raw size is so repetitive that all of it is searched for repeats."""

_SAMPLED, _SAMPLED_ALONE = 1 / 48, 1 / 4
"""Share of a piece that is searched for repeats: the file's size shows others, or there is none to trust."""

_MOST_GROWTH = 1.04
"""How many times as large as in their PNG file the rows may become before all of them are searched."""

_SEARCH_GAIN = 0.98
"""Share of its size that a piece with repeats has at most after a search."""

_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG", "icc_profile": None},
    "webp": {"format": "WEBP", "lossless": True, "quality": 0, "method": 0, "exact": True},
    "jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}
"""Pillow's, by the wanted format."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF's orientation: what makes the picture look as viewers show it."""

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

    Raise PictureError for anything but a whole PNG, WebP or JPEG, and for more than DECODED_AT_MOST.
    """
    with _translate_errors(), _open(data, DECODED_AT_MOST) as image:
        yield image


def split_grid(data: bytes, format: str = "auto", threads: int = 2) -> list[bytes]:
    """Return four encoded pictures in the order of the buttons: U1 top left, U2 top right, U3 and U4 below.

    ``format``: ``png``, ``webp`` (lossless) or ``jpeg`` (lossy), or ``auto``: WebP stays WebP, all else
    becomes PNG. With an odd size the right and lower pictures are one pixel larger. Colour mode, palette,
    transparency and ICC profile stay; from PNG into PNG all that defines the colours. A grid that EXIF says
    to turn is turned. At most ``threads`` pictures are encoded at once; Pillow releases the interpreter's
    lock meanwhile.

    Raise PictureError if the data is not a whole picture, too large, too small, an animation, or has 16 bits
    that the format or Pillow can't keep: only grey PNG into PNG keeps them, and JPEG never does.
    """
    return opened_grid(data, format).split(threads)


@dataclass(frozen=True, slots=True)
class Grid:
    """A decoded grid: its pixels, and how to encode its four pictures."""

    image: Image.Image
    _options: dict[str, Any]
    _kept: bytes = b""
    """Chunks that go into every PNG."""
    _lines: Scanlines | None = None
    """The same pixels as rows; None if Pillow's default encodes the pictures."""

    def split(self, threads: int = 2) -> list[bytes]:
        """Return the four pictures, as ``split_grid`` does."""
        return self.pieces(lambda number, data: data, threads)

    def pieces(self, finish: Callable[[int, bytes], Piece], threads: int = 2) -> list[Piece]:
        """Return what ``finish`` makes of each picture and its number from 1, on the encoding thread."""
        boxes = _boxes(*self.image.size)
        if self._lines is None and self.image.width * self.image.height > _LARGE:
            threads = 1
        with ThreadPoolExecutor(max(1, threads), thread_name_prefix="split") as pool:
            with _translate_errors():
                made = list(pool.map(self._piece, boxes))
                if self._lines is not None and _has_grown(made, self._lines, self.image):
                    made = list(pool.map(partial(self._searched, self._lines), boxes, made))
            return list(pool.map(finish, range(1, len(boxes) + 1), made))

    def _piece(self, box: Box) -> bytes:
        lines = self._lines
        if lines is None:
            return self._by_default(box)
        if _is_repetitive(lines, self.image):
            return lines.cut(box, self.image, self._kept, deflate.search)
        made = lines.cut(box, self.image, self._kept)
        raw = (box[2] - box[0]) * (box[3] - box[1]) * len(self.image.getbands())
        share = 1 if raw <= _SMALL else _SAMPLED if lines.is_searched else _SAMPLED_ALONE
        if len(made) <= raw * _PHOTO_RATIO or lines.has_repeats(box, self.image, share):
            return min(made, self._by_default(box), key=len)
        return made

    def _searched(self, lines: Scanlines, box: Box, made: bytes) -> bytes:
        """Return the piece without its repeats, if there are any; the samples have missed them."""
        searched = lines.cut(box, self.image, self._kept, deflate.search)
        if len(searched) > len(made) * _SEARCH_GAIN:
            return made
        return min(searched, self._by_default(box), key=len)

    def _by_default(self, box: Box) -> bytes:
        out = BytesIO()
        self.image.crop(box).save(out, **self._options)
        return with_chunks(out.getvalue(), self._kept) if self._kept else out.getvalue()


def opened_grid(data: bytes, format: str = "auto") -> Grid:
    """Decode a grid whose pictures get this format; see ``split_grid``. Raise PictureError."""
    if format not in ("auto", *FORMATS):
        raise ValueError(f"format must be auto, {', '.join(FORMATS)}, not {format!r}")
    with _translate_errors():
        source, decoded, lines = _decoded(data)
        wanted = format if format != "auto" else "webp" if source == "webp" else "png"
        _check_depth(data, wanted)
        upright = _upright(decoded, data)
        image = _storable(upright, wanted)
        profile = None if decoded.mode == "CMYK" else decoded.info.get("icc_profile")
        if wanted != "png":
            return Grid(image, _OPTIONS[wanted] | {"icc_profile": profile})
        kept = colour_chunks(data) if source == "png" else profile_chunk(profile)
        chosen = _chosen(lines, image, is_turned=upright is not decoded)
    return Grid(image, _OPTIONS["png"], kept, chosen)


def _decoded(data: bytes) -> tuple[str, Image.Image, Scanlines | None]:
    """Return the file's format, its pixels with what its head says, and its rows if it is such a PNG."""
    found = _open(data, DECODED_AT_MOST)
    _check_grid(found)
    lines = Scanlines.read(data) if found.format == "PNG" and _is_large_enough(found) else None
    if lines is None or not lines.fits(found):
        # A copy, because the decoder of WebP holds the pixels twice more.
        return _facts(found).format, found.copy(), None
    image = lines.decoded()
    image.info = found.info
    return "png", image, lines


def _upright(image: Image.Image, data: bytes) -> Image.Image:
    """Return the picture as viewers show it."""
    turn = _UPRIGHT.get(orientation_of(data))
    return image if turn is None else image.transpose(turn)


def _chosen(lines: Scanlines | None, image: Image.Image, *, is_turned: bool) -> Scanlines | None:
    """Return the rows to cut pieces from: those of the file, or of Pillow if its filters are better.

    None if Pillow's default is quick enough and its filters are better, or if such pixels can't be cut.
    """
    if image.mode not in MODES or not _is_large_enough(image):
        return None
    if lines is not None and _is_repetitive(lines, image):
        return lines if not is_turned and lines.has_pillows_filters(image) else None
    if lines is not None and not is_turned and lines.has_good_filters(image):
        return lines
    filtered = Scanlines.filtered(image)
    if filtered is None or lines is None:
        return filtered
    return replace(filtered, packed=lines.packed, is_searched=lines.is_searched)


def _is_large_enough(image: Image.Image) -> bool:
    """Return whether to cut the picture's rows takes less time than Pillow's default."""
    return image.width * image.height > _CUT_ABOVE


def _is_repetitive(lines: Scanlines, image: Image.Image) -> bool:
    """Return whether these rows come from a file that is small because of its repeats."""
    return 0 < lines.packed <= image.width * image.height * len(image.getbands()) * _REPETITIVE_RATIO


def _has_grown(pieces: Sequence[bytes], lines: Scanlines, image: Image.Image) -> bool:
    """Return whether the pieces are larger than the rows in their file, if they were only sampled."""
    return 0 < lines.packed * _MOST_GROWTH < sum(map(len, pieces)) and not _is_repetitive(lines, image)


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


def _open(data: bytes, pixels: int = PIXELS_AT_MOST) -> Image.Image:
    image = Image.open(BytesIO(data), formats=[name.upper() for name in FORMATS])
    if image.width * image.height > pixels:
        kind = PictureError if image.width * image.height > PIXELS_AT_MOST else UnsplitGridError
        size = f"{image.width}x{image.height} pixels"
        raise kind(f"the picture is too large: {size}", f"give at most {pixels / 1e6:.3g} million pixels")
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


def _check_depth(data: bytes, wanted: str) -> None:
    """Refuse what would lose half of its bits silently: Pillow reads 16 bits of grey, but 8 of colours."""
    depth, colour = data[24:26] if data.startswith(SIGNATURE) else b"\x08\0"
    if depth == 16 and colour == 0 and wanted != "png":
        raise UnsplitGridError("16-bit grey can only be stored as PNG", "choose the format png")
    if depth == 16 and colour != 0 and wanted != "jpeg":
        raise UnsplitGridError(
            "colours of 16 bits can't be kept", "choose the format jpeg, which keeps 8 bits"
        )


def _storable(image: Image.Image, wanted: str) -> Image.Image:
    """Return the picture in a mode that the format can store."""
    if wanted == "jpeg":
        return _on_white(image)
    return image.convert("RGB") if image.mode in ("CMYK", "YCbCr", "RGBX") else image


def _on_white(image: Image.Image) -> Image.Image:
    """Return the picture on white: JPEG has no transparency, and what lies under it is often black."""
    if not image.has_transparency_data:
        return image if image.mode == "L" else image.convert("RGB")
    background = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(background, image.convert("RGBA")).convert("RGB")


THUMBNAIL_AREA = 400 * 400
"""Pixels that a thumbnail has at most, whatever its shape, so that all take the same space in the gallery."""

_GAP = 4
"""Pixels between the four pictures of a sheet."""

_RESIZING: dict[str, Any] = {"resample": Image.Resampling.LANCZOS, "reducing_gap": 1.5}
"""The result differs from that without a gap by less than the eye sees (50 dB), in a quarter of the time."""


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
        return _coloured(_upright(image, data))


def _size_within(image: Image.Image, area: int) -> tuple[int, int]:
    scale = min(1.0, math.sqrt(area / (image.width * image.height)))
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _coloured(image: Image.Image) -> Image.Image:
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _encoded(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "WEBP", quality=68, method=2)  # the default, 4, saves 2 to 10 % in twice the time
    return out.getvalue()
