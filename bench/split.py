"""The cost of splitting a grid with split_grid, compared with Pillow's default settings and ImageMagick."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import zlib
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from PIL import Image

from bench.figures import Figure
from bench.grids import encoded, flat_art, fuzzed, grid, pattern
from mjwatch.pictures import deflate
from mjwatch.pictures.split import image_facts, split_grid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Way = Callable[[bytes], list[bytes]]

CONVERTS = ("magick", "convert-im6.q16", "convert")
"""Names of the ImageMagick program. The last one can be a wrapper of the distribution."""

DEFAULT, TWO, WEBP, MAGICK = "Pillow's default", "2 threads", "WebP", "ImageMagick"
STANDARD = "without zlib-ng"

SOURCES: list[dict[str, Any]] = [
    {"format": "PNG"},
    {"format": "PNG", "optimize": True},
    {"format": "PNG", "compress_level": 0},
    {"format": "PNG", "compress_level": 1, "compress_type": zlib.Z_RLE},
    {"format": "JPEG", "quality": 90},
    {"format": "WEBP", "lossless": True, "quality": 0, "method": 0},
]
"""Encoders of the grids with repeats."""


@dataclass(frozen=True, slots=True)
class Row:
    """Results of a way to split a grid: medians of CPU and elapsed milliseconds, and bytes of the files."""

    cpu_ms: float
    elapsed_ms: float
    bytes: int


def by_default(data: bytes) -> list[bytes]:
    """Split with a few lines of Pillow: decode, crop, save in the same format with its default settings."""
    tiles = []
    with Image.open(BytesIO(data)) as image:
        for box in _boxes(image):
            out = BytesIO()
            options = {"lossless": True} if image.format == "WEBP" else {}
            image.crop(box).save(out, image.format, **options)
            tiles.append(out.getvalue())
    return tiles


def by_imagemagick(data: bytes) -> list[bytes]:
    """Split with a shell command. ImageMagick needs files, so they are in memory."""
    program = next(filter(None, map(shutil.which, CONVERTS)), None)
    if program is None:
        raise RuntimeError("ImageMagick is not installed")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        suffix = image_facts(data).format
        source = Path(folder) / f"grid.{suffix}"
        source.write_bytes(data)
        command = [program, str(source), "-crop", "2x2@", "+repage", f"{folder}/tile_%d.{suffix}"]
        subprocess.run(command, check=True)
        return [(Path(folder) / f"tile_{n}.{suffix}").read_bytes() for n in range(4)]


def figures(quick: bool) -> list[Figure]:
    """Measure all ways on all grids in each round, so that disturbances affect all of them."""
    square, wide = ((512, 512), (640, 360)) if quick else ((2048, 2048), (2912, 1632))
    rounds = 1 if quick else 3
    found = []
    photos = [("photo", square), ("photo", wide), *((kind, square) for kind in ("blurred", "rendered"))]
    for kind, size in [*photos, ("illustration", square), ("grain", square)]:
        beside = _other_ways() if (kind, size) == photos[0] else {}
        found += _photo(f"{kind} {size[0]}x{size[1]}", encoded(grid(size, kind)), rounds, kind, beside)
    for kind, image in (("flat art", flat_art(square)), ("pattern", pattern(square))):
        found += _flat(f"{kind} {square[0]}x{square[1]}", encoded(image), rounds)
    found.append(_growth(8 if quick else 40))
    return found + _webp(f"photo {square[0]}x{square[1]}", encoded(grid(square), "WEBP"), rounds)


def _photo(name: str, data: bytes, rounds: int, kind: str, beside: Mapping[str, Way]) -> list[Figure]:
    """Measure a photo. Much grain has no aims, because Pillow's default finds no repeats in it."""
    webp_way: dict[str, Way] = {WEBP: lambda grid: split_grid(grid, "webp")}
    rows = _measure(data, {**_split_ways(), **webp_way, **beside}, rounds)
    source = f"{name}, PNG of {len(data) / 1e6:.1f} MB"
    ours, default, webp = rows[TWO], rows[DEFAULT], rows[WEBP]
    small = 1.0 if kind in {"photo", "illustration"} else None
    found = [
        _cheaper(f"{source}: CPU", ours, default, 10.0, "Pillow's default"),
        _bytes(f"{name}: bytes", ours, default, 1.02),
        _cheaper(f"{name}: into lossless WebP, CPU", webp, default, 10.0, "Pillow's default, into PNG"),
        _bytes(f"{name}: bytes as lossless WebP", webp, default, small),
        _faster(f"{name}: {TWO}", ours, default, None, "Pillow's default, one thread"),
    ]
    if beside:
        start = "ImageMagick -crop 2x2@, with its start"
        found += [
            _cheaper(f"{name}: CPU {STANDARD}", rows[STANDARD], default, None, "Pillow's default"),
            _faster(f"{name}: {TWO}, once more", ours, rows[MAGICK], 6.0, start),
        ]
    return [replace(figure, at_most=None, at_least=None) for figure in found] if kind == "grain" else found


def _flat(name: str, data: bytes, rounds: int) -> list[Figure]:
    rows = _measure(data, _split_ways(), rounds)
    source = f"{name}, PNG of {len(data) / 1e3:.0f} kB"
    return [
        _cheaper(f"{source}: CPU", rows[TWO], rows[DEFAULT], 1.0, "Pillow's default"),
        _bytes(f"{name}: bytes", rows[TWO], rows[DEFAULT], 1.02),
    ]


def _growth(number: int) -> Figure:
    """Return the grid that grows most, of so many with repeats in random places, by several encoders."""
    worst = (0.0, 0, 1)
    for seed in range(number):
        image, options = fuzzed(seed), SOURCES[seed % len(SOURCES)]
        out = BytesIO()
        image.save(out, **options)
        with Image.open(BytesIO(out.getvalue())) as whole:
            tiles = [whole.crop(box) for box in _boxes(whole)]
        ours, default = sum(map(len, split_grid(out.getvalue(), "png"))), sum(map(len, map(encoded, tiles)))
        worst = max(worst, (ours / default, ours, default))
    what = f"the grid that grows most, of {number} with repeats anywhere: bytes"
    return Figure(what, worst[1] / 1e3, "kB", worst[2] / 1e3, "Pillow's default", at_most=1.05)


def _webp(name: str, data: bytes, rounds: int) -> list[Figure]:
    rows = _measure(data, _split_ways(), rounds)
    source = f"{name}, lossless WebP of {len(data) / 1e6:.1f} MB"
    return [
        _cheaper(f"{source}: CPU", rows[TWO], rows[DEFAULT], None, "Pillow's default lossless"),
        _bytes(f"{name}, WebP: bytes", rows[TWO], rows[DEFAULT], None),
    ]


def _split_ways() -> dict[str, Way]:
    return {DEFAULT: by_default, TWO: lambda data: split_grid(data, threads=2)}


def _other_ways() -> dict[str, Way]:
    return {STANDARD: by_standard_library, MAGICK: by_imagemagick}


def by_standard_library(data: bytes) -> list[bytes]:
    """Split as where zlib-ng is not installed."""
    with patch.object(deflate, "library", zlib):
        return split_grid(data)


def _measure(data: bytes, ways: Mapping[str, Way], rounds: int) -> dict[str, Row]:
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    elapsed: dict[str, list[float]] = {way: [] for way in ways}
    sizes: dict[str, int] = {}
    for number in range(rounds):
        for way, splitter in ways.items():
            began, busy = perf_counter(), process_time()
            tiles = splitter(data)
            cpu[way].append((process_time() - busy) * 1000)
            elapsed[way].append((perf_counter() - began) * 1000)
            sizes[way] = sum(map(len, tiles))
            if number == 0:
                _check(way, tiles, data)
    return {way: Row(median(cpu[way]), median(elapsed[way]), sizes[way]) for way in ways}


def _check(way: str, tiles: list[bytes], data: bytes) -> None:
    """Check that the pixels are unchanged: otherwise the ways cannot be compared."""
    with Image.open(BytesIO(data)) as whole:
        for tile, box in zip(tiles, _boxes(whole), strict=True):
            with Image.open(BytesIO(tile)) as found:
                same = found.convert("RGB").tobytes() == whole.crop(box).convert("RGB").tobytes()
                assert same, f"{way} has changed pixels"


def _boxes(image: Image.Image) -> list[tuple[int, int, int, int]]:
    x, y = image.width // 2, image.height // 2
    return [(0, 0, x, y), (x, 0, image.width, y), (0, y, x, image.height), (x, y, *image.size)]


def _cheaper(what: str, ours: Row, other: Row, aim: float | None, beside: str) -> Figure:
    return Figure(what, ours.cpu_ms, "ms", other.cpu_ms, beside, at_least=aim, faster=True)


def _faster(what: str, ours: Row, other: Row, aim: float | None, beside: str) -> Figure:
    return Figure(what, ours.elapsed_ms, "ms", other.elapsed_ms, beside, at_least=aim, faster=True)


def _bytes(what: str, ours: Row, other: Row, aim: float | None) -> Figure:
    return Figure(what, ours.bytes / 1e6, "MB", other.bytes / 1e6, "Pillow's default", at_most=aim)
