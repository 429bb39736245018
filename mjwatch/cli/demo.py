"""``mjwatch demo``: a simulator of its own, some prompt files, one drain of the inbox, and the pictures."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer

from mjwatch.cli.output import plain
from mjwatch.cli.progress import JobProgress
from mjwatch.config import Config, load_keys
from mjwatch.errors import MjwatchError
from mjwatch.folders.manifest import FILE_NAME, load_manifest
from mjwatch.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mjwatch.model import Job

START_PATIENCE = 30.0
"""Seconds that the simulator gets to say that it listens."""

PROMPT_FILES = {
    "lighthouse.txt": "a lighthouse keeper mending nets at dawn,\nfilm still\n",
    "clients/acme/teapot.toml": 'prompt = "a copper teapot on a windowsill"\nlabel = "spring"\n\n'
    "[parameters]\nstylize = 250\ntile = true\n",
    "birds.toml": '[[jobs]]\nprompt = "a heron in the reeds"\n\n[[jobs]]\nprompt = "a kingfisher, diving"\n',
    "valley.txt": "a train crossing a wide valley in autumn --ar 16:9\n",
}


def run_demo(folder: Path) -> int:
    """Run it in this folder, and tell where things are. 0 if every job became four pictures."""
    if find_spec("aiohttp") is None:
        raise MjwatchError("the demo's simulator needs aiohttp", "pip install 'mjwatch[demo]'")
    folder = folder.absolute()
    jobs: dict[str, Job] = {}
    with _simulator(folder):
        config = Config.load(folder / "config.toml")
        for name, text in PROMPT_FILES.items():
            path = config.inbox.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        typer.echo(f"{len(PROMPT_FILES)} prompt files in {plain(config.inbox.path)}")
        with JobProgress() as progress, Runtime(config, load_keys(config)) as runtime:

            def changed(job: Job) -> None:
                jobs[job.id] = job
                progress.update(job)

            runtime.engine.on_change = changed
            runtime.run(lambda: runtime.engine.settled() or runtime.engine.paused is not None)
            runtime.comes_back = False
    return _tell(config.outbox.path, list(jobs.values()))


@contextmanager
def _simulator(workspace: Path) -> Iterator[None]:
    """A simulator as a process of its own, for as long as the block lasts."""
    command = [sys.executable, "-m", "mjwatch", "simulate", "--port", "0", "--workspace", str(workspace)]
    command += ["--seconds-per-job", "3", "--grid", "1024"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(START_PATIENCE, process.kill)
        watchdog.start()
        try:
            line = process.stdout.readline() if process.stdout else ""
            watchdog.cancel()
            if not line.startswith("listening on "):
                raise MjwatchError("the simulator did not start", "its own message is above")
            yield
        finally:
            watchdog.cancel()
            process.terminate()


def _tell(outbox: Path, jobs: list[Job]) -> int:
    good = 0
    for job in jobs:
        if job.folder is None or not (outbox / job.folder / FILE_NAME).exists():
            typer.echo(f"{job.id} {job.state}: {plain(job.refusal.detail if job.refusal else 'no folder')}")
            continue
        manifest = load_manifest(outbox / job.folder)
        good += manifest["state"] == "done" and len(manifest["images"]) == 4
        typer.echo(f"\n{plain(job.prompt.text)}")
        for name in [*(image["file"] for image in manifest["images"]), FILE_NAME]:
            typer.echo(f"  {plain(outbox / job.folder / name)}")
    typer.echo(f"\n{good} of {len(jobs)} jobs became four pictures each.")
    return 0 if jobs and good == len(jobs) else 1
