"""The keys of a TOML prompt file: what each may hold, and what is said where it holds something else."""

from __future__ import annotations

import re
from datetime import date, datetime, time, tzinfo
from typing import TYPE_CHECKING, Any

from mjwatch.errors import PromptFileError
from mjwatch.prompts import actions, images
from mjwatch.prompts.commands import COMMANDS
from mjwatch.prompts.compose import clean
from mjwatch.prompts.images import validate_link
from mjwatch.prompts.parameters import canonical, read_parameters
from mjwatch.prompts.request import PromptKeys
from mjwatch.settings.values import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.prompts.request import Parameters

KEYS = (
    *("prompt", "prompts", "images", "command", "repeat", "then", "priority", "not_before", "label"),
    *("application", "dimensions", "parent", "action", "parameters"),
)

_SETTINGS = frozenset({"settings", "fast", "relax", "turbo", "public", "private", "stealth", "prefer"})
_APPLICATIONS = ("niji", "midjourney")
_SHAPES = {"portrait": "2:3", "square": "1:1", "landscape": "3:2"}
_UTMOST_PRIORITY = 1_000_000
_FOLDER = re.compile(r"(?:.*-)?(?P<id>[a-z0-9]{8})(?:-\d{1,3})?", re.DOTALL)
"""A job's id, or the name of its folder; that has a number at its end where the name was taken."""


def read_keys(table: Mapping[str, Any], known: tuple[str, ...], zone: tzinfo | None) -> PromptKeys:
    """The keys of a table, checked one by one. Raises PromptFileError, with how the key should look.

    ``known`` are those that may stand there. A ``not_before`` that does not say in which zone it is meant is
    one in ``zone``; None: in that of this machine.
    """
    _check_names(table, known)
    found = {key: read(table[key]) for key, read in _READERS.items() if key in table}
    if "prompt" in table and "prompts" in table:
        raise PromptFileError("there are both prompt and prompts", "leave one of them out")
    if "prompt" in table:
        found["prompts"] = (_text("prompt", table["prompt"]),)
    if "action" in table:
        found["actions"] = _actions(table["action"])
    if "not_before" in table:
        found["not_before"] = _moment(table["not_before"], zone)
    return PromptKeys(**found, parameters=_parameters(table))


def _check_names(table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise PromptFileError(
                f"unknown key {shown(key)}{did_you_mean(key, known)}",
                "known are " + ", ".join(known) + "; Midjourney's own parameters go below [parameters]",
            )


def _prompts(value: object) -> tuple[str, ...]:
    prompts = _texts("prompts", value)
    if not prompts:
        raise PromptFileError("prompts is empty", 'it must be texts: prompts = ["a cat", "a dog"]')
    return prompts


def _images(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_image(address) for address in _texts("images", value)))


def _image(address: str) -> str:
    """The name of a local picture, or the address of one on the web."""
    if images.is_local(address):
        return images.check_name(address)
    try:
        return validate_link(address)
    except ValueError as error:
        raise PromptFileError(str(error), "give the picture's own address, https://…") from error


def _command(value: object) -> str:
    command = _text("command", value).strip().lower().removeprefix("/")
    if command.split(" ")[0] in _SETTINGS:
        raise PromptFileError(
            f"command = {shown(command)} is about the account's settings, and no file may change those",
            "whoever can write into a synced folder must not flip the account; for one job alone there are"
            " parameters such as relax = true",
        )
    if command not in COMMANDS:
        raise PromptFileError(
            f"there is no command {shown(value)}{did_you_mean(command, COMMANDS)}",
            "commands are " + ", ".join(COMMANDS),
        )
    return command


def _actions(value: object) -> tuple[str, ...]:
    names = actions.expand_then(_one_or_more("action", value))
    if not names:
        raise PromptFileError("action is empty", 'say what is to be done: action = "U1"')
    return names


def _then(value: object) -> tuple[str, ...]:
    return actions.expand_then(_one_or_more("then", value))


def _priority(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _UTMOST_PRIORITY:
        raise PromptFileError(
            f"priority is {shown(value)}, but must be a whole number",
            "priority = 5 is sent before the others, which have 0; below 0 is sent after them",
        )
    return value


def _moment(value: object, zone: tzinfo | None) -> float:
    """A TOML date, with or without a time of day and a zone, in seconds since 1970."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if not isinstance(value, datetime):
        raise PromptFileError(
            f"not_before is {shown(value)}, but must be a date, or date and time, without quotes",
            "not_before = 2026-12-01T22:00:00Z, or without the Z for this machine's own time",
        )
    if value.tzinfo is None and zone is not None:
        value = value.replace(tzinfo=zone)
    try:
        return value.timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise PromptFileError(
            f"not_before is {shown(value)}, which is too far away", "check the year"
        ) from error


def _label(value: object) -> str | None:
    return clean(_text("label", value)) or None


def _application(value: object) -> str:
    application = _text("application", value).strip().lower()
    if application not in _APPLICATIONS:
        raise PromptFileError(
            f"there is no application {shown(value)}{did_you_mean(application, _APPLICATIONS)}",
            'it is application = "niji" for the niji bot, or "midjourney"',
        )
    return application


def _dimensions(value: object) -> str:
    dimensions = _text("dimensions", value).strip().lower()
    if dimensions not in _SHAPES and dimensions not in _SHAPES.values():
        raise PromptFileError(
            f"dimensions is {shown(value)}", "it must be portrait (2:3), square (1:1) or landscape (3:2)"
        )
    return _SHAPES.get(dimensions, dimensions)


def _parent(value: object) -> str:
    """The id of a job, also out of the path of its folder or manifest, of which nothing else is believed."""
    path = _text("parent", value).strip().replace("\\", "/").rstrip("/").removesuffix("/manifest.json")
    found = _FOLDER.fullmatch(path.rpartition("/")[2])
    if found is None:
        raise PromptFileError(
            f"parent is {shown(value)}, which is no job",
            'give its id, or its folder in the outbox: parent = "7k3f9a2m" or "clients/cat-7k3f9a2m"',
        )
    return found["id"]


def _parameters(table: Mapping[str, Any]) -> Parameters:
    given = table.get("parameters", {})
    if not isinstance(given, dict):
        raise PromptFileError(
            f"parameters is {shown(given)}, but must be a table",
            'a line [parameters], then for example ar = "16:9"',
        )
    for key in given:
        if key in KEYS and key != "repeat":
            raise PromptFileError(
                f"{key} stands below [parameters] and so counts as one of Midjourney's parameters",
                f"move {key} above the line [parameters]",
            )
    read = read_parameters(given)
    if "repeat" not in table:
        return read
    if any(canonical(name) == "repeat" for name in read):
        raise PromptFileError("repeat stands above and below [parameters]", "leave one of them out")
    return {"repeat": _repeat(table["repeat"]), **read}


def _repeat(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PromptFileError(
            f"repeat is {shown(value)}, but must be a whole number from 1", "repeat = 2 makes two jobs"
        )
    return value


_READERS: Mapping[str, Callable[[object], Any]] = {
    "prompts": _prompts,
    "images": _images,
    "command": _command,
    "then": _then,
    "priority": _priority,
    "label": _label,
    "application": _application,
    "dimensions": _dimensions,
    "parent": _parent,
}


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise PromptFileError(f"{key} is {shown(value)}, but must be text in quotes", f'{key} = "…"')
    return value


def _texts(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise PromptFileError(
            f"{key} is {shown(value)}, but must be a list of texts in quotes", f'{key} = ["…", "…"]'
        )
    return tuple(value)


def _one_or_more(key: str, value: object) -> tuple[str, ...]:
    """A list of texts, or one text that is meant as a list of one."""
    return (value,) if isinstance(value, str) else _texts(key, value)
