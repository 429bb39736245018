"""What it costs to listen: a READY of an account in very many guilds, and what others talk meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from contextlib import contextmanager
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.noisy_gateway import HEARTBEAT, ready
from bench.processes import environment, program

if TYPE_CHECKING:
    from collections.abc import Iterator


def figures(quick: bool) -> list[Figure]:
    """READY again and again, each time by a new process; then one of them listens for a while."""
    megabytes, rounds, rate, seconds = (1.0, 2, 200, 5) if quick else (8.0, 9, 1000, 60)
    return [_ready(megabytes, rounds), *_foreign(rate, seconds)]


def _ready(megabytes: float, rounds: int) -> Figure:
    packed = _packed(json.dumps(ready(megabytes)))
    ours, alone = [], []
    with _flood(megabytes, 1, 0) as (url, _):
        for _ in range(rounds):
            ours.append(_listened(url, 0)[0])
            alone.append(_alone(packed))
    what = f"READY of {megabytes:g} MB ({len(packed) / 1e6:.1f} MB on the wire): CPU from connecting on"
    beside = "inflate and json.loads alone"
    return Figure(what, 1000 * median(ours), "ms", 1000 * median(alone), beside, at_most=1.5)


def _foreign(rate: int, seconds: int) -> list[Figure]:
    with _flood(0.1, rate, seconds + 5) as (url, server):
        _, cpu, heard = _listened(url, seconds)
        beats = json.loads(server.stdout.readline() if server.stdout else "[]")
    late = [later - earlier - HEARTBEAT for earlier, later in pairwise(beats)]
    due = seconds / HEARTBEAT
    return [
        Figure(f"{rate:,} foreign messages a second: a core's share", 100 * cpu / seconds, "%", at_most=10),
        Figure("messages that were heard", heard, "", rate * seconds, "sent", at_least=0.95),
        Figure("heartbeats meanwhile", len(beats), "", due, "due", at_least=0.9),
        Figure("the latest of them", 1000 * max(late, default=0.0), "ms late", at_most=100),
    ]


def _packed(text: str) -> bytes:
    stream = zlib.compressobj()
    return stream.compress(text.encode()) + stream.flush(zlib.Z_SYNC_FLUSH)


def _alone(packed: bytes) -> float:
    """In a process as fresh as the other one."""
    code = (
        "import sys, json, zlib; from time import process_time; packed = sys.stdin.buffer.read();"
        "began = process_time(); found = json.loads(zlib.decompressobj().decompress(packed));"
        "print(process_time() - began)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=packed, capture_output=True, check=True)
    return float(done.stdout)


@contextmanager
def _flood(megabytes: float, rate: int, seconds: float) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The server's address, and its process."""
    command = [sys.executable, "-m", "bench.noisy_gateway", str(megabytes), str(rate), str(seconds)]
    with program(*command) as server:
        port = server.stdout.readline().strip() if server.stdout else ""
        yield f"ws://127.0.0.1:{port}", server


def _listened(url: str, seconds: float) -> list[float]:
    command = [sys.executable, "-m", "bench.gateway_listener", url, str(seconds)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment())
    return [float(number) for number in json.loads(done.stdout)]
