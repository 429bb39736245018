"""Runs the measurements: ``python -m bench [--quick]``. Trust the ratios of one run, not its milliseconds."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

import PIL
from PIL import features

from bench import split


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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small grids and few rounds: seconds, not minutes"
    )
    quick: bool = parser.parse_args().quick
    print(machine())
    print("\nSplitting a grid in four (medians; size and speed against the source and Pillow's default)\n")
    print(split.table(split.run(quick)))


if __name__ == "__main__":
    main()
