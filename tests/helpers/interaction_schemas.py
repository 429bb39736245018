"""JSON Schemas, written by hand, of the bodies that Discord accepts for POST /interactions.

Based on discord-userdoccers, "Receiving and responding" and "Application commands", and bodies that a browser
sent 2023-03 to 2026-06. ``additionalProperties`` is closed everywhere: a property that is not listed was
never seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mjwatch.midjourney.packets import Target

APP = "936929561302675456"
GUILD = Target("1402113344556677001", "5e55105e55105e55105e55105e551050", APP, "1402113344556670077")
DIRECT = Target("1402113344556677002", "5e55105e55105e55105e55105e551050", APP)
NONCE = "1402113344556600333"


@dataclass(frozen=True)
class Command:
    """A command as the command index contains it."""

    name: str
    id: str = "938956540159881230"
    version: str = "1402113344556671111"
    application_id: str = APP


def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object with these properties and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


def const(value: object) -> dict[str, Any]:
    return {"const": value}


def exactly(*items: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an array of only these."""
    if not items:
        return {"type": "array", "maxItems": 0}
    return {"type": "array", "prefixItems": list(items), "items": False, "minItems": len(items)}


SNOWFLAKE = {"type": "string", "pattern": "^[0-9]{15,20}$"}
UUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
URL = {"type": "string", "pattern": "^https?://[^ ]+$"}
TEXT = {"type": "string", "minLength": 1, "maxLength": 6000}


def string(name: str, value: dict[str, Any] | None = None) -> dict[str, Any]:
    return closed({"type": const(3), "name": const(name), "value": value or TEXT})


def file(name: str, position: int) -> dict[str, Any]:
    return closed({"type": const(11), "name": const(name), "value": const(position)})


def attachments(least: int, most: int) -> dict[str, Any]:
    attachment = {"id": {"enum": [str(n) for n in range(10)]}, "filename": TEXT, "uploaded_filename": TEXT}
    return {"type": "array", "items": closed(attachment), "minItems": least, "maxItems": most}


def _envelope(interaction: int, data: dict[str, Any], **more: dict[str, Any]) -> dict[str, Any]:
    return closed(
        {
            "type": const(interaction),
            "application_id": {"enum": [APP, "1022952195194359889"]},
            "channel_id": SNOWFLAKE,
            "session_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "nonce": {"type": "string", "pattern": "^[0-9]{15,20}$"},
            "data": data,
            **more,
        },
        {"guild_id": SNOWFLAKE},
    )


def _command(name: str, options: dict[str, Any], files: dict[str, Any]) -> dict[str, Any]:
    data = closed(
        {
            "version": SNOWFLAKE,
            "id": SNOWFLAKE,
            "name": const(name),
            "type": const(1),
            "options": options,
            "attachments": files,
        }
    )
    return _envelope(2, data)


def _sub(name: str, options: dict[str, Any]) -> dict[str, Any]:
    return exactly(closed({"type": const(1), "name": const(name), "options": options}))


_NONE = exactly()
_NO_FILES = attachments(0, 0)
_DIMENSIONS = string("dimensions", {"enum": ["--ar 2:3", "--ar 1:1", "--ar 3:2"]})
_BLENDS = [
    exactly(*(file(f"image{n + 1}", n) for n in range(count)), *shape)
    for count in range(2, 6)
    for shape in ((), (_DIMENSIONS,))
]

COMMANDS: dict[str, dict[str, Any]] = {
    "imagine": _command("imagine", exactly(string("prompt")), _NO_FILES),
    "shorten": _command("shorten", exactly(string("prompt")), _NO_FILES),
    "show": _command("show", exactly(string("job_id", UUID)), _NO_FILES),
    "blend": _command("blend", {"oneOf": _BLENDS}, attachments(2, 5)),
    "describe (link)": _command("describe", exactly(string("link", URL)), _NO_FILES),
    "describe (file)": _command("describe", exactly(file("image", 0)), attachments(1, 1)),
    "prefer suffix": _command(
        "prefer", _sub("suffix", {"anyOf": [_NONE, exactly(string("new_value"))]}), _NO_FILES
    ),
    **{
        f"prefer {name}": _command("prefer", _sub(name, _NONE), _NO_FILES)
        for name in ("remix", "variability")
    },
    **{
        name: _command(name, _NONE, _NO_FILES)
        for name in ("info", "settings", "fast", "relax", "turbo", "public", "stealth")
    },
}
"""Schemas by the name of the command of a job."""

BUTTON = _envelope(
    3,
    closed({"component_type": const(2), "custom_id": {"type": "string", "pattern": "^MJ::.{1,96}$"}}),
    message_id=SNOWFLAKE,
    message_flags={"type": "integer", "minimum": 0},
)
_INPUT = closed(
    {"type": const(4), "custom_id": TEXT, "value": {"type": "string", "minLength": 1, "maxLength": 4000}}
)
_ROW = closed({"type": const(1), "components": exactly(_INPUT)})
FORM = _envelope(
    5,
    closed(
        {
            "id": SNOWFLAKE,
            "custom_id": {"type": "string", "pattern": "^MJ::.{1,96}$"},
            "components": {"type": "array", "items": _ROW, "minItems": 1, "maxItems": 5},
        }
    ),
)
