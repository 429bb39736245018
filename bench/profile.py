"""The CPU profile of a long queue: the daemon is sampled 200 times a second while it works."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from bench.backlog import queue, write_picture
from bench.figures import Figure
from bench.processes import program, simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RATE = 200
"""Samples per second."""

PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("starting: imports", ("<frozen importlib",)),
    ("thumbnails and the gallery", ("pictures/split.py", "mjwatch/gallery/")),
    ("inflating the grid", ("Scanlines.read (",)),
    ("decoding the grid", ("opened_grid (",)),
    ("compressing the four pictures", ("pictures/scanlines.py", "_by_default (")),
    ("metadata of the pictures", ("pictures/metadata.py", "pictures/chunks.py")),
    ("checksums: MD5, SHA-256", ("sha256", "md5")),
    ("writing and syncing files", ("filesystem/folder.py", "filesystem/files.py", "outbox/publisher.py")),
    ("downloading", ("discord/http.py", "discord/cdn.py")),
    (
        "the journal",
        ("journal/writer.py", "journal/reader.py", "journal/database.py", "journal/serialization.py"),
    ),
    ("the gateway", ("discord/session.py", "discord/websocket.py", "discord/connection.py")),
    ("the event loop: matching, the job table", ("mjwatch/engine/loop.py",)),
)
"""Kinds of work by parts of the stack; the first match counts."""

REST = "everything else"

_WAITS = frozenset(
    {
        *(
            "Condition.wait",
            "EpollSelector.select",
            "_worker",
            "Thread.join",
            "EventQueue.take",
            "WorkerPool._run",
        ),
        *("Collector.collect", "WakeupListener._wait", "InotifyFD._check_inotify_fd", "Semaphore.acquire"),
        *("PollSelector.select", "Thread._wait_for_tstate_lock", "wait_for_read", "SocketIO.readinto"),
    }
)
"""Functions in which a thread waits: samples in them do not count as work."""


def figures(quick: bool) -> list[Figure]:
    """Run the backlog with py-spy, which stops the daemon for each sample, so only shares are reported."""
    jobs, edge, seconds = (12, 256, 0) if quick else (60, 2048, 2)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        stacks = _stacks(root / "workspace", jobs, write_picture(root, edge), seconds)
    shares = shares_of(stacks)
    return [Figure(part, 100 * share, "%") for part, share in shares.items()]


def shares_of(stacks: Iterable[tuple[str, int]]) -> Mapping[str, float]:
    """Return the share of each part in all work, the largest first. Stacks begin with their root."""
    seen: Counter[str] = Counter()
    for stack, times in stacks:
        if stack.rpartition(";")[2].partition(" (")[0] not in _WAITS:
            seen[_part(stack)] += times
    return {part: times / seen.total() for part, times in seen.most_common()}


def _part(stack: str) -> str:
    return next((part for part, signs in PARTS if any(sign in stack for sign in signs)), REST)


def _stacks(workspace: Path, jobs: int, picture: Path, seconds: int) -> list[tuple[str, int]]:
    seen = workspace.parent / "stacks.txt"
    py_spy = ["py-spy", "record", "--format", "raw", "--rate", str(RATE), "--output", str(seen), "--"]
    config = ["--config", str(workspace / "config.toml")]
    with simulator(workspace, "--seconds-per-job", str(seconds), picture=picture):
        queue(workspace, jobs)
        command = [
            str(Path(sys.executable).with_name(py_spy[0])),
            *py_spy[1:],
            sys.executable,
            "-m",
            "mjwatch",
        ]
        log = workspace / "mjwatch.log"
        with program(*command, *config, "run", "--drain", log=log) as ended:
            ended.wait()
    made = len(list((workspace / "outbox").glob("job*/manifest.json")))
    if made != jobs or not seen.exists():
        raise RuntimeError(f"{made} of {jobs} jobs were done: {log.read_text(encoding='utf-8')[-1000:]}")
    lines = seen.read_text(encoding="utf-8").splitlines()
    return [(stack, int(times)) for stack, _, times in (line.rpartition(" ") for line in lines)]
