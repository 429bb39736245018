"""Commands that steer: ``pause``, ``resume``, ``retry``, ``cancel``, ``assign``, ``dismiss`` and ``prune``.

No daemon is needed.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.app import LEAST_PREFIX, JobId, JobIds, find_job, open_reader, read_config
from mjwatch.cli.output import NEEDS_PERSON, Json, advice, echo_json, plain, silence_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mjwatch.config import Config
    from mjwatch.journal.requests import Outcome


def pause(
    context: typer.Context,
    reason: Annotated[
        str | None, typer.Argument(metavar="REASON", help="The reason, shown by `mjwatch status`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Stop sending until `mjwatch resume`.

    mjwatch still accepts prompt files, and still fetches and publishes the results of running jobs. A restart
    does not end the pause.
    """
    _echo_outcome(_request(read_config(context), "pause", {"reason": reason}), as_json)


def resume(context: typer.Context, as_json: Json = False) -> None:
    """Resume sending after you have fixed the cause of the pause."""
    _echo_outcome(_request(read_config(context), "resume", {}), as_json)


def retry(context: typer.Context, jobs: JobIds, as_json: Json = False) -> None:
    """Run jobs again that failed, were cancelled or are in doubt.

    A job in doubt may have run already: if it did, retrying pays for it twice. If only the pictures could not
    be fetched or saved, only that step is repeated.
    """
    _request_for_jobs(context, "retry", jobs, as_json)


def cancel(context: typer.Context, jobs: JobIds, as_json: Json = False) -> None:
    """Cancel jobs that are queued, running or in doubt.

    A running job is stopped if Midjourney offers a Cancel button for it. If not, it is paid for, and its
    pictures will be published. A job in doubt is given up, and so is a job of which nothing was heard for ten
    minutes, if you cancel it a second time.
    """
    _request_for_jobs(context, "cancel", jobs, as_json)


def complete_message(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the messages of held results that begin so, each with its prompt, for completion in a shell."""
    from mjwatch.config import Config
    from mjwatch.errors import MjwatchError

    try:
        reader = open_reader(Config.load(context.find_root().params.get("config")))
        if reader is None:
            return []
        with closing(reader):
            held = reader.recall("held") or ()
    except MjwatchError:
        return []  # the command itself will report the error
    found = [(result["message"], plain(result["prompt"] or "", 50)) for result in held]
    return [pair for pair in found if pair[0].startswith(incomplete)]


Message = Annotated[
    str,
    typer.Argument(metavar="MESSAGE", help="The message's id, or its link.", autocompletion=complete_message),
]


def assign(context: typer.Context, job: JobId, message: Message, as_json: Json = False) -> None:
    """Give a result to the job that you see it belongs to.

    `mjwatch status` names the results that are held because they may be of several jobs. Any other result of
    your account in the channel can be assigned, too, unless an id proves that it is another job's.
    """
    from mjwatch.client.discord_api import read_message
    from mjwatch.host.platform import require_write_access
    from mjwatch.journal.reader import JOURNAL_FILE, JournalReader

    config, message_id = read_config(context), _message_id(message)
    require_write_access(config.state.path, config.state.path / JOURNAL_FILE)
    with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        found = find_job(reader, job)
        is_held = any(result["message"] == message_id for result in reader.recall("held") or ())
        is_known = is_held or reader.owner_of(message_id=message_id) is not None
    silence_log()
    arguments = {
        "jobs": {found.id: len(found.nonces)},
        "message": message_id,
        "payload": None if is_known else read_message(config, message, message_id),
    }
    _echo_outcome(_request(config, "assign", arguments), as_json)


def dismiss(context: typer.Context, message: Message, as_json: Json = False) -> None:
    """Say that a held result is no job's.

    It is the result of a prompt that you typed in Discord, for example.
    """
    _echo_outcome(_request(read_config(context), "dismiss", {"message": _message_id(message)}), as_json)


def _message_id(text: str) -> str:
    """Return the id in a message's link, or the id itself. Raise UsageError."""
    from mjwatch.errors import UsageError

    last = text.strip().rstrip("/").rpartition("/")[2]
    if not (last.isascii() and last.isdecimal()):
        raise UsageError(
            f"{plain(text, 100)} is neither a message's id nor its link",
            "copy the link of the message in Discord, or a command from `mjwatch status`",
        )
    return last


def prune(
    context: typer.Context,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="AGE",
            help="Remove jobs that ended longer ago than this: 12w, 30d or 48h; at least a day.",
        ),
    ] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the jobs.")] = False,
    as_json: Json = False,
) -> None:
    """Remove jobs that ended long ago from the journal.

    Their folders stay in the outbox. mjwatch still remembers which prompt files it has taken, so that no file
    is run a second time.
    """
    from mjwatch.cli.output import parse_age
    from mjwatch.host.platform import require_write_access
    from mjwatch.journal.maintenance import LEAST_AGE, prunable
    from mjwatch.journal.maintenance import prune as prune_journal
    from mjwatch.journal.reader import JOURNAL_FILE

    now = time.time()
    before = now - parse_age(older_than, "--older-than", LEAST_AGE)
    state = read_config(context).state.path
    journal = state / JOURNAL_FILE
    require_write_access(state, journal)
    count = prunable(journal, before) if dry_run else prune_journal(journal, before, now)
    if as_json:
        echo_json({"jobs": count, "older_than": older_than, "dry_run": dry_run})
        return
    jobs = "1 job" if count == 1 else f"{count} jobs"
    typer.echo(f"{jobs} {'would be' if dry_run else 'were'} removed from the journal")


def _request_for_jobs(context: typer.Context, verb: str, prefixes: Sequence[str], as_json: bool) -> None:
    from mjwatch.host.platform import require_write_access
    from mjwatch.journal.reader import JOURNAL_FILE, JournalReader

    config = read_config(context)
    journal = config.state.path / JOURNAL_FILE
    require_write_access(config.state.path, journal)
    with closing(JournalReader(journal)) as reader:
        jobs = [find_job(reader, prefix, LEAST_PREFIX) for prefix in prefixes]
    attempts = {job.id: len(job.nonces) for job in jobs}
    outcomes = _request(config, verb, {"jobs": attempts})
    if as_json:
        echo_json([outcome.to_json() for outcome in outcomes])
    else:
        for outcome in outcomes:
            typer.echo(f"{outcome.job}  {advice(outcome.message)}")
    _exit_unless_done(outcomes)


def _request(config: Config, verb: str, arguments: Mapping[str, Any]) -> list[Outcome]:
    from mjwatch.client.submit import request

    silence_log()
    return request(config, verb, arguments)


def _echo_outcome(outcomes: Sequence[Outcome], as_json: bool) -> None:
    """Print the single outcome of a command."""
    outcome = outcomes[0]
    if as_json:
        echo_json(outcome.to_json())
    else:
        typer.echo(advice(f"{outcome.job}  {outcome.message}" if outcome.job else outcome.message))
    _exit_unless_done(outcomes)


def _exit_unless_done(outcomes: Sequence[Outcome]) -> None:
    if any(outcome.needs_person for outcome in outcomes):
        raise typer.Exit(NEEDS_PERSON)
    if not all(outcome.done for outcome in outcomes):
        raise typer.Exit(1)
