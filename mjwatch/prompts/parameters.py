"""Midjourney's parameters: found in a prompt's text, read from a table, and checked for mistakes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.prompts.source_text import not_meant
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mjwatch.model import ParameterValue

MAY_HOLD_PARAMETERS = re.compile("--|[\N{EM DASH}\N{EN DASH}]")
"""Found in every text that has parameters, or begins one with a wrong dash."""

_IN_TEXT = re.compile(r"(?<!\S)(?:--|—)(?P<name>[A-Za-z][\w-]*)(?P<value>(?:\s+(?!(?:--|—)[A-Za-z])\S+)*)")
"""A parameter with its value; the bot reads an em dash as two hyphens (recorded by several clients)."""
_EN_DASH = re.compile("(?<!\\S)\N{EN DASH}+(?P<name>[A-Za-z][\\w-]*)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_RATIO = re.compile(r"[1-9]\d*:[1-9]\d*")

_TAKES_ONE_VALUE = frozenset(
    ("ar", "chaos", "iw", "niji", "quality", "seed", "stop", "stylize", "style", "version", "weird")
)

_ALIASES = {
    "aspect": "ar",
    "c": "chaos",
    "p": "profile",
    "q": "quality",
    "r": "repeat",
    "s": "stylize",
    "v": "version",
    "w": "weird",
}
_RANGES: Mapping[str, tuple[float, float]] = {
    "chaos": (0, 100),
    "iw": (0, 3),
    "stylize": (0, 1000),
    "weird": (0, 3000),
}
_QUALITIES = ("0.25", ".25", "0.5", ".5", "1", "2", "4")

COMMON: Mapping[str, str] = {
    "ar": "width to height, 16:9",
    "chaos": "how different the four pictures are, 0 to 100",
    "draft": "faster and cheaper",
    "exp": "experimental looks, 0 to 100",
    "iw": "weight of the image prompts, 0 to 3",
    "niji": "the anime model, and its version",
    "no": "what should not be in the picture",
    "oref": "a link to a picture of a person or a thing",
    "ow": "weight of --oref",
    "p": "your own taste, or a code",
    "q": "quality: 0.25, 0.5, 1, 2 or 4",
    "raw": "less of Midjourney's own taste",
    "repeat": "how many jobs to make",
    "seed": "a number to start from",
    "sref": "a link or code for a style",
    "stop": "stop at this percentage",
    "style": "for example raw",
    "stylize": "0 to 1000",
    "sv": "version of the style reference",
    "sw": "weight of --sref, 0 to 1000",
    "tile": "a pattern that repeats",
    "v": "version of the model",
    "weird": "0 to 3000",
}
"""Parameters that the shell completes, each with what it takes. Any other is sent all the same."""


def canonical(name: str) -> str:
    """Return the canonical name of a parameter, in lower case."""
    return _ALIASES.get(name.lower(), name.lower())


def found_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield each parameter in a prompt's text, in order: its canonical name and its value ("" for a flag)."""
    for match in _IN_TEXT.finditer(text):
        yield canonical(match["name"]), match["value"].strip()


def check_are_given_once(text: str) -> None:
    """Raise PromptFileError if a parameter is there again after further words: these are several prompts."""
    followed: set[str] = set()
    for match in _IN_TEXT.finditer(text):
        name = canonical(match["name"])
        if name in followed:
            raise not_meant(
                f"--{match['name']} is given twice, with words between, so the text is several prompts",
                "put each prompt on a line of its own in a .list.txt file",
            )
        if name in _TAKES_ONE_VALUE and len(match["value"].split()) > 1:
            followed.add(name)


def remove_parameter(text: str, name: str) -> tuple[str, list[str]]:
    """Return the text without the parameter of this canonical name, and the values that it had."""
    values = [value for found, value in found_in(text) if found == name]
    rest = _IN_TEXT.sub(lambda match: "" if canonical(match["name"]) == name else match[0], text)
    return (" ".join(rest.split()), values) if values else (text, values)


def read_parameters(table: Mapping[str, object]) -> dict[str, ParameterValue]:
    """Return a ``[parameters]`` table, its values checked and its lists joined. Raises PromptFileError."""
    read: dict[str, ParameterValue] = {}
    seen: dict[str, str] = {}
    for name, value in table.items():
        if not _NAME.fullmatch(name):
            raise PromptFileError(
                f"{shown(name)} is not the name of a parameter", 'write it without hyphens: ar = "16:9"'
            )
        other = seen.setdefault(canonical(name), name)
        if other != name:
            raise PromptFileError(f"{other} and {name} are the same parameter", "remove one of them")
        read[name] = _value(name, value)
    return read


def render(parameters: Mapping[str, ParameterValue]) -> str:
    """Return parameters as Midjourney reads them: ``--ar 16:9 --tile``; a false one is left out."""
    parts = [
        f"--{name}" if value is True else f"--{name} {_number(value) if isinstance(value, float) else value}"
        for name, value in parameters.items()
        if value is not False
    ]
    return " ".join(parts)


def find_mistakes(text: str) -> list[str]:
    """Return a line for each parameter that Midjourney will probably refuse; unknown parameters pass."""
    lines = [
        f"{match[0]} begins with a long dash, so Midjourney does not read it as a parameter:"
        f" write --{match['name']}"
        for match in _EN_DASH.finditer(text)
    ]
    for name, value in found_in(text):
        expected = _expected_value(name, value)
        if expected:
            lines.append(f"--{name} {value}: Midjourney takes {expected}")
    return lines


def _expected_value(name: str, value: str) -> str | None:
    """Return what a known parameter takes, if its value is something else."""
    if name in _RANGES:
        low, high = _RANGES[name]
        return None if _within(value, low, high) else f"a number from {low:g} to {high:g}"
    if name == "ar":
        return None if _RATIO.fullmatch(value) else "two whole numbers such as 16:9"
    if name == "quality":
        return None if value in _QUALITIES else "0.25, 0.5, 1, 2 or 4"
    return None


def _within(value: str, low: float, high: float) -> bool:
    try:
        return low <= float(value) <= high
    except ValueError:
        return False


def _value(name: str, value: object) -> ParameterValue:
    if isinstance(value, list):
        if not value or any(isinstance(item, bool | list) for item in value):
            raise _wrong_type(name, value)
        # Midjourney separates the things that it must not draw by commas, and all other lists by blanks.
        return (", " if name == "no" else " ").join(str(_scalar(name, item)) for item in value)
    return _scalar(name, value)


def _scalar(name: str, value: object) -> ParameterValue:
    if isinstance(value, str):
        text = " ".join(value.split())
        if not text:
            raise PromptFileError(
                f"the parameter {name} is empty", f"write {name} = true if it takes no value"
            )
        if _IN_TEXT.search(text):
            raise PromptFileError(
                f"the value of {name} holds another parameter: {shown(text)}",
                "write each on a line of its own",
            )
        return text
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise _wrong_type(name, value)


def _wrong_type(name: str, value: object) -> PromptFileError:
    example = '"16:9"' if canonical(name) == "ar" else '"…"'
    return PromptFileError(
        f"the parameter {name} is {shown(value)}, but must be text, a number, true, false or a list",
        f"for example {name} = {example}",
    )


def _number(value: float) -> str:
    """Return a float without an exponent, as people write it."""
    text = repr(value)
    return f"{value:.10f}".rstrip("0").rstrip(".") if "e" in text else text
