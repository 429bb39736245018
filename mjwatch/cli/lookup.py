"""Finds what a verb is about: the configuration, the journal, a job by its id or the beginning of it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from mjwatch.errors import DaemonError, MjwatchError, NoJournalError

if TYPE_CHECKING:
    from mjwatch.config import Config
    from mjwatch.journal.reader import JournalReader
    from mjwatch.model import Job

COMPLETED = 50
"""Jobs, the newest, whose ids a shell offers."""


def config_of(context: typer.Context) -> Config:
    """The configuration that the command line names, or the usual one."""
    from mjwatch.config import Config

    return Config.load(context.obj)


def reader_of(config: Config) -> JournalReader | None:
    """The journal, or None where nothing has run yet. Raises DaemonError where this user can't see it."""
    from mjwatch.journal.reader import JOURNAL_FILE, JournalReader

    state = config.state.path
    try:
        return JournalReader(state / JOURNAL_FILE)
    except NoJournalError:  # or it is being made just now
        return None
    except OSError as error:
        from mjwatch.host.permissions import owners

        who = owners(state) or "the user of the service"
        message = f"the state folder {state} can't be read: {error.strerror}"
        raise DaemonError(message, f"ask as {who}") from error


def find_job(reader: JournalReader, prefix: str) -> Job:
    """The job of this id, or the only one whose id begins so. Raises MjwatchError."""
    ids = reader.matching_ids(prefix) if prefix else []
    job = reader.job(prefix) or (reader.job(ids[0]) if len(ids) == 1 else None)
    if job is None and ids:
        raise MjwatchError(f"several jobs begin with {prefix}: {', '.join(ids)}", "give more of it")
    if job is None:
        raise no_job(prefix)
    return job


def no_job(prefix: str) -> MjwatchError:
    """The error where no job's id begins so."""
    return MjwatchError(f'there is no job "{prefix}"', "`mjwatch list` shows the jobs")


def offered_jobs(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """For a shell that completes: ids that begin so, each with what it is."""
    from mjwatch.cli.output import plain
    from mjwatch.config import Config

    # The options before the verb are read, but not acted upon, while a line is being completed.
    root = context.find_root()
    try:
        reader = reader_of(Config.load(root.params.get("config")))
        if reader is None:
            return []
        with closing(reader):
            found = reader.listed(None, COMPLETED) if not incomplete else _beginning(reader, incomplete)
    except MjwatchError:
        return []  # the verb itself will say what is wrong
    return [(job.id, plain(f"{job.state}: {job.prompt.action or job.prompt.text}", 50)) for job in found]


def _beginning(reader: JournalReader, prefix: str) -> list[Job]:
    return [job for one in reader.matching_ids(prefix) if (job := reader.job(one)) is not None]


JobId = Annotated[
    str,
    typer.Argument(metavar="JOB", help="The job's id, or its beginning.", autocompletion=offered_jobs),
]
JobIds = Annotated[
    list[str],
    typer.Argument(metavar="JOB...", help="The jobs' ids, or their beginnings.", autocompletion=offered_jobs),
]
