"""Small checks that request bodies share; each raises `ApiError` with the path of what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator import refusals

if TYPE_CHECKING:
    from mjwatch.simulator.identity import Json

NONCE_MAX = 25
SNOWFLAKE_MAX = 20
"""Digits."""
CUSTOM_ID_MAX = 100


def objects(value: object) -> list[Json]:
    """The objects in what should be a list of them."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def check_nonce(nonce: object) -> None:
    """A nonce is a string or an integer, and short."""
    if nonce is not None and (isinstance(nonce, bool) or not isinstance(nonce, str | int)):
        raise refusals.invalid_form("nonce", "BASE_TYPE_BAD_TYPE", "Must be a string or an integer.")
    if len(str(nonce)) > NONCE_MAX:
        raise refusals.too_long("nonce", NONCE_MAX)


def checked_snowflake(body: Json, name: str, prefix: str = "") -> str:
    """The id under this name, as text."""
    value = body.get(name)
    if value is None or value == "":
        raise refusals.required(prefix + name)
    text = "" if isinstance(value, bool) or not isinstance(value, str | int) else str(value)
    if not (text.isascii() and text.isdecimal()) or len(text) > SNOWFLAKE_MAX:
        raise refusals.not_a_snowflake(prefix + name, value)
    return text


def checked_custom_id(data: Json, path: str = "data.custom_id") -> str:
    """A component's or a modal's custom_id."""
    custom_id = data.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        raise refusals.required(path)
    if len(custom_id) > CUSTOM_ID_MAX:
        raise refusals.too_long(path, CUSTOM_ID_MAX)
    return custom_id
