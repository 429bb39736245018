"""Run the measurements: ``python -m bench [WHAT...] [--quick]``. Trust ratios, not milliseconds."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import PIL
from PIL import features

from bench import results
from bench.cleanup import end_with_parent, nothing_left_behind
from bench.results import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.figures import Figure

MEASUREMENTS = (
    "split",
    "overhead",
    "backlog",
    "many_jobs",
    "profile",
    "trip",
    "simulate",
    "gateway",
    "gap",
    "start",
    "verbs",
    "gallery",
)
"""Modules of this package: each has ``figures(quick)``, and its first line describes what it measures."""

ON_REQUEST = ("peers",)
"""Measurements that run only if they are named, because they download something."""

TIME_LIMIT, QUICK_TIME_LIMIT = 1800, 900
"""Seconds that one measurement may take; it is then ended with all that it has started."""

LAST_LIMIT = 60
"""Seconds after the time limit, for a measurement to end what it has started; then the program ends."""


class OutOfTime(SystemExit):
    """A measurement takes too long. No handler of errors in it holds this up."""


def machine() -> str:
    """Return one line: processor, number of cores, system, Python, and the picture libraries."""
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


def measured(name: str, quick: bool) -> tuple[str, Result]:
    """Run a measurement, and return its description and its result."""
    module = import_module(f"bench.{name}")
    take: Callable[[bool], Sequence[Figure]] = module.figures
    at, load = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), os.getloadavg()[0]
    with _time_limit(name, QUICK_TIME_LIMIT if quick else TIME_LIMIT):
        found = tuple(take(quick))
    return str(module.__doc__).partition("\n")[0], Result(at, machine(), load, quick, found)


@contextmanager
def _time_limit(name: str, seconds: int) -> Iterator[None]:
    """Raise OutOfTime in the block after this time, and end the program if that does not end the block."""

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LAST_LIMIT)
        raise OutOfTime(f"{name} has taken more than {seconds} s")

    signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = f"{', '.join(MEASUREMENTS)}; all of these if none is named; or {', '.join(ON_REQUEST)}"
    parser.add_argument("what", nargs="*", metavar="WHAT", help=names)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes and few rounds: a minute or two, only to check that it works",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="store the results in this file, one entry per measurement"
    )
    page = "refresh the tables and rows in this page, and which aims are met by the results in the JSON file"
    parser.add_argument("--page", type=Path, metavar="FILE", action="append", default=[], help=page)
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="show the results of an earlier run next to them"
    )
    parser.add_argument(
        "--end-with-parent", action="store_true", help="end when the program that started this one has ended"
    )
    options = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, frame: sys.exit(128 + number))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if options.end_with_parent:
        end_with_parent()
    if unknown := set(options.what) - {*MEASUREMENTS, *ON_REQUEST}:
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    earlier = results.read(options.against) if options.against else {}
    print(machine())
    if failed := _measure(options, earlier):
        sys.exit(f"failed: {', '.join(failed)}")


def _measure(options: argparse.Namespace, earlier: Mapping[str, Result]) -> list[str]:
    """Measure everything that was asked for; return the names of the measurements that have failed."""
    failed = []
    for name in options.what or MEASUREMENTS:
        began = time.monotonic()
        try:
            with nothing_left_behind():
                title, result = measured(name, options.quick)
        except (Exception, OutOfTime):
            traceback.print_exc()
            failed.append(name)
            continue
        took = time.monotonic() - began
        print(f"\n{name}: {title}\n\n{result.page(earlier.get(name))}\nThat took {took:.0f} s.", flush=True)
        _keep(options, name, result)
    return failed


def _keep(options: argparse.Namespace, name: str, result: Result) -> None:
    """Put a result among those of earlier runs in the files that the options name."""
    kept = (results.read(options.json) if options.json else {}) | {name: result}
    if options.json:
        results.write(options.json, kept)
    for page in options.page:
        text = results.updated(page.read_text(encoding="utf-8"), {name: result}, kept)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
