"""The cost of read-only commands, compared with a bare Typer program, and with a long and a short journal."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.figures import Figure
from bench.journals import LAST, put_finished
from bench.processes import environment

AIM_BARE = 1.3
AIM_LONG = 1.5

HELLO = Path(__file__).with_name("typer_hello.py")


def figures(quick: bool) -> list[Figure]:
    """Measure all commands in each round, so that disturbances affect all of them."""
    jobs, rounds = (20_000, 3) if quick else (1_000_000, 15)
    verbs = ("status", "list", f"show {LAST}")
    program = str(Path(sys.executable).with_name("mjwatch"))
    with tempfile.TemporaryDirectory() as folder:
        short, long = (
            [program, "--config", str(make_workspace(Path(folder) / str(many), many))] for many in (1, jobs)
        )
        commands = {"bare": [sys.executable, str(HELLO)]}
        for verb in verbs:
            commands[f"{verb} short"] = [*short, *verb.split()]
            commands[f"{verb} long"] = [*long, *verb.split()]
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds + 1):  # the first round fills the caches
            for name, command in commands.items():
                took[name].append(_seconds(command))
    medians = {name: 1000 * median(seconds[1:]) for name, seconds in took.items()}
    found = []
    for verb in verbs:
        name, short_ms, long_ms = verb.split()[0], medians[f"{verb} short"], medians[f"{verb} long"]
        bare = "a bare Typer hello-world"
        found += [
            Figure(f"mjwatch {name}", short_ms, "ms", medians["bare"], bare, at_most=AIM_BARE),
            Figure(f"mjwatch {name}, {jobs:,} jobs", long_ms, "ms", short_ms, "one job", at_most=AIM_LONG),
        ]
    return found


def make_workspace(folder: Path, jobs: int) -> Path:
    """Create a workspace with only a journal of this many finished jobs; return its configuration file."""
    for name in ("inbox", "outbox", "state"):
        (folder / name).mkdir(parents=True)
    config = folder / "config.toml"
    config.write_text("", encoding="utf-8")
    put_finished(folder / "state", jobs)
    return config


def _seconds(command: list[str]) -> float:
    start = perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment(), check=True)
    return perf_counter() - start
