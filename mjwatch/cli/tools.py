"""Tools for pictures, messages and bug reports, and the simulator.

``split``, ``explain``, ``bundle``, ``simulate``; and ``demo``, which runs a few prompt files on a simulator.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mjwatch.cli.app import JobId, find_job, no_job, open_reader, read_config
from mjwatch.cli.output import INTERRUPTED, Json, echo_json, plain
from mjwatch.cli.progress import JobProgress
from mjwatch.config import Config, load_keys
from mjwatch.errors import MjwatchError, PictureError
from mjwatch.host.platform import install_command
from mjwatch.jobs.status_text import reason
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import State
from mjwatch.outbox.manifest import FILE_NAME, load_manifest
from mjwatch.runtime import Runtime
from mjwatch.simulator.options import (
    DELETE_ORDERS,
    PICTURE_FORMATS,
    PROFILE_NAMES,
    DeleteOrder,
    PictureFormat,
    ProfileName,
    SimulatorOptions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.model import Job


# ---- split


def split(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE|URL", help="A 2x2 grid: a file or an https address.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the four pictures; default: beside the file."),
    ] = None,
    picture_format: Annotated[
        Literal["auto", "png", "webp", "jpeg"],
        typer.Option(
            "--format", metavar="auto|png|webp|jpeg", help="Format of the pictures; auto is lossless."
        ),
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Split a 2x2 grid into its four pictures, pixel for pixel."""
    from mjwatch.filesystem.safe_names import safe_name
    from mjwatch.pictures.split import image_facts, split_grid

    data, stem, parent = _read_grid(image)
    folder = out or parent
    pictures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, tile in enumerate(split_grid(data, picture_format), 1):
            kind, width, height = image_facts(tile)
            path = folder / f"{safe_name(stem)}_{number}.{'jpg' if kind == 'jpeg' else kind}"
            path.write_bytes(tile)
            pictures.append({"file": str(path), "width": width, "height": height, "format": kind})
    except PictureError as error:
        hint = error.hint or "give a grid of four pictures in PNG, WebP or JPEG"
        raise MjwatchError(f"{image}: {error.message}", hint) from error
    except OSError as error:
        raise MjwatchError(f"{folder} can't be written: {error.strerror}", "give another --out") from error
    if as_json:
        echo_json(pictures)
        return
    for picture in pictures:
        typer.echo(plain(picture["file"]))


def _read_grid(image: str) -> tuple[bytes, str, Path]:
    """Return the grid's content, its stem, and the folder in which the pictures are written by default."""
    if image.startswith(("https://", "http://")):
        from urllib.parse import urlsplit

        from mjwatch.discord.cdn import CDN

        cdn = CDN([urlsplit(image).netloc])
        try:
            return cdn.fetch(image), Path(image.partition("?")[0]).stem, Path()
        finally:
            cdn.close()
    path = Path(image)
    try:
        return path.read_bytes(), path.stem, path.parent
    except OSError as error:
        raise MjwatchError(f"{path} can't be read: {error.strerror}", "check its name") from error


# ---- explain


def explain(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|-", help="A Discord message, event or response as JSON; - for stdin."),
    ],
) -> None:
    """Show how mjwatch reads a Discord message, as one JSON object."""
    from mjwatch.midjourney.parsing.messages import explain as read

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        document = json.loads(data)
    except OSError as error:
        raise MjwatchError(f"{file} can't be read: {error.strerror}", "check its name") from error
    except (ValueError, RecursionError) as error:
        source = "standard input" if file == "-" else file
        raise MjwatchError(f"{source} is not JSON: {error}", "give one message or event") from error
    echo_json(read(document))


# ---- bundle


def bundle(
    context: typer.Context,
    job: JobId,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The zip file to write; default: mjwatch-JOB.zip here."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The log, if it is in a file; default: systemd's journal."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Collect everything about a job in a zip file, without secrets.

    For a bug report: the job, its rows in the journal, its lines in the log, what Discord and Midjourney said
    about it, the settings and the versions. The token is left out; the prompt file and the ids are included.
    """
    from mjwatch.diagnostics.bundle import make_bundle

    config = read_config(context)
    reader = open_reader(config)
    if reader is None:
        raise no_job(job)
    with closing(reader):
        found = find_job(reader, job)
    target = out or Path(f"mjwatch-{found.id}.zip")
    names = make_bundle(config, found, target, log=log)
    if as_json:
        echo_json({"file": str(target), "contents": names})
        return
    typer.echo(plain(target))
    typer.echo(
        "The bundle contains the prompt, ids and folder names: look through it before you share it.", err=True
    )


# ---- simulate


def simulate(
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="The port; 0 picks a free one.")
    ] = 0,
    seconds_per_job: Annotated[
        float, typer.Option(metavar="S", min=0.0, help="Average length of a job, in seconds.")
    ] = 8.0,
    grid: Annotated[
        int, typer.Option(metavar="N", min=16, max=4096, help="Edge of a square grid, in pixels.")
    ] = 2048,
    profile: Annotated[
        ProfileName,
        typer.Option(metavar="|".join(PROFILE_NAMES), help="Send messages as Midjourney did in this year."),
    ] = "2026",
    delete: Annotated[
        DeleteOrder | None,
        typer.Option(
            metavar="|".join(DELETE_ORDERS),
            help="When a job's start message is deleted; default: as in the profile.",
        ),
    ] = None,
    picture_format: Annotated[
        PictureFormat | None,
        typer.Option(
            "--format",
            metavar="|".join(PICTURE_FORMATS),
            help="Format of the grids; default: as in the profile.",
        ),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Create a folder with config, keys, inbox and outbox for this simulator."
        ),
    ] = None,
    bind: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Listen on this address instead of 127.0.0.1.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Make job lengths and message order repeatable.")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Faults to arm, as a JSON list.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE", help="Answer as Discord and Midjourney answered the job of this bundle."
        ),
    ] = None,
    fast_hours: Annotated[
        float | None, typer.Option(metavar="H", min=0.0, help="Fast hours that the account has left.")
    ] = None,
    max_running: Annotated[
        int, typer.Option(metavar="N", min=1, help="Jobs that run at the same time.")
    ] = 12,
    max_queued: Annotated[
        int, typer.Option(metavar="N", min=0, help="Jobs that may wait for a free slot.")
    ] = 10,
    heartbeat_interval: Annotated[
        float, typer.Option(metavar="S", min=0.1, help="Heartbeat interval in HELLO, in seconds.")
    ] = 41.25,
    url_lifetime: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="Seconds until a picture's address expires.")
    ] = None,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Return no old messages, as without the permission.")
    ] = False,
) -> None:
    """Run a simulated Discord with a simulated Midjourney.

    For trials and tests on this machine; the simulator connects to nothing else.
    With --replay and a new --workspace, the bundle's prompt is put into the inbox.
    """
    _require_aiohttp()
    from mjwatch.simulator.server import run_simulator

    options = SimulatorOptions(
        port=port,
        bind=bind,
        seconds_per_job=seconds_per_job,
        grid=grid,
        profile=profile,
        delete=delete,
        format=picture_format,
        workspace=workspace,
        seed=seed,
        scenario=scenario,
        replay=replay,
        fast_hours=fast_hours,
        max_running=max_running,
        max_queued=max_queued,
        heartbeat_interval=heartbeat_interval,
        url_lifetime=url_lifetime,
        read_history=not no_history,
    )
    raise typer.Exit(run_simulator(options))


# ---- demo

START_PATIENCE = 30.0
"""Seconds that the simulator gets to report that it listens."""

PICTURES = 4
"""Pictures in a grid."""

PROMPT_FILES = {
    "lighthouse.txt": "a lighthouse keeper mending nets at dawn,\nfilm still\n",
    "clients/acme/teapot.toml": 'prompt = "a copper teapot on a windowsill"\nlabel = "spring"\n\n'
    "[parameters]\nstylize = 250\ntile = true\n",
    "birds.toml": '[[jobs]]\nprompt = "a heron in the reeds"\n\n[[jobs]]\nprompt = "a kingfisher, diving"\n',
    "valley.txt": "a train crossing a wide valley in autumn --ar 16:9\n",
}


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder for the demo's inbox and outbox.")
    ] = Path("mjwatch-demo"),
    as_json: Json = False,
) -> None:
    """Turn some prompt files into pictures on the simulator.

    Runs everything from an inbox to an outbox on this machine alone, and prints the paths of the pictures.
    """
    _require_aiohttp()
    raise typer.Exit(run_demo(folder, as_json=as_json))


def _require_aiohttp() -> None:
    if find_spec("aiohttp") is None:
        raise MjwatchError(
            "the simulator needs aiohttp, which is not installed", f"install it: {install_command('aiohttp')}"
        )


def run_demo(folder: Path, *, as_json: bool = False) -> int:
    """Run the demo in this folder and print the results; return 0 if every job became four pictures."""
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
                runtime.resumable = False
                runtime.engine.on_change = progress.update
                runtime.engine.service.on_connection_trouble = lambda trouble: progress.trouble(
                    trouble.reason
                )
                runtime.run(lambda: runtime.engine.settled() or runtime.engine.paused is not None)
    except KeyboardInterrupt:
        typer.echo(f"mjwatch: the demo was stopped; remove {plain(folder)} or give another folder", err=True)
        return INTERRUPTED
    (_echo_demo_json if as_json else _echo_demo)(config.outbox.path, progress.jobs)
    return 0 if progress.jobs and all(_is_complete(config.outbox.path, job) for job in progress.jobs) else 1


def _refuse_unfinished(config: Config) -> None:
    """Raise where a stopped demo has left open jobs: its simulator is gone, so nothing would answer them."""
    journal = config.state.path / JOURNAL_FILE
    if not journal.exists():
        return
    with closing(JournalReader(journal)) as reader:
        if reader.open_counts():
            raise MjwatchError(
                f"{config.source.parent} has unfinished jobs of a stopped demo", "give another folder"
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
    """Run a simulator as a process of its own, for as long as the block lasts."""
    command = [sys.executable, "-m", "mjwatch", "simulate", "--port", "0", "--workspace", str(workspace)]
    command += ["--seconds-per-job", "3", "--grid", "1024"]
    # In a session of its own, so that a Ctrl-C stops this process first and the simulator afterwards.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        watchdog = threading.Timer(START_PATIENCE, process.kill)
        watchdog.start()
        try:
            line = process.stdout.readline() if process.stdout else ""
            watchdog.cancel()
            if not line.startswith("listening on "):
                raise MjwatchError("the simulator did not start", "see its own message above")
            yield
        finally:
            watchdog.cancel()
            process.terminate()


def _echo_demo(outbox: Path, jobs: list[Job]) -> None:
    for job in jobs:
        if not _is_complete(outbox, job):
            typer.echo(f"\n{plain(job.prompt.text)}\n  {job.state}: {plain(reason(job)[0] or 'no pictures')}")
            continue
        typer.echo(f"\n{plain(job.prompt.text)}")
        for name in _files(outbox, job):
            typer.echo(f"  {plain(name)}")
    complete = sum(_is_complete(outbox, job) for job in jobs)
    typer.echo(f"\n{complete} of {len(jobs)} jobs became four pictures each.")
    if (page := outbox / "index.html").is_file():
        typer.echo(f"Look at them in a browser: {page.as_uri()}")


def _echo_demo_json(outbox: Path, jobs: list[Job]) -> None:
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
    """Return the job's pictures and its manifest; nothing if it has no folder."""
    if job.folder is None:
        return []
    folder = outbox / job.folder
    return [*(folder / image["file"] for image in load_manifest(folder)["images"]), folder / FILE_NAME]


def _is_complete(outbox: Path, job: Job) -> bool:
    return job.state is State.DONE and len(_files(outbox, job)) == PICTURES + 1
