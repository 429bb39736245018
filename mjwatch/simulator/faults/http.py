"""What faults make of POST /interactions: an answer in place of the true one, before or after it ran.

What faults make of REST requests but POST /interactions; `match` is looked for in `METHOD /path`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from mjwatch.simulator.http import errors
from mjwatch.simulator.http.errors import html_answer, refused, reset_connection

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from mjwatch.simulator.faults.registry import Faults


if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.simulator.faults.registry import Armed, Faults

    Spoiled = Callable[[Armed], web.Response]


def any_error(armed: Armed) -> web.Response:
    """An error of the fault's own making."""
    code, status = int(armed.number("code", 0)), int(armed.number("status", 400))
    return refused(errors.coded(status, code, armed.text("message", "Simulated error")))


def rate_limited(armed: Armed) -> web.Response:
    """429 with a scope."""
    return refused(errors.rate_limited(armed.number("retry_after", 0.2), armed.text("scope", "user")))


def not_ready(armed: Armed) -> web.Response:
    """202: ask again."""
    return refused(errors.not_ready(armed.number("retry_after", 0.2)))


def html(armed: Armed) -> web.Response:
    """A page of whatever stands before the API."""
    return html_answer(int(armed.number("status", 503)), "<html><body><h1>Not now</h1></body></html>")


_BEFORE: dict[str, Spoiled] = {
    "post_429_html": lambda _: html_answer(429, "error code: 1015"),
    "unauthorized": lambda _: refused(errors.unauthorized()),
    "captcha": lambda _: refused(errors.captcha()),
    "post_429": rate_limited,
    "post_429_ms": lambda armed: refused(errors.rate_limited_in_ms(armed.number("retry_after", 1))),
    "post_error": any_error,
    "post_202": not_ready,
    "post_html": html,
    "stale_version": lambda _: refused(errors.stale_version()),
    "post_500": lambda _: refused(errors.server_error()),
    "button_gone": lambda _: refused(errors.component_gone()),
    "message_gone": lambda _: refused(errors.unknown_message()),
}
_AFTER: dict[str, Spoiled] = {
    "post_500_executed": lambda _: refused(errors.server_error()),
    "post_429_executed": rate_limited,
    "post_html_executed": html,
}


def spoiled_before(faults: Faults, text: str) -> web.Response | None:
    """The answer in place of running the interaction, if a fault is armed for it."""
    return _first(_BEFORE, faults, text)


def spoiled_after(faults: Faults, text: str) -> web.Response | None:
    """The answer in place of 204, though the interaction ran."""
    return _first(_AFTER, faults, text)


def _first(table: dict[str, Spoiled], faults: Faults, text: str) -> web.Response | None:
    for name, spoiled in table.items():
        if armed := faults.take(name, text):
            return spoiled(armed)
    return None


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
