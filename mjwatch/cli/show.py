"""Verbs that show: ``status``, ``list`` and ``show``. They read the journal, daemon or not.

One job as a whole: its facts, its history with the time between, and its relatives.

A job's relatives: what it is a follow-up of, back to the first one, and what was made from it.

The verb ``gallery``: the page beside the pictures, found, brought up to date and opened.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.app import JobId, config_of, find_job, no_job, reader_of
from mjwatch.cli.output import (
    Json,
    duration,
    echo_fields,
    echo_json,
    echo_table,
    local_time,
    painted,
    plain,
    progress,
    wanted,
)
from mjwatch.errors import MjwatchError
from mjwatch.jobs.status_text import WaitContext, reason, wait_reason
from mjwatch.journal.reader import brief, capped_until
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mjwatch.config import Config
    from mjwatch.gallery.gallery import Gallery
    from mjwatch.journal.reader import JournalReader
    from mjwatch.model import Job


STATES = ", ".join(State)


def list_jobs(
    context: typer.Context,
    state: Annotated[
        list[State] | None,
        typer.Option(metavar="STATE", help=f"Only jobs that are {STATES}; repeatable."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Only jobs with this label in their prompt file.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="AGE", help="Only jobs accepted within 90min, 48h, 7d or 4w.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="GLOB", help="Only jobs from such prompt files: 'clients/acme/*'."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """List jobs, the newest first."""
    from mjwatch.cli.output import seconds
    from mjwatch.journal.reader import JobFilter, brief

    after = None if since is None else time.time() - seconds(since, "--since")
    filters = JobFilter(tuple(state or ()), label, after, source)
    reader = reader_of(config_of(context))
    jobs: list[Job] = []
    if reader is not None:
        with closing(reader):
            jobs = reader.search(filters, limit)
    if as_json:
        echo_json([brief(job) for job in jobs])
    elif jobs:
        echo_table(("JOB", "STATE", "ACCEPTED", "PROMPT"), map(_row, jobs))
    else:
        typer.echo("No jobs yet." if filters == JobFilter() else "No job is like that.", err=True)


def _row(job: Job) -> tuple[str, ...]:
    prompt = job.prompt
    words = plain(wanted(prompt.action, prompt.command, prompt.text))
    return (job.id, progress(job.state, job.percent), local_time(job.accepted)[:-3], words)


def show(context: typer.Context, job: JobId, as_json: Json = False) -> None:
    """Show all that is known of one job.

    What it waits for or why it failed, its history with the time between, what it is a follow-up of, and its
    own follow-ups.
    """
    config = config_of(context)
    reader = reader_of(config)
    if reader is None:
        raise no_job(job)
    with closing(reader):
        story = story_of(find_job(reader, job), reader, config)
    if as_json:
        echo_json(story)
    else:
        echo_story(story)


FACTS = (
    *("job", "state", "waits", "error", "mend", "prompt", "echoed", "action", "label", "source", "folder"),
    *("job_uuid", "matched_by"),
)
"""Those that are shown, in this order, where there is something to show."""

NAME_WIDTH = 11
AFTER_WIDTH = 12


def story_of(job: Job, reader: JournalReader, config: Config) -> dict[str, Any]:
    """All that is known of it, by name, as ``show --json`` shows it. Raises JournalError."""
    why, hint = reason(job)
    waits = wait_reason(job, _circumstances(reader, config, job))
    return brief(job) | {
        "folder": str(config.outbox.path / job.folder) if job.folder else None,
        "echoed": job.result.echoed if job.result else None,
        "matched_by": job.result.matched_by if job.result else None,
        "job_uuid": job.job_uuid,
        "nonces": job.nonces,
        "interaction_id": job.interaction_id,
        "message_id": job.message_id,
        "error": why or None,
        "waits": waits[0] or None,
        "mend": hint or waits[1] or None,
        "history": [{"at": note.at, "event": note.text} for note in job.history],
        "lineage": lineage_of(job, reader),
    }


def _circumstances(reader: JournalReader, config: Config, job: Job) -> WaitContext:
    from mjwatch.host.running import daemon_runs

    now, runs = time.time(), daemon_runs(config.state.path)
    return WaitContext(
        now=now,
        daemon=runs,
        paused=reader.paused(),
        trouble=reader.recall("trouble") if runs else None,
        ahead=reader.duplicate_ahead(job.id) if job.state is State.QUEUED else None,
        capped_until=capped_until(reader, config.pace.max_per_day, now),
    )


def echo_story(story: Mapping[str, Any]) -> None:
    """Show it as text."""
    facts = {key: plain(story[key]) for key in FACTS if story[key]}
    facts["state"] = painted(progress(story["state"], story["percent"]))
    if story["echoed"] == story["prompt"]:
        facts.pop("echoed", None)
    echo_fields(((name.replace("_", " "), told) for name, told in facts.items()), NAME_WIDTH)
    typer.echo("")
    echo_fields(_timeline(story["history"]), len(local_time(0.0)) + 2 + AFTER_WIDTH)
    relatives = family(story)
    if relatives:
        typer.echo("")
        echo_table(("LINEAGE", "STATE", "WHAT"), relatives)


def _timeline(history: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What happened: when, how long after what was before it, and what."""
    before = None
    for note in history:
        after = "" if before is None or note["at"] - before < 1 else f"+{duration(note['at'] - before)}"
        yield f"{local_time(note['at'])}  {after}", plain(note["event"])
        before = note["at"]


INDENT = "  "
DEEPEST = 100
"""Generations of follow-ups at most: each is a step further into the JSON, and into the stack."""

_UNKNOWN = {"state": "-", "percent": None, "action": None, "command": "imagine"}


def lineage_of(job: Job, reader: JournalReader) -> dict[str, Any]:
    """``ancestors``, the first one first; ``parent``, the last of them; ``follow_ups``, each with its own.

    A pruned ancestor ends the line: nobody knows any more whose follow-up that was. Raises JournalError.
    """
    ancestors: list[dict[str, Any]] = []
    oldest = job
    while oldest.parent and (above := reader.job(oldest.parent)) is not None:
        ancestors.insert(0, brief(above))
        oldest = above
    return {
        "ancestors": ancestors,
        "parent": ancestors[-1] if ancestors else None,
        "follow_ups": _follow_ups(job.id, reader, DEEPEST),
    }


def _follow_ups(job_id: str, reader: JournalReader, generations: int) -> list[dict[str, Any]]:
    if not generations:
        return []
    return [
        brief(child) | {"follow_ups": _follow_ups(child.id, reader, generations - 1)}
        for child in reader.children_of(job_id)
    ]


def family(story: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """All of them as rows of id, state and words; empty where the job stands alone.

    Each generation stands a step further in. ``story``: the job's facts, with its ``lineage``.
    """
    above, below = story["lineage"]["ancestors"], story["lineage"]["follow_ups"]
    lost = (above[0] if above else story)["parent"]
    if lost:
        above = [{"job": lost, "prompt": "(not in the journal any more)", **_UNKNOWN}, *above]
    if not above and not below:
        return []
    older = [_family_row(depth, job, above[depth - 1] if depth else None) for depth, job in enumerate(above)]
    itself = _family_row(len(above), story, None)[:-1]
    return [*older, (*itself, "(this job)"), *_rows_below(story, below, len(above) + 1)]


def _rows_below(
    parent: Mapping[str, Any], jobs: Iterable[Mapping[str, Any]], depth: int
) -> Iterator[tuple[str, ...]]:
    for job in jobs:
        yield _family_row(depth, job, parent)
        yield from _rows_below(job, job["follow_ups"], depth + 1)


def _family_row(depth: int, job: Mapping[str, Any], parent: Mapping[str, Any] | None) -> tuple[str, ...]:
    """A follow-up that has its parent's words is told by its action alone."""
    same = parent is not None and job["action"] and job["prompt"] == parent["prompt"]
    words = job["action"] if same else wanted(job["action"], job["command"], job["prompt"])
    return INDENT * depth + job["job"], progress(job["state"], job["percent"]), plain(words)


BATCH = 50
"""Folders that are entered before others may write: a daemon waits that long at most."""


def gallery(
    context: typer.Context,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read all folders of the outbox anew.")] = False,
    as_json: Json = False,
) -> None:
    """Say where the gallery is, and bring it up to date.

    It is a page beside the pictures that works on every machine that has the outbox, without mjwatch.
    """
    from mjwatch.gallery.gallery import Gallery

    config = config_of(context)
    if not config.outbox.path.is_dir():
        raise MjwatchError(f"there is no outbox {config.outbox.path} yet", "`mjwatch run` makes it")
    made = Gallery(config.outbox.path, config.state.path)
    added = _update(made, config, rebuild)
    if as_json:
        echo_json({"page": str(made.page), "address": made.page.as_uri(), "added": added})
    else:
        typer.echo(plain(made.page))
    if open_it:
        _open(made)


def _update(made: Gallery, config: Config, rebuild: bool) -> int:
    """How many jobs were entered. A gallery that a daemon keeps is left to it, unless it is to be rebuilt."""
    from mjwatch.host.running import daemon_runs

    kept = config.outbox.gallery and made.page.exists() and daemon_runs(config.state.path)
    if kept and not rebuild:
        return 0
    try:
        if rebuild:
            made.clear()
        made.install()
        missing = made.repair()
        if len(missing) > BATCH:
            typer.echo(f"adding {len(missing)} jobs to the gallery; this takes a while", err=True)
        for start in range(0, len(missing), BATCH):
            made.add(missing[start : start + BATCH])
        made.tidy()
    except OSError as error:
        what = f"the gallery can't be written: {error.strerror or error}"
        raise MjwatchError(
            what, "this user must be able to write to the outbox and the state folder"
        ) from error
    return len(missing)


def _open(made: Gallery) -> None:
    import webbrowser

    if not webbrowser.open(made.page.as_uri()):
        raise MjwatchError("no browser could be started", f"open it by hand: {made.page.as_uri()}")
