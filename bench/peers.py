"""mjwatch beside two other clients: whose picture each prompt gets, and the CPU of a job.

The npm package `midjourney` and Mutiny (PyPI `mutiny-sdk`) are fetched by npm and pip. All run against our
simulator on loopback. The package returns addresses; Mutiny does so too, and downloads each grid and cuts it
for an index; mjwatch keeps a journal, and publishes folders with four pictures, manifests and a gallery. Two
short scripts store the package's grids, and the four pictures of Mutiny. For the costs net of pictures the
grids have 16 pixels, and nothing is stored.
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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.processes import environment, program, simulator, simulator_state, usage_at_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

VERSION = "4.3.18"
"""The last version of the npm package, of 2024."""

MUTINY_VERSION = "1.1.0"
"""The version of April 2026."""

OURS, NPM, MUTINY = "mjwatch", f"midjourney {VERSION}", f"Mutiny {MUTINY_VERSION}"

IN_FLIGHT = 12

FETCH_LIMIT = 300.0
"""Seconds for npm or pip."""

RUN_LIMIT = 240.0
"""Seconds for a client to end all jobs; what is not done by then is lost."""

CUTS = (3, 15)
"""Seconds for which the gateway refuses all connections, while jobs run."""

CUT_AFTER = 6
"""POSTs before the gateway is cut."""

CUT_JOB_SECONDS = 4.0

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Load:
    """Prompts, and the simulator that they run on. ``cut``: seconds without a gateway."""

    prompts: Sequence[str]
    job_seconds: float
    grid: int = 256
    cut: int = 0
    saves: bool = True
    """Whether the others' scripts store pictures; mjwatch always does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many prompts got their own picture, that of another job, or none; and the CPU seconds."""

    right: int
    wrong: int
    lost: int
    cpu: float


Answers = list[tuple[str, str]]
"""For each prompt that got a picture: the nonce of its POST, and the uuid of the picture's job."""

Client = Callable[[Path, str, Load], tuple[Answers, float]]
"""Runs all prompts in a workspace with the simulator at this address; returns also its CPU seconds."""


def figures(quick: bool) -> list[Figure]:
    """Measure all clients, one after the other, under each load."""
    many, equal = (24, 8) if quick else (200, 60)
    distinct = [f"a lighthouse, take {number}" for number in range(many)]
    loads = {f"{equal} equal prompts": Load(["a red fox in the snow"] * equal, 0.5)}
    for cut in CUTS[: 1 if quick else None]:
        name = f"24 prompts, the gateway is gone for {cut} s"
        loads[name] = Load(distinct[:24], CUT_JOB_SECONDS, cut=cut)
    with tempfile.TemporaryDirectory() as folder:
        clients: dict[str, Client] = {
            OURS: run_mjwatch,
            NPM: partial(run_npm, fetched_package(Path(folder) / "npm")),
            MUTINY: partial(run_mutiny, fetched_mutiny(Path(folder) / "pip")),
        }
        whole = Load(distinct, 0.08)
        outcomes = {name: run(client, whole) for name, client in clients.items()}
        found = [*_costs(clients, whole, outcomes), *_matches(f"{many} distinct prompts", outcomes)]
        for name, load in loads.items():
            found += _matches(name, {client: run(runner, load) for client, runner in clients.items()})
        return found


def _costs(clients: Mapping[str, Client], whole: Load, outcomes: Mapping[str, Outcome]) -> Iterator[Figure]:
    """Compare the CPU of a job; ``outcomes`` are those of the whole load."""
    unsaved = replace(whole, saves=False)
    net = {name: _cost(clients[name], replace(unsaved, grid=16)) for name in (OURS, NPM)}
    full = {name: _cost(clients[name], whole, outcome) for name, outcome in outcomes.items()}
    addresses = _cost(clients[MUTINY], unsaved)
    for what, ours, other, theirs, at_most in (
        ("net of pictures", net[OURS], NPM, net[NPM], 3.0),
        ("with pictures of 256x256", full[OURS], NPM, full[NPM], None),
        ("with pictures of 256x256", full[OURS], MUTINY, full[MUTINY], None),
        ("with pictures of 256x256", full[OURS], f"{MUTINY} that stores none", addresses, 1.0),
    ):
        yield Figure(f"CPU a job {what}, beside {other}", ours, "ms", theirs, at_most=at_most)


def _cost(client: Client, load: Load, measured: Outcome | None = None) -> float:
    """Return the milliseconds of CPU of each job after the first one, which has that of start and end."""
    single = run(client, replace(load, prompts=load.prompts[:1]))
    return 1000 * ((measured or run(client, load)).cpu - single.cpu) / (len(load.prompts) - 1)


def _matches(name: str, outcomes: Mapping[str, Outcome]) -> Iterator[Figure]:
    """Compare how many prompts got their own picture, another one or none."""
    for other, outcome in outcomes.items():
        if other != OURS:
            for what in ("right", "wrong", "lost"):
                ours, theirs = (getattr(seen, what) for seen in (outcomes[OURS], outcome))
                yield Figure(f"{name}, beside {other}: {what}", ours, "", theirs)


def run(client: Client, load: Load) -> Outcome:
    """Run all prompts, and compare each answer with what the simulator has rendered for it."""
    # Mutiny knows no result whose text names the website, as those with WebP may.
    pictures = ("--format", "png", "--grid", str(load.grid))
    options = (*pictures, "--seconds-per-job", str(load.job_seconds), "--seed", "1")
    hours = ("--fast-hours", "100000", "--heartbeat-interval", "3600")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "w"
        with simulator(workspace, *options, *hours) as (address, _):
            if load.cut:
                threading.Thread(target=_cut, args=(address, load.cut), daemon=True).start()
            answers, cpu = client(workspace, address, load)
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


# ---- the clients


def run_mjwatch(workspace: Path, address: str, load: Load) -> tuple[Answers, float]:
    """Run the prompts as files of the inbox; return nonce and job uuid of each folder, and CPU seconds."""
    for number, prompt in enumerate(load.prompts):
        (workspace / "inbox" / f"job{number:04}.ready.txt").write_text(f"{prompt}\n", encoding="utf-8")
    command = [sys.executable, "-m", "mjwatch", "--config", str(workspace / "config.toml"), "run", "--drain"]
    with program(*command, log=workspace / "mjwatch.log") as process:
        usage = usage_at_end(process, RUN_LIMIT)
    manifests = (workspace / "outbox").glob("job*/manifest.json")
    found = [json.loads(path.read_text(encoding="utf-8"))["discord"] for path in manifests]
    return [(entry["nonce"], entry["job_uuid"]) for entry in found], usage.cpu


def run_npm(package: Path, workspace: Path, address: str, load: Load) -> tuple[Answers, float]:
    """Run the prompts by a short program on the npm package, as many at once as mjwatch has in flight."""
    return _run_script(["node", str(HERE / "npm_midjourney.cjs")], package, workspace, address, load)


def run_mutiny(packages: Path, workspace: Path, address: str, load: Load) -> tuple[Answers, float]:
    """Run the prompts by a short program on Mutiny, with the packages of this folder before our own."""
    script = [sys.executable, str(HERE / "mutiny_client.py")]
    return _run_script(["env", f"PYTHONPATH={packages}", *script], packages, workspace, address, load)


def _run_script(
    command: Sequence[str], package: Path, workspace: Path, address: str, load: Load
) -> tuple[Answers, float]:
    """Run a script that gets its options in a file; return what it has written, and its CPU seconds."""
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
        "gateway": config["discord"]["gateway_url"],
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
    with program(*command, str(options), log=workspace / "client.log") as process:
        usage = usage_at_end(process, RUN_LIMIT)
    lines = answers.read_text(encoding="utf-8").splitlines()
    return [(entry["nonce"], entry["uuid"]) for entry in map(json.loads, lines)], usage.cpu


def fetched_package(folder: Path) -> Path:
    """Have npm fetch its package into this folder, and return where it lies. No script of it is run."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise RuntimeError("node and npm are not installed")
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
    _fetch(*command, f"midjourney@{VERSION}")
    return folder / "node_modules" / "midjourney"


def fetched_mutiny(folder: Path) -> Path:
    """Have pip fetch Mutiny and what it needs into this folder; it would conflict with our own packages."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-compile"]  # most modules are never imported
    _fetch(*command, "--target", str(folder), f"mutiny-sdk=={MUTINY_VERSION}")
    return folder


def _fetch(*command: str) -> None:
    environ = environment()
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environ, timeout=FETCH_LIMIT, check=True)
