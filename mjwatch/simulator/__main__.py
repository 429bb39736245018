"""`python -m mjwatch.simulator`: the simulator as a program of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mjwatch.simulator.options import DELETE_ORDERS, PICTURE_FORMATS, PROFILE_NAMES, SimulatorOptions
from mjwatch.simulator.server import run_simulator


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the exit code."""
    return run_simulator(SimulatorOptions(**vars(_parser().parse_args(arguments))))


def _parser() -> argparse.ArgumentParser:
    defaults = SimulatorOptions()
    parser = argparse.ArgumentParser(
        prog="python -m mjwatch.simulator",
        description="A pretend Discord with a pretend Midjourney on one loopback port.",
    )
    add = parser.add_argument
    add("--port", type=int, default=defaults.port, help="0 (the default): any free one")
    add("--bind", help="listen on this address in place of 127.0.0.1")
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
        help="which year's messages (default: 2026)",
    )
    add("--delete", choices=DELETE_ORDERS, help="when the progress message goes, relative to the final")
    add("--format", choices=PICTURE_FORMATS, help="of the finished grids")
    add(
        "--workspace",
        type=Path,
        help="make this folder, with config, keys, inbox and outbox for this simulator",
    )
    add(
        "--scenario",
        type=Path,
        help="a JSON list of faults, armed at the start or `after` some seconds",
    )
    add("--seed", type=int, help="fixes the job lengths and orders drawn at random")
    add("--fast-hours", type=float, help="fast hours that the account has left (default: a new month's)")
    add("--max-running", type=int, default=defaults.max_running, help="jobs at once (default: %(default)s)")
    add("--max-queued", type=int, default=defaults.max_queued, help="jobs that wait (default: %(default)s)")
    add(
        "--heartbeat-interval", type=float, default=defaults.heartbeat_interval, help="seconds, told in HELLO"
    )
    add("--url-lifetime", type=float, help="seconds until a signed address expires (default: the profile's)")
    add(
        "--no-history",
        dest="read_history",
        action="store_false",
        help="message lists are empty, as without the right",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
