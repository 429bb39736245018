"""What splitting a grid costs: split_grid against Pillow's default settings, in one run."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from PIL import Image

from bench.grids import encoded, grid
from mjwatch.pictures.split import split_grid

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Row:
    """One way to split one grid: medians of CPU and elapsed milliseconds, size against the source's."""

    grid: str
    way: str
    cpu_ms: float
    elapsed_ms: float
    size: float
    times_faster: float
    """Against Pillow's default on this grid, by CPU time."""


def by_default(data: bytes) -> list[bytes]:
    """What a few lines with Pillow do: decode, crop, save in the same format with its default settings."""
    tiles = []
    with Image.open(BytesIO(data)) as image:
        x, y = image.width // 2, image.height // 2
        for box in ((0, 0, x, y), (x, 0, image.width, y), (0, y, x, image.height), (x, y, *image.size)):
            out = BytesIO()
            options = {"lossless": True} if image.format == "WEBP" else {}
            image.crop(box).save(out, image.format, **options)
            tiles.append(out.getvalue())
    return tiles


WAYS: dict[str, Callable[[bytes], list[bytes]]] = {
    "Pillow's default": by_default,
    "split_grid, 1 thread": lambda data: split_grid(data, threads=1),
    "split_grid, 2 threads": lambda data: split_grid(data, threads=2),
}


def run(quick: bool) -> list[Row]:
    """Measures all ways on all grids, round by round, so that what disturbs one disturbs all."""
    if quick:
        return _measure("photo", (1024, 1024), "PNG", 3) + _measure("photo", (1024, 1024), "WEBP", 3)
    square, wide = (2048, 2048), (2912, 1632)
    kinds = [("photo", square), ("photo", wide), ("illustration", square), ("grain", square)]
    rows = [row for kind, size in kinds for row in _measure(kind, size, "PNG", 7)]
    return rows + _measure("photo", square, "WEBP", 7)


def _measure(kind: str, size: tuple[int, int], format: str, rounds: int) -> list[Row]:
    data = encoded(grid(size, kind), format)
    cpu: dict[str, list[float]] = {way: [] for way in WAYS}
    elapsed: dict[str, list[float]] = {way: [] for way in WAYS}
    sizes: dict[str, float] = {}
    for _ in range(rounds):
        for way, splitter in WAYS.items():
            began, busy = perf_counter(), process_time()
            tiles = splitter(data)
            cpu[way].append((process_time() - busy) * 1000)
            elapsed[way].append((perf_counter() - began) * 1000)
            sizes[way] = sum(map(len, tiles)) / len(data)
    default = median(cpu["Pillow's default"])
    name = f"{kind} {size[0]}x{size[1]} {format}, {len(data) / 1e6:.1f} MB"
    return [
        Row(name, way, median(cpu[way]), median(elapsed[way]), sizes[way], default / median(cpu[way]))
        for way in WAYS
    ]


def table(rows: list[Row]) -> str:
    """The rows as text; the grid is named once."""
    lines = [f"{'':24}{'CPU ms':>9}{'elapsed':>9}{'size':>7}{'CPU':>8}"]
    named = ""
    for row in rows:
        if row.grid != named:
            lines += ["", row.grid]
            named = row.grid
        lines.append(
            f"  {row.way:22}{row.cpu_ms:9.0f}{row.elapsed_ms:9.0f}{row.size:7.2f}{row.times_faster:7.1f}x"
        )
    return "\n".join(lines)
