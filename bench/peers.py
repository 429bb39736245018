"""mjwatch beside the npm package `midjourney`: whose picture each prompt gets, and the CPU of a job.

Both run against our simulator on loopback. npm fetches the package. It returns addresses of pictures and
keeps nothing on disk; mjwatch keeps a journal, and publishes folders with manifests and a gallery. For the
costs net of pictures the grids have 16 pixels, and the package downloads none.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.processes import environment, program, simulator, simulator_state, usage_at_end

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = "4.3.18"
"""The last version of the package, of 2024."""

IN_FLIGHT = 12

RUN_LIMIT = 120.0
"""Seconds for a program to end all jobs; what is not done by then is lost."""

CUTS = (3, 15)
"""Seconds for which the gateway refuses all connections, while jobs run."""

CUT_AFTER = 6
"""POSTs before the gateway is cut."""

CUT_JOB_SECONDS = 4.0

DRIVER = Path(__file__).with_name("npm_midjourney.cjs")


@dataclass(frozen=True, slots=True)
class Load:
    """Prompts, and the simulator that they run on. ``cut``: seconds without a gateway."""

    prompts: Sequence[str]
    job_seconds: float
    grid: int = 256
    cut: int = 0
    saves: bool = True
    """Whether the package stores the pictures; mjwatch always does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many prompts got their own picture, that of another job, or none; and the CPU seconds."""

    right: int
    wrong: int
    lost: int
    cpu: float


Answers = list[tuple[str, str]]
"""For each prompt that got a picture: the nonce of its POST, and the uuid of the picture's job."""

Program = Callable[[Path, str, Load, Path], tuple[Answers, float]]
"""A way to run all prompts; see ``run_mjwatch``."""


def figures(quick: bool) -> list[Figure]:
    """Measure both programs, one after the other, under each load."""
    many, equal = (24, 8) if quick else (200, 60)
    distinct = [f"a lighthouse, take {number}" for number in range(many)]
    with tempfile.TemporaryDirectory() as folder:
        package = fetched_package(Path(folder))
        costs = [
            *_costs(package, "net of pictures", Load(distinct, 0.08, grid=16, saves=False), at_most=3.0),
            *_costs(package, "with pictures of 256x256", Load(distinct, 0.08)),
        ]
        loads = {f"{many} distinct prompts": Load(distinct, 0.08)}
        loads[f"{equal} equal prompts"] = Load(["a red fox in the snow"] * equal, 0.5)
        for cut in CUTS[: 1 if quick else None]:
            name = f"24 prompts, the gateway is gone for {cut} s"
            loads[name] = Load(distinct[:24], CUT_JOB_SECONDS, cut=cut)
        return costs + [found for name, load in loads.items() for found in _matches(package, name, load)]


def _costs(package: Path, name: str, load: Load, at_most: float | None = None) -> list[Figure]:
    """Measure the CPU of each job after the first one, which has that of start and end."""
    many, single = len(load.prompts), Load(load.prompts[:1], load.job_seconds, load.grid, saves=load.saves)
    ours, peers = (
        1000 * (run(each, load, package).cpu - run(each, single, package).cpu) / (many - 1)
        for each in (run_mjwatch, run_package)
    )
    return [Figure(f"CPU a job {name}", ours, "ms", peers, f"midjourney {VERSION}", at_most=at_most)]


def _matches(package: Path, name: str, load: Load) -> list[Figure]:
    """Return how many prompts got their own picture."""
    ours, peers = (run(each, load, package) for each in (run_mjwatch, run_package))
    found = []
    for what in ("right", "wrong", "lost"):
        found.append(
            Figure(f"{name}: {what}", getattr(ours, what), "", getattr(peers, what), f"midjourney {VERSION}")
        )
    return found


def run(runner: Program, load: Load, package: Path) -> Outcome:
    """Run all prompts, and compare each answer with what the simulator has rendered for it."""
    options = ("--grid", str(load.grid), "--seconds-per-job", str(load.job_seconds), "--seed", "1")
    hours = ("--fast-hours", "100000", "--heartbeat-interval", "3600")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "w"
        with simulator(workspace, *options, *hours) as (address, _):
            if load.cut:
                threading.Thread(target=_cut, args=(address, load.cut), daemon=True).start()
            answers, cpu = runner(workspace, address, load, package)
            rendered = {
                str(entry["nonce"]): entry["job_uuid"] for entry in simulator_state(address)["interactions"]
            }
    right = sum(rendered.get(nonce) == uuid for nonce, uuid in answers)
    return Outcome(right, len(answers) - right, len(load.prompts) - len(answers), cpu)


def _cut(address: str, seconds: int) -> None:
    """Refuse gateway connections for some seconds, once some jobs run."""
    end = time.monotonic() + RUN_LIMIT
    while len(simulator_state(address)["posts"]) < CUT_AFTER and time.monotonic() < end:
        time.sleep(0.1)
    fault = json.dumps({"fault": "gateway_down", "seconds": seconds}).encode()
    request = urllib.request.Request(f"http://{address}/_sim/faults", fault, method="POST")
    urllib.request.urlopen(request, timeout=10).close()


# ---- the programs


def run_mjwatch(workspace: Path, address: str, load: Load, package: Path) -> tuple[Answers, float]:
    """Run the prompts as files of the inbox; return nonce and job uuid of each folder, and CPU seconds."""
    for number, prompt in enumerate(load.prompts):
        (workspace / "inbox" / f"job{number:04}.ready.txt").write_text(f"{prompt}\n", encoding="utf-8")
    command = [sys.executable, "-m", "mjwatch", "--config", str(workspace / "config.toml"), "run", "--drain"]
    with program(*command, log=workspace / "mjwatch.log") as process:
        usage = usage_at_end(process, RUN_LIMIT)
    manifests = (workspace / "outbox").glob("job*/manifest.json")
    found = [json.loads(path.read_text(encoding="utf-8"))["discord"] for path in manifests]
    return [(entry["nonce"], entry["job_uuid"]) for entry in found], usage.cpu


def run_package(workspace: Path, address: str, load: Load, package: Path) -> tuple[Answers, float]:
    """Run the prompts by a short program on the package, as many at once as mjwatch has in flight."""
    config = tomllib.loads((workspace / "config.toml").read_text(encoding="utf-8"))
    token, guild, channel = (
        (workspace / "keys" / f"{name}.key").read_text(encoding="utf-8").strip()
        for name in ("authToken", "API_guild_id", "API_channel_id")
    )
    answers, pictures, options = (workspace / name for name in ("answers", "pictures", "options.json"))
    answers.touch()
    pictures.mkdir()
    given = {
        "api": f"http://{address}",
        "gateway": f"{config['discord']['gateway_url']}/?encoding=json&v=9",
        "token": token,
        "guild": guild,
        "channel": channel,
        "package": str(package),
        "prompts": list(load.prompts),
        "in_flight": IN_FLIGHT,
        "save_to": str(pictures) if load.saves else None,
        "answers": str(answers),
    }
    options.write_text(json.dumps(given), encoding="utf-8")
    with program("node", str(DRIVER), str(options), log=workspace / "node.log") as process:
        usage = usage_at_end(process, RUN_LIMIT)
    lines = answers.read_text(encoding="utf-8").splitlines()
    return [(entry["nonce"], entry["uuid"]) for entry in map(json.loads, lines)], usage.cpu


def fetched_package(folder: Path) -> Path:
    """Have npm fetch the package into this folder, and return where it lies. No script of it is run."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise RuntimeError("node and npm are not installed")
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
    subprocess.run(
        [*command, f"midjourney@{VERSION}"],
        stdout=subprocess.DEVNULL,
        env=environment(),
        timeout=RUN_LIMIT,
        check=True,
    )
    return folder / "node_modules" / "midjourney"
