"""TOML prompt files and ``_defaults.toml``: tables parsed, each key checked, and one request for each prompt.

The keys of ``_defaults.toml`` apply to all prompt files of its folder, and give way to a file's own keys.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, time, tzinfo
from typing import TYPE_CHECKING, Any

from mjwatch.errors import PromptFileError
from mjwatch.prompts.actions import expand_then
from mjwatch.prompts.commands import COMMANDS, file_commands, slash_name
from mjwatch.prompts.compose import JobCount, clean
from mjwatch.prompts.images import check_name, is_local, validate_link
from mjwatch.prompts.parameters import canonical, read_parameters
from mjwatch.prompts.request import PromptKeys, make_request
from mjwatch.prompts.source_text import decode, located
from mjwatch.prompts.structure import is_json
from mjwatch.settings.values import did_you_mean, parse_toml, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mjwatch.prompts.request import Parameters, PromptRequest

KEYS = (
    *("prompt", "prompts", "images", "command", "repeat", "then", "priority", "not_before", "label"),
    *("application", "dimensions", "parent", "action", "force", "parameters"),
)
"""The keys of a prompt file."""

DEFAULT_KEYS = ("parameters", "repeat", "then", "priority", "label", "application")
"""The keys of ``_defaults.toml``. Prompts, pictures, commands, times and parents belong in a prompt file."""

_APPLICATIONS = ("niji", "midjourney")
_RATIOS = {"portrait": "2:3", "square": "1:1", "landscape": "3:2"}
_MAX_PRIORITY = 1_000_000
_FOLDER = re.compile(r"(?:.*-)?(?P<id>[a-z0-9]{8})(?:-\d{1,3})?", re.DOTALL)
"""A job's id, or the name of its folder, which has a number at the end if the name was taken."""

_MOST_KEY_PARTS = 50
_LONG_KEY = re.compile(
    rf"""(?<![\w.-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{_MOST_KEY_PARTS}}}"""
)
"""A dotted key for which the work of older parsers grows with the square of its length."""

_LINE = re.compile(r"line (\d+), ")
_CURLY_QUOTES = re.compile("[\u201c\u201d\u201e\u2018\u2019]")
_CAPITALIZED = re.compile(r"=\s*(True|False)\b")

_HINTS = (
    ("Unescaped", "in double quotes write a backslash as \\\\; in single quotes it needs no change"),
    ("Illegal character", 'close the quotes on the same line, or use """ around a text of several lines'),
    ("Unterminated", "close the quotes"),
    ("Expected \"'", "close the quotes"),
    (
        "invalid character '\\n'",
        "close the quotes on the same line, or use ''' around a text of several lines",
    ),
    ("Cannot", "a key or a table is there twice: remove one; several jobs are [[jobs]] tables"),
    ("Expected '='", 'each line is key = value; put a prompt without keys into a file that ends in ".txt"'),
    ("Unclosed array", "close the list with ]"),
    ("Expected ']", "close the brackets of the table's name"),
    ("nested", "nothing in a prompt file is nested that deeply"),
)
_OTHER_HINT = 'put text values in quotes, such as prompt = "a cat" and ar = "16:9"'


def parse(text: str) -> dict[str, Any]:
    """Return the table of a TOML text. Raises PromptFileError with line and column."""
    if long_key := _LONG_KEY.search(text):
        line = text.count("\n", 0, long_key.start()) + 1
        raise PromptFileError(
            f"line {line}: a key of more than {_MOST_KEY_PARTS} parts is nested too deeply",
            "nothing in a prompt file is nested that deeply",
        )
    try:
        return parse_toml(text)
    except ValueError as error:
        raise PromptFileError(f"not valid TOML: {error}", _hint_for(str(error), text)) from error


def _hint_for(message: str, text: str) -> str:
    """Return the advice for a parser's message about this text; it begins with ``line 3, column 8: ``."""
    position = _LINE.match(message)
    lines = text.split("\n")
    line = lines[int(position[1]) - 1] if position and int(position[1]) <= len(lines) else ""
    if _CURLY_QUOTES.search(line):
        return 'put texts between straight quotes: "…"'
    if _CAPITALIZED.search(line):
        return "write true and false in lower case"
    return next((hint for part, hint in _HINTS if part in message), _OTHER_HINT)


def read_defaults(files: Iterable[tuple[str, bytes]]) -> PromptKeys:
    """Return the keys of these files, by path and content, the outermost first: the nearer file wins.

    Raises PromptFileError, which names the file.
    """
    found = PromptKeys()
    for path, data in files:
        try:
            found = read_keys(parse(decode(data)), DEFAULT_KEYS, None).with_defaults(found)
        except PromptFileError as error:
            raise located(error, path) from error
    return found


def read_requests(
    document: Mapping[str, Any], folder: PromptKeys, max_jobs: int, zone: tzinfo | None = None
) -> list[PromptRequest]:
    """Return a request for every prompt of the file, in order; ``folder`` are its folder's defaults.

    Raises PromptFileError, also for more than ``max_jobs``.
    """
    tables = list(_tables(document, zone))
    JobCount(max_jobs).check_more(
        sum(
            len(own.prompts or top.prompts or (1,)) * len(own.actions or top.actions or (1,))
            for _, own, top in tables
        )
    )
    return [request for where, own, top in tables for request in _requests(where, own, top, folder)]


def _tables(document: Mapping[str, Any], zone: tzinfo | None) -> Iterator[tuple[str, PromptKeys, PromptKeys]]:
    """Yield each table that makes jobs: its name, its own keys, and those above it."""
    jobs = document.get("jobs")
    rest = {key: value for key, value in document.items() if key != "jobs"}
    top = _read("", rest, (*KEYS, "jobs"), zone)
    if jobs is None:
        yield "", top, PromptKeys()
        return
    if not (isinstance(jobs, list) and jobs and all(isinstance(job, dict) for job in jobs)):
        raise PromptFileError(
            f"jobs is {shown(jobs)}, but must be tables", "begin each job with a line [[jobs]]"
        )
    for number, job in enumerate(jobs, start=1):
        yield f"job {number}", _read(f"job {number}", job, KEYS, zone), top


def _read(where: str, table: Mapping[str, Any], known: tuple[str, ...], zone: tzinfo | None) -> PromptKeys:
    try:
        return read_keys(table, known, zone)
    except PromptFileError as error:
        raise located(error, where) from error


def _requests(where: str, own: PromptKeys, top: PromptKeys, folder: PromptKeys) -> Iterator[PromptRequest]:
    prompts: tuple[str | None, ...] = own.prompts or top.prompts or (None,)
    for number, text in enumerate(prompts, start=1):
        position = ", ".join(filter(None, (where, f"prompt {number}" if len(prompts) > 1 else "")))
        for action in own.actions or top.actions or (None,):
            try:
                request = make_request(position, text, folder, own, top, action)
                # In quotes, a JSON document is meant as the prompt.
                yield replace(request, force=True) if is_json(request.text) else request
            except PromptFileError as error:
                raise located(error, position) from error


def read_keys(table: Mapping[str, Any], known: tuple[str, ...], zone: tzinfo | None) -> PromptKeys:
    """Return the keys of a table, each checked. Raises PromptFileError, with what the key should look like.

    ``known`` are the allowed keys. A ``not_before`` that names no time zone is in ``zone``; None is the zone
    of this machine.
    """
    for key in table:
        if key not in known:
            raise PromptFileError(
                f"unknown key {shown(key)}{did_you_mean(key, known)}",
                "known keys are " + ", ".join(known) + "; put Midjourney's own parameters below [parameters]",
            )
    found = {key: read(table[key]) for key, read in _READERS.items() if key in table}
    if "prompt" in table and "prompts" in table:
        raise PromptFileError("there are both prompt and prompts", "remove one of them")
    if "prompt" in table:
        found["prompts"] = (_text("prompt", table["prompt"]),)
    if "action" in table:
        found["actions"] = _actions(table["action"])
    if "not_before" in table:
        found["not_before"] = _moment(table["not_before"], zone)
    return PromptKeys(**found, parameters=_parameters(table))


def _prompts(value: object) -> tuple[str, ...]:
    prompts = _texts("prompts", value)
    if not prompts:
        raise PromptFileError("prompts is empty", 'write prompts = ["a cat", "a dog"]')
    return prompts


def _images(value: object) -> tuple[str, ...]:
    return tuple(_image(address) for address in _texts("images", value))


def _image(address: str) -> str:
    """Return the name of a local picture, or the address of one on the web."""
    if is_local(address):
        return check_name(address)
    try:
        return validate_link(address)
    except ValueError as error:
        raise PromptFileError(str(error), "give the address of the picture itself, https://…") from error


def _command(value: object) -> str:
    command = _text("command", value).strip().lower().removeprefix("/")
    commands = file_commands()
    if command in commands:
        return command
    account_commands = {slash_name(name) for name in COMMANDS if name not in commands}
    if slash_name(command) in account_commands | {"private"}:  # an older name of stealth
        raise PromptFileError(
            f"command = {shown(command)} changes the account's settings, which no prompt file may do",
            "anyone who can write into a synced folder could change the account; for a single job there are"
            " parameters such as relax = true",
        )
    raise PromptFileError(
        f"there is no command {shown(value)}{did_you_mean(command, commands)}",
        "commands are " + ", ".join(commands),
    )


def _actions(value: object) -> tuple[str, ...]:
    names = expand_then(_text_or_texts("action", value))
    if not names:
        raise PromptFileError("action is empty", 'say what to do: action = "U1"')
    return names


def _then(value: object) -> tuple[str, ...]:
    return expand_then(_text_or_texts("then", value))


def _priority(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_PRIORITY:
        raise PromptFileError(
            f"priority is {shown(value)}, but must be a whole number",
            "priority = 5 is sent before the others, which have 0; a priority below 0 is sent after them",
        )
    return value


def _moment(value: object, zone: tzinfo | None) -> float:
    """Return a TOML date, with or without a time of day and a zone, in seconds since 1970."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if not isinstance(value, datetime):
        raise PromptFileError(
            f"not_before is {shown(value)}, but must be a date, or date and time, without quotes",
            "not_before = 2026-12-01T22:00:00Z, or without the Z for this machine's time zone",
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
            'write application = "niji" for the niji bot, or "midjourney"',
        )
    return application


def _dimensions(value: object) -> str:
    dimensions = _text("dimensions", value).strip().lower()
    if dimensions not in _RATIOS and dimensions not in _RATIOS.values():
        raise PromptFileError(
            f"dimensions is {shown(value)}", "write portrait (2:3), square (1:1) or landscape (3:2)"
        )
    return _RATIOS.get(dimensions, dimensions)


def _parent(value: object) -> str:
    """Return the id of a job, also from the path of its folder or manifest; no more of the path is used."""
    path = _text("parent", value).strip().replace("\\", "/").rstrip("/").removesuffix("/manifest.json")
    found = _FOLDER.fullmatch(path.rpartition("/")[2])
    if found is None:
        raise PromptFileError(
            f"parent is {shown(value)}, which is not a job",
            'give the job\'s id, or its folder in the outbox: parent = "7k3f9a2m" or "clients/cat-7k3f9a2m"',
        )
    return found["id"]


def _parameters(table: Mapping[str, Any]) -> Parameters:
    given = table.get("parameters", {})
    if not isinstance(given, dict):
        raise PromptFileError(
            f"parameters is {shown(given)}, but must be a table",
            'write a line [parameters], then for example ar = "16:9"',
        )
    for key in given:
        if key in KEYS and key != "repeat":
            raise PromptFileError(
                f"{key} is below [parameters], so it counts as one of Midjourney's parameters",
                f"move {key} above the line [parameters]",
            )
    read = read_parameters(given)
    if "repeat" not in table:
        return read
    if any(canonical(name) == "repeat" for name in read):
        raise PromptFileError("repeat is given both above and below [parameters]", "remove one of them")
    return {"repeat": _repeat(table["repeat"]), **read}


def _repeat(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PromptFileError(
            f"repeat is {shown(value)}, but must be a whole number from 1", "repeat = 2 makes two jobs"
        )
    return value


def _force(value: object) -> bool:
    if not isinstance(value, bool):
        raise PromptFileError(f"force is {shown(value)}, but must be true or false", "force = true")
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
    "force": _force,
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


def _text_or_texts(key: str, value: object) -> tuple[str, ...]:
    """Return a list of texts; a single text is a list of one."""
    return (value,) if isinstance(value, str) else _texts(key, value)
