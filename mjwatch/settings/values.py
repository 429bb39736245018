"""The kinds of settings: what a value in the configuration must be, how it is read and written as TOML."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import tomli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")

_HOST = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_USERINFO = re.compile(r"//[^/@]*@")
_DAY_SPAN = re.compile(r" *([0-9]|[01][0-9]|2[0-3]):([0-5][0-9]) *- *([0-9]|[01][0-9]|2[0-4]):([0-5][0-9]) *")
_MOST_SHOWN_TEXT = 60


@dataclass(frozen=True, slots=True)
class ValueKind:
    """A description of the valid values, and the function that reads a TOML value or raises ValueError.

    ``secret`` says that the value may be a secret, so no error shows it.
    """

    wanted: str
    read: Callable[[object], Any]
    secret: bool = False


def setting(default: T, kind: ValueKind, why: str, *, shown: bool = True) -> T:
    """Return a dataclass field for a setting; ``why`` is its line in the example file."""
    return field(default=default, metadata={"kind": kind, "why": why}, repr=shown)


def number(low: float, high: float) -> ValueKind:
    """Return the kind of a number from ``low`` to ``high``, which becomes a float."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError
        return float(value)

    return ValueKind(f"a number from {low:g} to {high:g}", read)


def whole(low: int, high: int) -> ValueKind:
    """Return the kind of a whole number from ``low`` to ``high``."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return ValueKind(f"a whole number from {low} to {high}", read)


def whole_or_none(low: int, high: int) -> ValueKind:
    """Return the kind of a whole number from ``low`` to ``high``; "" means none and becomes None."""
    number_kind = whole(low, high)

    def read(value: object) -> int | None:
        return None if value == "" else number_kind.read(value)

    return ValueKind(f'{number_kind.wanted}, or "" for none', read)


def day_spans() -> ValueKind:
    """Return the kind of one or more spans of the day, as ``("22:00-07:00", …)``."""

    def read(value: object) -> tuple[str, ...]:
        spans = [value] if isinstance(value, str) else value
        if not isinstance(spans, list):
            raise ValueError
        return tuple(map(_day_span, spans))

    return ValueKind('spans of the day such as "22:00-07:00" or ["22:00-07:00", "12:00-13:00"]', read)


def _day_span(value: object) -> str:
    match = _DAY_SPAN.fullmatch(_text(value))
    if match is None:
        raise ValueError
    start, end = (f"{int(hour):02}:{minute}" for hour, minute in (match.groups()[:2], match.groups()[2:]))
    if start == end or end > "24:00":
        raise ValueError
    return f"{start}-{end}"


def flag() -> ValueKind:
    """Return the kind of true or false."""

    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return ValueKind("true or false", read)


def choice(*words: str) -> ValueKind:
    """Return the kind of one of several words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError
        return value

    return ValueKind("one of " + ", ".join(f'"{word}"' for word in words), read)


def folder() -> ValueKind:
    """Return the kind of a folder's path, not yet absolute; config.py resolves it."""

    def read(value: object) -> Path:
        text = _text(value)
        if not text or (text.startswith("~") and text != "~" and not text.startswith("~/")):
            raise ValueError
        return Path(text)

    return ValueKind("a folder's path in quotes, absolute, from ~/ or relative to this file", read)


def folder_mode() -> ValueKind:
    """Return the kind of a mode for folders, in octal as chmod takes it, or ""; the owner has all rights."""

    def read(value: object) -> str:
        if value != "" and not re.fullmatch(r"0?7[0-7][0-7]", _text(value)):
            raise ValueError
        return str(value)

    return ValueKind('a mode in quotes from "0700" to "0777", or "" for the umask', read)


def group_name() -> ValueKind:
    """Return the kind of a group's name or number, or ""; whether the group exists is not checked."""

    def read(value: object) -> str:
        if value != "" and not re.fullmatch(r"\w[\w.-]*\$?", _text(value)):
            raise ValueError
        return str(value)

    return ValueKind('the name of a group in quotes, or "" for none', read)


def metrics_file() -> ValueKind:
    """Return the kind of a file's path, or "": the node exporter reads only names that end in .prom."""
    in_folder = folder()

    def read(value: object) -> str:
        if value != "" and in_folder.read(value).suffix != ".prom":
            raise ValueError
        return str(value)

    return ValueKind('a path in quotes that ends in .prom, or "" for none', read)


def address(*schemes: str, optional: bool = False) -> ValueKind:
    """Return the kind of a URL with a host and one of these schemes; "" is valid too if it is optional.

    A slash at the end is removed.
    """

    def read(value: object) -> str:
        text = _text(value).rstrip("/")
        if text or not optional:
            parts = urlsplit(text)
            if parts.scheme not in schemes or not parts.hostname or " " in text or parts.port == 0:
                raise ValueError
        return text

    starts = " or ".join(f"{scheme}://" for scheme in schemes)
    return ValueKind(f"an address that starts with {starts}" + (', or "" for none' if optional else ""), read)


def webhook() -> ValueKind:
    """Return the kind of an address for notifications, or "": https, or http on this machine.

    Such addresses often contain a key.
    """

    def read(value: object) -> str:
        text = _text(value)
        parts = urlsplit(text)
        if text and (parts.scheme not in {"https", "http"} or " " in text or "@" in parts.netloc):
            raise ValueError
        if text and not (parts.hostname and parts.port != 0):
            raise ValueError
        if parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
            raise ValueError
        return text

    wanted = 'an address that starts with https:// (http:// on this machine only), or "" for none'
    return ValueKind(wanted, read, secret=True)


def apprise_urls() -> ValueKind:
    """Return the kind of a list of Apprise's addresses, which contain passwords and keys."""

    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError
        urls = tuple(_text(item).strip() for item in value)
        if not all(is_apprise_url(url) for url in urls):
            raise ValueError
        return urls

    return ValueKind('a list of Apprise\'s addresses, such as ["ntfys://host/topic"]', read, secret=True)


def is_apprise_url(text: str) -> bool:
    """Return whether this may be an address for Apprise, which knows the schemes."""
    return re.fullmatch(r"[A-Za-z0-9]+://[\x21-\U0010ffff]+", text) is not None


def is_this_machine(host: str) -> bool:
    """Return whether a host is 127.0.0.0/8, ::1 or localhost."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def program() -> ValueKind:
    """Return the kind of a program and its arguments, as separate texts; an empty list means none."""

    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or any(not isinstance(item, str) or "\0" in item for item in value):
            raise ValueError
        if value and not value[0].strip():
            raise ValueError
        return tuple(value)

    return ValueKind('a program and its arguments such as ["notify-send", "mjwatch"], or [] for none', read)


def some_of(*words: str) -> ValueKind:
    """Return the kind of a list with any of these words."""

    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or any(item not in words for item in value):
            raise ValueError
        return tuple(value)

    return ValueKind("a list of some of " + ", ".join(f'"{word}"' for word in words), read)


def hosts() -> ValueKind:
    """Return the kind of a list of hosts, each ``host`` or ``host:port``, without scheme and path."""

    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError
        names = tuple(_text(item).lower() for item in value)
        if not all(_HOST.fullmatch(name) for name in names):
            raise ValueError
        return names

    return ValueKind('a list of host names such as ["cdn.example.org"], without https:// and path', read)


def discord_id() -> ValueKind:
    """Return the kind of a snowflake, in quotes or as a plain number; it becomes a string."""

    def read(value: object) -> str:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
        if not is_snowflake(text):
            raise ValueError
        return text

    return ValueKind("a Discord id: digits in quotes", read)


def is_snowflake(text: str) -> bool:
    """Return whether this can be a Discord id: plain digits that fit in 64 bits, not 0."""
    return text.isascii() and text.isdigit() and len(text) <= 20 and 0 < int(text) < 1 << 64


def parse_toml(text: str) -> dict[str, Any]:
    """Return TOML as a table. Raise ValueError with line, column and what is wrong there."""
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits
        raise ValueError("a number in it is too long") from error


_ESCAPE_OF_WINDOWS = re.compile(r'"[A-Za-z]:\\(?!\\)|"\\\\[A-Za-z]')
"""A Windows path in double quotes, where a backslash begins an escape: C:\\Users, or a network folder."""


def toml_hint(text: str) -> str:
    """Return what is probably to be changed in a text that is not valid TOML."""
    if _ESCAPE_OF_WINDOWS.search(text):
        return "put a path with backslashes in single quotes: 'C:\\Users\\me'"
    return "put text values in quotes"


def read_table(kind: type[T], table: Mapping[str, object]) -> tuple[T, list[str]]:
    """Return a section with the table's known keys, and a line for each value that is not valid."""
    values: dict[str, Any] = {}
    problems = []
    for key, value_kind in kinds(kind).items():
        if key in table:
            try:
                values[key] = value_kind.read(table[key])
            except ValueError:
                value = "not usable" if value_kind.secret else shown(table[key])
                problems.append(f"{key} is {value}, but must be {value_kind.wanted}")
    return kind(**values), problems


def kinds(section: type) -> dict[str, ValueKind]:
    """Return the kinds of a section's settings, by key."""
    return {entry.name: entry.metadata["kind"] for entry in fields(section)}


def render_table(name: str, section: type, values: Mapping[str, object]) -> str:
    """Return a section as TOML with comments; a key without a value is a comment with its default."""
    lines = [f"[{name}]"]
    for entry in fields(section):
        lines.append(f"# {entry.metadata['why']}")
        mark, value = ("", values[entry.name]) if entry.name in values else ("#", entry.default)
        lines.append(f"{mark}{entry.name} = {toml_value(value)}")
    return "\n".join(lines) + "\n"


def toml_value(value: object) -> str:
    """Return a setting's value as TOML."""
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def shown(value: object) -> str:
    """Return a value for an error message: short, escaped, and without the part before an @ in a URL."""
    if isinstance(value, dict):
        return "a table"
    text = _USERINFO.sub("//…@", json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _MOST_SHOWN_TEXT else text[: _MOST_SHOWN_TEXT - 1] + "…"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean …?)`` for a misspelt name, or "" if no known name is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _text(value: object) -> str:
    if not isinstance(value, str) or _CONTROL.search(value):
        raise ValueError
    return value
