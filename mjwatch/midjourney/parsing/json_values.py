"""Values out of JSON for whose shape nobody vouches: what is of the wrong type counts as absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

_NOTHING: dict[str, Any] = {}
_DIGITS = 20
"""Decimal digits of the largest number with 64 bits."""


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether this is a JSON object (parsers give string keys only)."""
    return isinstance(value, Mapping)


def object_of(value: object) -> Mapping[str, Any]:
    """The JSON object itself, or an empty one."""
    return value if is_object(value) else _NOTHING


def list_of(value: object) -> list[Any]:
    """The JSON array itself, or an empty one."""
    return value if isinstance(value, list) else []


def objects_of(value: object) -> list[Mapping[str, Any]]:
    """The objects in a JSON array; its other elements are passed over."""
    return [element for element in list_of(value) if is_object(element)]


def text_of(value: object) -> str:
    """The string itself, or an empty one."""
    return value if isinstance(value, str) else ""


def id_of(value: object) -> str | None:
    """A snowflake as a string. Ids that were sent too small come back as numbers (discord-userdoccers)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return _decimal(value)
    return value if isinstance(value, str) and value else None


def snowflake_of(value: object) -> str | None:
    """An id that can be compared with others: a decimal number of 64 bits at most. None for any other."""
    text = id_of(value) or ""
    return text if len(text) <= _DIGITS and text.isascii() and text.isdigit() else None


def number_of(value: object) -> int | None:
    """A whole number, or None; JSON's true and false are none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _decimal(value: int) -> str | None:
    """No id has more than 64 bits, and Python refuses to print numbers of thousands of digits."""
    return str(value) if value.bit_length() <= 64 else None
