"""Verbs that steer: ``pause``, ``resume``, ``retry``, ``cancel`` and ``prune``, with or without a daemon."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.app import JobIds, config_of, find_job
from mjwatch.cli.output import NEEDS_PERSON, Json, echo_json, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mjwatch.config import Config
    from mjwatch.journal.requests import Outcome


def pause(
    context: typer.Context,
    reason: Annotated[
        str | None, typer.Argument(metavar="REASON", help="Why, for those who look at the status.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send nothing more until `mjwatch resume`.

    Prompt files are still taken in, and what is at work is still fetched and published. A restart does not
    end it.
    """
    _tell_one(_steer(config_of(context), "pause", {"reason": reason}), as_json)


def resume(context: typer.Context, as_json: Json = False) -> None:
    """Go on sending: what it was paused for is mended."""
    _tell_one(_steer(config_of(context), "resume", {}), as_json)


def retry(context: typer.Context, jobs: JobIds, as_json: Json = False) -> None:
    """Run jobs again that failed, were cancelled or are in doubt.

    For one in doubt it is your word that it may be sent again, and paid for twice if it did run. Where only
    the pictures could not be fetched or saved, that alone is done again.
    """
    _steer_jobs(context, "retry", jobs, as_json)


def cancel(context: typer.Context, jobs: JobIds, as_json: Json = False) -> None:
    """Cancel jobs that are not sent yet, at work or in doubt.

    One at work is stopped where Midjourney offers that. Where it does not, it is paid for: its pictures will
    be published. One in doubt is given up.
    """
    _steer_jobs(context, "cancel", jobs, as_json)


def prune(
    context: typer.Context,
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Jobs that ended longer ago: 12w, 30d or 48h; a day at least.")
    ] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    as_json: Json = False,
) -> None:
    """Forget jobs that ended long ago.

    Their folders in the outbox stay. So does the memory of which prompt files were taken, so that none is run
    a second time.
    """
    from mjwatch.cli.output import seconds
    from mjwatch.host.platform import require_write_access
    from mjwatch.journal.maintenance import LEAST_AGE, prunable
    from mjwatch.journal.maintenance import prune as prune_journal
    from mjwatch.journal.reader import JOURNAL_FILE

    now = time.time()
    before = now - seconds(older_than, "--older-than", LEAST_AGE)
    state = config_of(context).state.path
    journal = state / JOURNAL_FILE
    require_write_access(state, journal)
    count = prunable(journal, before) if dry_run else prune_journal(journal, before, now)
    if as_json:
        echo_json({"jobs": count, "older_than": older_than, "dry_run": dry_run})
        return
    jobs = "1 job" if count == 1 else f"{count} jobs"
    typer.echo(f"{jobs} {'would be' if dry_run else 'were'} removed from the journal")


def _steer_jobs(context: typer.Context, verb: str, prefixes: Sequence[str], as_json: bool) -> None:
    from mjwatch.host.platform import require_write_access
    from mjwatch.journal.reader import JOURNAL_FILE, JournalReader

    config = config_of(context)
    journal = config.state.path / JOURNAL_FILE
    require_write_access(config.state.path, journal)
    with closing(JournalReader(journal)) as reader:
        found = [find_job(reader, prefix) for prefix in prefixes]
    attempts = {job.id: len(job.nonces) for job in found}
    outcomes = _steer(config, verb, {"jobs": attempts})
    if as_json:
        echo_json([outcome.to_json() for outcome in outcomes])
    else:
        for outcome in outcomes:
            typer.echo(f"{outcome.job}  {plain(outcome.message)}")
    _end(outcomes)


def _steer(config: Config, verb: str, arguments: Mapping[str, Any]) -> list[Outcome]:
    from mjwatch.client.submit import steer

    # What happens is told here; without a handler the log would write its warnings besides.
    logging.getLogger("mjwatch").addHandler(logging.NullHandler())
    return steer(config, verb, arguments)


def _tell_one(outcomes: Sequence[Outcome], as_json: bool) -> None:
    """The answer of a verb that is about the sending as a whole."""
    outcome = outcomes[0]
    if as_json:
        echo_json(outcome.to_json())
    else:
        typer.echo(plain(outcome.message))
    _end(outcomes)


def _end(outcomes: Sequence[Outcome]) -> None:
    if any(outcome.needs_person for outcome in outcomes):
        raise typer.Exit(NEEDS_PERSON)
    if not all(outcome.done for outcome in outcomes):
        raise typer.Exit(1)
