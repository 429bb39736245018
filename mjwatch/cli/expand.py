"""The verb ``expand``: what a prompt file would become, before anything is spent."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.output import Json, echo_json, local_time, plain
from mjwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.config import Config
    from mjwatch.model import Prompt
    from mjwatch.prompts.promptfile import PromptFile


def expand(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A prompt file, or one that may become one.")],
    as_json: Json = False,
) -> None:
    """Show the jobs that a prompt file would become; spends nothing.

    Wildcards, defaults and pictures are looked for as the inbox does: for a file in the inbox also in the
    folders above it.
    """
    from mjwatch.folders.preview import preview
    from mjwatch.sections import Pace

    config = _config(context.obj)
    max_jobs = (config.pace if config else Pace()).max_jobs_per_file
    found = preview(file, config.inbox.path if config else None, max_jobs)
    if as_json:
        echo_json(
            {
                "file": str(file),
                "jobs": found.jobs,
                "max_jobs": max_jobs,
                "prompts": [_as_json(prompt) for prompt in found.prompts],
                "warnings": list(found.warnings),
            }
        )
        return
    for line in lines_of(found):
        typer.echo(line)
    for warning in found.warnings:
        typer.echo(f"note: {plain(warning)}", err=True)


def _config(path: Path | None) -> Config | None:
    """The configuration; None where none was named and there is none, for this works without."""
    from mjwatch.config import Config, find_config

    try:
        source = find_config(path, os.environ)
    except ConfigError:
        if path is not None or os.environ.get("MJWATCH_CONFIG"):
            raise
        return None
    return Config.load(source)


def lines_of(found: PromptFile) -> Iterator[str]:
    """What a file becomes, for a terminal: the number of jobs, and each prompt with what belongs to it."""
    yield _summary(found)
    for number, prompt in enumerate(found.prompts, start=1):
        yield f"{number:>3}  {plain(prompt.text) or '(no words)'}"
        if more := "; ".join(_details(prompt)):
            yield f"     {plain(more)}"


def _summary(found: PromptFile) -> str:
    prompts, jobs = len(found.prompts), found.jobs
    if jobs > prompts:
        return f"{jobs} jobs, follow-ups counted"
    return f"{jobs} jobs" if jobs > 1 else "1 job"


def _details(prompt: Prompt) -> Iterator[str]:
    """What there is to say of a prompt beside its text."""
    if prompt.action:
        yield f"{prompt.action} of job {prompt.parent}"
    if prompt.command != "imagine":
        yield f"command {prompt.command}"
    if prompt.images:
        yield f"with {', '.join(prompt.images)}"
    if prompt.application:
        yield f"for {prompt.application}"
    if prompt.then:
        yield f"then {', '.join(prompt.then)}"
    if prompt.priority:
        yield f"priority {prompt.priority}"
    if prompt.not_before is not None:
        yield f"not before {local_time(prompt.not_before)}"
    if prompt.label:
        yield f"label {prompt.label}"


def _as_json(prompt: Prompt) -> dict[str, Any]:
    moment = prompt.not_before
    return {
        "prompt": prompt.text,
        "command": prompt.command,
        "action": prompt.action,
        "parent": prompt.parent,
        "images": list(prompt.images),
        "parameters": dict(prompt.parameters),
        "then": list(prompt.then),
        "label": prompt.label,
        "priority": prompt.priority,
        "not_before": None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(),
        "application": prompt.application,
    }
