"""The number of files of mjwatch that the work for one prompt enters, from the inbox to the POST.

``python -m bench.trip [--detail] [--steps]``. A daemon whose gateway session is up and whose inbox is empty
gets its first prompt file, ``cat.ready.txt``, by a rename. From that moment until requests sends the POST,
each call of a function in a file of mjwatch is an entry, on every thread. The POST waits until the other
threads have finished the work for the prompt, so that runs differ by no more than one scan of the inbox.

Files: the number of distinct files that were entered. Changes: the number of entries in another file than the
previous entry of the same thread; returns do not count. ``LEFT_OUT`` and ``LEFT_OUT_THREADS`` name what is
left out. The first prompt has the longest trip, because it reads the command index.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.figures import Figure
from bench.processes import drop, program, sessions, simulator, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LEFT_OUT = frozenset(
    {
        "host/log.py",
        "outbox/status_file.py",
        *("daemon.py", "host/systemd.py"),  # the daemon, and whether its threads hang
    }
)
"""Files whose work does not depend on the prompt."""

LEFT_OUT_THREADS = frozenset({"status", "remover"})
"""The remover removes the file from the inbox, whether the prompt is sent or not."""

QUIET = 3.0
"""Seconds after which a service without work is idle."""

MOST_FILES, MOST_CHANGES = 45, 200
"""Limits of what a newcomer can be expected to read."""


class Call(NamedTuple):
    """A call of a function: time (seconds since 1970), thread, file and function."""

    at: float
    thread: str
    file: str
    function: str


def figures(quick: bool) -> list[Figure]:
    """Return the figures of one trip."""
    calls = counted(trip())
    return [
        Figure("files of mjwatch that are entered", len(files_of(calls)), at_most=MOST_FILES),
        Figure("changes from one file to another", len(list(changed(calls))), at_most=MOST_CHANGES),
    ]


def trip() -> list[Call]:
    """Return all calls of one trip, in their order."""
    with tempfile.TemporaryDirectory() as folder:
        workspace, written = Path(folder) / "workspace", Path(folder) / "calls.json"
        with simulator(workspace):
            log = workspace / "mjwatch.log"
            log.touch()
            config = ["--config", str(workspace / "config.toml")]
            with program(sys.executable, "-m", "bench.call_recorder", str(written), *config, "run", log=log):
                wait_until(lambda: sessions(log), "the gateway's READY")
                time.sleep(QUIET)
                at = drop(workspace, "cat.ready.txt", "a cat\n")
                wait_until(written.exists, "the POST")
        calls = (Call(*call) for call in json.loads(written.read_text(encoding="utf-8")))
        return [call for call in calls if call.at >= at]


def counted(calls: Iterable[Call]) -> list[Call]:
    """Return the calls that count."""
    return [call for call in calls if call.file not in LEFT_OUT and call.thread not in LEFT_OUT_THREADS]


def changed(calls: Iterable[Call]) -> Iterator[tuple[str, str]]:
    """Yield each change of file on a thread: from which file, to which."""
    before: dict[str, str] = {}
    for call in calls:
        last = before.get(call.thread)
        if last is not None and last != call.file:
            yield last, call.file
        before[call.thread] = call.file


def files_of(calls: Iterable[Call]) -> set[str]:
    """Return the files that are entered."""
    return {call.file for call in calls}


def steps(calls: list[Call]) -> str:
    """Return the trip itself: for each thread its functions in order, a line for each stay in a file."""
    lines: list[str] = []
    for thread in dict.fromkeys(call.thread for call in calls):
        lines.append(f"thread {thread}")
        for file, stay in groupby((call for call in calls if call.thread == thread), lambda call: call.file):
            lines.append(f"  {file}: {', '.join(dict.fromkeys(call.function for call in stay))}")
    return "\n".join(lines)


def detail(calls: list[Call]) -> str:
    """Return a line for each file: the changes into it, the calls in it, the threads and the functions."""
    entries = Counter(call.file for call in calls)
    into = Counter(file for _, file in changed(calls))
    lines = [f"{'changes':>7} {'calls':>6}  file"]
    for file in sorted(entries, key=lambda file: (-into[file], file)):
        threads = sorted({call.thread for call in calls if call.file == file})
        functions = dict.fromkeys(call.function for call in calls if call.file == file)
        lines.append(f"{into[file]:7} {entries[file]:6}  {file} ({', '.join(threads)})")
        lines.append(f"{'':16}{', '.join(functions)}")
    return "\n".join(lines)


def main() -> None:
    """Print the figures of one trip, and its files or its steps."""
    parser = argparse.ArgumentParser(prog="python -m bench.trip", description=__doc__)
    parser.add_argument("--detail", action="store_true", help="show the files, with what was called in each")
    parser.add_argument("--steps", action="store_true", help="show every change of file, thread by thread")
    options = parser.parse_args()
    all_calls = trip()
    calls = counted(all_calls)
    print(f"{len(files_of(calls))} files (aim: at most {MOST_FILES}),", end=" ")
    print(f"{len(list(changed(calls)))} changes of file (aim: at most {MOST_CHANGES})")
    more_files, more_changes = len(files_of(all_calls)), len(list(changed(all_calls)))
    print(f"with what is left out here: {more_files} files, {more_changes} changes of file")
    if options.detail:
        print(f"\n{detail(calls)}")
    if options.steps:
        print(f"\n{steps(calls)}")


if __name__ == "__main__":
    main()
