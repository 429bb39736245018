"""What faults make of REST requests but POST /interactions; `match` is looked for in `METHOD /path`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from mjwatch.simulator.answers import reset_connection
from mjwatch.simulator.post_faults import any_error, html, not_ready, rate_limited

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from mjwatch.simulator.faults import Faults

_ANSWERS = {"rest_error": any_error, "rest_429": rate_limited, "rest_202": not_ready, "rest_html": html}


def rest_faults(faults: Faults) -> Middleware:
    """The middleware that spoils answers."""

    @web.middleware
    async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/api/") or request.path.endswith("/interactions"):
            return await handler(request)
        text = f"{request.method} {request.path_qs}"
        for name, answer in _ANSWERS.items():
            if armed := faults.take(name, text):
                return answer(armed)
        if faults.take("rest_reset", text):
            return reset_connection(request)
        if armed := faults.take("rest_slow", text):
            await asyncio.sleep(armed.number("seconds", 1))
        return await handler(request)

    return spoil
