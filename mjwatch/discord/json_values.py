"""Read values from JSON of unknown shape: a value of the wrong type counts as absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Mapping

_EMPTY: dict[str, Any] = {}
_DIGITS = 20
"""Decimal digits of the largest number with 64 bits."""


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether this is a JSON object (parsers give string keys only)."""
    return isinstance(value, dict)


def object_of(value: object) -> Mapping[str, Any]:
    """Return the JSON object, or an empty one for any other value."""
    return value if is_object(value) else _EMPTY


def list_of(value: object) -> list[Any]:
    """Return the JSON array, or an empty one for any other value."""
    return value if isinstance(value, list) else []


def objects_of(value: object) -> list[Mapping[str, Any]]:
    """Return the objects in a JSON array, without its other elements."""
    return [element for element in list_of(value) if is_object(element)]


def text_of(value: object) -> str:
    """Return the string, or an empty one for any other value."""
    return value if isinstance(value, str) else ""


def id_of(value: object) -> str | None:
    """Return an id as a string, or None.

    Ids that were sent too small come back as numbers (discord-userdoccers).
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return _decimal(value)
    return value if isinstance(value, str) and value else None


def snowflake_of(value: object) -> str | None:
    """Return an id that can be compared with others, a decimal number of at most 64 bits, or None."""
    text = id_of(value) or ""
    return text if len(text) <= _DIGITS and text.isascii() and text.isdigit() else None


def number_of(value: object) -> int | None:
    """Return a whole number, or None; JSON's true and false are not numbers."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _decimal(value: int) -> str | None:
    """Return the digits, or None for a number of more than 64 bits.

    No id is longer, and Python refuses to print numbers of thousands of digits.
    """
    return str(value) if value.bit_length() <= 64 else None
