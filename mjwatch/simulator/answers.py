"""HTTP answers as Discord's API gives them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from mjwatch.simulator.refusals import ApiError

VIA = {"Via": "1.1 simulator"}
"""Answers of the API itself carry Via; clients take its absence for Cloudflare's."""


def json_answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """JSON with a content type of exactly `application/json`: some clients compare for equality."""
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        content_type="application/json",
        headers={**VIA, **(headers or {})},
    )


def html_answer(status: int, page: str) -> web.Response:
    """A page that some machine before the API answers with: no JSON, and no Via."""
    return web.Response(status=status, text=page, content_type="text/html")


def empty_answer() -> web.Response:
    """204 without a body."""
    return web.Response(status=204, headers=VIA)


def refused(refusal: ApiError) -> web.Response:
    """The answer to a request that Discord refuses."""
    return json_answer(refusal.body, refusal.status, refusal.headers)


def reset_connection(request: web.Request) -> web.Response:
    """Reset the request's TCP connection; the answer returned is never seen."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
