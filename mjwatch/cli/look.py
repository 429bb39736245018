"""Verbs that show: ``status``, ``list`` and ``show``. They read the journal, daemon or not."""

from __future__ import annotations

import time
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.output import NEEDS_PERSON, Json, echo_json, echo_table, local_time, plain
from mjwatch.errors import MjwatchError
from mjwatch.jobs.reason import Circumstances, clock, reason, waits_for
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.config import Config
    from mjwatch.jobs.reader import JournalReader

FACTS = (
    *("job", "state", "action", "parent", "source", "prompt", "echoed", "job_uuid", "matched_by", "folder"),
    *("error", "waits", "mend"),
)


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show what the service does.

    Jobs by state, what runs, today's spending, what waits in the inbox, and why it is paused, if it is.
    """
    config = config_of(context)
    facts = _status(config)
    if as_json:
        echo_json(facts)
    else:
        _echo_status(facts)
    if facts["paused"] is not None:
        raise typer.Exit(NEEDS_PERSON)


def _status(config: Config) -> dict[str, Any]:
    from mjwatch.host.running import daemon_runs
    from mjwatch.jobs.overview import overview

    reader = _reader(config)
    with closing(reader) if reader else nullcontext():
        facts = overview(
            reader,
            daemon=daemon_runs(config.state.path),
            max_per_day=config.pace.max_per_day,
            now=time.time(),
        )
    return facts | {
        "inbox": str(config.inbox.path),
        "waiting_in_inbox": _waiting(config),
        "outbox": str(config.outbox.path),
    }


def _waiting(config: Config) -> int | None:
    """How many prompt files lie in the inbox; None if it can't be read."""
    from mjwatch.folders.listing import Listing

    try:
        return sum(1 for _ in Listing(config.inbox.path).files())
    except OSError:
        return None


def _echo_status(facts: dict[str, Any]) -> None:
    typer.echo(f"daemon   {'runs' if facts['daemon'] else 'does not run (start it: `mjwatch run`)'}")
    if facts["paused"] is not None:
        typer.echo(f"paused   {plain(facts['paused'])}")
        typer.echo(f"         {facts['mend']}")
    if facts["trouble"] is not None:
        typer.echo(f"trouble  {plain(facts['trouble'])}")
    counts = ", ".join(f"{count} {state}" for state, count in facts["jobs"].items())
    typer.echo(f"jobs     {counts or 'none at work'}")
    cap = facts["max_per_day"] or "no cap"
    capped = facts["capped_until"]
    more = "" if capped is None else f"; the next one may go at {clock(capped, time.time())}"
    typer.echo(f"sent     {facts['sent_in_24h']} in the last 24 hours (cap: {cap}){more}")
    files = {None: " (not there, or not readable)", 0: "", 1: " (1 prompt file waits)"}.get(
        facts["waiting_in_inbox"], f" ({facts['waiting_in_inbox']} prompt files wait)"
    )
    typer.echo(f"inbox    {plain(facts['inbox'])}{files}")
    for line in _left_alone(facts["inbox_trouble"], facts["left"]):
        typer.echo(f"         {plain(line)}")
    typer.echo(f"outbox   {plain(facts['outbox'])}")
    if facts["live"]:
        typer.echo("")
        rows = [
            (
                job["job"],
                job["state"],
                _percent(job["percent"]),
                plain(_wanted(job["action"], job["command"], job["prompt"]), 44),
            )
            for job in facts["live"]
        ]
        echo_table(("JOB", "STATE", "%", "PROMPT"), rows)


def _left_alone(trouble: str | None, left: dict[str, Any] | None) -> Iterator[str]:
    """Why nothing is taken from the inbox, and what is left alone there: by reason, with some names."""
    if trouble is not None:
        yield trouble
    for why, count in (left or {"counts": {}})["counts"].items():
        names = [one["path"] for one in (left or {"some": []})["some"] if one["why"] == why][:3]
        more = f" and {count - len(names)} more" if count > len(names) else ""
        yield f"left alone: {', '.join(names)}{more} ({why})"


def list_jobs(
    context: typer.Context,
    state: Annotated[
        State | None, typer.Option(metavar="STATE", help=f"Only jobs that are {', '.join(State)}.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many, the newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List jobs, the newest first."""
    from mjwatch.jobs.overview import brief

    reader = _reader(config_of(context))
    jobs: list[Job] = []
    if reader is not None:
        with closing(reader):
            jobs = reader.listed(state, limit)
    if as_json:
        echo_json([brief(job) for job in jobs])
        return
    if not jobs:
        typer.echo("No jobs yet." if state is None else f"No job is {state}.", err=True)
        return
    rows = [
        (
            job.id,
            str(job.state),
            _percent(job.percent),
            local_time(job.accepted),
            plain(_wanted(job.prompt.action, job.prompt.command, job.prompt.text), 32),
        )
        for job in jobs
    ]
    echo_table(("JOB", "STATE", "%", "ACCEPTED", "PROMPT"), rows)


def show(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or its beginning.")],
    as_json: Json = False,
) -> None:
    """Show all that is known of one job, with its history."""
    config = config_of(context)
    reader = _reader(config)
    if reader is None:
        raise _unknown(job)
    with closing(reader):
        found = find_job(reader, job)
        waits = waits_for(found, _circumstances(reader, config, found))
    facts = _whole(found, config, waits)
    if as_json:
        echo_json(facts)
        return
    for key in FACTS:
        if facts[key]:
            typer.echo(f"{key:<11}{plain(facts[key])}")
    typer.echo("")
    for note in found.history:
        typer.echo(f"{local_time(note.at)}  {plain(note.event)}")


def config_of(context: typer.Context) -> Config:
    """The configuration that the command line names, or the usual one."""
    from mjwatch.config import Config

    return Config.load(context.obj)


def _reader(config: Config) -> JournalReader | None:
    """The journal, or None where nothing has run yet."""
    from mjwatch.jobs.reader import JOURNAL_FILE, JournalReader

    journal = config.state.path / JOURNAL_FILE
    return JournalReader(journal) if journal.exists() else None


def find_job(reader: JournalReader, prefix: str) -> Job:
    """The job of this id, or the only one whose id begins so. Raises MjwatchError."""
    ids = reader.matching_ids(prefix) if prefix else []
    job = reader.job(prefix) or (reader.job(ids[0]) if len(ids) == 1 else None)
    if job is None and ids:
        raise MjwatchError(f"several jobs begin with {prefix}: {', '.join(ids)}", "give more of it")
    if job is None:
        raise _unknown(prefix)
    return job


def _circumstances(reader: JournalReader, config: Config, job: Job) -> Circumstances:
    from mjwatch.host.running import daemon_runs
    from mjwatch.jobs.overview import capped_until

    now, runs = time.time(), daemon_runs(config.state.path)
    return Circumstances(
        now=now,
        daemon=runs,
        paused=reader.paused(),
        trouble=reader.recall("trouble") if runs else None,
        ahead=reader.twin_ahead(job.id) if job.state is State.QUEUED else None,
        capped_until=capped_until(reader, config.pace.max_per_day, now),
    )


def _unknown(prefix: str) -> MjwatchError:
    return MjwatchError(f'there is no job "{prefix}"', "`mjwatch list` shows the jobs")


def _percent(percent: int | None) -> str:
    return "" if percent is None else str(percent)


def _wanted(action: str | None, command: str, prompt: str) -> str:
    """What a job is to do, in a few words: its prompt, with what else than imagining it is wanted."""
    other = action or (command if command != "imagine" else "")
    return f"{other}: {prompt}" if other and prompt else other or prompt


def _whole(job: Job, config: Config, waits: tuple[str, str]) -> dict[str, Any]:
    from mjwatch.jobs.overview import brief

    why, mend = reason(job)
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
        "mend": mend or waits[1] or None,
        "history": [{"at": note.at, "event": note.event} for note in job.history],
    }
