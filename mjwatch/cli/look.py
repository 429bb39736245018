"""Verbs that show: ``status``, ``list`` and ``show``. They read the journal, daemon or not."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.output import echo_json, echo_table, local_time, plain
from mjwatch.errors import MjwatchError
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from mjwatch.config import Config
    from mjwatch.jobs.reader import JournalReader

Json = Annotated[bool, typer.Option("--json", help="Show it as JSON.")]

NEEDS_PERSON = 4


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show what the service does: jobs by state, what runs, today's spending, why it is paused."""
    config = _config(context)
    facts = _status(config)
    if as_json:
        echo_json(facts)
    else:
        _echo_status(facts)
    if facts["paused"] is not None:
        raise typer.Exit(NEEDS_PERSON)


def _status(config: Config) -> dict[str, Any]:
    from mjwatch.host.lock import daemon_runs
    from mjwatch.jobs.pacing import DAY

    journal = config.state.path / "journal.sqlite3"
    facts: dict[str, Any] = {
        "daemon": daemon_runs(config.state.path),
        "paused": None,
        "jobs": {},
        "live": [],
        "sent_in_24h": 0,
        "max_per_day": config.pace.max_per_day,
        "inbox": str(config.inbox.path),
        "outbox": str(config.outbox.path),
    }
    if not journal.exists():
        return facts
    with closing(_reader(config)) as reader:
        facts["paused"] = reader.recall("paused")
        facts["jobs"] = {str(state): count for state, count in reader.open_counts().items()}
        facts["live"] = [_brief(job) for job in reader.live_jobs()]
        facts["sent_in_24h"] = len(reader.attempts_since(time.time() - DAY))
    return facts


def _echo_status(facts: dict[str, Any]) -> None:
    typer.echo(f"daemon   {'runs' if facts['daemon'] else 'does not run (start it: `mjwatch run`)'}")
    if facts["paused"] is not None:
        typer.echo(f"paused   {plain(facts['paused'])}")
    counts = ", ".join(f"{count} {state}" for state, count in facts["jobs"].items())
    typer.echo(f"jobs     {counts or 'nothing to do'}")
    cap = facts["max_per_day"] or "no cap"
    typer.echo(f"sent     {facts['sent_in_24h']} in the last 24 hours (cap: {cap})")
    typer.echo(f"inbox    {plain(facts['inbox'])}")
    typer.echo(f"outbox   {plain(facts['outbox'])}")
    if facts["live"]:
        typer.echo("")
        rows = [(job["job"], job["state"], _percent(job), plain(job["prompt"], 44)) for job in facts["live"]]
        echo_table(("JOB", "STATE", "%", "PROMPT"), rows)


def list_jobs(
    context: typer.Context,
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List jobs, the newest first."""
    with closing(_reader(_config(context))) as reader:
        jobs = reader.listed(state, limit)
    if as_json:
        echo_json([_brief(job) for job in jobs])
        return
    rows = [
        (job.id, str(job.state), _percent(_brief(job)), local_time(job.accepted), plain(job.prompt.text, 32))
        for job in jobs
    ]
    echo_table(("JOB", "STATE", "%", "ACCEPTED", "PROMPT"), rows)


def show(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help="The job's id, or its beginning.")],
    as_json: Json = False,
) -> None:
    """Show all that is known of one job, with its history."""
    config = _config(context)
    with closing(_reader(config)) as reader:
        found = _find(reader, job)
    if as_json:
        echo_json(_whole(found, config))
        return
    facts = _whole(found, config)
    for key in ("job", "state", "source", "prompt", "echoed", "job_uuid", "matched_by", "folder", "error"):
        if facts[key]:
            typer.echo(f"{key:<11}{plain(facts[key])}")
    typer.echo("")
    for note in found.history:
        typer.echo(f"{local_time(note.at)}  {plain(note.event)}")
    if found.state is State.IN_DOUBT:
        typer.echo(
            "\nWhether Midjourney runs it is not known, so it is not sent again. Look into the channel;"
        )
        typer.echo("if its pictures come, they are published all the same.")


def _config(context: typer.Context) -> Config:
    from mjwatch.config import Config

    return Config.load(context.obj)


def _reader(config: Config) -> JournalReader:
    from mjwatch.jobs.reader import JournalReader

    return JournalReader(config.state.path / "journal.sqlite3")


def _find(reader: JournalReader, prefix: str) -> Job:
    ids = reader.matching_ids(prefix)
    job = reader.job(prefix) or (reader.job(ids[0]) if len(ids) == 1 else None)
    if job is None and ids:
        raise MjwatchError(f"{len(ids)} jobs begin with {plain(prefix)}: {', '.join(ids)}", "give more of it")
    if job is None:
        raise MjwatchError(f"there is no job {plain(prefix)}", "`mjwatch list` shows the jobs")
    return job


def _percent(brief: dict[str, Any]) -> str:
    return "" if brief["percent"] is None else str(brief["percent"])


def _brief(job: Job) -> dict[str, Any]:
    return {
        "job": job.id,
        "state": str(job.state),
        "percent": job.percent,
        "prompt": job.prompt.text,
        "source": job.source.path if job.source else None,
        "accepted": job.accepted,
        "folder": job.folder,
    }


def _whole(job: Job, config: Config) -> dict[str, Any]:
    refusal = job.refusal
    return _brief(job) | {
        "folder": str(config.outbox.path / job.folder) if job.folder else None,
        "echoed": job.result.echoed if job.result else None,
        "matched_by": job.result.matched_by if job.result else None,
        "job_uuid": job.job_uuid,
        "nonces": job.nonces,
        "interaction_id": job.interaction_id,
        "message_id": job.message_id,
        "error": " - ".join(part for part in (refusal.title, refusal.detail) if part) if refusal else None,
        "history": [{"at": note.at, "event": note.event} for note in job.history],
    }
