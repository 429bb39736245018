"""Runs the measurements: ``python -m bench [WHAT...] [--quick]``. Trust ratios, not milliseconds."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import PIL
from PIL import features

from bench import gallery, gap, split

if TYPE_CHECKING:
    from collections.abc import Callable


def machine() -> str:
    """One line: processor, number of cores, system, Python, and what encodes the pictures."""
    cores = f"{os.cpu_count()} cores"
    versions = (
        f"Python {platform.python_version()}, Pillow {PIL.__version__}, zlib {features.version('zlib')}"
    )
    return f"{_processor()}, {cores}, {platform.platform(terse=True)}, {versions}"


def _processor() -> str:
    names = Path("/proc/cpuinfo")
    if names.exists():
        for line in names.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


MEASUREMENTS: dict[str, Callable[[bool], str]] = {
    "split": lambda quick: (
        "Splitting a grid in four (medians; size and speed against the source and Pillow's default)\n\n"
        + split.table(split.run(quick))
    ),
    "gap": lambda quick: (
        "From the gateway's return to the folder of a job that finished meanwhile\n\n"
        + gap.table(gap.run(quick))
    ),
    "gallery": lambda quick: (
        "A large gallery against a small one (medians)\n\n" + gallery.table(gallery.run(quick))
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(MEASUREMENTS)}; all if none")
    parser.add_argument(
        "--quick", action="store_true", help="small grids and few rounds: seconds, not minutes"
    )
    wish = parser.parse_args()
    if unknown := set(wish.what) - set(MEASUREMENTS):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    print(machine())
    for name in wish.what or MEASUREMENTS:
        print(f"\n{MEASUREMENTS[name](wish.quick)}")


if __name__ == "__main__":
    main()
