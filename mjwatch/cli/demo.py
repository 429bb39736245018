"""``mjwatch demo``: a simulator of its own, some prompt files, one drain of the inbox, and the pictures."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import typer

from mjwatch.cli.output import INTERRUPTED, echo_json, plain
from mjwatch.cli.progress import JobProgress
from mjwatch.config import Config, load_keys
from mjwatch.errors import MjwatchError
from mjwatch.jobs.status_text import reason
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import Job, State
from mjwatch.outbox.manifest import FILE_NAME, load_manifest
from mjwatch.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_PATIENCE = 30.0
"""Seconds that the simulator gets to say that it listens."""

PICTURES = 4
"""Pictures that a grid is split into."""

PROMPT_FILES = {
    "lighthouse.txt": "a lighthouse keeper mending nets at dawn,\nfilm still\n",
    "clients/acme/teapot.toml": 'prompt = "a copper teapot on a windowsill"\nlabel = "spring"\n\n'
    "[parameters]\nstylize = 250\ntile = true\n",
    "birds.toml": '[[jobs]]\nprompt = "a heron in the reeds"\n\n[[jobs]]\nprompt = "a kingfisher, diving"\n',
    "valley.txt": "a train crossing a wide valley in autumn --ar 16:9\n",
}


def run_demo(folder: Path, *, as_json: bool = False) -> int:
    """Run it in this folder, and tell where things are. 0 if every job became four pictures."""
    folder = folder.absolute()
    progress = JobProgress()
    try:
        with _simulator(folder):
            config = Config.load(folder / "config.toml")
            _refuse_unfinished(config)
            _drop_files(config.inbox.path)
            if not as_json:
                typer.echo(f"{len(PROMPT_FILES)} prompt files in {plain(config.inbox.path)}")
            with progress, Runtime(config, load_keys(config)) as runtime:
                runtime.comes_back = False
                runtime.engine.on_change = progress.update
                runtime.engine.reach.on_trouble = lambda trouble: progress.trouble(trouble.reason)
                runtime.run(lambda: runtime.engine.settled() or runtime.engine.paused is not None)
    except KeyboardInterrupt:
        typer.echo(f"mjwatch: the demo was stopped; remove {plain(folder)} or give another folder", err=True)
        return INTERRUPTED
    (_echo_json if as_json else _tell)(config.outbox.path, progress.jobs)
    return 0 if progress.jobs and all(_is_good(config.outbox.path, job) for job in progress.jobs) else 1


def _refuse_unfinished(config: Config) -> None:
    """The jobs of a demo that was stopped are lost with its simulator: nobody would ever answer them."""
    journal = config.state.path / JOURNAL_FILE
    if not journal.exists():
        return
    with closing(JournalReader(journal)) as reader:
        if reader.open_counts():
            raise MjwatchError(
                f"{config.source.parent} has the rest of a demo that was stopped", "give another folder"
            )


def _drop_files(inbox: Path) -> None:
    try:
        for name, text in PROMPT_FILES.items():
            path = inbox / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MjwatchError(f"{inbox} can't be written: {error.strerror}", "give another folder") from error


@contextmanager
def _simulator(workspace: Path) -> Iterator[None]:
    """A simulator as a process of its own, for as long as the block lasts."""
    command = [sys.executable, "-m", "mjwatch", "simulate", "--port", "0", "--workspace", str(workspace)]
    command += ["--seconds-per-job", "3", "--grid", "1024"]
    # In a session of its own, so that a Ctrl-C ends us first and the simulator after us.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
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


def _tell(outbox: Path, jobs: list[Job]) -> None:
    for job in jobs:
        if not _is_good(outbox, job):
            typer.echo(f"\n{plain(job.prompt.text)}\n  {job.state}: {plain(reason(job)[0] or 'no pictures')}")
            continue
        typer.echo(f"\n{plain(job.prompt.text)}")
        for name in _files(outbox, job):
            typer.echo(f"  {plain(name)}")
    good = sum(_is_good(outbox, job) for job in jobs)
    typer.echo(f"\n{good} of {len(jobs)} jobs became four pictures each.")
    if (page := outbox / "index.html").is_file():
        typer.echo(f"Look at them in a browser: {page.as_uri()}")


def _echo_json(outbox: Path, jobs: list[Job]) -> None:
    echo_json(
        [
            {
                "job": job.id,
                "state": job.state,
                "prompt": job.prompt.text,
                "folder": str(outbox / job.folder) if job.folder else None,
                "files": [str(name) for name in _files(outbox, job)],
                "error": reason(job)[0] or None,
            }
            for job in jobs
        ]
    )


def _files(outbox: Path, job: Job) -> list[Path]:
    """The job's pictures and its manifest; nothing if it has no folder."""
    if job.folder is None:
        return []
    folder = outbox / job.folder
    return [*(folder / image["file"] for image in load_manifest(folder)["images"]), folder / FILE_NAME]


def _is_good(outbox: Path, job: Job) -> bool:
    return job.state is State.DONE and len(_files(outbox, job)) == PICTURES + 1
