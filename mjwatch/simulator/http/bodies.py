"""Request bodies: JSON itself, or a form whose `payload_json` is the JSON and whose `files[n]` are files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from aiohttp import web

from mjwatch.simulator.http import errors

_FILE = re.compile(r"files?(?:\[(\d{1,3})\])?")


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that came along in a form."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """What a request brought."""

    json: object
    files: dict[str, SentFile] = field(default_factory=dict)
    """By the id that the JSON's `attachments` name them by."""


async def read_body(request: web.Request) -> Body:
    """The request's body. Raises `ApiError` if it is no JSON."""
    files: dict[str, SentFile] = {}
    try:
        if request.content_type == "multipart/form-data":
            form = await request.post()
            for name, part in form.items():
                if isinstance(part, web.FileField) and (found := _FILE.fullmatch(name)):
                    files[found[1] or "0"] = SentFile(part.filename, part.file.read())
            payload = form.get("payload_json", "{}" if files else "")
            # A part with a content type of its own comes as bytes.
            text = payload if isinstance(payload, str | bytes | bytearray) else ""
        else:
            text = await request.text()
        body: object = json.loads(text)
        # A lone surrogate is an escape that JSON allows and no UTF-8 can carry back.
        json.dumps(body, ensure_ascii=False).encode()
    except ValueError:
        raise errors.coded(400, 50109, "The request body contains invalid JSON.") from None
    return Body(body, files)
