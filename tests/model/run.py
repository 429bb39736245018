"""Run random histories and print those that break a promise.

``python -m tests.model.run [--count N] [--seed N] [--without FIX] [--first]``.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mjwatch.journal.writer import Journal
from tests.model.client import FAULTS
from tests.model.history import History, ViolationError
from tests.model.reverts import REVERTS, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHOWN = 3
"""Stories that are printed."""


@contextmanager
def faults_collected() -> Iterator[None]:
    """Collect what the loop logs instead of raising it, and log nothing else."""
    log = logging.getLogger("mjwatch")
    before = log.level, log.propagate
    log.setLevel(logging.ERROR)
    log.propagate = False
    log.addHandler(FAULTS)
    try:
        yield
    finally:
        log.removeHandler(FAULTS)
        log.setLevel(before[0])
        log.propagate = before[1]


def failures(seeds: Iterable[int], counts: Counter[str], most: float = math.inf) -> list[tuple[int, str]]:
    """Return the seeds whose history breaks a promise, each with its story; stop once there are ``most``."""
    found = []
    with (
        faults_collected(),
        tempfile.TemporaryDirectory() as folder,
        closing(Journal(Path(folder) / "journal.sqlite3")) as journal,
    ):
        journal._db.execute("PRAGMA synchronous=OFF")  # nothing here loses power
        for seed in seeds:
            try:
                History(journal, seed, counts).run()
            except ViolationError as violation:
                found.append((seed, str(violation)))
                if len(found) >= most:
                    break
    return found


def main() -> int:
    """Run the histories and print what failed, and how often each thing happened."""
    parser = argparse.ArgumentParser(prog="python -m tests.model.run")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", choices=REVERTS, help="take this fix back: the histories must find that")
    parser.add_argument("--first", action="store_true", help="stop at the first history that fails")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    began = time.process_time()
    with without(options.without) if options.without else nullcontext():
        found = failures(
            range(options.seed, options.seed + options.count), counts, 1 if options.first else math.inf
        )
    seconds = time.process_time() - began
    for _, story in found[:SHOWN]:
        print(story, end="\n\n")
    for what, often in counts.most_common():
        print(f"{often:9} {what}")
    speed = f"{seconds:.1f} s, {options.count / seconds:.0f} a second"
    print(f"{options.count} histories in {speed}; failed: {len(found)}")
    print(" ".join(str(seed) for seed, _ in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
