"""Verbs that show: ``status``, ``list`` and ``show``. They read the journal, daemon or not."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Annotated

import typer

from mjwatch.cli.lookup import JobId, config_of, find_job, no_job, reader_of
from mjwatch.cli.output import NEEDS_PERSON, Json, echo_json, echo_table, local_time, plain, progress, wanted
from mjwatch.model import Job, State

STATES = ", ".join(State)


def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the service does.

    Jobs by state, what runs, the pace, the last day's spending, what waits in the inbox, and why it is
    paused, if it is. With --watch and --json, or where it is no terminal, each change is told as it comes.
    """
    from mjwatch.cli.status import Glance

    glance = Glance(config_of(context))
    if watch:
        from mjwatch.cli.watch import watch_status

        watch_status(glance, as_json=as_json)
        return
    facts = glance.facts()
    if as_json:
        echo_json(facts)
    else:
        glance.echo(facts)
    if facts["paused"] is not None:
        raise typer.Exit(NEEDS_PERSON)


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
    from mjwatch.cli.ages import seconds
    from mjwatch.jobs.overview import brief
    from mjwatch.jobs.search import Wanted

    after = None if since is None else time.time() - seconds(since, "--since")
    filters = Wanted(tuple(state or ()), label, after, source)
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
        typer.echo("No jobs yet." if filters == Wanted() else "No job is like that.", err=True)


def _row(job: Job) -> tuple[str, ...]:
    prompt = job.prompt
    words = plain(wanted(prompt.action, prompt.command, prompt.text))
    return (job.id, progress(job.state, job.percent), local_time(job.accepted)[:-3], words)


def show(context: typer.Context, job: JobId, as_json: Json = False) -> None:
    """Show all that is known of one job.

    What it waits for or why it failed, its history with the time between, what it is a follow-up of, and its
    own follow-ups.
    """
    from mjwatch.cli.story import echo_story, story_of

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
