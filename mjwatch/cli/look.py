"""Verbs that show: ``status``, ``list`` and ``show``. They read the journal, daemon or not."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.output import NEEDS_PERSON, Json, echo_json, echo_table, local_time, plain
from mjwatch.errors import MjwatchError
from mjwatch.jobs.reason import Surroundings, clock, reason, to_go_on, waits_for
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from mjwatch.config import Config
    from mjwatch.jobs.reader import JournalReader

FACTS = (
    *("job", "state", "source", "prompt", "echoed", "job_uuid", "matched_by", "folder"),
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
    from mjwatch.host.lock import daemon_runs
    from mjwatch.jobs.pacing import DAY

    facts: dict[str, Any] = {
        "daemon": daemon_runs(config.state.path),
        "paused": None,
        "paused_kind": None,
        "mend": None,
        "capped_until": None,
        "trouble": None,
        "jobs": {},
        "live": [],
        "sent_in_24h": 0,
        "max_per_day": config.pace.max_per_day,
        "inbox": str(config.inbox.path),
        "waiting_in_inbox": _waiting(config),
        "outbox": str(config.outbox.path),
    }
    reader = _reader(config)
    if reader is None:
        return facts
    with closing(reader):
        pause = reader.paused()
        facts["paused"] = None if pause is None else pause.reason
        facts["paused_kind"] = None if pause is None else str(pause.kind)
        facts["mend"] = None if pause is None else to_go_on(pause)
        facts["trouble"] = reader.recall("trouble") if facts["daemon"] else None
        facts["jobs"] = {str(state): count for state, count in reader.open_counts().items()}
        facts["live"] = [_brief(job) for job in reader.live_jobs()]
        facts["sent_in_24h"] = len(reader.attempts_since(time.time() - DAY))
        facts["capped_until"] = _capped_until(reader, config, time.time())
    return facts


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
    typer.echo(f"outbox   {plain(facts['outbox'])}")
    if facts["live"]:
        typer.echo("")
        rows = [(job["job"], job["state"], _percent(job), plain(job["prompt"], 44)) for job in facts["live"]]
        echo_table(("JOB", "STATE", "%", "PROMPT"), rows)


def list_jobs(
    context: typer.Context,
    state: Annotated[
        State | None, typer.Option(metavar="STATE", help=f"Only jobs that are {', '.join(State)}.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many, the newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List jobs, the newest first."""
    reader = _reader(config_of(context))
    jobs: list[Job] = []
    if reader is not None:
        with closing(reader):
            jobs = reader.listed(state, limit)
    if as_json:
        echo_json([_brief(job) for job in jobs])
        return
    if not jobs:
        typer.echo("No jobs yet." if state is None else f"No job is {state}.", err=True)
        return
    rows = [
        (job.id, str(job.state), _percent(_brief(job)), local_time(job.accepted), plain(job.prompt.text, 32))
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
        waits = waits_for(found, _surroundings(reader, config, found))
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


def _surroundings(reader: JournalReader, config: Config, job: Job) -> Surroundings:
    from mjwatch.host.lock import daemon_runs

    now, runs = time.time(), daemon_runs(config.state.path)
    return Surroundings(
        now=now,
        daemon=runs,
        paused=reader.paused(),
        trouble=reader.recall("trouble") if runs else None,
        ahead=reader.twin_ahead(job.id) if job.state is State.QUEUED else None,
        capped_until=_capped_until(reader, config, now),
    )


def _capped_until(reader: JournalReader, config: Config, now: float) -> float | None:
    from mjwatch.jobs.pacing import DAY, Pace, Throttle

    pace = Pace(max_per_day=config.pace.max_per_day)
    return Throttle(pace, reader.attempts_since(now - DAY)).capped_until(now)


def _unknown(prefix: str) -> MjwatchError:
    return MjwatchError(f'there is no job "{prefix}"', "`mjwatch list` shows the jobs")


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


def _whole(job: Job, config: Config, waits: tuple[str, str]) -> dict[str, Any]:
    why, mend = reason(job)
    return _brief(job) | {
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
