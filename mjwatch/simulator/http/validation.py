"""Checks of request bodies: a slash command's options, ids, nonces and custom_ids, and reading the body.

Each check raises `ApiError` with the path of the wrong field. A body is JSON, or a form with the JSON in
`payload_json` and files in `files[n]`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from mjwatch.simulator.http import errors
from mjwatch.simulator.http.command_index import ATTACHMENT, GROUP, SUB_COMMAND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mjwatch.simulator.http.command_index import CommandOption
    from mjwatch.simulator.world import Json


OPTION_MAX = 6000

Options = tuple[tuple[str, object], ...]


def checked_options(
    given: object, known: Sequence[CommandOption], files: Mapping[str, str], where: str = "data.options"
) -> Options:
    """Return the options as (name, value); ``files`` are the CDN paths of uploads by id. Raise `ApiError`.

    The value of a sub-command is its options, the value of a group its sub-command.
    """
    if not isinstance(given, list) or len(objects(given)) != len(given):
        raise errors.not_a_list(where)
    by_name = {option.name: option for option in known}
    values: list[tuple[str, object]] = []
    for position, option in enumerate(given):
        path = f"{where}.{position}"
        meant = by_name.pop(str(option.get("name")), None)
        if meant is None:
            raise errors.bad_choice(f"{path}.name")
        _check_type(option, meant, path)
        values.append((meant.name, _checked(option, meant, path, files)))
    if any(option.required and not _has_options(option) for option in by_name.values()):
        raise errors.required(f"{where}.{len(values)}.value")
    if len(values) != 1 and any(_has_options(option) for option in known):
        raise errors.bad_length(where, 1, 1)
    return tuple(values)


def _has_options(option: CommandOption) -> bool:
    return option.type in (SUB_COMMAND, GROUP)


def _check_type(option: Json, meant: CommandOption, path: str) -> None:
    if option.get("type") is None:
        raise errors.required(f"{path}.type")
    if option["type"] != meant.type or isinstance(option["type"], bool):
        raise errors.bad_choice(f"{path}.type")


def _checked(option: Json, meant: CommandOption, path: str, files: Mapping[str, str]) -> object:
    if _has_options(meant):
        return checked_options(option.get("options", []), meant.options, files, f"{path}.options")
    value, path = option.get("value"), f"{path}.value"
    if meant.type == ATTACHMENT:
        if isinstance(value, bool) or not isinstance(value, str | int) or str(value) not in files:
            raise errors.required(path)
        return files[str(value)]
    if not isinstance(value, str) or not value.strip():
        raise errors.required(path)
    if len(value) > OPTION_MAX:
        raise errors.too_long(path, OPTION_MAX)
    if meant.choices and value not in meant.choices:
        raise errors.bad_choice(path)
    return value


NONCE_MAX = 25
SNOWFLAKE_MAX = 20
"""Digits."""
CUSTOM_ID_MAX = 100


def objects(value: object) -> list[Json]:
    """Return the objects in a value that should be a list of objects."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def check_nonce(nonce: object) -> None:
    """Raise `ApiError` unless the nonce is a string or an integer, and short."""
    if nonce is not None and (isinstance(nonce, bool) or not isinstance(nonce, str | int)):
        raise errors.invalid_form("nonce", "BASE_TYPE_BAD_TYPE", "Must be a string or an integer.")
    if len(str(nonce)) > NONCE_MAX:
        raise errors.too_long("nonce", NONCE_MAX)


def checked_snowflake(body: Json, name: str, prefix: str = "") -> str:
    """Return the id with this name, as text."""
    value = body.get(name)
    if value is None or value == "":
        raise errors.required(prefix + name)
    text = "" if isinstance(value, bool) or not isinstance(value, str | int) else str(value)
    if not (text.isascii() and text.isdecimal()) or len(text) > SNOWFLAKE_MAX:
        raise errors.not_a_snowflake(prefix + name, value)
    return text


def checked_custom_id(data: Json, path: str = "data.custom_id") -> str:
    """Return a component's or a modal's custom_id."""
    custom_id = data.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        raise errors.required(path)
    if len(custom_id) > CUSTOM_ID_MAX:
        raise errors.too_long(path, CUSTOM_ID_MAX)
    return custom_id


_FILE = re.compile(r"files?(?:\[(\d{1,3})\])?")


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file of a form."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """The content of a request."""

    json: object
    files: dict[str, SentFile] = field(default_factory=dict)
    """By the id that the JSON's `attachments` use."""


async def read_body(request: web.Request) -> Body:
    """Return the request's body. Raise `ApiError` if it is not JSON."""
    files: dict[str, SentFile] = {}
    try:
        if request.content_type == "multipart/form-data":
            form = await request.post()
            for name, part in form.items():
                if isinstance(part, web.FileField) and (found := _FILE.fullmatch(name)):
                    files[found[1] or "0"] = SentFile(part.filename, part.file.read())
            payload = form.get("payload_json", "{}" if files else "")
            # A part with its own content type arrives as bytes.
            text = payload if isinstance(payload, str | bytes | bytearray) else ""
        else:
            text = await request.text()
        body: object = json.loads(text)
        # JSON allows an escaped lone surrogate, which UTF-8 can't encode.
        json.dumps(body, ensure_ascii=False).encode()
    except ValueError:
        raise errors.coded(400, 50109, "The request body contains invalid JSON.") from None
    return Body(body, files)
