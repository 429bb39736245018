"""Verbs for all that Midjourney does besides imagine: ``act``, ``ask`` and ``info``."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from mjwatch.cli.app import JobId, config_of, find_job
from mjwatch.cli.output import Json, echo_json, local_time, plain
from mjwatch.prompts.commands import ask_help

if TYPE_CHECKING:
    from mjwatch.api import Pictures

Wait = Annotated[bool, typer.Option("--wait", help="Wait for what comes of it, with progress.")]

_TIMESTAMP = re.compile(r"<t:(\d{1,11})(?::\w)?>")
"""A time that Discord's clients show as a date (discord-api-docs, "Message Formatting")."""


def offered_actions() -> list[str]:
    """For a shell that completes: the follow-ups, written so that none needs quotes."""
    from mjwatch.prompts.actions import ON_GRID, ON_PICTURE

    return [name.replace(" ", "-") for name in (*ON_GRID, *ON_PICTURE)]


def act(
    context: typer.Context,
    job: JobId,
    actions: Annotated[
        list[str],
        typer.Argument(
            metavar="ACTION...",
            help="U1, V2, reroll, 'vary strong' and so on.",
            autocompletion=offered_actions,
        ),
    ],
    prompt: Annotated[
        str, typer.Option(metavar="TEXT", help="New words, for follow-ups that take some.")
    ] = "",
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Do follow-ups on a finished job: U1, V2, zoom and the like.

    Each becomes a job of its own, whose folder stands beside that of the job. An action for one picture of a
    grid may carry its number ('vary strong 3'); without one it is the first's.
    """
    from mjwatch.api import MidjourneyAPI
    from mjwatch.cli.output import JobProgress
    from mjwatch.client.submit import follow_ups, give
    from mjwatch.journal.reader import JOURNAL_FILE, JournalReader

    config = config_of(context)
    with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        parent = find_job(reader, job).id
    if wait:
        api = MidjourneyAPI(config)
        with JobProgress() as progress:
            found = api.act(
                parent, *actions, prompt=prompt, on_change=progress.update, on_trouble=progress.trouble
            )
        _tell(found, as_json)
        return
    wish = follow_ups(parent, actions, prompt)
    outcomes = give(config, wish)
    wanted = {job_id: one.action for job_id, one in wish.prompts.items()}
    if as_json:
        echo_json([{**outcome.to_json(), "action": wanted.get(outcome.job or "")} for outcome in outcomes])
    else:
        for outcome in outcomes:
            typer.echo(f"{outcome.job}  {wanted.get(outcome.job or '')}  {plain(outcome.message)}")
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
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the command takes, if anything.")] = "",
    image: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A picture, for blend and describe; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give Midjourney another command, such as blend or describe.

    Some change the account, such as fast, relax and stealth; no prompt file can do that.
    """
    _tell([_ask(context, command, text, image or [])], as_json)


def info(context: typer.Context, as_json: Json = False) -> None:
    """Show the account's plan, its hours and its queue."""
    from mjwatch.midjourney.parsing.parsed_message import read_info

    found = _ask(context, "info", "", [])
    if as_json:
        echo_json(asdict(read_info(found.text or "")))
    else:
        text = _TIMESTAMP.sub(lambda found: local_time(float(found[1]))[:-3], found.text or "")
        typer.echo("\n".join(plain(line) for line in text.replace("*", "").split("\n")))


def _ask(context: typer.Context, command: str, text: str, images: list[Path]) -> Pictures:
    from mjwatch.api import MidjourneyAPI
    from mjwatch.cli.output import JobProgress

    api = MidjourneyAPI(context.obj)
    with JobProgress() as progress:
        return api.command(command, text, images, on_change=progress.update, on_trouble=progress.trouble)


def _tell(found: list[Pictures], as_json: bool) -> None:
    if as_json:
        echo_json([one.manifest | {"folder": str(one.folder)} for one in found])
        return
    for one in found:
        for picture in one.pictures:
            typer.echo(plain(picture))
        if one.text:
            typer.echo("\n".join(plain(line) for line in one.text.split("\n")))
