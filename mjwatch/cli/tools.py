"""Verbs for looking under the bonnet: ``split``, ``explain``, ``bundle``, ``simulate`` and ``demo``.

``mjwatch demo``: a simulator of its own, some prompt files, one drain of the inbox, and the pictures.
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

from mjwatch.cli.app import JobId, config_of, find_job, no_job, reader_of
from mjwatch.cli.output import INTERRUPTED, JobProgress, Json, echo_json, plain
from mjwatch.config import Config, load_keys
from mjwatch.errors import MjwatchError, PictureError
from mjwatch.jobs.status_text import reason
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import Job, State
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


def split(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE|URL", help="A 2x2 grid: a file, or an https address.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the four pictures; else beside the file."),
    ] = None,
    picture_format: Annotated[
        Literal["auto", "png", "webp", "jpeg"],
        typer.Option(
            "--format", metavar="auto|png|webp|jpeg", help="What the pictures become; auto loses nothing."
        ),
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Split a 2x2 grid into its four pictures, pixel for pixel."""
    from mjwatch.filesystem.safe_names import safe_name
    from mjwatch.pictures.split import image_facts, split_grid

    data, stem, beside = _grid(image)
    folder = out or beside
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, tile in enumerate(split_grid(data, picture_format), 1):
            kind, width, height = image_facts(tile)
            path = folder / f"{safe_name(stem)}_{number}.{'jpg' if kind == 'jpeg' else kind}"
            path.write_bytes(tile)
            made.append({"file": str(path), "width": width, "height": height, "format": kind})
    except PictureError as error:
        hint = error.hint or "give a grid of four pictures: PNG, WebP or JPEG"
        raise MjwatchError(f"{image}: {error.message}", hint) from error
    except OSError as error:
        raise MjwatchError(f"{folder} can't be written: {error.strerror}", "give another --out") from error
    if as_json:
        echo_json(made)
        return
    for picture in made:
        typer.echo(plain(picture["file"]))


def _grid(image: str) -> tuple[bytes, str, Path]:
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


def explain(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|-", help="A Discord message, event or answer as JSON; - for stdin."),
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
        raise MjwatchError(f"{_named(file)} is not JSON: {error}", "give one message or event") from error
    echo_json(read(document))


def _named(file: str) -> str:
    return "standard input" if file == "-" else file


def bundle(
    context: typer.Context,
    job: JobId,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The zip file to make; else mjwatch-JOB.zip here.")
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file that the log went to; else systemd's journal is asked."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Put all that is known of a job into a zip file, without secrets.

    For a report of what went wrong: the job, its rows in the journal, its lines of the log, settings and
    versions. The token is not in it; the prompt file and the ids are.
    """
    from mjwatch.diagnostics.bundle import make_bundle

    config = config_of(context)
    reader = reader_of(config)
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
    typer.echo("It has the prompt, ids and names of folders: look it over before you give it away.", err=True)


def simulate(
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 takes a free one.")] = 0,
    seconds_per_job: Annotated[
        float, typer.Option(metavar="S", min=0.0, help="The middle of a job's length, in seconds.")
    ] = 8.0,
    grid: Annotated[
        int, typer.Option(metavar="N", min=16, max=4096, help="Edge of a square grid in pixels.")
    ] = 2048,
    profile: Annotated[
        ProfileName, typer.Option(metavar="|".join(PROFILE_NAMES), help="The year whose messages it sends.")
    ] = "2026",
    delete: Annotated[
        DeleteOrder | None,
        typer.Option(
            metavar="|".join(DELETE_ORDERS),
            help="When a job's start message is deleted; else as the profile.",
        ),
    ] = None,
    picture_format: Annotated[
        PictureFormat | None,
        typer.Option(
            "--format",
            metavar="|".join(PICTURE_FORMATS),
            help="Format of the grids; else as the profile has it.",
        ),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Make a folder with config, keys, inbox and outbox for this simulator."
        ),
    ] = None,
    bind: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Listen there instead of on 127.0.0.1.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Makes lengths and orders repeatable.")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Faults to arm, as a JSON list.")
    ] = None,
    fast_hours: Annotated[
        float | None, typer.Option(metavar="H", min=0.0, help="Fast hours that the account has left.")
    ] = None,
    max_running: Annotated[int, typer.Option(metavar="N", min=1, help="Jobs that run at once.")] = 12,
    max_queued: Annotated[
        int, typer.Option(metavar="N", min=0, help="Jobs that may wait for a free slot.")
    ] = 10,
    heartbeat_interval: Annotated[
        float, typer.Option(metavar="S", min=0.1, help="Seconds, as HELLO tells them.")
    ] = 41.25,
    url_lifetime: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="Seconds until a picture's address expires.")
    ] = None,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Lists of messages are empty, as without the right.")
    ] = False,
) -> None:
    """Run a pretend Discord with a pretend Midjourney.

    On this machine, for trying things out; it reaches nothing else.
    """
    _need_aiohttp()
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
        fast_hours=fast_hours,
        max_running=max_running,
        max_queued=max_queued,
        heartbeat_interval=heartbeat_interval,
        url_lifetime=url_lifetime,
        read_history=not no_history,
    )
    raise typer.Exit(run_simulator(options))


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to put the demo's inbox and outbox.")
    ] = Path("mjwatch-demo"),
    as_json: Json = False,
) -> None:
    """Turn some prompt files into pictures on the simulator.

    The whole way, from an inbox to an outbox, with nothing but this machine; shows where the pictures are.
    """
    _need_aiohttp()

    raise typer.Exit(run_demo(folder, as_json=as_json))


def _need_aiohttp() -> None:
    if find_spec("aiohttp") is None:
        raise MjwatchError("the simulator needs aiohttp", "pip install 'mjwatch[demo]'")


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
                runtime.resumable = False
                runtime.engine.on_change = progress.update
                runtime.engine.service.on_connection_trouble = lambda trouble: progress.trouble(
                    trouble.reason
                )
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
