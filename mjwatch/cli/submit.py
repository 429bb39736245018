"""Commands that submit work: ``submit``, ``imagine``, ``act``, ``ask`` and ``info``."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mjwatch.cli.app import LEAST_PREFIX, JobId, find_job, read_config
from mjwatch.cli.output import INTERRUPTED, NEEDS_PERSON, Json, advice, echo_json, local_time, plain
from mjwatch.errors import DaemonError, MjwatchError, PausedError
from mjwatch.jobs.status_text import reason
from mjwatch.model import State
from mjwatch.prompts.commands import ask_help

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mjwatch.api import MidjourneyAPI, Pictures
    from mjwatch.model import Job

Force = Annotated[
    bool,
    typer.Option("--force", help="Send it as it is written, even if it does not look like one prompt."),
]

_TIMESTAMP = re.compile(r"<t:(\d{1,11})(?::\w)?>")
"""A time that Discord's clients show as a date (discord-api-docs, "Message Formatting")."""


# ---- submit


def submit(
    context: typer.Context,
    prompt: Annotated[
        str,
        typer.Argument(metavar="TEXT|FILE|-", help="A prompt, a prompt file (.txt, .toml), or - for stdin."),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the pictures and show progress.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Drop a prompt or a prompt file into the inbox."""
    from mjwatch.api import MidjourneyAPI
    from mjwatch.cli.progress import JobProgress
    from mjwatch.host.running import daemon_runs
    from mjwatch.inbox.references import preview_alone

    api = MidjourneyAPI(context.obj)
    runs = daemon_runs(api.config.state.path)
    if wait and not runs:
        raise DaemonError("--wait needs a running daemon, and none runs", "start it: `mjwatch run`")
    stem, suffix, data = _prompt_file(prompt, force=force)
    found = preview_alone(stem + suffix, data, api.config.inbox.path, api.config.pace.max_jobs_per_file)
    echo_notes(found.warnings)
    dropped = api.submit_file(stem, suffix, data)
    if not wait:
        _echo_dropped(api.config.inbox.path / dropped.name, runs, found.warnings, as_json)
        return
    try:
        with JobProgress() as progress:
            jobs = api.wait(dropped, progress.update, progress.trouble)
    except KeyboardInterrupt:
        _exit_interrupted("stopped waiting; the daemon continues the work")
    except PausedError as error:
        _echo_kept(error, as_json)
        raise
    _echo_jobs(api, jobs, as_json)


def _prompt_file(argument: str, *, force: bool) -> tuple[str, str, bytes]:
    """Return stem, suffix and content of the prompt file that this argument means."""
    from mjwatch.client.submit import as_prompt_file, check_no_file
    from mjwatch.filesystem.safe_names import safe_name, slug
    from mjwatch.prompts.compose import check_lines, clean
    from mjwatch.prompts.promptfile import forced

    path = Path(argument)
    if argument == "-":
        data = sys.stdin.buffer.read()
        stem, suffix = slug(data.decode("utf-8", "replace")), ".txt"
    elif path.suffix.lower() in {".txt", ".toml"}:
        stem, suffix, data = safe_name(path.stem), path.suffix.lower(), _read(path)
    else:
        text = clean(argument.replace("\ufeff", ""))
        if not force:
            check_no_file(text)
            check_lines(argument)
        return slug(text), *as_prompt_file(text, force=force)
    if force:
        name, data = forced(data, stem + suffix)
        stem, suffix = name.removesuffix(".toml"), ".toml"
    return stem, suffix, data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MjwatchError(f"{path} can't be read: {error.strerror}", "check its name") from error


def echo_notes(notes: Iterable[str]) -> None:
    """Print how a prompt was read, and its probable mistakes."""
    for note in notes:
        typer.echo(f"note: {plain(note)}", err=True)


def _echo_dropped(path: Path, runs: bool, notes: Sequence[str], as_json: bool) -> None:
    if as_json:
        echo_json({"file": str(path), "daemon": runs, "notes": list(notes)})
        return
    typer.echo(plain(path))
    if not runs:
        typer.echo(advice("No daemon runs; the file waits until you start one: `mjwatch run`"), err=True)


def _echo_kept(error: PausedError, as_json: bool) -> None:
    """Print the jobs that a pause keeps in the queue."""
    if as_json:
        echo_json([{"job": job, "state": State.QUEUED, "error": error.message} for job in error.jobs])
        return
    for job in error.jobs:
        typer.echo(f"{job}  {State.QUEUED}")


def _echo_jobs(api: MidjourneyAPI, jobs: list[Job], as_json: bool) -> None:
    """Print the jobs' results; exit with 1 or 4 unless all are done."""
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
                typer.echo(f"          {advice(why)}")
    if any(job.state is State.IN_DOUBT for job in jobs):
        raise typer.Exit(NEEDS_PERSON)
    if any(job.state is not State.DONE for job in jobs):
        raise typer.Exit(1)


# ---- imagine


def imagine(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="The prompt, with its parameters.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Copy the job's folder, with pictures and manifest, into this one."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Submit one prompt, wait, and print the paths of its pictures.

    Uses the daemon if one runs, and works without one.
    """
    from mjwatch.api import JobFailedError, MidjourneyAPI
    from mjwatch.cli.progress import JobProgress
    from mjwatch.client.submit import read_prompt

    api = MidjourneyAPI(context.obj)
    echo_notes(read_prompt(prompt, force=force)[1])
    progress = JobProgress()
    try:
        with progress:
            found = api.imagine(
                prompt, out, force=force, on_change=progress.update, on_trouble=progress.trouble
            )
    except KeyboardInterrupt:
        _exit_interrupted(_what_remains(api, progress.jobs))
    except PausedError as error:
        _echo_kept(error, as_json)
        raise
    except JobFailedError as error:
        if as_json:
            _echo_manifest(api, error.job)
        raise
    if as_json:
        echo_json(found.manifest | {"folder": str(found.folder)})
        return
    for picture in found.pictures:
        typer.echo(plain(picture))


def _echo_manifest(api: MidjourneyAPI, job: Job) -> None:
    """Print the manifest of a job without pictures, which contains the reason."""
    from mjwatch.outbox.manifest import load_manifest

    if job.folder is not None:
        folder = api.config.outbox.path / job.folder
        echo_json(load_manifest(folder) | {"folder": str(folder)})


def _what_remains(api: MidjourneyAPI, jobs: list[Job]) -> str:
    """Return what happens to the prompt after a Ctrl-C."""
    from mjwatch.host.running import daemon_runs

    if daemon_runs(api.config.state.path):
        return "stopped waiting; the daemon continues the work"
    if not jobs or (jobs[-1].state is State.CANCELLED and jobs[-1].started is None):
        return "stopped; the prompt was not sent"
    if jobs[-1].state is State.QUEUED:  # a daemon accepted it, and has stopped
        return f"stopped; job {jobs[-1].id} is kept in the queue, and `mjwatch run` sends it"
    return f"stopped; job {jobs[-1].id} was sent, and `mjwatch run` fetches its pictures"


def _exit_interrupted(message: str) -> NoReturn:
    typer.echo(advice(f"mjwatch: {message}"), err=True)
    raise typer.Exit(INTERRUPTED)


# ---- act, ask and info


def complete_action() -> list[str]:
    """Return the follow-ups for completion in a shell, in a form that needs no quotes."""
    from mjwatch.prompts.actions import ON_GRID, ON_PICTURE

    return [name.replace(" ", "-") for name in (*ON_GRID, *ON_PICTURE)]


def act(
    context: typer.Context,
    job: JobId,
    actions: Annotated[
        list[str],
        typer.Argument(
            metavar="ACTION",
            help="U1, V2, reroll, 'vary strong' and so on.",
            autocompletion=complete_action,
        ),
    ],
    prompt: Annotated[
        str, typer.Option(metavar="TEXT", help="A new prompt, for follow-ups that take one.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the results and show progress.")] = False,
    as_json: Json = False,
) -> None:
    """Do follow-ups on a finished job: U1, V2, zoom and the like.

    Each follow-up becomes a job of its own, with its folder beside the folder of that job. An action for one
    picture of a grid may end with the picture's number ('vary strong 3'); without a number it uses the first
    picture.
    """
    from mjwatch.api import MidjourneyAPI
    from mjwatch.cli.progress import JobProgress
    from mjwatch.client import submit as client
    from mjwatch.journal.reader import JOURNAL_FILE, JournalReader

    config = read_config(context)
    with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        parent = find_job(reader, job, LEAST_PREFIX).id
    if wait:
        api = MidjourneyAPI(config)
        with JobProgress() as progress:
            results = api.act(
                parent, *actions, prompt=prompt, on_change=progress.update, on_trouble=progress.trouble
            )
        _echo_results(results, as_json)
        return
    submission = client.follow_ups(parent, actions, prompt)
    outcomes = client.submit(config, submission)
    names = {job_id: follow_up.action for job_id, follow_up in submission.prompts.items()}
    if as_json:
        echo_json([{**outcome.to_json(), "action": names.get(outcome.job or "")} for outcome in outcomes])
    else:
        for outcome in outcomes:
            typer.echo(f"{outcome.job}  {names.get(outcome.job or '')}  {advice(outcome.message)}")
    if not all(outcome.done for outcome in outcomes):
        raise typer.Exit(1)


def ask(
    context: typer.Context,
    command: Annotated[
        str,
        typer.Argument(
            metavar="COMMAND",
            help=ask_help(),
        ),
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The command's text, if it takes one.")] = "",
    image: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A picture, for blend and describe; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send Midjourney another command, such as blend or describe.

    Some commands change the account, such as fast, relax and stealth. No prompt file can do that.
    """
    _echo_results([_ask(context, command, text, image or [])], as_json)


def info(context: typer.Context, as_json: Json = False) -> None:
    """Show the account's plan, its remaining hours and its queue."""
    from mjwatch.midjourney.parsing.parsed_message import read_info

    answer = _ask(context, "info", "", []).text or ""
    if as_json:
        echo_json(asdict(read_info(answer)))
    else:
        text = _TIMESTAMP.sub(lambda found: local_time(float(found[1]))[:-3], answer)
        typer.echo("\n".join(plain(line) for line in text.replace("*", "").split("\n")))


def _ask(context: typer.Context, command: str, text: str, images: list[Path]) -> Pictures:
    from mjwatch.api import MidjourneyAPI
    from mjwatch.cli.progress import JobProgress

    api = MidjourneyAPI(context.obj)
    with JobProgress() as progress:
        return api.command(command, text, images, on_change=progress.update, on_trouble=progress.trouble)


def _echo_results(results: list[Pictures], as_json: bool) -> None:
    if as_json:
        echo_json([result.manifest | {"folder": str(result.folder)} for result in results])
        return
    for result in results:
        for picture in result.pictures:
            typer.echo(plain(picture))
        if result.text:
            typer.echo("\n".join(plain(line) for line in result.text.split("\n")))
