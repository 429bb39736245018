"""Verbs that submit work: ``submit`` and ``imagine``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mjwatch.cli.output import INTERRUPTED, NEEDS_PERSON, Json, echo_json, plain
from mjwatch.errors import DaemonError, MjwatchError, PromptFileError
from mjwatch.jobs.reason import reason
from mjwatch.model import State

if TYPE_CHECKING:
    from mjwatch.api import MidjourneyAPI
    from mjwatch.model import Job


def submit(
    context: typer.Context,
    prompt: Annotated[
        str,
        typer.Argument(metavar="TEXT|FILE|-", help="A prompt, a prompt file (.txt, .toml), or - for stdin."),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the pictures, with progress.")] = False,
    as_json: Json = False,
) -> None:
    """Drop a prompt or a prompt file into the inbox."""
    from mjwatch.api import MidjourneyAPI
    from mjwatch.cli.progress import JobProgress
    from mjwatch.folders.preview import preview_alone
    from mjwatch.host.running import daemon_runs

    api = MidjourneyAPI(context.obj)
    runs = daemon_runs(api.config.state.path)
    if wait and not runs:
        raise DaemonError("no daemon runs, so there is nobody to wait for", "start one: `mjwatch run`")
    stem, suffix, data = _prompt_file(prompt)
    found = preview_alone(stem + suffix, data, api.config.inbox.path, api.config.pace.max_jobs_per_file)
    for warning in found.warnings:
        typer.echo(f"note: {plain(warning)}", err=True)
    dropped = api.submit_file(stem, suffix, data)
    if not wait:
        _tell_dropped(api.config.inbox.path / dropped.name, runs, as_json)
        return
    try:
        with JobProgress() as progress:
            jobs = api.wait(dropped, progress.update, progress.trouble)
    except KeyboardInterrupt:
        _stopped("no longer waiting; the daemon goes on with it")
    _tell_jobs(api, jobs, as_json)


def imagine(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="The prompt, with its parameters.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Copy the pictures and the manifest there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Submit one prompt, wait, and show its pictures' paths.

    Needs no daemon; uses one that runs.
    """
    from mjwatch.api import JobFailedError, MidjourneyAPI
    from mjwatch.cli.progress import JobProgress

    api = MidjourneyAPI(context.obj)
    progress = JobProgress()
    try:
        with progress:
            found = api.imagine(prompt, out, on_change=progress.update, on_trouble=progress.trouble)
    except KeyboardInterrupt:
        _stopped(_left(api, progress.jobs))
    except JobFailedError as error:
        if as_json:
            _echo_manifest(api, error.job)
        raise
    if as_json:
        echo_json(found.manifest | {"folder": str(found.folder)})
        return
    for picture in found.pictures:
        typer.echo(plain(picture))


def _prompt_file(argument: str) -> tuple[str, str, bytes]:
    """Stem, suffix and content of the prompt file that this argument means."""
    from mjwatch.folders.names import safe_name, slug
    from mjwatch.oneshot import prompt_file
    from mjwatch.prompts.assembly import clean

    if argument == "-":
        data = sys.stdin.buffer.read()
        return slug(data.decode("utf-8", "replace")), ".txt", data
    path = Path(argument)
    if _is_prompt_name(path):
        try:
            return safe_name(path.stem), path.suffix.lower(), path.read_bytes()
        except OSError as error:
            raise MjwatchError(f"{path} can't be read: {error.strerror}", "check its name") from error
    if _is_there(path):
        raise PromptFileError(
            f"{path} is no prompt file", "prompt files end in .txt or .toml; words can be piped in: submit -"
        )
    words = clean(argument.replace("\ufeff", ""))
    return slug(words), *prompt_file(words)


def names_a_file(words: str) -> bool:
    """Whether these words are rather a file's name than a prompt."""
    path = Path(words)
    return (_is_prompt_name(path) and " " not in words) or _is_there(path)


def _is_prompt_name(path: Path) -> bool:
    return path.suffix.lower() in {".txt", ".toml"}


def _is_there(path: Path) -> bool:
    """Whether a file or a folder is meant, so that no path is ever sent, and paid for, as a prompt."""
    try:
        return path.is_file() or (os.sep in str(path) and path.exists())
    except (OSError, ValueError):  # longer than any name may be, or with a null character
        return False


def _tell_dropped(path: Path, runs: bool, as_json: bool) -> None:
    if as_json:
        echo_json({"file": str(path), "daemon": runs})
        return
    typer.echo(plain(path))
    if not runs:
        typer.echo("No daemon runs; it is taken when one does: `mjwatch run`", err=True)


def _tell_jobs(api: MidjourneyAPI, jobs: list[Job], as_json: bool) -> None:
    """What became of them; ends with the exit code that they make."""
    outbox = api.config.outbox.path
    if as_json:
        echo_json(
            [
                {
                    "job": job.id,
                    "state": job.state,
                    "prompt": job.prompt.text,
                    "folder": str(outbox / job.folder) if job.folder else None,
                    "error": reason(job)[0] or None,
                }
                for job in jobs
            ]
        )
    else:
        for job in jobs:
            folder = plain(outbox / job.folder) if job.folder else ""
            typer.echo(f"{job.id}  {job.state:<9} {folder}".rstrip())
            if why := reason(job)[0]:
                typer.echo(f"          {plain(why)}")
    if any(job.state is State.IN_DOUBT for job in jobs):
        raise typer.Exit(NEEDS_PERSON)
    if any(job.state is not State.DONE for job in jobs):
        raise typer.Exit(1)


def _echo_manifest(api: MidjourneyAPI, job: Job) -> None:
    """The manifest of a job without pictures, which has its reason."""
    from mjwatch.folders.manifest import load_manifest

    if job.folder is not None:
        folder = api.config.outbox.path / job.folder
        echo_json(load_manifest(folder) | {"folder": str(folder)})


def _left(api: MidjourneyAPI, jobs: list[Job]) -> str:
    """What a Ctrl-C leaves behind."""
    from mjwatch.host.running import daemon_runs

    if daemon_runs(api.config.state.path):
        return "no longer waiting; the daemon goes on with it"
    if not jobs or (jobs[-1].state is State.CANCELLED and jobs[-1].started is None):
        return "stopped; the prompt was not sent"
    return f"stopped; job {jobs[-1].id} was sent, and `mjwatch run` fetches its pictures"


def _stopped(words: str) -> NoReturn:
    typer.echo(f"mjwatch: {words}", err=True)
    raise typer.Exit(INTERRUPTED)
