"""`python -m mjwatch.simulator`: the simulator's command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mjwatch.simulator.options import DELETE_ORDERS, PICTURE_FORMATS, PROFILE_NAMES, SimulatorOptions
from mjwatch.simulator.server import run_simulator


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the simulator and return the exit code."""
    return run_simulator(SimulatorOptions(**vars(_parser().parse_args(arguments))))


def _parser() -> argparse.ArgumentParser:
    defaults = SimulatorOptions()
    parser = argparse.ArgumentParser(
        prog="python -m mjwatch.simulator",
        description="A simulated Discord with a simulated Midjourney on one loopback port.",
    )
    add = parser.add_argument
    add("--port", type=int, default=defaults.port, help="0 (the default) chooses any free port")
    add("--bind", help="listen on this address instead of 127.0.0.1")
    add("--seconds-per-job", type=float, default=defaults.seconds_per_job, help="default: %(default)s")
    add(
        "--grid",
        type=int,
        default=defaults.grid,
        help="edge of a square grid in pixels (default: %(default)s)",
    )
    add(
        "--profile",
        choices=PROFILE_NAMES,
        default=defaults.profile,
        help="the year of the messages' form (default: 2026)",
    )
    add("--delete", choices=DELETE_ORDERS, help="when the progress message is deleted, relative to the final")
    add("--format", choices=PICTURE_FORMATS, help="format of the finished grids")
    add(
        "--workspace",
        type=Path,
        help="create this folder, with config, keys, inbox and outbox for this simulator",
    )
    add(
        "--scenario",
        type=Path,
        help="a JSON list of faults, which are armed at the start or `after` some seconds",
    )
    add("--replay", type=Path, help="a bundle (or its wire.json): answer as Discord and Midjourney did then")
    add("--seed", type=int, help="makes random job lengths and orders reproducible")
    add(
        "--fast-hours", type=float, help="remaining fast hours of the account (default: those of a new month)"
    )
    add(
        "--max-running",
        type=int,
        default=defaults.max_running,
        help="jobs that run at the same time (default: %(default)s)",
    )
    add("--max-queued", type=int, default=defaults.max_queued, help="jobs that wait (default: %(default)s)")
    add("--heartbeat-interval", type=float, default=defaults.heartbeat_interval, help="seconds in HELLO")
    add("--url-lifetime", type=float, help="seconds until a signed address expires (default: the profile's)")
    add(
        "--no-history",
        dest="read_history",
        action="store_false",
        help="message lists are empty, as without the right to read the history",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
