"""The command ``expand``: which jobs a prompt file would become."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mjwatch.cli.output import Json, echo_json, local_time, plain
from mjwatch.cli.submit import Force, echo_notes
from mjwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.config import Config
    from mjwatch.model import Prompt
    from mjwatch.prompts.promptfile import PromptFile


def expand(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A prompt file, or a draft of one.")],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Show which jobs a prompt file would become; nothing is sent.

    Looks for wildcards, defaults and pictures as the inbox does: for a file in the inbox also in the folders
    above it.
    """
    from mjwatch.inbox.references import preview
    from mjwatch.settings.sections import PaceSettings

    config = _config_if_any(context.obj)
    max_jobs = (config.pace if config else PaceSettings()).max_jobs_per_file
    found = preview(file, config.inbox.path if config else None, max_jobs, force=force)
    if as_json:
        echo_json(
            {
                "file": str(file),
                "jobs": found.jobs,
                "max_jobs": max_jobs,
                "prompts": [_prompt_to_json(prompt) for prompt in found.prompts],
                "warnings": list(found.warnings),
            }
        )
        return
    for line in preview_lines(found):
        typer.echo(line)
    echo_notes(found.warnings)


def _config_if_any(path: Path | None) -> Config | None:
    """Return the configuration, or None where none was named and there is none: it is not needed here."""
    from mjwatch.config import Config, find_config

    try:
        source = find_config(path, os.environ)
    except ConfigError:
        if path is not None or os.environ.get("MJWATCH_CONFIG"):
            raise
        return None
    return Config.load(source)


def preview_lines(found: PromptFile) -> Iterator[str]:
    """Yield what a file becomes: the number of jobs, and each prompt with its details."""
    prompts, jobs = len(found.prompts), found.jobs
    if jobs > prompts:
        yield f"{jobs} jobs, including follow-ups"
    else:
        yield f"{jobs} jobs" if jobs > 1 else "1 job"
    for number, prompt in enumerate(found.prompts, start=1):
        yield f"{number:>3}  {plain(prompt.text) or '(no text)'}"
        if details := "; ".join(_details(prompt)):
            yield f"     {plain(details)}"


def _details(prompt: Prompt) -> Iterator[str]:
    """Yield what a prompt has beside its text."""
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


def _prompt_to_json(prompt: Prompt) -> dict[str, Any]:
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
