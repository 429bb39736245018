"""The options of a slash command, checked against what the command was registered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import refusals
from .checking import objects
from .commands import ATTACHMENT, SUB_COMMAND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .commands import Command

OPTION_MAX = 6000

Options = tuple[tuple[str, object], ...]


def checked_options(given: object, command: Command, files: Mapping[str, str]) -> Options:
    """The options as (name, value); ``files`` are the CDN paths of uploads by id. Raises `ApiError`."""
    if not isinstance(given, list) or len(objects(given)) != len(given):
        raise refusals.not_a_list("data.options")
    known = {option.name: option.type for option in command.options}
    values: list[tuple[str, object]] = []
    for position, option in enumerate(given):
        path = f"data.options.{position}"
        kind = known.get(str(option.get("name")))
        if kind is None:
            raise refusals.bad_choice(f"{path}.name")
        values.append((option["name"], _checked_value(option.get("value"), kind, f"{path}.value", files)))
    _check_complete(command, values)
    return tuple(values)


def _check_complete(command: Command, values: list[tuple[str, object]]) -> None:
    given = {name for name, _ in values}
    for option in command.options:
        if option.required and option.type != SUB_COMMAND and option.name not in given:
            raise refusals.required(f"data.options.{len(values)}.value")


def _checked_value(value: object, kind: int, path: str, files: Mapping[str, str]) -> object:
    if kind == SUB_COMMAND:
        return ()
    if kind == ATTACHMENT:
        if isinstance(value, bool) or not isinstance(value, str | int) or str(value) not in files:
            raise refusals.required(path)
        return files[str(value)]
    if not isinstance(value, str) or not value.strip():
        raise refusals.required(path)
    if len(value) > OPTION_MAX:
        raise refusals.too_long(path, OPTION_MAX)
    return value
