"""The overhead of a job: the time from the rename of its file to its folder, compared with a bare script."""

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
from bench.processes import HANG, daemon, drop, program, simulator, simulator_state

if TYPE_CHECKING:
    from collections.abc import Sequence

PAUSE = 0.3
"""Seconds between two jobs, so that the cleanup of a job does not disturb the next one."""

WARM_UP = 2
"""The first jobs, which fill caches, do not count."""

BARE = "a bare script"


class NewFolders(FileSystemEventHandler):
    """Watches an outbox for new folders."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox
        self._arrived = threading.Event()
        self._at = 0.0
        observer = Observer()
        observer.start()
        observer.schedule(self, str(outbox), event_filter=[DirCreatedEvent, DirMovedEvent])
        self.close = observer.stop

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Record the time of a new folder of a job."""
        name = Path(str(event.dest_path or event.src_path)).name
        if name.startswith("job"):
            self._at = time.time()
            self._arrived.set()

    def next(self) -> float:
        """Wait for the next folder, and return its time in seconds since 1970."""
        if not self._arrived.wait(HANG):
            raise RuntimeError(f"no new folder in {self._outbox}")
        self._arrived.clear()
        return self._at


class MeasuredWorkspace:
    """A workspace with a simulator, and mjwatch or the bare script running in it."""

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
        self._new_folders = NewFolders(workspace / "outbox")
        stack.callback(self._new_folders.close)
        self._dropped: list[float] = []
        self._took: list[float] = []
        self.to_post: list[float] = []
        self.to_folder: list[float] = []

    def run_job(self) -> None:
        """Run a job, from the rename to the folder."""
        number = len(self._dropped)
        prompt = f"a lighthouse, take {number}\n"
        self._dropped.append(drop(self._workspace, f"job{number:04}.ready.txt", prompt))
        self._took.append(self._new_folders.next() - self._dropped[-1])
        time.sleep(PAUSE)

    def collect_times(self) -> None:
        """Collect the times of the jobs in seconds, while the simulator still runs."""
        posted = [float(post["at"]) for post in simulator_state(self._address)["posts"]]
        posts = [post - drop for post, drop in zip(posted, self._dropped, strict=True)]
        self.to_post, self.to_folder = posts[WARM_UP:], self._took[WARM_UP:]


def figures(quick: bool) -> list[Figure]:
    """Measure jobs of full size, then small jobs, which show the time until the POST."""
    edge, rounds, small_rounds = (512, 1, 2) if quick else (2048, 15, 100)
    ours, bare = _compare(encoded(grid((edge, edge))), rounds)
    whole = Figure(
        f"one job of {edge}x{edge}, rename to folder",
        *(_median_ms(ours.to_folder), "ms", _median_ms(bare.to_folder), BARE),
        at_most=1.15,
    )
    ours, bare = _compare(encoded(grid((64, 64))), small_rounds)
    return [
        whole,
        Figure("rename to POST", _median_ms(ours.to_post), "ms", _median_ms(bare.to_post), BARE, at_most=2.0),
        Figure(
            "rename to POST, 99th of 100",
            _percentile_99_ms(ours.to_post),
            "ms",
            _percentile_99_ms(bare.to_post),
            BARE,
        ),
        Figure(
            "one job of 64x64, rename to folder",
            _median_ms(ours.to_folder),
            "ms",
            _median_ms(bare.to_folder),
            BARE,
        ),
    ]


def _compare(picture: bytes, rounds: int) -> tuple[MeasuredWorkspace, MeasuredWorkspace]:
    """Run this many jobs in both workspaces, alternating between them."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        file = Path(folder) / "grid.png"
        file.write_bytes(picture)
        ours, bare = (
            MeasuredWorkspace(name, Path(folder) / name, file, stack) for name in ("mjwatch", "bare")
        )
        for _ in range(rounds + WARM_UP):
            for workspace in (ours, bare):
                workspace.run_job()
        for workspace in (ours, bare):
            workspace.collect_times()
        return ours, bare


def _median_ms(seconds: Sequence[float]) -> float:
    return 1000 * median(seconds)


def _percentile_99_ms(seconds: Sequence[float]) -> float:
    return 1000 * quantiles(seconds, n=100, method="inclusive")[98]
