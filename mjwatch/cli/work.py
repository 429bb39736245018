"""Verbs that submit work: ``submit`` and ``imagine``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mjwatch.cli.output import echo_json, plain
from mjwatch.errors import DaemonError, MjwatchError

Json = Annotated[bool, typer.Option("--json", help="Show the answer as JSON.")]


def submit(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="A prompt, or a prompt file (.txt, .toml), or - for stdin.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the pictures, with progress.")] = False,
    as_json: Json = False,
) -> None:
    """Drop a prompt or a prompt file into the inbox."""
    from mjwatch.api import MidjourneyAPI
    from mjwatch.host.lock import daemon_runs
    from mjwatch.prompts.promptfile import read_prompt_file

    api = MidjourneyAPI(context.obj)
    runs = daemon_runs(api.config.state.path)
    if wait and not runs:
        raise DaemonError("no daemon runs, so there is nobody to wait for", "start one: `mjwatch run`")
    stem, suffix, data = _prompt_file(prompt)
    read_prompt_file(data, stem + suffix, max_jobs=api.config.pace.max_jobs_per_file)
    dropped = api.submit_file(stem, suffix, data)
    if not wait:
        _tell_dropped(api.config.inbox.path / dropped.name, runs, as_json)
        return
    from mjwatch.cli.progress import JobProgress

    with JobProgress() as progress:
        jobs = api.wait(dropped, progress.update)
    if as_json:
        echo_json([{"job": job.id, "state": job.state, "folder": job.folder} for job in jobs])
    else:
        for job in jobs:
            where = api.config.outbox.path / job.folder if job.folder else "see `mjwatch show`"
            typer.echo(f"{job.id}  {job.state}  {plain(where)}")
    if any(job.state != "done" for job in jobs):
        raise typer.Exit(1)


def imagine(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="The prompt, with its parameters.")],
    out: Annotated[Path | None, typer.Option(help="Copy the pictures and the manifest there.")] = None,
    as_json: Json = False,
) -> None:
    """Submit one prompt, wait, and show where its pictures are. Needs no daemon; uses one that runs."""
    from mjwatch.api import MidjourneyAPI
    from mjwatch.cli.progress import JobProgress

    with JobProgress() as progress:
        found = MidjourneyAPI(context.obj).imagine(prompt, out, on_change=progress.update)
    if as_json:
        echo_json(found.manifest | {"folder": str(found.folder)})
        return
    for picture in found.pictures:
        typer.echo(plain(picture))


def _prompt_file(prompt: str) -> tuple[str, str, bytes]:
    """Stem, suffix and content of the prompt file that this argument means."""
    from mjwatch.folders.names import safe_name, slug

    if prompt == "-":
        data = sys.stdin.buffer.read()
        return slug(data.decode("utf-8", "replace")), ".txt", data
    path = Path(prompt)
    if path.suffix.lower() not in {".txt", ".toml"}:
        return slug(prompt), ".txt", prompt.encode() + b"\n"
    try:
        return safe_name(path.stem), path.suffix.lower(), path.read_bytes()
    except OSError as error:
        raise MjwatchError(f"{plain(path)} can't be read: {error.strerror}") from error


def _tell_dropped(path: Path, runs: bool, as_json: bool) -> None:
    if as_json:
        echo_json({"file": str(path), "daemon": runs})
        return
    typer.echo(f"{plain(path)}")
    if not runs:
        typer.echo("No daemon runs; it is taken when one does: `mjwatch run`", err=True)
