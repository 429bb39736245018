"""What one job costs beside its rendering: from its file's rename to its folder, against a bare script."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from watchdog.events import DirCreatedEvent, DirMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from bench.figures import Figure
from bench.grids import encoded, grid
from bench.processes import HANG, daemon, drop, program, simulator, witness

if TYPE_CHECKING:
    from collections.abc import Sequence

PAUSE = 0.3
"""Seconds between two jobs, so that what follows the one does not disturb the other."""

WARM = 2
"""The first jobs, which fill caches, don't count."""

BARE = "a bare script"


class Arrivals(FileSystemEventHandler):
    """Hears of new folders in an outbox."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox
        self._come = threading.Event()
        self._at = 0.0
        observer = Observer()
        observer.start()
        observer.schedule(self, str(outbox), event_filter=[DirCreatedEvent, DirMovedEvent])
        self.close = observer.stop

    def on_any_event(self, event: FileSystemEvent) -> None:
        """A notice of the system's."""
        name = Path(str(event.dest_path or event.src_path)).name
        if name.startswith("job"):
            self._at = time.time()
            self._come.set()

    def next(self) -> float:
        """When the next one came, in seconds since 1970."""
        if not self._come.wait(HANG):
            raise RuntimeError(f"no folder comes into {self._outbox}")
        self._come.clear()
        return self._at


class Contestant:
    """A workspace with its simulator, and who works in it."""

    def __init__(self, name: str, workspace: Path, picture: Path, stack: ExitStack) -> None:
        self._workspace = workspace
        self._address, _ = stack.enter_context(
            simulator(workspace, "--heartbeat-interval", "3600", picture=picture)
        )
        if name == "mjwatch":
            stack.enter_context(daemon(workspace))
        else:
            script = stack.enter_context(program(sys.executable, "-m", "bench.bare_script", str(workspace)))
            if script.stdout is None or script.stdout.readline() != "ready\n":
                raise RuntimeError("the bare script does not start")
        self._arrivals = Arrivals(workspace / "outbox")
        stack.callback(self._arrivals.close)
        self._dropped: list[float] = []
        self._took: list[float] = []
        self.to_post: list[float] = []
        self.to_folder: list[float] = []

    def do_one(self) -> None:
        """One job, from the rename to the folder."""
        number = len(self._dropped)
        words = f"a lighthouse, take {number}\n"
        self._dropped.append(drop(self._workspace, f"job{number:04}.ready.txt", words))
        self._took.append(self._arrivals.next() - self._dropped[-1])
        time.sleep(PAUSE)

    def note(self) -> None:
        """Take down what is to be known of the jobs, in seconds, before the simulator ends."""
        posted = [float(post["at"]) for post in witness(self._address)["posts"]]
        posts = [post - drop for post, drop in zip(posted, self._dropped, strict=True)]
        self.to_post, self.to_folder = posts[WARM:], self._took[WARM:]


def figures(quick: bool) -> list[Figure]:
    """First whole jobs of full size, then small ones, which show the way to the POST and back."""
    edge, rounds, small_rounds = (512, 5, 10) if quick else (2048, 25, 150)
    ours, bare = _contest(encoded(grid((edge, edge))), rounds)
    whole = Figure(
        f"one job of {edge}x{edge}, rename to folder",
        *(_middle(ours.to_folder), "ms", _middle(bare.to_folder), BARE),
        at_most=1.15,
    )
    ours, bare = _contest(encoded(grid((64, 64))), small_rounds)
    return [
        whole,
        Figure("rename to POST", _middle(ours.to_post), "ms", _middle(bare.to_post), BARE, at_most=2.0),
        Figure("rename to POST, 99th of 100", _worst(ours.to_post), "ms", _worst(bare.to_post), BARE),
        Figure(
            "one job of 64x64, rename to folder", _middle(ours.to_folder), "ms", _middle(bare.to_folder), BARE
        ),
    ]


def _contest(picture: bytes, rounds: int) -> tuple[Contestant, Contestant]:
    """Both do so many jobs, one after another and in turns."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        file = Path(folder) / "grid.png"
        file.write_bytes(picture)
        ours, bare = (Contestant(name, Path(folder) / name, file, stack) for name in ("mjwatch", "bare"))
        for _ in range(rounds + WARM):
            for one in (ours, bare):
                one.do_one()
        for one in (ours, bare):
            one.note()
        return ours, bare


def _middle(seconds: Sequence[float]) -> float:
    return 1000 * median(seconds)


def _worst(seconds: Sequence[float]) -> float:
    return 1000 * quantiles(seconds, n=100, method="inclusive")[98]
