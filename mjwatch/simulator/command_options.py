"""The options of a slash command, checked against what the command was registered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator import refusals
from mjwatch.simulator.checking import objects
from mjwatch.simulator.command_table import ATTACHMENT, GROUP, SUB_COMMAND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mjwatch.simulator.command_table import Option
    from mjwatch.simulator.identity import Json

OPTION_MAX = 6000

Options = tuple[tuple[str, object], ...]


def checked_options(
    given: object, known: Sequence[Option], files: Mapping[str, str], where: str = "data.options"
) -> Options:
    """The options as (name, value); ``files`` are the CDN paths of uploads by id. Raises `ApiError`.

    The value of a sub-command is its own options, that of a group the sub-command within.
    """
    if not isinstance(given, list) or len(objects(given)) != len(given):
        raise refusals.not_a_list(where)
    by_name = {option.name: option for option in known}
    values: list[tuple[str, object]] = []
    for position, option in enumerate(given):
        path = f"{where}.{position}"
        meant = by_name.pop(str(option.get("name")), None)
        if meant is None:
            raise refusals.bad_choice(f"{path}.name")
        _check_type(option, meant, path)
        values.append((meant.name, _checked(option, meant, path, files)))
    if any(option.required and not _nests(option) for option in by_name.values()):
        raise refusals.required(f"{where}.{len(values)}.value")
    if len(values) != 1 and any(_nests(option) for option in known):
        raise refusals.bad_length(where, 1, 1)
    return tuple(values)


def _nests(option: Option) -> bool:
    return option.type in (SUB_COMMAND, GROUP)


def _check_type(option: Json, meant: Option, path: str) -> None:
    if option.get("type") is None:
        raise refusals.required(f"{path}.type")
    if option["type"] != meant.type or isinstance(option["type"], bool):
        raise refusals.bad_choice(f"{path}.type")


def _checked(option: Json, meant: Option, path: str, files: Mapping[str, str]) -> object:
    if _nests(meant):
        return checked_options(option.get("options", []), meant.options, files, f"{path}.options")
    value, path = option.get("value"), f"{path}.value"
    if meant.type == ATTACHMENT:
        if isinstance(value, bool) or not isinstance(value, str | int) or str(value) not in files:
            raise refusals.required(path)
        return files[str(value)]
    if not isinstance(value, str) or not value.strip():
        raise refusals.required(path)
    if len(value) > OPTION_MAX:
        raise refusals.too_long(path, OPTION_MAX)
    if meant.choices and value not in meant.choices:
        raise refusals.bad_choice(path)
    return value
