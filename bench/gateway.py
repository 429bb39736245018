"""The cost of the gateway connection: a READY of an account in many guilds, and foreign messages."""

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
    """Measure READY in new processes, then foreign messages in one process."""
    megabytes, rounds, rate, seconds = (1.0, 2, 200, 5) if quick else (8.0, 9, 1000, 60)
    return [_ready(megabytes, rounds), *_foreign(rate, seconds)]


def _ready(megabytes: float, rounds: int) -> Figure:
    packed = _packed(json.dumps(ready(megabytes)))
    ours, decode_only = [], []
    with _noisy_gateway(megabytes, 1, 0) as (url, _):
        for _ in range(rounds):
            ours.append(_listen(url, 0)[0])
            decode_only.append(_decode_only(packed))
    what = f"READY of {megabytes:g} MB ({len(packed) / 1e6:.1f} MB on the wire): CPU since connecting"
    beside = "inflate and json.loads alone"
    return Figure(what, 1000 * median(ours), "ms", 1000 * median(decode_only), beside, at_most=1.5)


def _foreign(rate: int, seconds: int) -> list[Figure]:
    with _noisy_gateway(0.1, rate, seconds + 5) as (url, server):
        _, cpu, received = _listen(url, seconds)
        beats = json.loads(server.stdout.readline() if server.stdout else "[]")
    late = [later - earlier - HEARTBEAT for earlier, later in pairwise(beats)]
    due = seconds / HEARTBEAT
    return [
        Figure(f"{rate:,} foreign messages a second: a core's share", 100 * cpu / seconds, "%", at_most=10),
        Figure("received messages", received, "", rate * seconds, "sent", at_least=0.95),
        Figure("heartbeats during this time", len(beats), "", due, "due", at_least=0.9),
        Figure("the latest heartbeat", 1000 * max(late, default=0.0), "ms late", at_most=100),
    ]


def _packed(text: str) -> bytes:
    stream = zlib.compressobj()
    return stream.compress(text.encode()) + stream.flush(zlib.Z_SYNC_FLUSH)


def _decode_only(packed: bytes) -> float:
    """Return the CPU seconds for decoding in a new process."""
    code = (
        "import sys, json, zlib; from time import process_time; packed = sys.stdin.buffer.read();"
        "began = process_time(); found = json.loads(zlib.decompressobj().decompress(packed));"
        "print(process_time() - began)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=packed, capture_output=True, check=True)
    return float(done.stdout)


@contextmanager
def _noisy_gateway(
    megabytes: float, rate: int, seconds: float
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start the gateway, and yield its address and its process."""
    command = [sys.executable, "-m", "bench.noisy_gateway", str(megabytes), str(rate), str(seconds)]
    with program(*command) as server:
        port = server.stdout.readline().strip() if server.stdout else ""
        yield f"ws://127.0.0.1:{port}", server


def _listen(url: str, seconds: float) -> list[float]:
    command = [sys.executable, "-m", "bench.gateway_listener", url, str(seconds)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment())
    return [float(number) for number in json.loads(done.stdout)]
