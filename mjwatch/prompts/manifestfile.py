"""A manifest that is dropped into the inbox: its job once more, or a follow-up of it."""

from __future__ import annotations

import json
import re
from typing import Any

from mjwatch.errors import PromptFileError
from mjwatch.prompts.actions import canonical
from mjwatch.prompts.commands import COMMANDS
from mjwatch.prompts.parameters import read_parameters
from mjwatch.prompts.request import Wish
from mjwatch.settings.values import did_you_mean, shown

SCHEMA = "mjwatch/manifest/1"

_JOB = re.compile(r"[a-z0-9]{8}")


def read_manifest(text: str) -> Wish:
    """What a manifest asks for; its ``action``, where it has one, is done to its own ``job``.

    Believed are only ``job``, ``prompt.submitted``, ``parameters``, ``command`` and ``action``: whatever else
    it says may be forged, paths above all. Raises PromptFileError.
    """
    manifest = _read(text)
    if manifest.get("schema") != SCHEMA:
        raise PromptFileError(
            f"this is no manifest of mjwatch ({SCHEMA})",
            "of JSON only the manifest.json of an outbox folder is taken; prompts go into .txt or .toml",
        )
    action = manifest.get("action")
    return _again(manifest) if action is None else _follow_up(manifest, action)


def _follow_up(manifest: dict[str, Any], action: object) -> Wish:
    job = manifest.get("job")
    if not isinstance(action, str) or not isinstance(job, str) or not _JOB.fullmatch(job):
        raise PromptFileError(
            f"the manifest wants action {shown(action)} of job {shown(job)}",
            'it must be a follow-up such as "U1", and the id of a job',
        )
    return Wish("", "", action=canonical(action), parent=job)


def _again(manifest: dict[str, Any]) -> Wish:
    prompt, command = manifest.get("prompt"), manifest.get("command")
    text = prompt.get("submitted") if isinstance(prompt, dict) else None
    if not isinstance(text, str) or not isinstance(command, str):
        raise PromptFileError(
            "the manifest has no prompt.submitted or no command", "take it from the outbox again, unchanged"
        )
    if command not in COMMANDS:
        raise PromptFileError(
            f"the manifest has command {shown(command)}{did_you_mean(command, COMMANDS)}",
            "commands are " + ", ".join(COMMANDS),
        )
    if command == "blend" or (command == "describe" and not text):
        raise PromptFileError(
            f"a manifest does not hold the pictures that {command} needs",
            "drop the prompt file itself, with its pictures",
        )
    parameters = manifest.get("parameters")
    read = read_parameters(parameters) if isinstance(parameters, dict) else {}
    return Wish("", text, command=command, parameters=read, finished=True)


def _read(text: str) -> dict[str, Any]:
    """The JSON object that this is, or an empty one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
