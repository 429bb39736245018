"""Commands that show jobs and results: ``list``, ``show`` and ``gallery``, with or without a daemon.

``show`` prints a job's facts, its history, and its lineage: the jobs that it is a follow-up of, and its own
follow-ups.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing, suppress
from getpass import getuser
from socket import gethostname
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.app import JobId, find_job, no_job, open_reader, read_config
from mjwatch.cli.output import (
    Json,
    advice,
    coloured_state,
    duration,
    echo_fields,
    echo_held,
    echo_json,
    echo_table,
    job_summary,
    local_time,
    parse_age,
    plain,
    state_with_percent,
)
from mjwatch.errors import MjwatchError, UsageError
from mjwatch.jobs.pacing import Pace
from mjwatch.jobs.status_text import WaitContext, held_reason, reason, wait_reason
from mjwatch.journal.overview import brief, capped_until, held_results
from mjwatch.journal.reader import JobFilter
from mjwatch.model import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mjwatch.config import Config
    from mjwatch.gallery.gallery import Gallery
    from mjwatch.journal.reader import JournalReader
    from mjwatch.model import Job


# ---- list

STATES = ", ".join(State)


def list_jobs(
    context: typer.Context,
    state: Annotated[
        list[State] | None,
        typer.Option(metavar="STATE", help=f"Only jobs in this state: {STATES}; repeatable."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Only jobs with this label in their prompt file.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Only jobs accepted in the last 90min, 48h, 7d or 4w."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="GLOB", help="Only jobs from these prompt files: 'clients/acme/*'."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most this number of jobs.")] = 20,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    after = None if since is None else time.time() - parse_age(since, "--since")
    filters = JobFilter(tuple(state or ()), label, after, source)
    reader = open_reader(read_config(context))
    jobs: list[Job] = []
    if reader is not None:
        with closing(reader):
            jobs = reader.search(filters, limit)
    if as_json:
        echo_json([brief(job) for job in jobs])
    elif jobs:
        echo_table(("JOB", "STATE", "ACCEPTED", "PROMPT"), map(_row, jobs))
    else:
        typer.echo("No jobs yet." if filters == JobFilter() else "No jobs match.", err=True)


def _row(job: Job) -> tuple[str, ...]:
    prompt = job.prompt
    file = job.source.path if job.source and prompt.action is None else ""
    summary = plain(job_summary(prompt.action, prompt.command, prompt.text or file))
    return (job.id, state_with_percent(job.state, job.percent), local_time(job.accepted)[:-3], summary)


# ---- show

FACTS = (
    *("job", "state", "waits", "error", "mend", "prompt", "echoed", "action", "label", "source", "folder"),
    *("job_uuid", "matched_by"),
)
"""The facts that are shown, in this order, where they are not empty."""

_LABELS = {"mend": "what to do"}
"""Names that differ from the keys, which stay as they are in the JSON."""

NAME_WIDTH = 11
AFTER_WIDTH = 12


def show(context: typer.Context, job: JobId, as_json: Json = False) -> None:
    """Show everything about one job.

    Shows what the job waits for or why it failed, its history with the time between the steps, the job that
    it is a follow-up of, and its own follow-ups.
    """
    config = read_config(context)
    reader = open_reader(config)
    if reader is None:
        raise no_job(job)
    with closing(reader):
        facts = job_facts(find_job(reader, job), reader, config)
    if as_json:
        echo_json(facts)
    else:
        echo_job(facts)


def job_facts(job: Job, reader: JournalReader, config: Config) -> dict[str, Any]:
    """Return the facts about the job by name, as ``show --json`` shows them. Raise JournalError."""
    held = [result for result in held_results(reader, config.command()) if job.id in result["jobs"]]
    message, hint = held_reason(job, held[0]["link"]) if held else reason(job)
    waits = wait_reason(job, _wait_context(reader, config, job))
    return brief(job) | {
        "folder": str(config.outbox.path / job.folder) if job.folder else None,
        "echoed": job.result.echoed if job.result else None,
        "matched_by": job.result.matched_by if job.result else None,
        "job_uuid": job.job_uuid,
        "nonces": job.nonces,
        "interaction_id": job.interaction_id,
        "message_id": job.message_id,
        "error": message or None,
        "waits": waits[0] or None,
        "mend": advice(hint or waits[1]) or None,
        "held": held,
        "history": [{"at": note.at, "event": note.text} for note in job.history],
        "lineage": lineage_of(job, reader),
    }


def _wait_context(reader: JournalReader, config: Config, job: Job) -> WaitContext:
    from mjwatch.host.running import daemon_runs

    now, runs = time.time(), daemon_runs(config.state.path)
    return WaitContext(
        now=now,
        daemon=runs,
        paused=reader.paused(),
        trouble=reader.recall("trouble") if runs else None,
        ahead=reader.duplicate_ahead(job.id) if job.state is State.QUEUED else None,
        capped_until=capped_until(reader, config.pace.max_per_day, now),
        limit=reader.sending_limit(now),
        quiet_until=Pace.of(config.pace).quiet_until(now, job.prompt.priority),
    )


def echo_job(facts: Mapping[str, Any]) -> None:
    """Print the facts about a job as text."""
    shown = {key: plain(facts[key]) for key in FACTS if facts[key]}
    shown["state"] = coloured_state(state_with_percent(facts["state"], facts["percent"]))
    if facts["echoed"] == facts["prompt"]:
        shown.pop("echoed", None)
    echo_fields(
        ((_LABELS.get(name, name.replace("_", " ")), text) for name, text in shown.items()), NAME_WIDTH
    )
    echo_held(facts["held"])
    typer.echo("")
    echo_fields(_timeline(facts["history"]), len(local_time(0.0)) + 2 + AFTER_WIDTH)
    lineage = lineage_rows(facts)
    if lineage:
        typer.echo("")
        echo_table(("LINEAGE", "STATE", "WHAT"), lineage)


def _timeline(history: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each step: its time, the time since the step before, and the event."""
    before = None
    for note in history:
        after = "" if before is None or note["at"] - before < 1 else f"+{duration(note['at'] - before)}"
        yield f"{local_time(note['at'])}  {after}", plain(note["event"])
        before = note["at"]


# ---- a job's lineage

INDENT = "  "
MAX_GENERATIONS = 100
"""Generations of follow-ups at most: each is one more level in the JSON, and on the stack."""

_UNKNOWN = {"state": "-", "percent": None, "action": None, "command": "imagine"}


def lineage_of(job: Job, reader: JournalReader) -> dict[str, Any]:
    """Return ``ancestors``, oldest first; ``parent``, the last of them; ``follow_ups``, each with its own.

    A pruned ancestor ends the list: its own parent is no longer known. Raise JournalError.
    """
    ancestors: list[dict[str, Any]] = []
    oldest = job
    while oldest.parent and (above := reader.job(oldest.parent)) is not None:
        ancestors.insert(0, brief(above))
        oldest = above
    return {
        "ancestors": ancestors,
        "parent": ancestors[-1] if ancestors else None,
        "follow_ups": _follow_ups(job.id, reader, MAX_GENERATIONS),
    }


def _follow_ups(job_id: str, reader: JournalReader, generations: int) -> list[dict[str, Any]]:
    if not generations:
        return []
    return [
        brief(child) | {"follow_ups": _follow_ups(child.id, reader, generations - 1)}
        for child in reader.children_of(job_id)
    ]


def lineage_rows(facts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return rows of id, state and summary for the job and its lineage; empty where there is no other job.

    Each generation is indented one step further. ``facts``: the job's facts, with its ``lineage``.
    """
    above, below = facts["lineage"]["ancestors"], facts["lineage"]["follow_ups"]
    pruned = (above[0] if above else facts)["parent"]
    if pruned:
        above = [{"job": pruned, "prompt": "(no longer in the journal)", **_UNKNOWN}, *above]
    if not above and not below:
        return []
    older = [_lineage_row(depth, job, above[depth - 1] if depth else None) for depth, job in enumerate(above)]
    itself = _lineage_row(len(above), facts, None)[:-1]
    return [*older, (*itself, "(this job)"), *_rows_below(facts, below, len(above) + 1)]


def _rows_below(
    parent: Mapping[str, Any], jobs: Iterable[Mapping[str, Any]], depth: int
) -> Iterator[tuple[str, ...]]:
    for job in jobs:
        yield _lineage_row(depth, job, parent)
        yield from _rows_below(job, job["follow_ups"], depth + 1)


def _lineage_row(depth: int, job: Mapping[str, Any], parent: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return a job's row; a follow-up with its parent's prompt shows its action alone."""
    same = parent is not None and job["action"] and job["prompt"] == parent["prompt"]
    summary = job["action"] if same else job_summary(job["action"], job["command"], job["prompt"])
    return INDENT * depth + job["job"], state_with_percent(job["state"], job["percent"]), plain(summary)


# ---- gallery

BATCH_SIZE = 50
"""Folders that are added before other processes may write: a daemon waits no longer than for these."""


def gallery(
    context: typer.Context,
    open_it: Annotated[bool, typer.Option("--open", help="Open the gallery in a browser.")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read all folders of the outbox again.")] = False,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Serve the gallery over HTTP to this machine alone, until Ctrl-C."),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, max=65535, help="With --serve: the port, 8460 by default; 0 for any."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Update the gallery and print its path.

    The gallery is a page beside the pictures. It works on every machine that has the outbox, without mjwatch.
    --serve is for browsers that open no pages from their own storage, and for machines without the outbox: it
    prints the ssh command by which they reach this one.
    """
    from mjwatch.gallery.gallery import Gallery

    if port is not None and not serve:
        raise UsageError("--port needs --serve", "`mjwatch gallery --serve --port N`")
    config = read_config(context)
    if not config.outbox.path.is_dir():
        raise MjwatchError(f"there is no outbox {config.outbox.path} yet", "`mjwatch run` creates it")
    found = Gallery(config.outbox.path, config.state.path)
    added = _update(found, config, rebuild)
    if serve:
        _serve(config.outbox.path, port, added, open_it=open_it, as_json=as_json)
        return
    if as_json:
        echo_json({"page": str(found.page), "address": found.page.as_uri(), "added": added})
    else:
        typer.echo(plain(found.page))
    if open_it:
        _open(found.page.as_uri())


def _update(gallery: Gallery, config: Config, rebuild: bool) -> int:
    """Add the missing jobs and return their number; a running daemon does that itself, but for a rebuild."""
    from mjwatch.host.running import daemon_runs

    is_kept = config.outbox.gallery and gallery.page.exists() and daemon_runs(config.state.path)
    if is_kept and not rebuild:
        return 0
    try:
        if rebuild:
            gallery.clear()
        gallery.install()
        missing = gallery.repair()
        if len(missing) > BATCH_SIZE:
            typer.echo(f"adding {len(missing)} jobs to the gallery; this takes a while", err=True)
        for start in range(0, len(missing), BATCH_SIZE):
            gallery.add(missing[start : start + BATCH_SIZE])
        gallery.tidy()
    except OSError as error:
        message = f"the gallery can't be written: {error.strerror or error}"
        raise MjwatchError(
            message, "this user must be able to write to the outbox and the state folder"
        ) from error
    return len(missing)


def _open(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        raise MjwatchError("no browser could be started", f"open the page yourself: {address}")


def _serve(outbox: Path, port: int | None, added: int, *, open_it: bool, as_json: bool) -> None:
    """Serve the gallery until Ctrl-C or SIGTERM; both are a normal end."""
    from mjwatch.cli.status import interrupted_by_sigterm
    from mjwatch.gallery.server import PORT, GalleryServer, ssh_command

    try:
        server = GalleryServer(outbox, PORT if port is None else port)
    except OSError as error:
        raise MjwatchError(
            f"port {PORT if port is None else port} can't be used: {error.strerror or error}",
            "give another by --port",
        ) from error
    with server, suppress(KeyboardInterrupt), interrupted_by_sigterm():
        ssh = ssh_command(server.port, getuser(), gethostname(), os.environ)
        if as_json:
            echo_json(
                {"page": str(outbox / "index.html"), "address": server.address, "added": added, "ssh": ssh}
            )
        else:
            typer.echo(f"the gallery is at {server.address}, for this machine alone, until Ctrl-C")
            typer.echo(f"from another machine: {plain(ssh)}, then open {server.address} there")
        sys.stdout.flush()  # a script reads the address from a pipe
        if open_it:
            _open(server.address)
        server.serve_forever()
