"""Verbs that submit work: ``submit`` and ``imagine``.

The verb ``expand``: what a prompt file would become, before anything is spent.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from mjwatch.cli.output import INTERRUPTED, NEEDS_PERSON, Json, echo_json, local_time, plain
from mjwatch.errors import ConfigError, DaemonError, MjwatchError, PromptFileError
from mjwatch.jobs.status_text import reason
from mjwatch.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.api import MidjourneyAPI
    from mjwatch.config import Config
    from mjwatch.model import Job, Prompt
    from mjwatch.prompts.promptfile import PromptFile


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
    from mjwatch.cli.output import JobProgress
    from mjwatch.host.running import daemon_runs
    from mjwatch.inbox.references import preview_alone

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
    from mjwatch.cli.output import JobProgress

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
    from mjwatch.client.submit import as_prompt_file
    from mjwatch.filesystem.safe_names import safe_name, slug
    from mjwatch.prompts.compose import clean

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
    return slug(words), *as_prompt_file(words)


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
    from mjwatch.outbox.manifest import load_manifest

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


def expand(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A prompt file, or one that may become one.")],
    as_json: Json = False,
) -> None:
    """Show the jobs that a prompt file would become; spends nothing.

    Wildcards, defaults and pictures are looked for as the inbox does: for a file in the inbox also in the
    folders above it.
    """
    from mjwatch.inbox.references import preview
    from mjwatch.settings.sections import PaceSettings

    config = _config(context.obj)
    max_jobs = (config.pace if config else PaceSettings()).max_jobs_per_file
    found = preview(file, config.inbox.path if config else None, max_jobs)
    if as_json:
        echo_json(
            {
                "file": str(file),
                "jobs": found.jobs,
                "max_jobs": max_jobs,
                "prompts": [_as_json(prompt) for prompt in found.prompts],
                "warnings": list(found.warnings),
            }
        )
        return
    for line in lines_of(found):
        typer.echo(line)
    for warning in found.warnings:
        typer.echo(f"note: {plain(warning)}", err=True)


def _config(path: Path | None) -> Config | None:
    """The configuration; None where none was named and there is none, for this works without."""
    from mjwatch.config import Config, find_config

    try:
        source = find_config(path, os.environ)
    except ConfigError:
        if path is not None or os.environ.get("MJWATCH_CONFIG"):
            raise
        return None
    return Config.load(source)


def lines_of(found: PromptFile) -> Iterator[str]:
    """What a file becomes, for a terminal: the number of jobs, and each prompt with what belongs to it."""
    yield _summary(found)
    for number, prompt in enumerate(found.prompts, start=1):
        yield f"{number:>3}  {plain(prompt.text) or '(no words)'}"
        if more := "; ".join(_details(prompt)):
            yield f"     {plain(more)}"


def _summary(found: PromptFile) -> str:
    prompts, jobs = len(found.prompts), found.jobs
    if jobs > prompts:
        return f"{jobs} jobs, follow-ups counted"
    return f"{jobs} jobs" if jobs > 1 else "1 job"


def _details(prompt: Prompt) -> Iterator[str]:
    """What there is to say of a prompt beside its text."""
    if prompt.action:
        yield f"{prompt.action} of job {prompt.parent}"
    if prompt.command != "imagine":
        yield f"command {prompt.command}"
    if prompt.images:
        yield f"with {', '.join(prompt.images)}"
    if prompt.application:
        yield f"for {prompt.application}"
    if prompt.then:
        yield f"then {', '.join(prompt.then)}"
    if prompt.priority:
        yield f"priority {prompt.priority}"
    if prompt.not_before is not None:
        yield f"not before {local_time(prompt.not_before)}"
    if prompt.label:
        yield f"label {prompt.label}"


def _as_json(prompt: Prompt) -> dict[str, Any]:
    moment = prompt.not_before
    return {
        "prompt": prompt.text,
        "command": prompt.command,
        "action": prompt.action,
        "parent": prompt.parent,
        "images": list(prompt.images),
        "parameters": dict(prompt.parameters),
        "then": list(prompt.then),
        "label": prompt.label,
        "priority": prompt.priority,
        "not_before": None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(),
        "application": prompt.application,
    }
